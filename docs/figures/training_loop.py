"""The steps of a training: from a sample to an answer, to a loss, and back to the parameters."""

import matplotlib.pyplot as plt

PLACES = {"data": (0.0, 1.5), "model": (3.6, 1.5), "loss": (7.2, 1.5), "method": (3.6, -0.7)}
ARROWS = (  # from, to, bend, word, place of the word
    ((0.9, 1.5), (2.7, 1.5), 0.0, "sample", (1.8, 1.62)),
    ((4.5, 1.5), (6.3, 1.5), 0.0, "answer", (5.4, 1.62)),
    ((0.0, 1.95), (7.2, 1.95), -0.16, "label", (3.6, 2.68)),
    ((7.2, 1.05), (4.5, -0.7), -0.35, "gradients", (6.95, -0.25)),
    ((3.6, -0.25), (3.6, 1.05), 0.0, "new parameters", (3.75, 0.4)),
)


def draw():
    figure, axis = plt.subplots(figsize=(7.6, 3.6))
    for word, (x, y) in PLACES.items():
        color = "C3" if word == "loss" else "C0"
        box = plt.Rectangle((x - 0.9, y - 0.45), 1.8, 0.9, color=color, alpha=0.18, linewidth=0)
        axis.add_patch(box)
        axis.text(x, y, word, ha="center", va="center", fontsize=13)
    for start, end, bend, word, (x, y) in ARROWS:
        line = {"arrowstyle": "->", "color": "0.4", "linewidth": 1.8}
        line |= {"connectionstyle": f"arc3,rad={bend}", "shrinkA": 2, "shrinkB": 2}
        axis.annotate("", end, start, arrowprops=line)
        side = "left" if word in ("gradients", "new parameters") else "center"
        axis.text(x, y, word, ha=side, fontsize=11)
    axis.set_xlim(-1.0, 8.7)
    axis.set_ylim(-1.3, 3.1)
    axis.set_axis_off()
    return figure
