"""A fully connected network: 16 inputs, 12 hidden neurons, 10 outputs."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

SIZES = {"$x$": 16, "$a_1$": 12, "logits": 10}


def draw():
    figure, axis = plt.subplots(figsize=(6.4, 3.8))
    columns = []
    for i, (name, size) in enumerate(SIZES.items()):
        heights = (np.arange(size) - (size - 1) / 2) / max(SIZES.values())
        columns.append([(i, height) for height in heights])
        axis.text(i, -0.62, f"{name}  ({size})", ha="center", fontsize=12)
    for left, right in pairwise(columns):
        for x0, y0 in left:
            for x1, y1 in right:
                axis.plot([x0, x1], [y0, y1], color="0.6", linewidth=0.4, zorder=1)
    for column, color in zip(columns, ("C7", "C0", "C3"), strict=True):
        axis.scatter(*np.transpose(column), s=70, color=color, zorder=2)
    axis.text(0.5, 0.56, "$W_1, b_1$", ha="center", fontsize=12)
    axis.text(1.5, 0.56, "$W_2, b_2$", ha="center", fontsize=12)
    axis.set_ylim(-0.7, 0.65)
    axis.set_axis_off()
    return figure
