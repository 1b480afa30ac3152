"""The static graph of the XOR net, as torch.export finds it."""

import matplotlib.pyplot as plt
import torch

import refnet


def draw():
    net = refnet.xor_net()
    program = torch.export.export(net, (torch.zeros(2, 2),))
    nodes = list(program.graph.nodes)
    names = {**program.graph_signature.inputs_to_parameters, "x": "x"}
    figure, axis = plt.subplots(figsize=(8.4, 3.4))
    places = {}
    for node in nodes[::-1]:  # from the output back: each node stands left of what it feeds
        users = [places[user] for user in node.users]
        if not users:
            places[node] = (0, 0)
            continue
        x, y = users[0]
        user = next(iter(node.users))
        inputs = user.all_input_nodes
        if node is inputs[0] and len(inputs) == 1:  # the only input: straight to the left
            places[node] = (x - 1, y)
        else:  # addmm takes the bias from above, x from the left, the weight from below
            place = inputs.index(node)
            places[node] = (x - (0.7, 1.3, 0.7)[place], y + (1, 0, -1)[place])
    for node in nodes:
        for user in node.users:
            axis.annotate(
                "",
                places[user],
                places[node],
                arrowprops={"arrowstyle": "->", "color": "0.5", "shrinkA": 6, "shrinkB": 6},
                zorder=1,
            )
    for node, (x, y) in places.items():
        leaf = node.op == "placeholder"
        text = names.get(node.name, node.name.split("_")[0] if node.op != "output" else "logits")
        axis.scatter([x], [y], s=90, marker="s" if leaf else "o", color="C3" if leaf else "C0")
        below = y < 0
        axis.annotate(
            text,
            (x, y),
            (0, -17 if below else 9) if text != "addmm" else (7, 8),
            textcoords="offset points",
            ha="center" if text != "addmm" else "left",
            fontsize=10,
        )
    axis.margins(0.08, 0.2)
    axis.set_axis_off()
    return figure
