"""The loss of the OVERFIT net: pixel coordinates, the same with BatchNorm, and rescaled ones."""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn.functional import cross_entropy

import refnet

STEPS, SEEDS, WINDOW = 300, 3, 10


def losses(pixels, batch_norm, scale, lr, seed):
    refnet.seed_everything(seed)
    net = refnet.overfit_net(batch_norm=batch_norm)
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    values = []
    for _, (x, y) in zip(range(STEPS), pixels.batches(256, seed=seed), strict=False):
        loss = cross_entropy(net(scale(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    return np.reshape(values, (-1, WINDOW)).mean(axis=1)  # one point for each ten steps


def draw():
    pixels = refnet.ImagePixels(refnet.draw_text())
    rescale = refnet.Rescale((pixels.height, pixels.width))
    runs = [
        ("C3", "pixels", False, torch.Tensor.float),
        ("C0", "pixels, BN", True, torch.Tensor.float),
        ("C2", "rescaled", False, rescale),
    ]
    steps = np.arange(STEPS // WINDOW) * WINDOW + WINDOW / 2
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.3), sharey=True, layout="constrained")
    for axis, power in zip(axes, (-3, -4), strict=True):
        for colour, label, batch_norm, scale in runs:
            for seed in range(SEEDS):
                values = losses(pixels, batch_norm, scale, 10.0**power, seed)
                axis.semilogy(steps, values, color=colour, lw=1.3, label=None if seed else label)
        axis.set_title(f"learning rate {10.0**power:.4g}")
        axis.set_yticks([0.3, 1, 3, 10], labels=["0.3", "1", "3", "10"])
        axis.minorticks_off()
        axis.set_xlabel("step")
    axes[0].set_ylabel("loss")
    axes[1].legend()
    return figure
