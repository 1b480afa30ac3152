"""One batch of ten samples, dealt out to three processes."""

import matplotlib.pyplot as plt
import torch


def draw():
    figure, axis = plt.subplots(figsize=(6.4, 2.8))
    order = torch.randperm(10, generator=torch.Generator().manual_seed(4)).tolist()

    def box(x, y, number, rank):
        axis.add_patch(plt.Rectangle((x, y), 0.9, 0.8, color=f"C{rank}", alpha=0.35, linewidth=0))
        axis.text(x + 0.45, y + 0.4, str(number), ha="center", va="center")

    for place, number in enumerate(order):
        box(place, 3.6, number, place % 3)
    for rank in range(3):
        axis.text(-0.3, 2.4 - 1.1 * rank + 0.4, f"rank {rank}", ha="right", va="center")
        for place, number in enumerate(order[rank::3]):
            box(place, 2.4 - 1.1 * rank, number, rank)
        share = len(order[rank::3])
        axis.text(4.6, 2.4 - 1.1 * rank + 0.4, rf"$g_{rank}$", va="center", fontsize=13)
        axis.text(5.6, 2.4 - 1.1 * rank + 0.4, rf"$\times\ {share}/10$", va="center", fontsize=12)
        axis.annotate(
            "",
            (8.1, 1.7),
            (7.3, 2.4 - 1.1 * rank + 0.4),
            arrowprops={"arrowstyle": "->", "color": "0.5"},
        )
    axis.text(8.3, 1.7, r"$g$", va="center", fontsize=15)
    axis.set_xlim(-1.9, 10)
    axis.set_ylim(0, 4.6)
    axis.set_axis_off()
    return figure
