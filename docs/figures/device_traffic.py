"""What moves between the memory of the CPU and that of the GPU during a run, and how often."""

import matplotlib.pyplot as plt


def draw():
    figure, axis = plt.subplots(figsize=(7.0, 2.9))
    for x, name, color in ((0, "cpu", "C7"), (6, "cuda", "C0")):
        axis.add_patch(plt.Rectangle((x, 0), 3, 4, color=color, alpha=0.18, linewidth=0))
        axis.text(x + 1.5, 4.15, name, ha="center", fontsize=12)
    rows = (("$X, y$", 3.3, "C0", 5), ("$W$", 2.2, "C0", 3), ("$L$", 0.7, "C3", 1))
    for symbol, y, color, width in rows:
        axis.text(1.5, y, symbol, ha="center", va="center", fontsize=15)
        axis.text(7.0, y, symbol, ha="center", va="center", fontsize=15)
        start, end = ((2.4, y), (6.2, y)) if color == "C0" else ((6.4, y), (2.2, y))
        arrow = {"arrowstyle": "->", "color": color, "linewidth": width}
        axis.annotate("", end, start, arrowprops=arrow)
    axis.annotate(
        "",
        (7.5, 1.0),
        (7.5, 2.1),
        arrowprops={"arrowstyle": "<->", "color": "0.4", "connectionstyle": "arc3,rad=-0.9"},
    )
    axis.text(8.45, 1.55, r"$\times T$", ha="center", va="center", fontsize=12)
    axis.text(4.4, 3.55, r"$\times 1$", ha="center", fontsize=12)
    axis.text(4.4, 2.4, r"$\times 1$", ha="center", fontsize=12)
    axis.text(4.4, 0.9, r"$\times 1$", ha="center", fontsize=12)
    axis.set_xlim(-0.2, 9.4)
    axis.set_ylim(-0.1, 4.6)
    axis.set_axis_off()
    return figure
