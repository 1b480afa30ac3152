"""History: what a run recorded, one row an epoch or report, to print, keep and draw."""

import contextlib
import csv
import dataclasses
import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from refnet.devices import random_state, set_random_state
from refnet.errors import CheckpointError, DataError, DivergedError, check_path, sentence
from refnet.processes import rank_and_world
from refnet.training.measures import Metrics, Sums


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
        Mean loss in nats and share of correct answers over the batches since the last row,
        each measured just before its own step.
    val_loss, val_acc : float or None
        The same over the whole validation set after the step; None where not measured.
    seconds : float
        Time since the run began, without the pause of a resumed run.

    Examples
    --------
    >>> str(Row(0, 938, 0.7, 0.77, None, 0.81, 1.5))
    'Epoch = 0, train_loss = 0.700, train_acc = 0.770, val_acc = 0.810'
    >>> str(Row(None, 2000, 0.25, 0.9, None, None, 1.5))
    'Step = 2000, train_loss = 0.250, train_acc = 0.900'
    """

    epoch: int | None
    step: int
    train_loss: float
    train_acc: float
    val_loss: float | None
    val_acc: float | None
    seconds: float

    def __str__(self) -> str:
        start = f"Step = {self.step}" if self.epoch is None else f"Epoch = {self.epoch}"
        end = "" if self.val_acc is None else f", val_acc = {self.val_acc:.3f}"
        return f"{start}, train_loss = {self.train_loss:.3f}, train_acc = {self.train_acc:.3f}{end}"


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
            expected, got = "a history in JSON", f"{path} ({type(error).__name__}: {error})"
            do = "Write one with History.to_json."
            raise DataError(sentence("History.from_json", expected, got, do)) from error

    def to_tensorboard(self, folder: str | Path) -> None:
        """Write the rows as TensorBoard events into ``folder``; needs the package tensorboard."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            expected, got = "the package tensorboard", "none installed"
            do = "Run: pip install tensorboard."
            raise ImportError(sentence("History.to_tensorboard", expected, got, do)) from error
        with SummaryWriter(str(check_path("History.to_tensorboard", "folder", folder))) as writer:
            for row in self.rows:
                for name in ("train_loss", "train_acc", "val_loss", "val_acc"):
                    if (value := getattr(row, name)) is not None:
                        writer.add_scalar(name, value, row.step)


def _write(where: str, path: str | Path, text: str) -> None:
    path = check_path(where, "path", path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        expected, got = "a file that can be written", f"{path} ({error.strerror})"
        raise DataError(sentence(where, expected, got, "Choose another path.")) from error


_COLUMNS = [f.name for f in dataclasses.fields(Row)]


@dataclass
class Progress:
    """Where a run stands: all that a checkpoint holds beside the weights and the optimizer."""

    kind: str  # which loop runs: fit or fit_steps
    device: torch.device
    sums: Sums
    history: History = field(default_factory=History)
    order: list[Tensor] = field(default_factory=list)  # random state where this pass began
    epoch: int = 0
    batch: int = 0  # batches done of this pass
    step: int = 0
    began: float = field(default_factory=time.perf_counter)

    def add_row(self, epoch: int | None, validation: Metrics | None) -> Row:
        """Close the sums with a row, which is returned, and begin new ones, and the next epoch."""
        train, seconds = self.sums.metrics(), time.perf_counter() - self.began
        loss, accuracy = (validation.loss, validation.accuracy) if validation else (None, None)
        row = Row(epoch, self.step, train.loss, train.accuracy, loss, accuracy, seconds)
        self.history.rows.append(row)
        self.sums = Sums(self.device)
        if epoch is not None:
            self.epoch, self.batch = epoch + 1, 0
        return row

    @contextlib.contextmanager
    def saving(self, save: Callable[[], None]) -> Iterator[None]:
        """Save at the end, and after an error inside, too: the steps before it were good.

        Not after nan or inf, nor without a step, nor in several processes, which save together.
        """
        now = random_state(self.device)
        try:
            yield
        except Exception as error:
            good = self.step > 0 and not isinstance(error, DivergedError)
            if good and rank_and_world()[1] == 1:
                if self.sums.batches:  # no row yet: as if the validation had not begun
                    set_random_state(self.device, now)
                save()
            raise
        save()

    def state(self) -> dict[str, Any]:
        """Return it as the plain values and tensors of a checkpoint; every process must ask."""
        kept: dict[str, Any] = {name: getattr(self, name) for name in _KEPT}
        kept |= {"sums": [*self.sums.total(), self.sums.batches]}
        kept |= {"rows": [list(dataclasses.astuple(row)) for row in self.history]}
        return kept | {
            "now": random_state(self.device),
            "seconds": time.perf_counter() - self.began,
        }

    def go_back(self, content: dict[str, Any]) -> None:
        """Take over what :meth:`state` returned, the random state too."""
        if content.get("kind") != self.kind:
            expected, do = f"a checkpoint of Trainer.{self.kind}", "Choose another folder."
            got = f"one of {content.get('kind', 'save_checkpoint')}"
            raise CheckpointError(sentence("resume=True", expected, got, do))
        for name in _KEPT:
            setattr(self, name, content[name])
        self.sums.restore(content["sums"])
        self.history.rows = [Row(*values) for values in content["rows"]]
        self.began -= content["seconds"]
        set_random_state(self.device, content["now"])


_KEPT = ("kind", "order", "epoch", "batch", "step")
