"""The linear classifier as a network: pixels on the left, ten classes on the right."""

import matplotlib.pyplot as plt
import numpy as np

import refnet

PIXELS = 16


def column(size):
    return (np.arange(size)[::-1] - (size - 1) / 2) / (size - 1)


def draw():
    classes = refnet.FashionMNIST(train=False, sample=True).classes
    figure, axes = plt.subplots(figsize=(6.4, 3.8))
    pixels, outputs = column(PIXELS), column(len(classes))
    for a in pixels:
        for b in outputs:
            axes.plot([0, 1], [a, b], color="0.6", linewidth=0.4, zorder=1)
    axes.scatter(np.zeros(PIXELS), pixels, s=70, color="C7", zorder=2)
    axes.scatter(np.ones(len(classes)), outputs, s=70, color="C3", zorder=2)
    for height, name in zip(outputs, classes, strict=True):
        axes.text(1.06, height, name, va="center", fontsize=10)
    axes.text(-0.06, 0, "pixels", ha="right", va="center")
    axes.text(0.5, 0.53, "$W$", ha="center")
    axes.set(xlim=(-0.3, 1.4), ylim=(-0.56, 0.6))
    axes.set_axis_off()
    return figure
