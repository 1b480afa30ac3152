"""Twelve pictures of each class of Fashion-MNIST, from the sample that refnet carries."""

import matplotlib.pyplot as plt
import torch

import refnet

COLUMNS = 12


def draw():
    data = refnet.FashionMNIST(sample=True)
    first = [data.images[data.labels == label][:COLUMNS] for label in range(10)]
    wall = torch.stack(first)  # (10, 12, 28, 28)
    wall = wall.permute(0, 2, 1, 3).reshape(10 * 28, COLUMNS * 28)
    figure, axis = plt.subplots(figsize=(6.0, 5.0))
    axis.imshow(wall, cmap="gray", interpolation="nearest")
    axis.set_yticks([28 * label + 14 for label in range(10)], data.classes)
    axis.set_xticks([])
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    return figure
