"""The layers of LeNet with the sizes of what flows between them."""

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

MAPS = ((1, 32), (6, 28), (6, 14), (16, 10), (16, 5))  # channels, height = width
ROWS = (120, 84, 10)
STEPS = ("conv1\nrelu", "max_pool2d", "conv2\nrelu", "max_pool2d", "fc1\nrelu", "fc2\nrelu", "fc3")


def draw():
    figure, axis = plt.subplots(figsize=(9.6, 3.7))
    x, ends = 0.0, []  # the left and right end of each block
    for channels, side in MAPS:
        height = side + 1.2 * (channels - 1)
        for i in range(channels):
            corner = (x + 1.2 * i, height / 2 - side - 1.2 * i)
            axis.add_patch(Rectangle(corner, side, side, fc="C0", ec="white", lw=0.7, alpha=0.75))
        width = height
        label = f"{channels} @ {side}×{side}"
        axis.text(x + width / 2, -height / 2 - 3, label, ha="center", va="top", fontsize=10)
        ends.append((x, x + width))
        x += width + 13
    for size in ROWS:
        height = 4 + 0.36 * size
        axis.add_patch(Rectangle((x, -height / 2), 3.5, height, fc="C3", ec="none", alpha=0.8))
        axis.text(x + 1.75, -height / 2 - 3, f"{size}", ha="center", va="top", fontsize=10)
        ends.append((x, x + 3.5))
        x += 3.5 + 13
    for (_, left), (right, _), name in zip(ends, ends[1:], STEPS, strict=False):
        arrow = {"arrowstyle": "->", "color": "0.35", "lw": 1.3}
        axis.annotate("", (right - 1, 0), (left + 1, 0), arrowprops=arrow)
        axis.text((left + right) / 2, 30, name, ha="center", va="bottom", fontsize=9, color="0.3")
        axis.plot(2 * [(left + right) / 2], [2, 29], color="0.8", lw=0.8, zorder=0)
    axis.set_xlim(-2, x - 10)
    axis.set_ylim(-34, 42)
    axis.set_aspect("equal")
    axis.set_axis_off()
    return figure
