"""The size of signal and gradient through twenty ReLU layers, by start value."""

import math

import matplotlib.pyplot as plt
import torch

import refnet

LAYERS, WIDTH = 20, 256
BOUND = 1 / math.sqrt(WIDTH)
STARTS = {
    "$N(0, 1)$": lambda weight: refnet.init.normal_(weight, 1.0),
    "He": refnet.init.he_normal_,
    "Xavier": refnet.init.xavier_normal_,
    r"$\pm 1/\sqrt{D}$": lambda weight: weight.uniform_(-BOUND, BOUND),
    "$N(0, 0.01^2)$": lambda weight: refnet.init.normal_(weight, 0.01),
}


def sizes(start):
    """Return the root mean square of each layer's output and of the gradient that reaches it."""
    torch.manual_seed(0)
    h = torch.randn(512, WIDTH, dtype=torch.float64, requires_grad=True)
    outputs = [h]
    for _ in range(LAYERS):
        h = torch.relu(h @ start(torch.empty(WIDTH, WIDTH, dtype=torch.float64)).T)
        outputs.append(h)
    gradients = torch.autograd.grad(h, outputs, torch.randn_like(h))
    return [[t.detach().square().mean().sqrt() for t in row] for row in (outputs, gradients)]


def draw():
    figure, axes = plt.subplots(1, 2, figsize=(8.0, 3.6), sharey=True, layout="constrained")
    for (name, start), color in zip(STARTS.items(), ("C3", "C2", "C1", "C4", "C0"), strict=True):
        for axis, row in zip(axes, sizes(start), strict=True):
            axis.semilogy(row, color=color, label=name, marker="o", markersize=3, linewidth=1.2)
    axes[0].set_ylabel("root mean square")
    axes[0].set(xlabel="layer", title="signal", xticks=[0, 5, 10, 15, 20])
    axes[1].set(xlabel="layer", title="gradient", xticks=[0, 5, 10, 15, 20])
    axes[1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure
