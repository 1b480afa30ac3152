"""What a run and a net look like, as matplotlib figures with symbols and names for labels."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from refnet.errors import check_int, check_number, sentence
from refnet.layers.activations import ACTIVATIONS
from refnet.plots.chart import chart, style_of_names
from refnet.plots.pictures import probabilities
from refnet.training.record import History

Names = Sequence[str] | Mapping[Any, Any] | None


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
    drawn = [what for what in ("loss", "acc") if _points(history, clock, what)]
    figure = chart(4 * len(drawn), 3)
    for number, what in enumerate(drawn, 1):
        axes = figure.add_subplot(1, len(drawn), number)
        for column, points in _points(history, clock, what).items():
            x, y = zip(*points, strict=True)
            axes.plot(x, y, marker=".", label=column)
        axes.set(xlabel=clock, ylabel=what)
        axes.legend()
    return figure


def _points(history: History, clock: str, what: str) -> dict[str, list[tuple[float, float]]]:
    """Return the points (time, value) of each column of a measure that has any."""
    points = {}
    for column in (f"train_{what}", f"val_{what}"):
        pairs = [(getattr(row, clock), getattr(row, column)) for row in history]
        points[column] = [(time, value) for time, value in pairs if value is not None]
    return {column: pairs for column, pairs in points.items() if pairs}


def confusion_matrix(labels: Tensor, predictions: Tensor, classes: Names = None) -> Figure:
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
    names = _names(where, classes, int(max(labels.max(), predictions.max())))
    size = len(names)
    counts = torch.bincount(labels * size + predictions, minlength=size * size)
    table = _array(counts.reshape(size, size))
    share = table / table.sum(1, keepdims=True).clip(min=1)

    figure = chart(1.5 + 0.5 * size, 1 + 0.5 * size)
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(table):
        colour = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
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
    guesses = labels if predictions is None else _indices(where, "predictions", predictions)
    pixels = _pixels(where, torch.as_tensor(images))
    _same_length(where, pixels, labels, guesses)
    names = _names(where, classes, int(max(labels.max(), guesses.max())))
    style = style_of_names(names)

    rows = math.ceil(len(labels) / columns)
    figure = chart(1.2 * columns, 1.4 * rows)
    pairs = zip(labels.tolist(), guesses.tolist(), strict=True)
    for number, (image, (label, guess)) in enumerate(zip(pixels, pairs, strict=True), 1):
        axes = figure.add_subplot(rows, columns, number)
        axes.imshow(image, cmap="gray", vmin=0, vmax=1)
        axes.set_axis_off()
        title = names[label]
        colour = "black"
        if guess != label:
            title = f"{names[label]} \u2192 {names[guess]}"
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
        raise ValueError(sentence(where, expected, str(shape), _how_to_make_images(shape)))
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


def decision_boundary(model: nn.Module, x: Tensor, labels: Tensor, margin: float = 0.5) -> Figure:
    """Return what a net of two inputs says all around its samples, and where it is undecided.

    Parameters
    ----------
    model : Module
        Maps (N, 2) to logits (N, C); the colour is the probability of class 1.
    x : Tensor, shape (N, 2)
        Samples, drawn in the colour of their label; the first column goes to the right.
    labels : Tensor, shape (N,), int64
    margin : float, above 0
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
    surface = _array(share.reshape(len(across), len(up)).T)
    places = (_array(across), _array(up))

    figure = chart(4, 4)
    axes = figure.subplots()
    axes.pcolormesh(*places, surface, cmap="coolwarm", vmin=0, vmax=1, alpha=0.6)
    if surface.min() < 0.5 < surface.max():
        axes.contour(*places, surface, levels=[0.5], colors="black")
    _draw_samples(axes, x, labels)
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


def _draw_samples(axes: Axes, x: Tensor, labels: Tensor) -> None:
    horizontal, vertical = _array(x).T
    axes.scatter(
        horizontal,
        vertical,
        s=60,
        c=_array(labels),
        cmap="coolwarm",
        vmin=0,
        vmax=1,
        edgecolors="black",
    )


def activation_curves(functions: Mapping[str, Callable[[Tensor], Tensor]] | None = None) -> Figure:
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
        (slope,) = torch.autograd.grad(y.sum(), x)
        axes = figure.add_subplot(1, len(functions), number)
        axes.plot(_array(x), _array(y), label="$f$")
        axes.plot(_array(x), _array(slope), "--", label="$f'$")
        axes.set_title(name, fontfamily=fonts)
        axes.set_xlabel("$x$")
        axes.legend()
    return figure


def _names(where: str, classes: Names, most: int) -> list[str]:
    """Return the names of the classes up to ``most`` or beyond, by index."""
    if classes is None:
        return [str(index) for index in range(most + 1)]
    if isinstance(classes, Mapping) and all(isinstance(name, str) for name in classes):
        classes = {index: name for name, index in classes.items()}  # from a folder of pictures
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
        do = "Count the classes from 0."
        raise ValueError(sentence(where, expected, str(wrong[0].item()), do))
    return whole


def _points_of_the_plane(where: str, points: Tensor) -> Tensor:
    points = torch.as_tensor(points)
    if points.ndim != 2 or points.shape[1] != 2:
        do = "Choose two of the columns: x[:, :2]."
        if points.ndim == 1 and len(points) == 2:
            do = "One point is a batch of one: x[None]."
        raise ValueError(sentence(where, "points of shape (N, 2)", str(tuple(points.shape)), do))
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
