"""The four samples of XOR, and a straight line that tries to separate them."""

import matplotlib.pyplot as plt

import refnet


def draw():
    figure, axis = plt.subplots(figsize=(3.4, 3.2))
    data = refnet.XOR()
    for label, marker, color in ((0, "o", "C0"), (1, "s", "C3")):
        points = data.x[data.y == label]
        axis.scatter(*points.T, s=140, marker=marker, color=color, label=f"$y = {label}$", zorder=3)
    axis.plot([-0.4, 1.4], [1.05, 0.25], "--", color="0.35", linewidth=1.5)
    axis.set(xlim=(-0.4, 1.4), ylim=(-0.4, 1.4), xticks=[0, 1], yticks=[0, 1], aspect="equal")
    axis.set_xlabel("$x_1$")
    axis.set_ylabel("$x_2$", rotation=0)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure
