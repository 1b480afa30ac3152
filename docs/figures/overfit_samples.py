"""The picture of the word, and the random points with labels that the net learns from."""

import matplotlib.pyplot as plt
import torch
from matplotlib.colors import ListedColormap

import refnet


def draw():
    pixels = refnet.ImagePixels(refnet.draw_text("OVERFIT", height=60, width=200))
    points, labels = pixels.sample(4096, torch.Generator().manual_seed(0))
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 1.8), sharey=True, layout="constrained")
    colours = ListedColormap(["C0", "C1"])
    axes[0].imshow(pixels.labels.flip(0), cmap=colours, origin="lower", interpolation="nearest")
    for label, colour in ((0, "C0"), (1, "C1")):
        y, x = points[labels == label].T
        axes[1].scatter(x, y, s=1.2, color=colour, rasterized=True)
    axes[1].set_aspect("equal")
    for axis in axes:
        axis.set(xlim=(0, 199), ylim=(0, 59), xlabel="$x$")
        axis.grid(visible=False)
    axes[0].set_ylabel("$y$", rotation=0)
    return figure
