"""From indices to batches: one gather, one scaling, on the device; no Python for each sample."""

import reprlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from refnet.data.datasets import ArrayDataset
from refnet.data.samplers import RandomSampler, SequentialSampler
from refnet.devices import choose_device
from refnet.errors import all_finite, sentence


class Sampler(Protocol):
    """What a Loader needs of its sampler: the indices of each batch, and how many batches."""

    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...


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
        No data set, no sampler (a batch size in its place), or one of single indices; samples of
        different shapes, or a label that is not a whole number, in a data set of one's own.
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
    >>> from refnet.data.samplers import SequentialSampler
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
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            do = "For arrays write ArrayDataset(x, y)."
            got = type(dataset).__name__
            raise TypeError(sentence("Loader", "a data set with len and [i]", got, do))
        if not (hasattr(sampler, "__iter__") and hasattr(sampler, "__len__")):
            do = "Write RandomSampler(dataset, batch_size=64)."
            raise TypeError(sentence("Loader", "a sampler", repr(sampler), do))
        if not (transform is None or callable(transform)):
            do = "Pass e.g. Normalize(0, 255)."
            raise TypeError(sentence("Loader", "a callable transform", repr(transform), do))
        count = len(dataset)
        if count == 0:
            expected, do = "one sample or more", "Look at what the data set was made of."
            raise ValueError(sentence("Loader", expected, "a data set of length 0", do))
        asked = sampler.n if isinstance(sampler, RandomSampler | SequentialSampler) else count
        if count != asked:
            expected, got = f"a sampler of the data set's {count} samples", f"one of {asked}"
            do = "Make the sampler of this data set."
            if asked > count:
                raise ValueError(sentence("Loader", expected, got, do))
            do += f" For the first {asked} alone take ArrayDataset(x[:{asked}], y[:{asked}])."
            warnings.warn(sentence("Loader", expected, got, do), stacklevel=2)
        self.dataset, self.sampler, self.transform = dataset, sampler, transform
        self.device: torch.device | None = None
        self._arrays = (dataset.x, dataset.y) if isinstance(dataset, ArrayDataset) else None
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
        if self._arrays is not None and self.device != self._arrays[0].device:
            x, y = self._arrays
            room = 2 * (x.nbytes + y.nbytes)
            if self.device.type != "cuda" or room <= torch.cuda.mem_get_info(self.device)[0]:
                self._arrays = x.to(self.device), y.to(self.device)
        return self

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches: x, shape (n, ...), float32 or as the transform made it; y, int64."""
        for indices in self.sampler:
            x, y = self._gather(_index(indices))
            if self.device is not None:
                x, y = x.to(self.device), y.to(self.device)
            yield (x.to(torch.float32) if self.transform is None else self.transform(x)), y

    def _gather(self, index: Tensor) -> tuple[Tensor, Tensor]:
        if self._arrays is None:
            x, y = _stack([self.dataset[i] for i in index.tolist() or [0]])
            return x[: len(index)], y[: len(index)]  # an empty share has a sample's shape too
        x, y = self._arrays
        try:
            index = index.to(x.device, non_blocking=x.is_cuda)  # waits for no kernel
            x, y = x.index_select(0, index), y.index_select(0, index)
        except (IndexError, RuntimeError) as error:
            expected, do = f"indices in 0..{len(y) - 1}", "Look at the sampler."
            raise IndexError(sentence("Loader", expected, f"{index} ({error})", do)) from error
        if self.dataset.on_disk:
            _check_finite(x)
        return x, y


def _index(indices: Any) -> Tensor:
    """Return the indices of one batch, a tensor, array or list, as a tensor of shape (n,)."""
    try:
        index = torch.as_tensor(indices)
    except (TypeError, ValueError, RuntimeError):  # words, or rows of different lengths
        index = torch.empty(())
    if index.ndim != 1:
        do = "For single indices use torch.utils.data.BatchSampler(sampler, 64, drop_last=False)."
        raise TypeError(sentence("Loader", "a sampler of batches", reprlib.repr(indices), do))
    return index if index.numel() else index.long()  # torch makes floats of []


def _stack(samples: list[Any]) -> tuple[Tensor, Tensor]:
    """Return samples (x, label) of a data set of one's own as one batch."""
    where, do = "Loader", "Let the data set's [i] return (sample, class index), all of one shape."
    try:
        xs = [torch.as_tensor(x) for x, _ in samples]
        labels = torch.as_tensor([y.item() if hasattr(y, "item") else y for _, y in samples])
        x = torch.stack(xs)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            sentence(where, "samples (x, label) of one shape", str(error), do)
        ) from error
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise TypeError(sentence(where, "whole numbers as labels", str(labels.dtype), do))
    _check_finite(x)
    return x, labels.to(torch.int64)


def _check_finite(x: Tensor) -> None:
    if not all_finite(x):
        do = "Clean the data, or make the sampler leave such samples out."
        raise ValueError(sentence("Loader", "finite numbers in a batch", "nan or inf", do))
