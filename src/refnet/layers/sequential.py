"""A chain of layers that names the layer which broke, and one fully connected block."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import NoReturn, overload

import torch
from torch import Tensor, nn

from refnet import errors
from refnet.layers.activations import ACTIVATIONS
from refnet.layers.activations import activation as activation_layer
from refnet.layers.batchnorm import BatchNorm1d
from refnet.layers.linear import Linear


class Sequential(nn.Module):
    r"""Layers one after the other: the output of each is the input of the next.

    .. math:: y = f_n(\dots f_2(f_1(x)))

    Parameters
    ----------
    *layers : torch.nn.Module
        The layers, first to last. A layer given twice shares its parameters.

    Raises
    ------
    TypeError
        If something given is no layer, above all the class ``ReLU`` in place of ``ReLU()``.
    ValueError
        If a layer cannot take what it was given: the sentence names the layer and the shape, and
        the layer's own error stays as its cause.

    Notes
    -----
    The layers are kept under "0", "1", ..., as in :class:`torch.nn.Sequential`, so the two load
    each other's ``state_dict``. ``len``, iteration and ``net[i]`` work; a slice, as ``net[:-1]``, is
    a chain of the same layers, under the names they have. A chain of no layers gives back its input.

    References
    ----------
    Zhang, Lipton, Li and Smola, "Dive into Deep Learning", 2023, section 6.1.

    Examples
    --------
    >>> net = Sequential(Linear(4, 8), nn.ReLU(), Linear(9, 1))
    >>> list(net.state_dict())
    ['0.weight', '0.bias', '2.weight', '2.bias']
    >>> net(torch.zeros(5, 4))
    Traceback (most recent call last):
        ...
    ValueError: Sequential: layer 2, Linear(in_features=9, out_features=1, bias=True), was given (5, 8): Linear(9 -> 1): expected input of shape (..., 9), got (5, 8). Make in_features equal to the last dimension of the input.
    """  # noqa: E501 (the message is one line)

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        for i, layer in enumerate(layers):
            self.add_module(str(i), _check_layer(i, layer))

    def forward(self, x: Tensor) -> Tensor:
        """Return what the last layer makes of ``x``."""
        done = 0
        try:
            for layer in self:
                x = layer(x)
                done += 1
        except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
            self._name_the_layer(done, x, error)
        return x

    def _name_the_layer(self, i: int, x: Tensor, error: Exception) -> NoReturn:
        layer = self[i]
        name = repr(layer)
        if any(layer.children()):
            name = type(layer).__name__
        where = f"Sequential: layer {i}, {name}"
        if not isinstance(x, Tensor):
            do = errors.how_to_make_a_tensor(x)
            if i > 0:
                do = (
                    f"Layer {i - 1} returned it: let a layer of your own take the tensor out of it."
                )
            sentence = errors.sentence(where, "a torch.Tensor", type(x).__name__, do)
            raise TypeError(sentence) from error
        if type(error) in (TypeError, ValueError):
            raise type(error)(f"{where}, was given {tuple(x.shape)}: {error}") from error
        if type(error) in (RuntimeError, NotImplementedError, IndexError):
            got = f"{tuple(x.shape)} of {x.dtype}"
            do = f"Torch says: {str(error).partition(chr(10))[0]}"
            sentence = errors.sentence(where, "input that it can take", got, do)
            raise ValueError(sentence) from error
        raise error  # out of memory, or a fault inside the layer: not about the input

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[nn.Module]:
        # children() would leave out a layer that is there for the second time
        return iter(self._modules.values())  # type: ignore[arg-type]  # none of them is None

    @overload
    def __getitem__(self, i: int) -> nn.Module: ...

    @overload
    def __getitem__(self, i: slice) -> "Sequential": ...

    def __getitem__(self, i: int | slice) -> nn.Module:
        if not isinstance(i, slice):
            return list(self)[i]
        part = Sequential()
        part.training = self.training
        named = list(self._modules.items())
        for name, layer in named[i]:
            part.add_module(name, layer)
        return part

    def table(self, x: Tensor) -> str:
        """Return a table of layers, output shapes and parameter counts, as text to print.

        ``x``, an example batch, runs through the layers in evaluation and without gradients, so
        that no parameter and no running value changes. A layer that is there twice shows its
        parameters twice; the total counts them once.

        Examples
        --------
        >>> print(Sequential(nn.Flatten(), Linear(784, 10)).table(torch.zeros(64, 28, 28)))
        layer      output shape  parameters
        0 Flatten  (64, 784)              0
        1 Linear   (64, 10)           7,850
        total                         7,850
        """
        modes = {module: module.training for module in self.modules()}
        self.eval()
        try:
            with torch.no_grad():
                outputs = [self[: i + 1](x) for i in range(len(self))]
        finally:
            for module, mode in modes.items():
                module.training = mode
        names = ["layer"]
        shapes = ["output shape"]
        counts = ["parameters"]
        for i, layer in enumerate(self):
            names.append(f"{i} {type(layer).__name__}")
            shapes.append(str(tuple(outputs[i].shape)))
            counts.append(_count(layer))
        names.append("total")
        shapes.append("")
        counts.append(_count(self))
        rows = zip(_padded(names), _padded(shapes), _right_aligned(counts), strict=True)
        return "\n".join(map("  ".join, rows))


def fully_connected(
    in_features: int, out_features: int, activation: str = "relu", batch_norm: bool = False
) -> Sequential:
    r"""Return one hidden layer: Linear, BatchNorm1d where asked for, activation.

    .. math:: y = f(\mathrm{BN}(x W^{\top} + b))

    Parameters
    ----------
    in_features, out_features : int, at least 1
        Size of the input's and the output's rows.
    activation : str
        "relu", "sigmoid", "tanh" or "cos".
    batch_norm : bool
        Whether to normalize the sums before the activation.

    Returns
    -------
    Sequential
        Of two layers, or of three with ``batch_norm``.

    References
    ----------
    Ioffe and Szegedy, "Batch Normalization", 2015, section 3.2 (why before the activation).

    Examples
    --------
    >>> [type(layer).__name__ for layer in fully_connected(2, 64, "cos", batch_norm=True)]
    ['Linear', 'BatchNorm1d', 'Cos']
    """
    layers: list[nn.Module] = [Linear(in_features, out_features)]
    if batch_norm:
        layers.append(BatchNorm1d(out_features))
    return Sequential(*layers, activation_layer(activation))


def _check_layer(i: int, layer: object) -> nn.Module:
    lists = (nn.ModuleList, nn.ModuleDict)
    if isinstance(layer, nn.Module) and type(layer) not in lists:
        return layer
    got = repr(layer)
    do = "Wrap it in a layer of your own, a subclass of nn.Module."
    if isinstance(layer, type):
        got = f"the class {layer.__name__}"
        do = f"Make one of it: write {layer.__name__}({', '.join(_must_be_given(layer))})."
    elif isinstance(layer, str) and layer.lower() in ACTIVATIONS:
        do = f"Make one of the name: refnet.activation({layer.lower()!r})."
    elif isinstance(layer, str):
        do = "Give the layer itself, e.g. torch.nn.GELU()."
    elif isinstance(layer, Mapping | nn.ModuleDict):
        got = f"a {type(layer).__name__}"
        do = "Give the layers one by one: Sequential(*layers.values())."
    elif isinstance(layer, Iterable):
        got = f"a {type(layer).__name__}"
        do = "Give the layers one by one: Sequential(*layers)."
    expected = f"layer {i} to be a layer (an nn.Module)"
    raise TypeError(errors.sentence("Sequential", expected, got, do))


def _padded(texts: list[str]) -> list[str]:
    width = max(map(len, texts))
    return [text.ljust(width) for text in texts]


def _right_aligned(texts: list[str]) -> list[str]:
    width = max(map(len, texts))
    return [text.rjust(width) for text in texts]


def _must_be_given(layer: type) -> list[str]:
    """Return the names of what a class cannot be called without."""
    names = []
    for name, parameter in inspect.signature(layer).parameters.items():
        any_number = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.default is parameter.empty and not any_number:
            names.append(name)
    return names


def _count(module: nn.Module) -> str:
    count = sum(parameter.numel() for parameter in module.parameters())
    return f"{count:,}"
