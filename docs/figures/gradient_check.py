"""The error of a numerical slope against the size of the nudge, one-sided and central."""

import matplotlib.pyplot as plt
import numpy as np


def draw():
    delta = np.logspace(-15, 0, 61)
    slope = 1 - np.tanh(0.5) ** 2
    one_sided = (np.tanh(0.5 + delta) - np.tanh(0.5)) / delta
    central = (np.tanh(0.5 + delta) - np.tanh(0.5 - delta)) / (2 * delta)
    figure, axis = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    labels = (
        "$(f(x + \\delta) - f(x))\\,/\\,\\delta$",
        "$(f(x + \\delta) - f(x - \\delta))\\,/\\,2\\delta$",
    )
    for values, label, colour in zip((one_sided, central), labels, ("C7", "C0"), strict=True):
        error = np.maximum(abs(values - slope), 1e-16)
        axis.loglog(delta, error, "o-", markersize=3, linewidth=1, color=colour, label=label)
    axis.set_xlabel("nudge")
    axis.set_ylabel("error of the slope")
    axis.legend(loc="upper center")
    return figure
