"""Plots: what a run and a net look like, as matplotlib figures; pictures and films beside them.

Nothing here needs a display or touches pyplot;
``figure.savefig(path)`` writes a figure, and labels in it are symbols and names of the code.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from refnet.errors import sentence
from refnet.layers.activations import ACTIVATIONS
from refnet.pictures import (
    prediction_picture,
    probabilities,
    to_picture,
    write_film,
    write_png,
)
from refnet.training.record import History

__all__ = [
    "activation_curves",
    "confusion_matrix",
    "curves",
    "decision_boundary",
    "prediction_picture",
    "samples",
    "scatter",
    "to_picture",
    "write_film",
    "write_png",
]


def curves(history: History) -> Figure:
    """Return loss and accuracy of a run against its epochs or steps, two charts side by side.

    Examples
    --------
    >>> from refnet.training.record import Row
    >>> figure = curves(History([Row(0, 938, 0.7, 0.77, None, 0.81, 1.5)]))
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['loss', 'acc']
    """
    if len(history) == 0:
        do = "Train first."
        raise ValueError(sentence("plots.curves", "a history with rows", "none", do))
    figure = Figure((8, 3), layout="constrained")
    name = "step" if history[0].epoch is None else "epoch"
    for axes, what in zip(figure.subplots(1, 2), ("loss", "acc"), strict=True):
        for column in (f"train_{what}", f"val_{what}"):
            pairs = [(getattr(row, name), getattr(row, column)) for row in history]
            points = [pair for pair in pairs if pair[1] is not None]
            if points:
                axes.plot(*zip(*points, strict=True), marker=".", label=column)
        axes.set(xlabel=name, ylabel=what)
        if axes.lines:  # a run that learnt numbers has no accuracy
            axes.legend()
    return figure


def confusion_matrix(
    labels: Tensor, predictions: Tensor, classes: Sequence[str] | None = None
) -> Figure:
    """Return how many samples of each class (row) were taken for each class (column).

    Parameters
    ----------
    labels, predictions : Tensor, shape (N,), int64
        True and predicted class index.
    classes : sequence of str, optional
        Names of the classes, by index.

    Examples
    --------
    >>> figure = confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]))
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['1', '0', '1', '1']
    """
    _same_length("plots.confusion_matrix", labels, predictions)
    most = int(max(labels.max(), predictions.max()))
    size = len(classes) if classes else most + 1
    if most >= size:
        expected, do = f"indices of the {size} classes", "Name every class."
        raise ValueError(sentence("plots.confusion_matrix", expected, str(most), do))
    counts = torch.bincount(labels * size + predictions, minlength=size * size)
    table = _array(counts.reshape(size, size))
    figure = Figure((1.5 + 0.5 * size, 1 + 0.5 * size), layout="constrained")
    axes = figure.subplots()
    axes.imshow(table / table.sum(1, keepdims=True).clip(min=1), cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(table):
        colour = "white" if 2 * count > table[row].sum() else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    names = classes or [str(index) for index in range(size)]
    axes.set_xticks(range(size), names, rotation=90)
    axes.set_yticks(range(size), names)
    axes.set(xlabel=r"$\hat{y}$", ylabel="$y$")
    return figure


def samples(
    images: Tensor,
    labels: Tensor,
    predictions: Tensor | None = None,
    classes: Sequence[str] | None = None,
    columns: int = 8,
) -> Figure:
    """Return a grid of images, shape (N, H, W), each under its label; a wrong prediction is red.

    Examples
    --------
    >>> y = torch.tensor([0, 1, 2])
    >>> figure = samples(torch.zeros(3, 28, 28), y, torch.tensor([0, 1, 1]))
    >>> [axes.get_title() for axes in figure.axes]
    ['0', '1', '2 \u2192 1']
    """
    _same_length("plots.samples", images, labels, *([] if predictions is None else [predictions]))
    rows = -(-len(labels) // columns)
    figure = Figure((1.2 * columns, 1.4 * rows), layout="constrained")
    for index, (image, label) in enumerate(zip(_array(images), labels.tolist(), strict=True)):
        axes = figure.add_subplot(rows, columns, index + 1)
        axes.imshow(image.reshape(image.shape[-2:]), cmap="gray_r")
        axes.set_axis_off()
        guess = label if predictions is None else int(predictions[index])
        name = [classes[n] if classes else str(n) for n in (label, guess)]
        title = name[0] if guess == label else f"{name[0]} \u2192 {name[1]}"
        axes.set_title(title, fontsize=8, color="black" if guess == label else "firebrick")
    return figure


def scatter(coordinates: Tensor, labels: Tensor) -> Figure:
    """Return points at their coordinates, shape (N, 2) as (y, x), coloured by their class.

    Examples
    --------
    >>> figure = scatter(torch.rand(9, 2), torch.zeros(9, dtype=torch.int64))
    >>> len(figure.axes)
    1
    """
    _same_length("plots.scatter", coordinates, labels)
    figure = Figure((6, 4), layout="constrained")
    axes = figure.subplots()
    y, x = _array(coordinates).T
    axes.scatter(x, y, s=4, c=_array(labels), cmap="coolwarm")
    axes.set(xlabel="$x$", ylabel="$y$", aspect="equal")
    return figure


def decision_boundary(model: nn.Module, x: Tensor, labels: Tensor, margin: float = 0.5) -> Figure:
    """Return what a net of two inputs says all around its samples, and where it is undecided.

    Parameters
    ----------
    model : Module
        Maps (N, 2) to logits (N, C); the colour is the probability of class 1.
    x : Tensor, shape (N, 2)
        Samples, drawn in the colour of their label; the first column goes to the right.
    labels : Tensor, shape (N,), int64
    margin : float
        How far around the samples, in units of x.

    Examples
    --------
    >>> figure = decision_boundary(nn.Linear(2, 2), torch.rand(4, 2), torch.tensor([0, 1, 1, 0]))
    >>> figure.axes[0].get_xlabel()
    '$x_1$'
    """
    _same_length("plots.decision_boundary", x, labels)
    low, high = x.min(0).values - margin, x.max(0).values + margin
    ticks = [torch.linspace(float(a), float(b), 100) for a, b in zip(low, high, strict=True)]
    grid = torch.cartesian_prod(*ticks).to(x)
    surface = _array(probabilities(model, grid)[:, 1].reshape(100, 100).T)
    right, up = map(_array, ticks)
    figure = Figure((4, 4), layout="constrained")
    axes = figure.subplots()
    axes.pcolormesh(right, up, surface, cmap="coolwarm", vmin=0, vmax=1, alpha=0.6)
    if surface.min() < 0.5 < surface.max():
        axes.contour(right, up, surface, levels=[0.5], colors="black")
    a, b = _array(x).T
    colours: dict[str, Any] = {"c": _array(labels), "cmap": "coolwarm", "vmin": 0, "vmax": 1}
    axes.scatter(a, b, s=60, edgecolors="black", **colours)
    axes.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    return figure


def activation_curves(functions: Mapping[str, Callable[[Tensor], Tensor]] | None = None) -> Figure:
    """Return each function and, dashed, its derivative by autograd, over [-6, 6].

    Examples
    --------
    >>> len(activation_curves().axes), len(activation_curves({"cube": lambda x: x**3}).axes)
    (4, 1)
    """
    functions = functions or {name: kind() for name, kind in ACTIVATIONS.items()}
    figure = Figure((2.6 * len(functions), 2.4), layout="constrained")
    for index, (name, function) in enumerate(functions.items()):
        x = torch.linspace(-6, 6, 601, requires_grad=True)
        y = function(x)
        (slope,) = torch.autograd.grad(y.sum(), x)
        axes = figure.add_subplot(1, len(functions), index + 1)
        axes.plot(_array(x), _array(y), label="$f$")
        axes.plot(_array(x), _array(slope), "--", label="$f'$")
        axes.set(title=name, xlabel="$x$")
        axes.legend()
    return figure


def _same_length(where: str, *tensors: Tensor) -> None:
    lengths = [len(tensor) for tensor in tensors]
    if len(set(lengths)) != 1 or lengths[0] == 0:
        got = " and ".join(map(str, lengths))
        raise ValueError(sentence(where, "as many labels as samples", got, "Pass both of one set."))


def _array(tensor: Tensor) -> Any:
    return tensor.detach().cpu().numpy()
