"""The error of low, middle and high frequencies while two nets learn the word."""

import matplotlib.pyplot as plt
import torch
from torch.nn.functional import cross_entropy

import refnet
from refnet import plots

H, W, STEPS, EVERY = 60, 200, 1000, 25
BANDS = ((0, 4, "fewer than 4 waves"), (4, 12, "4 to 12 waves"), (12, 30, "12 to 30 waves"))


def errors(pixels, activation, r):
    truth = pixels.labels.float()
    waves = (torch.fft.fftfreq(H)[:, None] ** 2 + torch.fft.fftfreq(W) ** 2).sqrt() * W
    refnet.seed_everything(0)
    net = refnet.overfit_net(activation)
    scale = refnet.Rescale((H, W), -r, r)
    grid = scale(pixels.grid()[0])
    optimizer = torch.optim.Adam(net.parameters(), lr=0.003)
    rows = []
    for step, (x, y) in zip(range(STEPS + 1), pixels.batches(256, seed=0), strict=False):
        if step % EVERY == 0:
            frame = torch.tensor(plots.prediction_picture(net, grid, H, W)) / 255
            wrong, right = (torch.fft.fft2(a).abs() ** 2 for a in (frame - truth, truth))
            inside = [(waves > a) & (waves < b) for a, b, _ in BANDS]
            rows.append([(wrong[band].sum() / right[band].sum()).sqrt() for band in inside])
        loss = cross_entropy(net(scale(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return torch.tensor(rows)


def draw():
    pixels = refnet.ImagePixels(refnet.draw_text("OVERFIT", height=H, width=W))
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.0), sharey=True, layout="constrained")
    for axis, name, activation, r in zip(
        axes, ("ReLU, $[-1, 1]$", "cos, $[-3, 3]$"), ("relu", "cos"), (1, 3), strict=True
    ):
        curves = errors(pixels, activation, r)
        for curve, (_, _, label) in zip(curves.T, BANDS, strict=True):
            axis.plot(range(0, STEPS + 1, EVERY), curve, label=label)
        axis.set(title=name, xlabel="step", ylim=(0, 1.1))
    axes[0].set_ylabel("error")
    axes[1].legend(fontsize=9)
    return figure
