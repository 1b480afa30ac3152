"""The loss of the linear classifier, by gradient descent on all pictures, for four rates."""

import math

import matplotlib.pyplot as plt
import torch
from torch.nn.functional import cross_entropy, one_hot

import refnet

STEPS = 60


def draw():
    data = refnet.FashionMNIST(sample=True)
    x, y = data.images.float().flatten(1), one_hot(data.labels, 10)
    x = (x - x.mean()) / x.std()
    figure, axis = plt.subplots(layout="constrained")
    for rate in (0.001, 0.01, 0.1, 0.5):
        weight, losses = torch.zeros(784, 10), []
        for _ in range(STEPS):
            logits = x @ weight
            losses.append(cross_entropy(logits, data.labels).item())
            weight -= rate * x.T @ (logits.softmax(1) - y) / len(x)
        axis.semilogy(losses, label=f"learning rate {rate}")
    axis.axhline(math.log(10), color="gray", linestyle="--", linewidth=1)
    axis.set_yticks([0.5, 1, 2, 5, 10], labels=["0.5", "1", "2", "5", "10"])
    axis.minorticks_off()
    axis.set_xlabel("step")
    axis.set_ylabel("loss")
    axis.legend()
    return figure
