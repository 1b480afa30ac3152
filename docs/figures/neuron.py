"""A nerve cell, and beside it the neuron of the course: weighted inputs, a sum, a function."""

import matplotlib.pyplot as plt
import numpy as np

DENDRITES = (
    (0.80, 0.9),
    (0.45, 1.0),
    (0.15, 1.1),
    (-0.25, 1.1),
    (-0.65, 1.0),
)  # angle / pi, length


def draw_cell(axes):
    for angle, length in DENDRITES:
        start, way = np.array([0.0, 0.0]), np.pi * (1 - angle / 2)
        tip = start + length * np.array([np.cos(way), np.sin(way)])
        axes.plot(*np.transpose([start, tip]), color="C0", linewidth=3, solid_capstyle="round")
        for turn in (-0.5, 0.5):
            twig = tip + 0.35 * np.array([np.cos(way + turn), np.sin(way + turn)])
            axes.plot(*np.transpose([tip, twig]), color="C0", linewidth=1.5)
    t = np.linspace(0, 2.6, 60)
    axes.plot(t, 0.12 * np.sin(2 * t), color="C0", linewidth=3)
    end = np.array([2.6, 0.12 * np.sin(5.2)])
    for height in (-0.4, 0.0, 0.4):
        axes.plot([end[0], 3.1], [end[1], end[1] + height], color="C0", linewidth=1.5)
        axes.scatter([3.1], [end[1] + height], s=40, color="C3", zorder=3)
    axes.scatter([0], [0], s=1100, color="C0", zorder=2)
    axes.text(-0.9, 1.35, "dendrites", ha="center")
    axes.text(0.15, -0.6, "cell body")
    axes.text(1.5, 0.35, "axon", ha="center")
    axes.text(3.1, -0.95, "contacts", ha="center")


def draw_formula(axes):
    heights = (0.9, 0.0, -0.9)
    for index, y in enumerate(heights, start=1):
        axes.plot([0, 1.5], [y, 0], color="0.5", zorder=1)
        axes.text(-0.2, y, f"$x_{index}$", ha="right", va="center")
        axes.text(0.62, y * 0.58 + 0.1, f"$w_{index}$", ha="center")
    axes.plot([1.5, 3.9], [0, 0], color="0.5", zorder=1)
    axes.scatter([0, 0, 0], heights, s=90, color="C7", zorder=2)
    for x, sign, word in ((1.5, "$z$", "sum"), (2.8, "$f$", "function")):
        axes.scatter([x], [0], s=900, color="C0", zorder=2)
        axes.text(x, 0, sign, color="white", ha="center", va="center", zorder=3, fontsize=14)
        axes.text(x, -0.6, word, ha="center")
    axes.text(4.0, 0, "$a$", va="center")
    axes.text(1.5, 0.5, "$+\\,b$", ha="center")


def draw():
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    draw_cell(left)
    draw_formula(right)
    for axes in (left, right):
        axes.set(xlim=(-1.8, 4.3) if axes is left else (-0.7, 4.4), ylim=(-1.6, 1.7))
        axes.set_axis_off()
    return figure
