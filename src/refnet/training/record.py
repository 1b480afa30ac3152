"""What a run records: sums over its batches, metrics, a history of rows, and where it stands."""

import csv
import dataclasses
import io
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from refnet.errors import DataError, check_path, sentence, written_whole
from refnet.processes import added_up, lowest, rank_and_world
from refnet.training.checks import check_labels, check_samples, refuse_loss

BLOCK = 50  # batches after which the sums wait for the device
_NEVER = 2**62  # later than any batch


@dataclass(frozen=True)
class Metrics:
    """How a model does on a set: mean loss, accuracy = correct / count, and both counts.

    Where the targets are numbers, ``accuracy`` and ``correct`` are None.

    Examples
    --------
    >>> Metrics(loss=0.5, accuracy=0.75, correct=3, count=4).accuracy
    0.75
    """

    loss: float
    accuracy: float | None
    correct: int | None
    count: int


class Sums:
    """Sums over batches. What a batch adds stays on the device, and a step waits for nothing.

    Attributes
    ----------
    loss : float
        Sum over the samples of the losses.
    correct, labelled, count : int
        Samples with the right answer, with a class label at all, and all.
    batches : int
        Batches so far.
    """

    def __init__(self) -> None:
        self.loss = 0.0
        self.correct = 0
        self.labelled = 0
        self.count = 0
        self.batches = 0
        self._bad = _NEVER  # number, from 0, of the first batch whose loss was not finite
        self._low = 0
        self._high = 0
        self._classes = 1
        self._sizes: list[int] = []  # of the batches that wait, with their losses on the device
        self._losses: list[Tensor] = []
        self._answers: list[Tensor] = []  # of those with class labels: correct, lowest, highest

    def add(self, loss: Tensor, output: Tensor, y: Tensor) -> None:
        """Add one batch: its mean loss, shape (), its output, shape (N, ...), and its targets."""
        self._sizes.append(len(y))
        self._losses.append(loss)
        if len(y) and not y.is_floating_point():
            self.labelled += len(y)
            self._classes = output.shape[1]
            correct = torch.count_nonzero(output.argmax(1) == y)
            self._answers += (correct, *torch.aminmax(y))
        self.count += len(y)
        self.batches += 1
        if len(self._sizes) == BLOCK:
            self.fold()

    def fold(self) -> None:
        """Bring the waiting batches into the sums: here the device is waited for."""
        if not self._sizes:
            return
        losses = torch.stack(self._losses).double().tolist()
        before = self.batches - len(losses)
        for i, (size, loss) in enumerate(zip(self._sizes, losses, strict=True)):
            self.loss += size * loss
            if not math.isfinite(loss):
                self._bad = min(self._bad, before + i)
        if self._answers:
            answers = torch.stack(self._answers).view(-1, 3)
            self.correct += int(answers[:, 0].sum())
            self._low = min(self._low, int(answers[:, 1].min()))
            self._high = max(self._high, int(answers[:, 2].max()))
        self._sizes = []
        self._losses = []
        self._answers = []

    def check(self, now: int, name: str, device: torch.device) -> None:
        """Raise if a loss was not finite, naming the first, or a label was no class.

        ``now`` is the number of the last batch, which is called ``name``. All processes of a run
        must check at the same time.
        """
        self.fold()
        bad = lowest(self._bad, device)
        if bad < _NEVER:
            refuse_loss(f"{name} {now - self.batches + bad + 1}")
        check_labels(self._low, self._high, self._classes)

    def total(self, device: torch.device) -> list[float]:
        """Return loss, correct, count and labelled, each summed over all processes."""
        self.fold()
        return added_up([self.loss, self.correct, self.count, self.labelled], device)

    def metrics(self, device: torch.device) -> Metrics:
        """Return the means over all samples of all processes."""
        loss, correct, count, labelled = self.total(device)
        check_samples(int(count))
        if labelled == 0:
            return Metrics(loss / count, None, None, int(count))
        return Metrics(loss / count, correct / count, int(correct), int(count))


@dataclass(frozen=True)
class Row:
    """One line of a history: where the run stood and how well it did.

    Attributes
    ----------
    epoch : int or None
        Number of the epoch, from 0; None in a run over steps.
    step : int
        Training steps done when the row was written.
    train_loss, train_acc : float
        Mean loss (in nats for cross-entropy) and share of correct answers over the batches since
        the last row, each measured just before its own step.
    val_loss, val_acc : float or None
        The same over the whole validation set after the step; None where not measured. Where the
        targets are numbers, both accuracies are None, and the line shows the losses alone.
    seconds : float
        Time since the run began, without the pause of a resumed run.

    Examples
    --------
    >>> str(Row(0, 938, 0.7, 0.77, None, 0.81, 1.5))
    'Epoch = 0, train_loss = 0.700, train_acc = 0.770, val_acc = 0.810'
    >>> str(Row(None, 2000, 0.25, 0.9, None, None, 1.5))
    'Step = 2000, train_loss = 0.250, train_acc = 0.900'
    >>> str(Row(0, 938, 0.25, None, 0.3, None, 1.5))
    'Epoch = 0, train_loss = 0.250, val_loss = 0.300'
    """

    epoch: int | None
    step: int
    train_loss: float
    train_acc: float | None
    val_loss: float | None
    val_acc: float | None
    seconds: float

    def __str__(self) -> str:
        parts = [f"Step = {self.step}" if self.epoch is None else f"Epoch = {self.epoch}"]
        parts.append(f"train_loss = {self.train_loss:.3f}")
        if self.train_acc is not None:
            parts.append(f"train_acc = {self.train_acc:.3f}")
        elif self.val_loss is not None:
            parts.append(f"val_loss = {self.val_loss:.3f}")
        if self.val_acc is not None:
            parts.append(f"val_acc = {self.val_acc:.3f}")
        return ", ".join(parts)


@dataclass
class History:
    """The rows of a run, in order.

    Attributes
    ----------
    rows : list of Row

    Examples
    --------
    >>> history = History([Row(0, 938, 0.7, 0.77, 0.6, 0.81, 1.5)])
    >>> len(history), history[-1].epoch
    (1, 0)
    >>> history.column("val_acc")
    [0.81]
    """

    rows: list[Row] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def column(self, name: str) -> list[float | None]:
        """Return one attribute of every row, for example ``column("val_acc")``."""
        if name not in _COLUMNS:
            do = "Name one of these columns."
            raise ValueError(sentence("History.column", ", ".join(_COLUMNS), repr(name), do))
        if name.endswith("_acc") and any(row.train_acc is None for row in self.rows):
            do = f"Ask for {name.replace('acc', 'loss')!r}."
            got = f"{name!r} of a run that learnt numbers"
            raise ValueError(sentence("History.column", "a column that was measured", got, do))
        return [getattr(row, name) for row in self.rows]

    def to_csv(self, path: str | Path) -> None:
        """Write one line a row under a line of names; what was not measured is left empty."""
        text = io.StringIO()
        table = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(dataclasses.asdict(row) for row in self.rows)
        _write("History.to_csv", path, text.getvalue())

    def to_json(self, path: str | Path) -> None:
        """Write the rows as JSON, which :meth:`from_json` reads back unchanged."""
        text = json.dumps({"rows": [dataclasses.asdict(row) for row in self.rows]}, indent=1)
        _write("History.to_json", path, text + "\n")

    @classmethod
    def from_json(cls, path: str | Path) -> "History":
        """Return the history that :meth:`to_json` wrote.

        Raises
        ------
        DataError
            If the file is missing or holds something else.
        """
        try:
            text = check_path("History.from_json", "path", path).read_text(encoding="utf-8")
            rows = json.loads(text)["rows"]
            return cls([Row(**row) for row in rows])
        except (OSError, ValueError, TypeError, KeyError) as error:
            got = f"{path} ({type(error).__name__}: {error})"
            do = "Write one with History.to_json."
            raise DataError(sentence("History.from_json", "a history in JSON", got, do)) from error

    def to_tensorboard(self, folder: str | Path) -> None:
        """Write the rows as TensorBoard events into ``folder``; needs the package tensorboard."""
        where = "History.to_tensorboard"
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            expected = "the package tensorboard"
            do = "Run: pip install tensorboard."
            raise ImportError(sentence(where, expected, "none installed", do)) from error
        with SummaryWriter(str(check_path(where, "folder", folder))) as writer:
            for row in self.rows:
                for name in ("train_loss", "train_acc", "val_loss", "val_acc"):
                    value = getattr(row, name)
                    if value is not None:
                        writer.add_scalar(name, value, row.step)


def _write(where: str, path: str | Path, text: str) -> None:
    with written_whole(where, check_path(where, "path", path), DataError) as part:
        part.write_text(text, encoding="utf-8")


_COLUMNS = [f.name for f in dataclasses.fields(Row)]


@dataclass
class Progress:
    """Where a run stands: all that a checkpoint holds beside weights, optimizer and schedule."""

    kind: str  # which loop runs: fit or fit_steps
    sums: Sums = field(default_factory=Sums)
    history: History = field(default_factory=History)
    order: list[list[Tensor]] = field(default_factory=list)  # random states where this pass began
    epoch: int = 0
    batch: int = 0  # batches done of this pass
    step: int = 0
    ended: bool = False  # by the callback
    began: float = field(default_factory=time.perf_counter)

    def go_on(self) -> None:
        """Begin another pass where the last run of the same trainer ended."""
        self.sums = Sums()
        self.order = []
        self.batch = 0
        self.ended = False
        seconds = self.history[-1].seconds if self.history.rows else 0.0
        self.began = time.perf_counter() - seconds

    def add_row(self, epoch: int | None, train: Metrics, validation: Metrics | None) -> Row:
        """Close the sums with a row, which is returned, and begin new ones, and the next epoch."""
        row = Row(
            epoch=epoch,
            step=self.step,
            train_loss=train.loss,
            train_acc=train.accuracy,
            val_loss=validation.loss if validation else None,
            val_acc=validation.accuracy if validation else None,
            seconds=time.perf_counter() - self.began,
        )
        self.history.rows.append(row)
        self.sums = Sums()
        if epoch is not None:
            self.epoch = epoch + 1
            self.batch = 0
        return row

    def state(self, device: torch.device) -> dict[str, Any]:
        """Return it as plain values and tensors; every process must ask, for the sums of all."""
        kept: dict[str, Any] = {name: getattr(self, name) for name in _KEPT}
        loss, correct, count, labelled = self.sums.total(device)
        kept["sums"] = [loss, correct, count, self.sums.batches, labelled]
        kept["rows"] = [list(dataclasses.astuple(row)) for row in self.history]
        kept["seconds"] = time.perf_counter() - self.began
        return kept

    def go_back(self, content: dict[str, Any]) -> None:
        """Take over what :meth:`state` returned."""
        for name in _KEPT:
            setattr(self, name, content.get(name, getattr(self, name)))
        loss, correct, count, batches, *labelled = content["sums"]
        if rank_and_world()[0] == 0:  # one process takes the sums of all
            self.sums.loss = loss
            self.sums.correct = int(correct)
            self.sums.count = int(count)
            self.sums.labelled = int(labelled[0]) if labelled else int(count)
        self.sums.batches = int(batches)
        self.history.rows = [Row(*values) for values in content["rows"]]
        self.began -= content["seconds"]


_KEPT = ("kind", "epoch", "batch", "step", "ended")
