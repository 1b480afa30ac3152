"""From indices to batches: samplers, scaling, and the loader that joins them.

One gather and one scaling a batch, on the device; no Python for each sample.
"""

import math
import reprlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from refnet.data.datasets import ArrayDataset
from refnet.devices import choose_device
from refnet.errors import all_finite, check_int, check_number, first_line, sentence
from refnet.processes import rank_and_world

FAR = 100  # standard deviations; no sample of real data lies so far from its mean
NEAR = 0.1  # standard deviations; real data does not lie within so little


class Sampler(Protocol):
    """What a Loader needs of its sampler: the indices of each batch, and how many batches."""

    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...


class SequentialSampler:
    """The indices 0, 1, ... n-1 in batches, the last as short as it comes out: for evaluation.

    Parameters
    ----------
    n : int or data set
        Number of samples.
    batch_size : int, at least 1
        Samples of one batch, of all processes together.

    Notes
    -----
    In several processes rank r of R takes the indices r, r + R, ... of each batch: every sample is
    seen exactly once and none is padded. Of a batch with fewer samples than there are ranks, some
    ranks have an empty share, shape (0,).

    References
    ----------
    PyTorch documentation, "torch.utils.data", section Data Loading Order and Sampler.

    Examples
    --------
    >>> [batch.tolist() for batch in SequentialSampler(5, batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    shares_batches = True  # of several processes each is given its part of a batch by the sampler

    def __init__(self, n: Any, batch_size: int) -> None:
        self.n = _size("SequentialSampler", n)
        self.batch_size = check_int("SequentialSampler", "batch_size", batch_size, 1)

    def __len__(self) -> int:
        return math.ceil(self.n / self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        return _shares(torch.arange(self.n), self.batch_size)


class RandomSampler:
    """A permutation of 0..n-1 in batches that depends on (seed, epoch) alone: for training.

    Parameters
    ----------
    n : int or data set
        Number of samples. A set smaller than a batch is one batch.
    batch_size : int, at least 1
        Samples of one step, of all processes together.
    seed : int, at least 0
    drop_last : bool
        Leave out the last batch if it is short (unless it is the only one).

    Notes
    -----
    ``set_epoch(e)`` chooses the permutation; without it every pass has that of epoch 0, as with
    :class:`torch.utils.data.DistributedSampler`. In several processes all ranks draw the same
    permutation, and rank r of R takes the entries r, r + R, ... of each batch: the number of
    steps is equal, the shares of a step differ by at most one sample, and together they are the
    batch of one process. Weighted by their parts of the batch, the gradients of the ranks add up
    to that of one process. A rank's share of a last batch that has fewer samples than there are
    ranks is empty, shape (0,).

    References
    ----------
    Bottou, "Stochastic Gradient Descent Tricks", 2012, section 18.4.1 (shuffle the samples).

    Examples
    --------
    >>> sampler = RandomSampler(5, batch_size=2, seed=0)
    >>> first = [batch.tolist() for batch in sampler]
    >>> sampler.set_epoch(1)
    >>> [len(batch) for batch in sampler], first == [batch.tolist() for batch in sampler]
    ([2, 2, 1], False)
    """

    shares_batches = True  # of several processes each is given its part of a batch by the sampler

    def __init__(self, n: Any, batch_size: int, seed: int = 0, drop_last: bool = False) -> None:
        self.n = _size("RandomSampler", n)
        self.batch_size = check_int("RandomSampler", "batch_size", batch_size, 1)
        self.seed = check_int("RandomSampler", "seed", seed, 0)
        self.drop_last = bool(drop_last)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the permutation of this epoch, counted from 0."""
        self.epoch = check_int("RandomSampler.set_epoch", "epoch", epoch, 0)

    def __len__(self) -> int:
        whole, rest = divmod(self.n, self.batch_size)
        if rest == 0 or (self.drop_last and whole > 0):
            return whole
        return whole + 1

    def __iter__(self) -> Iterator[Tensor]:
        # SeedSequence mixes the two numbers, so that (0, 1) and (1, 0) are unrelated
        mixed = np.random.SeedSequence((self.seed, self.epoch))
        state = int(mixed.generate_state(1, np.uint64)[0])
        generator = torch.Generator().manual_seed(state >> 1)
        order = torch.randperm(self.n, generator=generator)
        return islice(_shares(order, self.batch_size), len(self))


def _shares(order: Tensor, batch_size: int) -> Iterator[Tensor]:
    """Yield the batches of an order: of each those indices that are this process's."""
    rank, world = rank_and_world()
    for batch in torch.split(order, batch_size):
        yield batch[rank::world]


def _size(where: str, n: Any) -> int:
    """Return the number of samples: n itself, or the length of a data set."""
    if hasattr(n, "__len__") and not isinstance(n, str | bytes):
        n = len(n)
    return check_int(where, "n (the number of samples, or a data set)", n, 1)


class Normalize:
    r"""Numbers minus their mean, divided by their standard deviation, as float32.

    .. math:: y = (x - \text{mean}) / \text{std}

    Parameters
    ----------
    mean, std : float, or a sequence of one float for each column (the last dimension)
        In the unit of ``x``; ``std`` is not 0. ``Normalize(0, 255)`` maps pixels to [0, 1]. Numbers
        for pixels in [0, 1] that meet pixels in [0, 255], or the reverse, give a warning.

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
        self.mean = _numbers("mean", mean)
        self.std = _numbers("std", std)
        self._looked = False

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``(x - mean) / std`` as a new tensor, float32, on the device of ``x``."""
        self._match(x)
        y = x.to(torch.float32, copy=True).sub_(self.mean).div_(self.std)
        if not self._looked and len(y) > 0:
            self._look(x)
        return y

    def inverse(self, y: Tensor) -> Tensor:
        """Return ``y * std + mean`` as a new tensor, float32."""
        self._match(y)
        return y.to(torch.float32, copy=True).mul_(self.std).add_(self.mean)

    def _match(self, x: Tensor) -> None:
        """Bring the numbers of each column to the device of ``x``; raise if it has others."""
        where = type(self).__name__
        if not isinstance(x, Tensor):
            do = "Convert it first: torch.as_tensor(x)."
            raise TypeError(sentence(where, "a tensor", type(x).__name__, do))
        for name in ("mean", "std"):
            value = getattr(self, name)
            if not isinstance(value, Tensor):
                continue
            columns = len(value)
            if x.ndim == 0 or x.shape[-1] != columns:
                do = "Give one number for each column, the last dimension."
                if x.ndim == 4 and x.shape[1] == columns:
                    do = "For one number a channel pass x.movedim(1, -1), and move the result back."
                got = f"input of shape {tuple(x.shape)}"
                raise ValueError(sentence(where, f"{columns} columns", got, do))
            setattr(self, name, value.to(x.device))

    def _look(self, x: Tensor) -> None:
        """Warn, at the first batch, of a mean and a std that belong to another unit."""
        self._looked = True
        mean = self.mean
        std = self.std
        if isinstance(mean, Tensor) or isinstance(std, Tensor):
            return
        low = float(x.min())
        high = float(x.max())
        far = max(high - mean, mean - low) > FAR * abs(std)
        near = 0 < high - low < NEAR * abs(std)
        if far and 0 <= mean <= 1 and 0 < std <= 0.5:
            factor = 255.0
            unit = "[0, 255]"
        elif near and low >= 0 and high <= 1 < mean:
            factor = 1 / 255
            unit = "[0, 1]"
        else:
            return
        expected = f"inputs in the unit of mean {mean:.4g} and std {std:.4g}"
        got = f"inputs from {low:.4g} to {high:.4g}"
        right = f"Normalize({factor * mean:.4g}, {factor * std:.4g})"
        do = f"Of pixels in {unit} these are {right}."
        warnings.warn(sentence("Normalize", expected, got, do), stacklevel=3)


def _numbers(name: str, value: Any) -> float | Tensor:
    """Return a number, or a tensor of the numbers in a sequence, array or tensor.

    A sequence of one number, as in ``Normalize((0.1307,), (0.3081,))``, is that number.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    checked = [check_number("Normalize", name, number) for number in _listed(value)]
    if not checked:
        do = f"Give one number, or one for each column, for {name}."
        raise ValueError(sentence("Normalize", f"{name} to hold a number", repr(value), do))
    if name == "std" and 0 in checked:
        do = "A constant column carries nothing: leave it out, or give it std 1."
        raise ValueError(sentence("Normalize", "std other than 0", "0", do))
    if len(checked) == 1:
        return checked[0]
    return torch.tensor(checked, dtype=torch.float32)


def _listed(value: Any) -> list[Any]:
    """Return a sequence as a list, and anything else as the one item of a list."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    return [value]


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
        low = check_number("Rescale", "low", low)
        high = check_number("Rescale", "high", high)
        if low == high:
            do = "Choose two different numbers."
            raise ValueError(sentence("Rescale", "low other than high", f"{low:g} twice", do))
        sizes = [check_int("Rescale", "size", n, 2) for n in _listed(size)]
        std = [(n - 1) / (high - low) for n in sizes]
        mean = [-low * s for s in std]
        super().__init__(mean, std)
        self._looked = True  # what it scales is given by its size


class Loader:
    """Batches (x, y) of a data set: one pass is one epoch.

    Parameters
    ----------
    dataset : ArrayDataset (so XOR, MNIST, FashionMNIST too), or anything with ``len`` and ``[i]``
        Of the first a batch is gathered at once. Of the second, which gives (sample, class index),
        the samples are fetched one by one and stacked: right, but ten times slower or worse.
    sampler : SequentialSampler, RandomSampler, or another iterable with ``len``
        Of the last each item holds the indices of a batch: a tensor, an array or a list, as from
        ``torch.utils.data.BatchSampler``.
    transform : callable, optional
        Maps the samples of a batch, one tensor on the device; its result is passed on as it is.
        Without it ``x`` becomes float32 in its own unit (pixels stay in [0, 255]).
    device : torch.device or str, optional
        Where the batches come out: see :meth:`to`. Without it, where the data set's tensors are.

    Raises
    ------
    ValueError
        An empty data set; a sampler of more samples (of fewer: a warning); a device that is not
        there; nan or inf in a batch of a memmap or of a data set of one's own.
    TypeError
        No data set (arrays in its place), no sampler (a batch size in its place), or one of single
        indices or of masks; samples of different shapes, or a label that is neither a whole number
        nor a row of floats, in a data set of one's own.
    IndexError
        An index outside the data set.

    Notes
    -----
    :class:`torch.utils.data.DataLoader` takes its samples one by one, in worker processes if asked
    to; for data in memory one gather is faster than any number of workers.

    References
    ----------
    PyTorch documentation, "torch.utils.data", section Loading Batched and Non-Batched Data.

    Examples
    --------
    >>> from refnet.data.datasets import XOR
    >>> x, y = next(iter(Loader(XOR(), SequentialSampler(4, batch_size=4))))
    >>> x.shape, x.dtype, y.tolist()
    (torch.Size([4, 2]), torch.float32, [0, 1, 1, 0])
    """

    def __init__(
        self,
        dataset: Any,
        sampler: Sampler,
        transform: Callable[[Tensor], Tensor] | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        _check_dataset(dataset)
        _check_sampler(sampler, len(dataset))
        if transform is not None and not callable(transform):
            do = "Pass e.g. Normalize(0, 255)."
            raise TypeError(sentence("Loader", "a callable transform", repr(transform), do))
        self.dataset = dataset
        self.sampler = sampler
        self.transform = transform
        self.device: torch.device | None = None
        self._arrays: tuple[Tensor, Tensor] | None = None  # of a data set in memory
        if isinstance(dataset, ArrayDataset):
            self._arrays = (dataset.x, dataset.y)
        if device is not None:
            self.to(choose_device(device))

    def __len__(self) -> int:
        return len(self.sampler)

    def set_epoch(self, epoch: int) -> None:
        """Tell the sampler the epoch, counted from 0, if it wants to know."""
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)

    def to(self, device: torch.device | str) -> "Loader":
        """Let the batches come out on ``device``, and return this loader.

        Data that fits there (in half of a GPU's free memory) moves now, once; of larger data each
        batch is gathered where it lies and then moved. The data set itself stays as it is.
        """
        self.device = torch.device(device)
        if self._arrays is not None:
            x, y = self._arrays
            if x.device != self.device and _has_room(self.device, x.nbytes + y.nbytes):
                self._arrays = (x.to(self.device), y.to(self.device))
        return self

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches: x, shape (n, ...), float32 or as the transform made it; y, int64."""
        for indices in self.sampler:
            x, y = self._gather(_index(indices))
            if self.device is not None:
                x = x.to(self.device)
                y = y.to(self.device)
            if self.transform is None:
                yield x.to(torch.float32), y
            else:
                yield self.transform(x), y

    def _gather(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return the samples of the given indices, shape (n,), and their labels."""
        if self._arrays is None:
            samples = [self.dataset[i] for i in index.tolist() or [0]]
            x, y = _stack(samples)
            return x[: len(index)], y[: len(index)]  # an empty share has a sample's shape too
        x, y = self._arrays
        try:
            index = index.to(x.device, non_blocking=x.is_cuda)  # waits for no kernel
            x = x.index_select(0, index)
            y = y.index_select(0, index)
        except (IndexError, RuntimeError) as error:
            expected = f"indices in 0..{len(y) - 1}"
            do = "Make the sampler of this data set, or index with whole numbers from 0."
            raise IndexError(sentence("Loader", expected, f"{index} ({error})", do)) from error
        if self.dataset.on_disk:
            _check_finite(x)
        return x, y


def _has_room(device: torch.device, size: int) -> bool:
    """Return whether so many bytes fill at most half of what a device has free."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return 2 * size <= free


def _check_dataset(dataset: Any) -> None:
    """Raise unless it has samples, to be had by their indices."""
    got = ""
    if isinstance(dataset, tuple | list) and len(dataset) == 2 and all(map(_is_array, dataset)):
        got = "two arrays"
    elif _is_array(dataset):
        got = f"an array of shape {tuple(dataset.shape)}"
    elif isinstance(dataset, dict | str):
        got = f"a {type(dataset).__name__}"
    elif not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        got = type(dataset).__name__
    if got:
        do = "For arrays write ArrayDataset(x, y)."
        raise TypeError(sentence("Loader", "a data set with len and [i]", got, do))
    if len(dataset) == 0:
        do = "Look at what the data set was made of."
        raise ValueError(sentence("Loader", "one sample or more", "a data set of length 0", do))


def _is_array(value: Any) -> bool:
    return getattr(value, "ndim", 0) > 0


def _check_sampler(sampler: Any, count: int) -> None:
    """Raise unless it gives batches of indices, and as far as is known of ``count`` samples."""
    if getattr(sampler, "ndim", 2) != 2:
        split = "torch.as_tensor(indices).split(64)"
        do = f"Write {split}; indices of a mask: mask.nonzero().flatten()."
        got = f"an array of shape {tuple(sampler.shape)}"
        raise TypeError(sentence("Loader", "a sampler of batches", got, do))
    if not (hasattr(sampler, "__iter__") and hasattr(sampler, "__len__")):
        do = "Write RandomSampler(dataset, batch_size=64)."
        raise TypeError(sentence("Loader", "a sampler", repr(sampler), do))
    if not isinstance(sampler, RandomSampler | SequentialSampler) or sampler.n == count:
        return
    n = sampler.n
    expected = f"a sampler of the data set's {count} samples"
    do = "Make the sampler of this data set."
    if n > count:
        raise ValueError(sentence("Loader", expected, f"one of {n}", do))
    do = f"{do} For the first {n} alone take ArrayDataset(x[:{n}], y[:{n}])."
    warnings.warn(sentence("Loader", expected, f"one of {n}", do), stacklevel=3)


def _index(indices: Any) -> Tensor:
    """Return the indices of one batch, a tensor, array or list, as a tensor of shape (n,)."""
    try:
        index = torch.as_tensor(indices)
    except (TypeError, ValueError, RuntimeError):  # words, or rows of different lengths
        index = torch.empty(())
    if index.ndim != 1:
        do = "For single indices use torch.utils.data.BatchSampler(sampler, 64, drop_last=False)."
        raise TypeError(sentence("Loader", "a sampler of batches", reprlib.repr(indices), do))
    if index.dtype == torch.bool:
        do = "Take the places of a mask: torch.as_tensor(mask).nonzero().flatten()."
        raise TypeError(sentence("Loader", "a sampler of indices", reprlib.repr(indices), do))
    if index.is_floating_point() and index.numel() > 0:  # torch makes floats of []
        return index
    return index.long()


def _stack(samples: list[Any]) -> tuple[Tensor, Tensor]:
    """Return samples (x, label) of a data set of one's own as one batch."""
    do = "Let the data set's [i] return (sample, class index), all of one shape."
    try:
        x = torch.stack([torch.as_tensor(x) for x, _ in samples])
        y = torch.stack([torch.as_tensor(y) for _, y in samples])
    except (TypeError, ValueError, RuntimeError) as error:
        got = first_line(error)
        raise TypeError(sentence("Loader", "samples (x, label) of one shape", got, do)) from error
    _check_finite(x)
    if y.is_floating_point() and y.ndim > 1:  # numbers to learn, not classes
        return x, y.to(torch.float32)
    if y.is_floating_point() or y.is_complex() or y.dtype == torch.bool:
        do = "Return int(label) for a class, [number] for a number to learn."
        raise TypeError(sentence("Loader", "whole numbers as labels", str(y.dtype), do))
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim > 1:
        do = "Return one class index for each sample, of a one-hot row label.argmax()."
        raise TypeError(sentence("Loader", "one label for each sample", str(tuple(y.shape)), do))
    return x, y.to(torch.int64)


def _check_finite(x: Tensor) -> None:
    if not all_finite(x):
        do = "Clean the data, or make the sampler leave such samples out."
        raise ValueError(sentence("Loader", "finite numbers in a batch", "nan or inf", do))
