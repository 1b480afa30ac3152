"""The graph that PyTorch records behind the loss of the XOR net."""

import matplotlib.pyplot as plt
from torch.nn.functional import cross_entropy

import refnet

NAMES = {
    "NllLossBackward0": "nll_loss",
    "LogSoftmaxBackward0": "log_softmax",
    "AddmmBackward0": "addmm",
    "TanhBackward0": "tanh",
    "TBackward0": "t",
}


def draw():
    net, data = refnet.xor_net(), refnet.XOR()
    loss = cross_entropy(net(data.x), data.y)
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    figure, axis = plt.subplots(figsize=(8.4, 3.2))
    free = [0.0]  # the height for the next leaf

    def place(node, depth):
        """Draw what lies behind a node, then the node at its middle; return its height."""
        heights = [place(before, depth + 1) for before, _ in node.next_functions if before]
        leaf = getattr(node, "variable", None)
        y = sum(heights) / len(heights) if heights else free[0]
        free[0] -= 0 if heights else 1
        for height in heights:
            axis.plot([depth, depth + 1], [y, height], color="0.5", linewidth=1, zorder=1)
        marker, color = ("o", "C0") if leaf is None else ("s", "C3")
        axis.scatter([depth], [y], s=90, marker=marker, color=color, zorder=2)
        text = NAMES[node.name()] if leaf is None else names[id(leaf)]
        forks = len(heights) > 1  # the name of a fork stands left of its lines
        offset, ha = ((2, 9), "right") if forks else ((0, 9), "center")
        axis.annotate(text, (depth, y), offset, textcoords="offset points", ha=ha, fontsize=9)
        return y

    place(loss.grad_fn, 0)
    axis.margins(0.09, 0.16)
    axis.set_axis_off()
    return figure
