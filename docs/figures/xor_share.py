"""How many of 100 nets learn XOR, by width and activation function."""

import matplotlib.pyplot as plt
import torch
from torch.nn.functional import cross_entropy

import refnet

SEEDS, STEPS = 100, 300
WIDTHS = (1, 2, 3, 4, 8)
FUNCTIONS = {"cos": torch.cos, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu}


def solved(hidden, name):
    """Train 100 nets side by side, one to a row of the stacked tensors; return how many do it."""
    data = refnet.XOR()
    nets = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        nets.append(refnet.xor_net(hidden))
    stacks = [
        torch.stack([p.detach() for p in parameters]).requires_grad_()
        for parameters in zip(*(net.parameters() for net in nets), strict=True)
    ]
    W1, b1, W2, b2 = stacks  # (S, H, 2), (S, H), (S, 2, H), (S, 2)
    optimizer = torch.optim.SGD(stacks, lr=0.5, momentum=0.9)
    for _ in range(STEPS):
        h = FUNCTIONS[name](data.x @ W1.mT + b1[:, None])  # (S, 4, H)
        logits = h @ W2.mT + b2[:, None]  # (S, 4, 2)
        optimizer.zero_grad()
        cross_entropy(logits.flatten(0, 1), data.y.repeat(SEEDS), reduction="sum").div(4).backward()
        optimizer.step()
    return (logits.argmax(2) == data.y).all(1).sum().item()


def draw():
    figure, axis = plt.subplots(layout="constrained")
    styles = zip(("C3", "C1", "C0", "C2"), "dsoD", strict=True)
    for name, (color, marker) in zip(FUNCTIONS, styles, strict=True):
        shares = [solved(hidden, name) for hidden in WIDTHS]
        axis.plot(WIDTHS, shares, color=color, marker=marker, label=name)
    axis.set(xlabel="hidden neurons", ylabel="solved by, of 100", xticks=WIDTHS, ylim=(-4, 104))
    axis.legend(loc="lower right")
    return figure
