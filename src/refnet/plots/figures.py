"""What a run and a net look like, as matplotlib figures with symbols and names for labels."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from refnet.errors import check_int, check_number, sentence
from refnet.layers.activations import ACTIVATIONS
from refnet.plots.chart import chart, style_of_names
from refnet.plots.pictures import probabilities
from refnet.training.record import History

Functions = Mapping[str, Callable[[Tensor], Tensor]]
Names = Sequence[str] | Mapping[Any, Any] | None
COLOURS: dict[str, Any] = {"cmap": "coolwarm", "vmin": 0, "vmax": 1}  # of a probability


def curves(history: History) -> Figure:
    """Return loss and accuracy of a run against its epochs or steps, two charts side by side.

    A run that counted no accuracies, as one with numbers for targets, has the first chart alone.

    Examples
    --------
    >>> from refnet.training.record import Row
    >>> figure = curves(History([Row(0, 938, 0.7, 0.77, None, 0.81, 1.5)]))
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['loss', 'acc']
    """
    if not hasattr(history, "__len__"):
        do = "Pass what fit or fit_steps returned."
        raise TypeError(sentence("plots.curves", "a History", type(history).__name__, do))
    if len(history) == 0:
        do = "Train first."
        raise ValueError(sentence("plots.curves", "a history with rows", "none", do))
    clock = "step" if history[0].epoch is None else "epoch"
    losses = _lines(history, clock, "train_loss", "val_loss")
    accuracies = _lines(history, clock, "train_acc", "val_acc")
    charts = {"loss": losses, "acc": accuracies} if accuracies else {"loss": losses}
    figure = chart(4 * len(charts), 3)
    for number, (what, lines) in enumerate(charts.items(), 1):
        axes = figure.add_subplot(1, len(charts), number)
        for column, (times, values) in lines.items():
            axes.plot(times, values, marker=".", label=column)
        axes.set(xlabel=clock, ylabel=what)
        axes.legend()
    return figure


def _lines(history: History, clock: str, *columns: str) -> dict[str, tuple[Any, Any]]:
    """Return times and values of the columns that have any."""
    lines = {}
    for column in columns:
        rows = [row for row in history if getattr(row, column) is not None]
        times = [getattr(row, clock) for row in rows]
        values = [getattr(row, column) for row in rows]
        if rows:
            lines[column] = (times, values)
    return lines


def confusion_matrix(
    labels: Tensor,
    predictions: Tensor,
    classes: Names = None,
) -> Figure:
    """Return how many samples of each class (row) were taken for each class (column).

    Parameters
    ----------
    labels, predictions : Tensor, shape (N,), int64
        True and predicted class index.
    classes : sequence of str, or mapping from index to str, optional
        Names of the classes, by index.

    Examples
    --------
    >>> figure = confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]))
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['1', '0', '1', '1']
    """
    where = "plots.confusion_matrix"
    labels = _indices(where, "labels", labels)
    predictions = _indices(where, "predictions", predictions)
    _same_length(where, labels, predictions)
    names = _names(where, classes, labels, predictions)
    size = len(names)
    fields = labels * size + predictions
    counts = torch.bincount(fields, minlength=size * size)
    table = _array(counts.reshape(size, size))
    totals = table.sum(1, keepdims=True)
    share = table / totals.clip(min=1)

    figure = chart(1.5 + 0.5 * size, 1 + 0.5 * size)
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(table):
        axes.text(
            column,
            row,
            str(count),
            ha="center",
            va="center",
            color="white" if share[row, column] > 0.5 else "black",
            fontsize=8,
        )
    style = style_of_names(names)
    axes.set_xticks(range(size), names, rotation=90, **style)
    axes.set_yticks(range(size), names, **style)
    axes.set(xlabel=r"$\hat{y}$", ylabel="$y$")
    return figure


def samples(
    images: Tensor,
    labels: Tensor,
    predictions: Tensor | None = None,
    classes: Names = None,
    columns: int = 8,
) -> Figure:
    """Return a grid of images, each under its label; a wrong prediction is red.

    Parameters
    ----------
    images : Tensor, shape (N, H, W), (N, 1, H, W), (N, 3, H, W) or (N, H, W, 3)
        Grey from black at 0 to white at 255, or colours in RGB. Of floating-point values 1 is
        white if none is larger; negative ones, as of normalised images, are drawn from the least
        to the greatest.
    labels, predictions : Tensor, shape (N,), int64
        True and predicted class index.
    classes : sequence of str, or mapping from index to str, optional
        Names of the classes, by index.
    columns : int, at least 1
        Images in a row of the grid.

    Examples
    --------
    >>> y = torch.tensor([0, 1, 2])
    >>> figure = samples(torch.zeros(3, 28, 28), y, torch.tensor([0, 1, 1]))
    >>> [axes.get_title() for axes in figure.axes]
    ['0', '1', '2 \u2192 1']
    """
    where = "plots.samples"
    check_int(where, "columns", columns, 1)
    labels = _indices(where, "labels", labels)
    guesses = labels
    if predictions is not None:
        guesses = _indices(where, "predictions", predictions)
    pixels = _pixels(where, torch.as_tensor(images))
    _same_length(where, pixels, labels, guesses)
    names = _names(where, classes, labels, guesses)
    style = style_of_names(names)

    rows = math.ceil(len(labels) / columns)
    figure = chart(1.2 * columns, 1.4 * rows)
    for i, image in enumerate(pixels):
        axes = figure.add_subplot(rows, columns, i + 1)
        axes.imshow(image, cmap="gray", vmin=0, vmax=1)
        axes.set_axis_off()
        title = names[labels[i]]
        colour = "black"
        if guesses[i] != labels[i]:
            title = f"{title} \u2192 {names[guesses[i]]}"
            colour = "firebrick"
        axes.set_title(title, fontsize=8, color=colour, **style)
    return figure


def _pixels(where: str, images: Tensor) -> Any:
    """Return images as an array (N, H, W) or (N, H, W, 3) of values in [0, 1]."""
    shape = tuple(images.shape)
    if len(shape) == 4 and shape[1] in (1, 3):
        images = images.movedim(1, -1)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    colours = images.ndim == 4 and images.shape[-1] == 3
    if images.ndim != 3 and not colours:
        expected = "images of shape (N, H, W), (N, 3, H, W) or (N, H, W, 3)"
        do = _how_to_make_images(shape)
        raise ValueError(sentence(where, expected, str(shape), do))
    values = images.detach().cpu().double()
    black, white = _black_and_white(images)
    return ((values - black) / (white - black)).numpy()


def _black_and_white(images: Tensor) -> tuple[float, float]:
    if images.dtype == torch.bool or images.numel() == 0:
        return 0.0, 1.0
    if not images.is_floating_point():
        return 0.0, 255.0
    low = float(images.min())
    high = float(images.max())
    if low < 0 or high > 255:  # normalised, or of a range of its own
        return low, high
    if high > 1:
        return 0.0, 255.0
    return 0.0, 1.0


def _how_to_make_images(shape: tuple[int, ...]) -> str:
    if len(shape) == 4 and shape[1] == 4:
        return "Leave out the fourth channel: images[:, :3]."
    if len(shape) == 4:
        return "Leave out the fourth channel: images[..., :3]."
    side = math.isqrt(shape[-1]) if shape else 0
    if len(shape) == 2 and side > 1 and side**2 == shape[1]:
        return f"Make images of the rows: images.reshape(-1, {side}, {side})."
    return "One image is a batch of one: images[None]."


def scatter(coordinates: Tensor, labels: Tensor) -> Figure:
    """Return points at their coordinates, shape (N, 2) as (y, x), coloured by their class.

    Examples
    --------
    >>> figure = scatter(torch.rand(9, 2), torch.zeros(9, dtype=torch.int64))
    >>> len(figure.axes)
    1
    """
    where = "plots.scatter"
    coordinates = _points_of_the_plane(where, coordinates)
    labels = torch.as_tensor(labels)
    _same_length(where, coordinates, labels)
    y, x = _array(coordinates).T
    figure = chart(6, 4)
    axes = figure.subplots()
    axes.scatter(x, y, s=4, c=_array(labels), cmap="coolwarm")
    axes.set(xlabel="$x$", ylabel="$y$", aspect="equal")
    return figure


def decision_boundary(
    model: nn.Module,
    x: Tensor,
    labels: Tensor,
    margin: float = 0.5,
) -> Figure:
    """Return what a net of two inputs says all around its samples, and where it is undecided.

    Parameters
    ----------
    model : Module
        Maps (N, 2) to logits (N, C); the colour is the probability of class 1.
    x : Tensor, shape (N, 2)
        Samples, drawn in the colour of their label; the first column goes to the right.
    labels : Tensor, shape (N,), int64
    margin : float, 0 or more
        How far around the samples, in units of x.

    Examples
    --------
    >>> figure = decision_boundary(nn.Linear(2, 2), torch.rand(4, 2), torch.tensor([0, 1, 1, 0]))
    >>> figure.axes[0].get_xlabel()
    '$x_1$'
    """
    where = "plots.decision_boundary"
    x = _points_of_the_plane(where, x)
    labels = torch.as_tensor(labels)
    _same_length(where, x, labels)
    margin = check_number(where, "margin", margin, 0)
    across = _ticks(x[:, 0], margin)
    up = _ticks(x[:, 1], margin)
    weight = next(model.parameters(), x.float())
    grid = torch.cartesian_prod(across, up).to(weight)  # of its dtype, on its device
    share = _probability_of_1(where, model, grid)
    square = share.reshape(len(across), len(up))
    surface = _array(square.T)
    places = (_array(across), _array(up))

    figure = chart(4, 4)
    axes = figure.subplots()
    axes.pcolormesh(*places, surface, alpha=0.6, **COLOURS)
    if surface.min() < 0.5 < surface.max():
        axes.contour(*places, surface, levels=[0.5], colors="black")
    horizontal, vertical = _array(x).T
    axes.scatter(
        horizontal,
        vertical,
        s=60,
        c=_array(labels),
        edgecolors="black",
        **COLOURS,
    )
    axes.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    return figure


def _ticks(column: Tensor, margin: float) -> Tensor:
    """Return 100 places from below the least value to above the greatest."""
    low = float(column.min()) - margin
    high = float(column.max()) + margin
    return torch.linspace(low, high, 100)


def _probability_of_1(where: str, model: nn.Module, grid: Tensor) -> Tensor:
    logits = probabilities(model, grid)
    if logits.ndim != 2 or logits.shape[1] < 2:
        expected = "a net of two logits or more"
        got = f"one that gives {tuple(logits.shape)}"
        do = "Let 0 be the first of two: torch.nn.Sequential(model, torch.nn.ZeroPad1d((1, 0)))."
        raise ValueError(sentence(where, expected, got, do))
    return logits[:, 1]


def activation_curves(functions: Functions | None = None) -> Figure:
    """Return each function and, dashed, its derivative by autograd, over [-6, 6].

    Examples
    --------
    >>> len(activation_curves().axes), len(activation_curves({"cube": lambda x: x**3}).axes)
    (4, 1)
    """
    if functions is None:
        functions = {name: kind() for name, kind in ACTIVATIONS.items()}
    if not isinstance(functions, Mapping) or not functions:
        expected = "functions by their names"
        do = 'Name each: plots.activation_curves({"relu": torch.relu}).'
        raise TypeError(sentence("plots.activation_curves", expected, repr(functions), do))
    fonts = style_of_names(functions)["fontfamily"]
    figure = chart(2.6 * len(functions), 2.4)
    for number, (name, function) in enumerate(functions.items(), 1):
        x = torch.linspace(-6, 6, 601, requires_grad=True)
        y = function(x) + 0 * x  # a constant has a derivative too
        slope = torch.autograd.grad(y.sum(), x)[0]
        axes = figure.add_subplot(1, len(functions), number)
        axes.plot(_array(x), _array(y), label="$f$")
        axes.plot(_array(x), _array(slope), "--", label="$f'$")
        axes.set_title(name, fontfamily=fonts)
        axes.set_xlabel("$x$")
        axes.legend()
    return figure


def _names(where: str, classes: Names, *indices_in_use: Tensor) -> list[str]:
    """Return the names of all classes, by index."""
    most = max(int(indices.max()) for indices in indices_in_use)
    if classes is None:
        return [str(index) for index in range(most + 1)]
    if isinstance(classes, Mapping):
        by_name = all(isinstance(key, str) for key in classes)
        if by_name:  # as torchvision gives them for a folder of pictures
            classes = {index: name for name, index in classes.items()}
    indices = range(len(classes))
    if isinstance(classes, Mapping) and set(classes) != set(indices):
        expected = f"a name for each of the {len(classes)} indices from 0"
        got = ", ".join(map(repr, classes))
        raise ValueError(sentence(where, expected, got, "Count the classes from 0."))
    if most >= len(classes):
        expected = f"indices of the {len(classes)} classes"
        raise ValueError(sentence(where, expected, str(most), "Name every class."))
    return [str(classes[index]) for index in indices]


def _indices(where: str, name: str, values: Tensor) -> Tensor:
    """Return class indices as int64, on the CPU."""
    values = torch.as_tensor(values).detach().cpu()
    expected = f"{name} to be class indices of shape (N,)"
    shape = tuple(values.shape)
    if len(shape) == 2:
        do = f"Take the class of the largest: {name}.argmax(1)."
        if shape[1] == 1:
            do = f"Leave out the second dimension: {name}.squeeze(1)."
        raise ValueError(sentence(where, expected, str(shape), do))
    if len(shape) != 1:
        do = f"One sample is a batch of one: {name}[None]."
        raise ValueError(sentence(where, expected, str(shape), do))
    whole = values.long()
    wrong = values[(whole != values) | (whole < 0)]
    if len(wrong):
        got = str(wrong[0].item())
        raise ValueError(sentence(where, expected, got, "Count the classes from 0."))
    return whole


def _points_of_the_plane(where: str, points: Tensor) -> Tensor:
    points = torch.as_tensor(points)
    shape = tuple(points.shape)
    if len(shape) != 2 or shape[1] != 2:
        do = "Choose two of the columns: x[:, :2]."
        if shape == (2,):
            do = "One point is a batch of one: x[None]."
        raise ValueError(sentence(where, "points of shape (N, 2)", str(shape), do))
    return points


def _same_length(where: str, *parts: Any) -> None:
    lengths = [len(part) for part in parts]
    if len(set(lengths)) != 1 or lengths[0] == 0:
        got = " and ".join(map(str, lengths))
        raise ValueError(sentence(where, "as many labels as samples", got, "Pass both of one set."))


def _array(tensor: Tensor) -> Any:
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:  # NumPy has none
        tensor = tensor.float()
    return tensor.numpy()
