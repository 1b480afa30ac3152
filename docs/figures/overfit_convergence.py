"""The picture that six nets make of the word, from the start to 1,000 steps."""

import matplotlib.pyplot as plt
import torch
from matplotlib.colors import LinearSegmentedColormap
from torch.nn.functional import cross_entropy

import refnet
from refnet import plots

H, W = 60, 200
STEPS = (0, 25, 50, 200, 1000)
RUNS = (
    ("ReLU\n$(y, x)$", "relu", 0, False),
    ("ReLU\n$[-1, 1]$", "relu", 1, False),
    ("tanh\n$[-1, 1]$", "tanh", 1, False),
    ("cos\n$[-1, 1]$", "cos", 1, False),
    ("cos\n$[-3, 3]$", "cos", 3, False),
    ("BN, ReLU\n$(y, x)$", "relu", 0, True),
)


def pictures(pixels, activation, r, batch_norm):
    refnet.seed_everything(0)
    net = refnet.overfit_net(activation, batch_norm)
    scale = refnet.Rescale((H, W), -r, r) if r else torch.Tensor.float
    grid = scale(pixels.grid()[0])
    optimizer = torch.optim.Adam(net.parameters(), lr=0.003)
    for step, (x, y) in zip(range(STEPS[-1] + 1), pixels.batches(256, seed=0), strict=False):
        if step in STEPS:
            yield plots.prediction_picture(net, grid, H, W)
        loss = cross_entropy(net(scale(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def draw():
    pixels = refnet.ImagePixels(refnet.draw_text("OVERFIT", height=H, width=W))
    colours = LinearSegmentedColormap.from_list("", ["C0", "white", "C1"])
    figure, axes = plt.subplots(6, 5, figsize=(8.4, 3.7), layout="constrained")
    for row, (name, *settings) in zip(axes, RUNS, strict=True):
        for axis, picture in zip(row, pictures(pixels, *settings), strict=True):
            axis.imshow(picture, cmap=colours, vmin=0, vmax=255, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.grid(visible=False)
            axis.spines[:].set_visible(False)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    for axis, step in zip(axes[0], STEPS, strict=True):
        axis.set_title(f"{step}", fontsize=11)
    return figure
