"""The two-layer net as a chain: values flow to the right, gradients to the left."""

import matplotlib.pyplot as plt

VALUES = ("$x$", "$z_1$", "$h$", "$z_2$", "$L$")
RULES = ("$x W_1^{\\top} + b_1$", "$\\tanh$", "$h W_2^{\\top} + b_2$", "loss")
GRADIENTS = ("", "$dz_1$", "$dh$", "$dz_2$", "$1$")
LEARNT = {0: "$dW_1,\\ db_1$", 2: "$dW_2,\\ db_2$"}


def draw():
    figure, axis = plt.subplots(figsize=(8.4, 2.7))
    for i, name in enumerate(VALUES):
        axis.text(2 * i, 0.55, name, ha="center", va="center", fontsize=15, color="C0")
        axis.text(2 * i, -0.55, GRADIENTS[i], ha="center", va="center", fontsize=15, color="C3")
    for i, name in enumerate(RULES):
        forward = {"arrowstyle": "->", "color": "C0", "lw": 1.8}
        axis.annotate("", (2 * i + 1.65, 0.55), (2 * i + 0.35, 0.55), arrowprops=forward)
        axis.text(2 * i + 1, 0.75, name, ha="center", va="bottom", fontsize=11)
        backward = {"arrowstyle": "->", "color": "C3", "lw": 1.8}
        if i > 0:
            axis.annotate("", (2 * i + 0.4, -0.55), (2 * i + 1.6, -0.55), arrowprops=backward)
        if i in LEARNT:
            start, end = (2 * i + 1.6, -0.7), (2 * i + 1, -1.25)
            axis.annotate("", end, start, arrowprops=backward)
            axis.text(2 * i + 0.9, -1.45, LEARNT[i], ha="center", va="center", fontsize=13)
    axis.set_xlim(-0.5, 8.5)
    axis.set_ylim(-1.7, 1.2)
    axis.set_axis_off()
    return figure
