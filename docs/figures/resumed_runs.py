"""The loss of one run without a stop, and of two that were stopped half-way and resumed."""

import copy

import matplotlib.pyplot as plt
import torch
from torch.nn.functional import cross_entropy

import refnet

HALF = 35


def draw():
    data = refnet.XOR()

    def start():
        torch.manual_seed(0)
        net = refnet.xor_net()
        return net, torch.optim.SGD(net.parameters(), lr=0.2, momentum=0.9)

    def train(net, optimizer):
        losses = []
        for _ in range(HALF):
            optimizer.zero_grad()
            loss = cross_entropy(net(data.x), data.y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    net, optimizer = start()
    first = train(net, optimizer)
    weights, sums = copy.deepcopy((net.state_dict(), optimizer.state_dict()))
    whole = first + train(net, optimizer)

    figure, axis = plt.subplots()
    axis.plot(whole, color="C0", linewidth=5, alpha=0.35)
    for with_sums, style in ((True, {"color": "C0"}), (False, {"color": "C3", "ls": "--"})):
        net, optimizer = start()
        net.load_state_dict(weights)
        if with_sums:
            optimizer.load_state_dict(sums)
        axis.plot(range(HALF, 2 * HALF), train(net, optimizer), **style)
    axis.axvline(HALF, color="0.5", linewidth=1, linestyle=":")
    axis.set_xlabel("$t$")
    axis.set_ylabel("$L$", rotation=0, labelpad=12)
    axis.set_ylim(0, None)
    return figure
