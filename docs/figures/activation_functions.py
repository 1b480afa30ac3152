"""Sigmoid, tanh and ReLU, side by side."""

import matplotlib.pyplot as plt
import torch


def draw():
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.4), layout="constrained")
    z = torch.linspace(-5, 5, 201)
    curves = {r"$\sigma(z)$": torch.sigmoid, r"$\tanh(z)$": torch.tanh, "ReLU$(z)$": torch.relu}
    for axis, (name, function), color in zip(axes, curves.items(), ("C0", "C1", "C2"), strict=True):
        axis.plot(z, function(z), color=color)
        axis.set_title(name)
        axis.set_xlabel("$z$")
        axis.set_xticks([-5, 0, 5])
    return figure
