"""Scaling of a batch: Normalize by mean and standard deviation, Rescale onto a range."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from refnet.errors import check_int, check_number, sentence


class Normalize:
    r"""Numbers minus their mean, divided by their standard deviation, as float32.

    .. math:: y = (x - \text{mean}) / \text{std}

    Parameters
    ----------
    mean, std : float, or a sequence of one float for each column (the last dimension)
        In the unit of ``x``; ``std`` is not 0. ``Normalize(0, 255)`` maps pixels to [0, 1].

    Raises
    ------
    ValueError
        ``std`` of 0, nan or inf; input with another number of columns.
    TypeError
        Something else than numbers; input that is no tensor.

    References
    ----------
    LeCun, Bottou, Orr and Mueller, "Efficient BackProp", 1998, section 4.3.

    Examples
    --------
    >>> scale = Normalize(mean=100, std=50)
    >>> scale(torch.tensor([50, 100, 200], dtype=torch.uint8))
    tensor([-1.,  0.,  2.])
    >>> scale.inverse(torch.tensor([2.0]))
    tensor([200.])
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean, self.std = (_numbers("mean", mean), _numbers("std", std))

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``(x - mean) / std`` as a new tensor, float32, on the device of ``x``."""
        self._match(x)
        return x.to(torch.float32, copy=True).sub_(self.mean).div_(self.std)

    def inverse(self, y: Tensor) -> Tensor:
        """Return ``y * std + mean`` as a new tensor, float32."""
        self._match(y)
        return y.to(torch.float32, copy=True).mul_(self.std).add_(self.mean)

    def _match(self, x: Tensor) -> None:
        where = type(self).__name__
        if not isinstance(x, Tensor):
            do = "Convert it first: torch.as_tensor(x)."
            raise TypeError(sentence(where, "a tensor", type(x).__name__, do))
        for name in ("mean", "std"):
            value = getattr(self, name)
            if isinstance(value, Tensor):
                if x.ndim == 0 or x.shape[-1] != len(value):
                    expected, got = f"{len(value)} columns", f"input of shape {tuple(x.shape)}"
                    do = "Give one number for each column."
                    raise ValueError(sentence(where, expected, got, do))
                setattr(self, name, value.to(x.device))


def _numbers(name: str, value: Any) -> float | Tensor:
    """Return a number, or a tensor of the numbers in a sequence, array or tensor."""
    value = value.tolist() if hasattr(value, "tolist") else value
    numbers = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    for number in numbers:
        if check_number("Normalize", name, number) == 0 and name == "std":
            do = "A constant column carries nothing: leave it out, or give it std 1."
            raise ValueError(sentence("Normalize", "std other than 0", "0", do))
    return torch.tensor(numbers, dtype=torch.float32) if numbers != [value] else float(value)


class Rescale(Normalize):
    r"""Column j with the values 0..size[j]-1 mapped onto low..high, as float32.

    .. math:: y = \text{low} + x \, (\text{high} - \text{low}) / (\text{size} - 1)

    Parameters
    ----------
    size : int or sequence of int, at least 2
        Number of values of each column, e.g. ``(height, width)`` of a picture.
    low, high : float
        Where 0 and size - 1 go; they differ.

    Notes
    -----
    It is a :class:`Normalize`, so it has ``inverse``: std = (size - 1) / (high - low) and
    mean = -low * std.

    References
    ----------
    Tancik et al., "Fourier Features Let Networks Learn High Frequency Functions in Low
    Dimensional Domains", 2020, section 6: coordinates enter a network on a fixed range.

    Examples
    --------
    >>> Rescale((300, 1000))(torch.tensor([[0.0, 999.0]]))
    tensor([[-1.,  1.]])
    """

    def __init__(self, size: int | Sequence[int], low: float = -1.0, high: float = 1.0) -> None:
        low, high = check_number("Rescale", "low", low), check_number("Rescale", "high", high)
        if low == high:
            do = "Choose two different numbers."
            raise ValueError(sentence("Rescale", "low other than high", f"{low:g} twice", do))
        sizes = size if isinstance(size, Sequence) and not isinstance(size, str) else [size]
        std = [(check_int("Rescale", "size", s, 2) - 1) / (high - low) for s in sizes]
        mean = [-low * s for s in std]
        one = sizes is not size
        super().__init__(mean[0] if one else mean, std[0] if one else std)
