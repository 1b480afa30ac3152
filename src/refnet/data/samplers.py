"""Which samples make up a batch: in their order, or in a permutation of (seed, epoch) alone."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from refnet.devices import rank_and_world
from refnet.errors import check_int


def _size(where: str, n: Any) -> int:
    if hasattr(n, "__len__") and not isinstance(n, str | bytes):
        n = len(n)
    return check_int(where, "n (the number of samples, or a data set)", n, 1)


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

    def __init__(self, n: Any, batch_size: int) -> None:
        self.n = _size("SequentialSampler", n)
        self.batch_size = check_int("SequentialSampler", "batch_size", batch_size, 1)

    def __len__(self) -> int:
        return math.ceil(self.n / self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        rank, world = rank_and_world()
        batches = torch.split(torch.arange(self.n), self.batch_size)
        return (batch[rank::world] for batch in batches)


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

    def __init__(self, n: Any, batch_size: int, seed: int = 0, drop_last: bool = False) -> None:
        self.n, self.epoch, self.drop_last = _size("RandomSampler", n), 0, bool(drop_last)
        self.batch_size = check_int("RandomSampler", "batch_size", batch_size, 1)
        self.seed = check_int("RandomSampler", "seed", seed, 0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the permutation of this epoch, counted from 0."""
        self.epoch = check_int("RandomSampler.set_epoch", "epoch", epoch, 0)

    def __len__(self) -> int:
        whole, rest = divmod(self.n, self.batch_size)
        return whole + (rest > 0 and not (self.drop_last and whole))

    def __iter__(self) -> Iterator[Tensor]:
        rank, world = rank_and_world()
        # SeedSequence mixes the two numbers, so that (0, 1) and (1, 0) are unrelated
        state = int(np.random.SeedSequence((self.seed, self.epoch)).generate_state(1, np.uint64)[0])
        generator = torch.Generator().manual_seed(state >> 1)
        batches = torch.split(torch.randperm(self.n, generator=generator), self.batch_size)
        return (batch[rank::world] for batch in batches[: len(self)])
