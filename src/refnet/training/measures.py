"""Measures: the sums over batches that say how well a model does, kept on the device."""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from refnet.errors import DivergedError, all_finite, sentence
from refnet.processes import rank_and_world

BLOCK = 50  # batches brought into the sums at once, if their logits are few
MOST = 2**20  # logits that wait for it
_NEVER = 2**62  # later than any batch
_DO = "Lower the learning rate or look for nan in the data; saved checkpoints are kept."


@dataclass(frozen=True)
class Metrics:
    """How a model does on a set: mean loss in nats, accuracy = correct / count, and both counts.

    Examples
    --------
    >>> Metrics(loss=0.5, accuracy=0.75, correct=3, count=4).accuracy
    0.75
    """

    loss: float
    accuracy: float
    correct: int
    count: int


class Sums:
    """Running sums over batches, on the device, in blocks, so that a step neither waits nor counts.

    Each batch is copied into a block made once. To keep the tensors of the last batches instead
    costs 5 % of a small net's step: memory that would be used again for the next step is held.

    Attributes
    ----------
    loss, correct : Tensor, shape (), float64 and int64
        Sum over the samples of the losses, and of the correct answers.
    bad : Tensor, shape (), int64
        Number, from 0, of the first batch whose loss was nan or infinite.
    low, high : Tensor, shape (), int64
        Smallest and largest label.
    count, batches : int
        Samples and batches so far.
    waiting : int
        Of these, batches that are in the block but not yet in the sums.
    """

    def __init__(self, device: torch.device) -> None:
        self.loss = torch.zeros((), dtype=torch.float64, device=device)
        self.correct, self.low, self.high = torch.zeros((3,), dtype=torch.int64, device=device)
        self.bad = torch.full((), _NEVER, device=device)
        self.count, self.batches, self.waiting = 0, 0, 0
        self._block = (torch.empty(0), torch.empty(0, 0, 1), torch.empty(0, 0))
        self._rows: list[tuple[Tensor, ...]] = []  # of the block: a batch each

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add one batch: its mean loss, its logits, shape (N, C), and its labels, shape (N,)."""
        if self._block[1].shape[1:] != logits.shape:
            self.fold()
            batches = min(BLOCK, MOST // max(1, logits.numel()) + 1)
            self._block = (
                loss.new_empty(batches, dtype=torch.float64),
                logits.new_empty(batches, *logits.shape),
                labels.new_empty(batches, *labels.shape),
            )
            self._rows = list(zip(*self._block, strict=True))
        for row, value in zip(self._rows[self.waiting], (loss, logits, labels), strict=True):
            row.copy_(value)
        self.count += len(labels)
        self.batches += 1
        self.waiting += 1
        if self.waiting == len(self._rows):
            self.fold()

    def fold(self) -> None:
        """Bring the waiting batches into the sums, all at once."""
        if self.waiting == 0:
            return
        losses, logits, labels = (part[: self.waiting] for part in self._block)
        numbers = torch.arange(self.batches - self.waiting, self.batches, device=losses.device)
        self.bad = torch.minimum(self.bad, numbers.where(~losses.isfinite(), _NEVER).min())
        self.loss = self.loss + losses.sum() * labels.shape[1]
        self.correct = self.correct + torch.count_nonzero(logits.max(2).indices == labels)
        if labels.numel():
            self.low = torch.minimum(self.low, labels.min())
            self.high = torch.maximum(self.high, labels.max())
        self.waiting = 0

    def check(self, now: int, name: str) -> None:
        """Raise if a loss was not finite, naming the first, or a label was no class.

        ``now`` is the number of the last batch, which is called ``name``. All processes of a run
        must check at the same time.
        """
        self.fold()
        bad = self.bad.clone()
        if rank_and_world()[1] > 1:
            dist.all_reduce(bad, dist.ReduceOp.MIN)
        first, low, high = torch.stack((bad, self.low, self.high)).tolist()  # one wait for three
        if first < _NEVER:
            where = f"{name} {now - self.batches + first + 1}"
            raise DivergedError(sentence(where, "a finite loss", "nan or inf", _DO))
        check_labels(low, high, self._block[1].shape[2])

    def total(self) -> list[float]:
        """Return loss, correct and count, each summed over all processes."""
        self.fold()
        count = torch.tensor(float(self.count), dtype=torch.float64, device=self.loss.device)
        sums = torch.stack((self.loss, self.correct.double(), count))
        if rank_and_world()[1] > 1:
            dist.all_reduce(sums)
        return [float(value) for value in sums.tolist()]

    def restore(self, values: list[float]) -> None:
        """Go on from saved sums, :meth:`total` and the number of batches; one process takes all."""
        if rank_and_world()[0] == 0:
            self.loss.fill_(values[0])
            self.correct.fill_(int(values[1]))
            self.count = int(values[2])
        self.batches = int(values[3])

    def metrics(self) -> Metrics:
        """Return the means over all samples of all processes."""
        loss, correct, count = self.total()
        if count == 0:
            do = "Look at the data set, and whether an iterator was used up."
            raise ValueError(sentence("Trainer", "at least one batch", "none", do))
        return Metrics(loss / count, correct / count, int(correct), int(count))


def check_labels(low: int, high: int, classes: int) -> None:
    """Raise unless labels from ``low`` to ``high`` lie in 0..classes-1."""
    if low < 0 or high >= classes:
        do = "Number the classes from 0, and give the model one output for each."
        raise ValueError(sentence("batch", f"labels in 0..{classes - 1}", f"{low}..{high}", do))


def check_weights(model: nn.Module, step: int) -> None:
    """Raise DivergedError if a parameter is nan or infinite."""
    if bad := [name for name, p in model.named_parameters() if not all_finite(p)]:
        got = f"nan or inf in {', '.join(bad)}"
        raise DivergedError(sentence(f"step {step}", "finite weights", got, _DO))
