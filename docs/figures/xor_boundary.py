"""The answer of a net on the whole square while it learns XOR."""

import matplotlib.pyplot as plt
import torch
from torch.nn.functional import cross_entropy

import refnet

STEPS = (0, 20, 40, 500)


def draw():
    figure, axes = plt.subplots(1, 4, figsize=(8.4, 2.5), sharey=True, layout="constrained")
    data = refnet.XOR()
    side = torch.linspace(-0.3, 1.3, 81)
    square = torch.cartesian_prod(side, side)  # (81 * 81, 2)

    torch.manual_seed(0)
    net = refnet.xor_net(hidden=4)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
    for step in range(STEPS[-1] + 1):
        if step in STEPS:
            axis = axes[STEPS.index(step)]
            with torch.no_grad():
                answer = net(square).softmax(1)[:, 1].reshape(81, 81).T
            colours = {"cmap": "coolwarm", "vmin": 0, "vmax": 1, "alpha": 0.6}
            axis.imshow(answer, origin="lower", extent=(-0.3, 1.3, -0.3, 1.3), **colours)
            axis.contour(side, side, answer, levels=[0.5], colors="black", linewidths=1.5)
            axis.scatter(*data.x[data.y == 0].T, marker="o", s=60, color="C0", edgecolor="black")
            axis.scatter(*data.x[data.y == 1].T, marker="s", s=60, color="C3", edgecolor="black")
            axis.set(title=f"step {step}", xticks=[0, 1], yticks=[0, 1], aspect="equal")
            axis.set_xlabel("$x_1$")
        optimizer.zero_grad()
        cross_entropy(net(data.x), data.y).backward()
        optimizer.step()
    axes[0].set_ylabel("$x_2$", rotation=0)
    return figure
