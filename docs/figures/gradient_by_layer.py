"""The size of the gradient at each of 20 layers, under three activation functions."""

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import refnet

LAYERS, WIDTH = 20, 64
MARKS = {
    "relu": ("ReLU", "C2", "o"),
    "tanh": ("tanh", "C1", "s"),
    "sigmoid": ("sigmoid", "C0", "^"),
}


def gradients(name, seed):
    """Return the norm of the weight gradient of each hidden layer of an untrained net."""
    torch.manual_seed(seed)
    layers = []
    for _ in range(LAYERS):
        linear = nn.Linear(WIDTH, WIDTH)
        start = refnet.init.he_normal_ if name == "relu" else refnet.init.xavier_normal_
        start(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, refnet.activation(name)]
    net = nn.Sequential(*layers, nn.Linear(WIDTH, 10))
    cross_entropy(net(torch.randn(256, WIDTH)), torch.randint(10, (256,))).backward()
    return [net[2 * i].weight.grad.norm().item() for i in range(LAYERS)]


def draw():
    figure, axis = plt.subplots(layout="constrained")
    for name, (label, color, marker) in MARKS.items():
        for seed in range(3):
            axis.semilogy(
                range(1, LAYERS + 1),
                gradients(name, seed),
                color=color,
                marker=marker,
                markersize=4,
                linewidth=1,
                label=label if seed == 0 else None,
            )
    axis.set(xlabel="layer", xticks=[1, 5, 10, 15, 20])
    axis.set_ylabel("size of the gradient")
    axis.legend(loc="lower right")
    return figure
