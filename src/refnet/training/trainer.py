"""The trainer: one training step, the loops over epochs or steps, and what happens between."""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import length_hint
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR, ReduceLROnPlateau
from torch.utils.data import DistributedSampler
from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from refnet.devices import choose_device, random_state, set_random_state
from refnet.errors import DivergedError, check_int
from refnet.processes import (
    StopSignal,
    add_up_gradients,
    copy_from_first,
    from_first,
    highest,
    rank_and_world,
    start_distributed,
)
from refnet.training import checks
from refnet.training.checkpoint import (
    CheckpointFolder,
    check_plain,
    extra_state,
    fill,
    latest_checkpoint,
    load_checkpoint,
)
from refnet.training.record import History, Metrics, Progress, Row, Sums

LOOK_EVERY = 50  # steps between two looks at the losses, at which to wait for the device


class Trainer:
    """Improves a model, step by step, on batches of inputs and targets: classes or numbers.

    Under torchrun the processes share each batch, and the step is that of one process over it,
    but for batch normalization, which uses the statistics of each share. torch accepts a learning
    rate of nan, labels of -100 and targets that it has to spread out; here they are errors.

    Parameters
    ----------
    model : Module
        Maps inputs, shape (N, ...), to logits, shape (N, C), or to numbers. Moved to the device,
        in place.
    optimizer : Optimizer
        Over the model's parameters; a learning rate must be a finite number above 0.
    loss : callable (output, targets) -> Tensor, shape ()
        The plain mean over the batch, in nats for the default, cross-entropy. torch's mean with
        class weights ``w``, or a sum, depends on the batch size and on the processes; return
        ``(w[y] * cross_entropy(logits, y, reduction="none")).mean()`` instead.
    device : str or torch.device
        As for :func:`refnet.choose_device`.
    verbose : bool
        Whether to print a line a row, and a progress bar where a terminal is watching.
    schedule : LRScheduler, optional
        A schedule of this optimizer from ``torch.optim.lr_scheduler``. The trainer steps it, and
        saves and resumes it with the run.
    schedule_each : str
        When: after each ``"step"``, or each ``"epoch"``, in ``fit_steps`` each row. ``"auto"``:
        OneCycleLR and CyclicLR each step, ReduceLROnPlateau each row (it is shown the row's
        validation loss, or else its training loss); any other each epoch in ``fit`` and each step
        in ``fit_steps``.

    Notes
    -----
    Gradients are clipped by a hook of the optimizer's, which must return nothing::

        def clip(optimizer, args, kwargs):
            nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)

        optimizer.register_step_pre_hook(clip)

    References
    ----------
    Goodfellow, Bengio and Courville, "Deep Learning", 2016, section 8.3.1, algorithm 8.1.

    Examples
    --------
    >>> _, net = torch.manual_seed(0), nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    >>> xor = [(torch.tensor([[0., 0.], [0., 1.], [1., 0.], [1., 1.]]), torch.tensor([0, 1, 1, 0]))]
    >>> trainer = Trainer(net, torch.optim.Adam(net.parameters(), 0.1), device="cpu", verbose=False)
    >>> history = trainer.fit(xor, epochs=60)
    >>> trainer.evaluate(xor).correct
    4

    The same points with numbers to learn, floating-point and of the output's shape:

    >>> line = nn.Linear(2, 1)
    >>> sums = [(x, x.sum(1, keepdim=True)) for x, _ in xor]
    >>> trainer = Trainer(line, torch.optim.SGD(line.parameters(), 0.5), nn.functional.mse_loss,
    ...                   device="cpu", verbose=False)
    >>> history = trainer.fit(sums, epochs=100)
    >>> history[-1].train_loss < 0.001, history[-1].train_acc
    (True, None)
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
        device: str | torch.device = "auto",
        verbose: bool = True,
        schedule: LRScheduler | None = None,
        schedule_each: str = "auto",
    ) -> None:
        checks.check_parts(model, optimizer, loss, schedule, schedule_each)
        self.device = choose_device(device)
        start_distributed(self.device)
        self.rank, self.world = rank_and_world()
        self.model = model.to(self.device)
        self.optimizer = optimizer
        self.loss = loss
        self.schedule = schedule
        self.schedule_each = schedule_each
        self.verbose = verbose and self.rank == 0
        self._run = Progress("")  # of the last call of fit or fit_steps
        self._first = True  # whether the next batch is the first of a pass: it is looked at closely
        self._generators: list[torch.Generator] = []  # of the run's loaders
        self._saved_to: Path | None = None
        self._folder: CheckpointFolder | None = None  # the same while it is open, in rank 0
        self._signal = StopSignal()
        copy_from_first([*model.parameters(), *model.buffers()])

    def training_step(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Improve the model on one batch; return loss and output from before the step."""
        self.optimizer.zero_grad()  # torch adds gradients up: forget those of the last step
        output = self.model(x)  # the forward pass: (N, ...) -> (N, C)
        loss = self._loss(output, y)  # one number: how wrong the batch is
        loss.backward()  # type: ignore[no-untyped-call]  # a gradient for each parameter
        if self.world > 1:
            add_up_gradients(self.model, len(y))  # those of the shares make that of the batch
        self.optimizer.step()  # a small move of each parameter against its gradient
        return loss.detach(), output.detach()

    def fit(
        self,
        train: Iterable[Any],
        validation: Iterable[Any] | None = None,
        epochs: int = 5,
        checkpoint: str | Path | None = None,
        resume: bool = False,
        callback: Callable[[Row, nn.Module], object] | None = None,
    ) -> History:
        """Pass ``epochs`` times over the batches of ``train``; return one row an epoch.

        A later ``fit`` of the same trainer goes on counting: its first epoch has the next number
        and the next order, and the history holds all rows.

        Parameters
        ----------
        train, validation : iterable of (x, y)
            x floating-point, shape (N, ...); y int64, shape (N,), class index in 0..C-1, or
            floating-point, of the output's shape. A list of batches will do. ``set_epoch(epoch)``
            is called where it exists, on the loader or a sampler inside it.
        epochs : int, at least 1
            More epochs; with ``resume`` the number in all, so that those left are done.
        checkpoint : str or Path, optional
            Folder to save to after each epoch, on Ctrl-C or SIGTERM, and if validation fails.
        resume : bool
            Whether to go on from the newest whole checkpoint there, if there is one.
        callback : callable (row, model) -> bool or None, optional
            Called after each row, with the model in evaluation mode and no gradients. If it
            returns True, the run ends there, and is saved as ended.

        Raises
        ------
        DivergedError
            If a loss, read every 50 steps, or a weight is nan or inf; nothing is saved after that.
        CheckpointError
            If the folder cannot be used, or holds another model's checkpoint.

        Examples
        --------
        Early stopping: the run ends after a row that is no better than both before it.

        >>> def stop_early(row, model):
        ...     losses.append(row.val_loss)
        ...     return len(losses) > 2 and losses[-1] >= max(losses[-3:-1])
        >>> losses, net = [], nn.Linear(2, 2)
        >>> batches = [(torch.eye(2), torch.tensor([0, 1]))]
        >>> wrong = [(torch.eye(2), torch.tensor([1, 0]))]
        >>> trainer = Trainer(net, torch.optim.SGD(net.parameters(), 0.1), verbose=False)
        >>> len(trainer.fit(batches, wrong, epochs=100, callback=stop_early))
        3
        """
        check_int("Trainer.fit", "epochs", epochs, 1)
        with self._open("fit", (train, validation), checkpoint, resume) as run:
            last = epochs if resume else run.epoch + epochs
            length = length_hint(train)
            self._check_schedule((last - run.epoch) * length - run.batch, last - run.epoch)
            while run.epoch < last and not run.ended:
                tell_epoch(train, run.epoch)
                self._learn(self._batches(train), length or None)
                self._end_row(run.epoch, validation, callback)
        return run.history

    def fit_steps(
        self,
        batches: Iterable[Any],
        steps: int,
        validation: Iterable[Any] | None = None,
        every: int = 2000,
        callback: Callable[[int, nn.Module], object] | None = None,
        checkpoint: str | Path | None = None,
        resume: bool = False,
    ) -> History:
        """Take ``steps`` batches of a stream; return a row each ``every`` steps and at the end.

        ``callback(step, model)`` is called at the start of a new run, with step 0, and after each
        row, with the model in evaluation mode and no gradients; True ends the run. To resume, pass
        the stream from its beginning: what is done is drawn again and skipped. The rest is as for
        :meth:`fit`.
        """
        check_int("Trainer.fit_steps", "steps", steps, 1)
        check_int("Trainer.fit_steps", "every", every, 1)
        with self._open("fit_steps", (batches, validation), checkpoint, resume) as run:
            last = steps if resume else run.step + steps
            self._check_schedule(last - run.step, math.ceil((last - run.step) / every))
            stream = self._batches(batches)
            if run.step == 0:
                run.ended = self._asks_to_end(callback, run.step)
            while (run.step < last or run.sums.batches) and not run.ended:
                rows = (run.step - run.sums.batches) // every  # of the steps that have one
                end = min((rows + 1) * every, last)
                end = max(end, run.step)  # steps and every may be smaller than before a resume
                self._learn(islice(stream, end - run.step), end - run.step)
                if run.step < end:
                    checks.refuse_short_stream(last, run.step)
                self._end_row(None, validation, callback)
        return run.history

    def evaluate(self, loader: Iterable[Any]) -> Metrics:
        """Return loss and accuracy over all batches, with the model in evaluation mode meanwhile.

        Every sample counts once, whatever the batch size and the number of processes. Where the
        targets are numbers, the accuracy is None.
        """
        self._move(loader)
        sums = Sums()
        torch.clear_autocast_cache()
        copy_from_first(self.model.buffers())  # under torchrun: those that are saved
        with evaluating(self.model):
            for x, y in self._checked(loader, loader):
                if len(y) == 0:  # this process has no share of the batch
                    continue
                with checks.explained(x, self._first):
                    output = self.model(x)
                    loss = self._loss(output, y)
                sums.add(loss, output, y)
        sums.check(sums.batches, "batch", self.device)
        return sums.metrics(self.device)

    # The batches of a pass

    def _batches(self, loader: Iterable[Any]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of a training pass, from where the run stands in it.

        A pass that was interrupted is drawn again from the random state in which it began, and
        what is done of it is skipped; then the random numbers go on where they were.
        """
        self._move(loader)
        run = self._run
        now = self._random()
        if run.batch and run.order:
            self._set_random(run.order)
        run.order = self._random()
        pairs = iter(loader)
        if run.batch:
            next(islice(pairs, run.batch - 1, None), None)
            self._set_random(now)
        return self._checked(loader, self._until_stopped(pairs))

    def _move(self, loader: Any) -> None:
        checks.check_loader(loader)
        if hasattr(loader, "to"):
            loader.to(self.device)

    def _checked(self, loader: Any, pairs: Iterable[Any]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of one pass, checked, on the device: this process's share of each."""
        dtype = next((p.dtype for p in self.model.parameters()), torch.float32)
        whole = self.world == 1 or shares_batches(loader)
        self._first = True
        for pair in pairs:
            x, y = checks.check_batch(pair, dtype, self._first)
            if not whole:
                x = x[self.rank :: self.world]
                y = y[self.rank :: self.world]
            if y.dtype != dtype and y.is_floating_point():
                y = y.to(dtype)
            yield x.to(self.device), y.to(self.device)

    def _until_stopped(self, pairs: Iterator[Any]) -> Iterator[Any]:
        """Yield from a loader; end early if the Ctrl-C that is waiting ended its processes, too."""
        try:
            for pair in pairs:  # noqa: UP028  (yield from would close a stream that goes on)
                yield pair
        except StopSignal.AFTERMATH:
            if not self._signal.seen:
                raise

    # The steps of a pass

    def _learn(self, batches: Iterable[tuple[Tensor, Tensor]], total: int | None) -> None:
        """Take a step on each batch, and a look now and then; ``total`` is for the bar."""
        run = self._run
        schedule = self.schedule if self._rhythm() == "step" else None
        alone = self.world == 1  # else what torch says may be about another process
        off = None if self.verbose else True  # None: a bar on a terminal only
        with tqdm(total=total, unit="step", disable=off, leave=False, mininterval=0.5) as bar:
            for x, y in batches:
                torch.clear_autocast_cache()  # under autocast it holds the weights as they were
                with checks.explained(x, self._first and alone):
                    loss, output = self.training_step(x, y)
                if run.step == 0 and alone:
                    checks.warn_of_a_high_loss(self.loss, loss, output, x, y)
                    checks.warn_of_no_logits(self.loss, output)
                run.sums.add(loss, output, y)
                run.step += 1
                run.batch += 1
                if schedule is not None:
                    schedule.step()
                if run.step % LOOK_EVERY == 0 or (self._signal.seen and alone):
                    self._look()
                    bar.update(LOOK_EVERY)
        self._look()

    def _loss(self, output: Tensor, y: Tensor) -> Tensor:
        first = self._first
        self._first = False
        return checks.checked_loss(self.loss, output, y, first)

    def _look(self) -> None:
        """Wait for the device; stop if a loss was not finite, or if a signal asked for it."""
        run = self._run
        run.sums.check(run.step, "step", self.device)
        self._signal.seen = highest(self._signal.seen, self.device)
        if self._signal.seen:
            checks.check_weights(self.model, run.step)
            self._save()
            self._signal.stop()

    # After a pass: a row of the history

    def _end_row(self, epoch: int | None, validation: Iterable[Any] | None, callback: Any) -> None:
        """Validate, write the row, step the schedule, ask the callback, and save."""
        run = self._run
        checks.check_weights(self.model, run.step)
        train = run.sums.metrics(self.device)
        with self._saving():
            measured = None if validation is None else self.evaluate(validation)
            row = run.add_row(epoch, train, measured)
            if self._rhythm() == "epoch":
                self._step_schedule(row)
            if self.verbose:
                print(row, flush=True)
            run.ended = self._asks_to_end(callback, run.step if epoch is None else row)

    def _asks_to_end(self, callback: Callable[[Any, nn.Module], object] | None, at: object) -> bool:
        """Call ``callback(at, model)``, if there is one; return whether it ends the run."""
        if callback is None:
            return False
        with evaluating(self.model):
            end = checks.wants_end(callback(at, self.model))
        return bool(highest(int(end), self.device))

    def _rhythm(self) -> str:
        """Return after what the schedule is stepped: a step, or an epoch (or row)."""
        if self.schedule_each != "auto":
            return self.schedule_each
        if isinstance(self.schedule, OneCycleLR | CyclicLR):
            return "step"
        if isinstance(self.schedule, ReduceLROnPlateau) or self._run.kind == "fit":
            return "epoch"
        return "step"

    def _step_schedule(self, row: Row) -> None:
        if isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step(row.train_loss if row.val_loss is None else row.val_loss)
        elif self.schedule is not None:
            self.schedule.step()

    def _check_schedule(self, steps: int, rows: int) -> None:
        if self.schedule is not None:
            times = steps if self._rhythm() == "step" else rows
            checks.check_end_of_schedule(self.schedule, times)

    # A run: from where it begins or goes on, and what is saved of it

    @contextlib.contextmanager
    def _open(
        self, kind: str, loaders: Iterable[Any], checkpoint: str | Path | None, resume: bool
    ) -> Iterator[Progress]:
        """Open a run: check the settings, lock the folder, go back to its newest checkpoint."""
        checks.check_parts(self.model, self.optimizer, self.loss, self.schedule, self.schedule_each)
        checks.check_resume(f"Trainer.{kind}", checkpoint, resume)
        folder = None if checkpoint is None else Path(checkpoint)
        going_on = self._run.kind == kind and self._run.step > 0 and not resume
        own = going_on and folder == self._saved_to  # then its checkpoints are those of this run
        if going_on:
            self._run.go_on()
        else:
            self._run = Progress(kind)
        self._generators = generators_of(loaders)
        self._saved_to = folder
        self._folder = None
        with contextlib.ExitStack() as stack:
            if folder is not None and self.rank == 0:
                self._check_what_is_saved()
                self._folder = stack.enter_context(CheckpointFolder(folder, resume or own))
            self._signal = stack.enter_context(StopSignal())
            if resume:
                self._go_back()
            self.model.train()
            yield self._run

    def _check_what_is_saved(self) -> None:
        """Refuse before the first step what could not be read back after the last."""
        if self.schedule is not None:
            check_plain("Trainer", "the schedule", self.schedule.state_dict())
        check_plain("Trainer", "the extra state of the layers", extra_state(self.model))

    def _go_back(self) -> None:
        """Go back to the newest checkpoint, if there is one; all is checked before any change."""
        run = self._run
        path = latest_checkpoint(self._folder.folder) if self._folder else None
        content = from_first(path and load_checkpoint(path), self.device)  # it reads for all
        if not content:
            return
        checks.check_kind(content, run.kind)
        checks.check_saved_schedule(content, self.schedule)
        fill(content, self.model, self.optimizer)
        if self.schedule is not None:
            self.schedule.load_state_dict(content["schedule"]["state"])
        run.go_back(content)
        of_now, of_order = content.get("generators", ([], []))
        checks.warn_of_other_generators(len(of_now), len(self._generators))
        run.order = [content["order"], of_order]
        self._set_random([content["now"], of_now])

    @contextlib.contextmanager
    def _saving(self) -> Iterator[None]:
        """Save at the end, and after an error inside, too: the steps before it were good.

        Not after nan or inf, nor without a step, nor in several processes, which save together.
        """
        run = self._run
        now = self._random()
        try:
            yield
        except Exception as error:
            good = run.step > 0 and not isinstance(error, DivergedError)
            if good and self.world == 1:
                if run.sums.batches:  # no row yet: as if the validation had not begun
                    self._set_random(now)
                self._save()
            raise
        self._save()

    def _save(self) -> None:
        run = self._run
        state = run.state(self.device)  # every process: it sums over them
        now = self._random()
        state["now"] = now[0]
        state["order"] = run.order[0]
        state["generators"] = [now[1], run.order[1]]
        state["schedule"] = None
        if self.schedule is not None:
            kind = type(self.schedule).__name__
            state["schedule"] = {"kind": kind, "state": self.schedule.state_dict()}
        if self._folder:
            self._folder.save(self.model, self.optimizer, run.epoch, run.step, state)

    def _random(self) -> list[list[Tensor]]:
        """Return the random states: torch's own, and those of the loaders' generators."""
        return [random_state(self.device), [g.get_state() for g in self._generators]]

    def _set_random(self, states: list[list[Tensor]]) -> None:
        set_random_state(self.device, states[0])
        for generator, state in zip(self._generators, states[1], strict=False):
            generator.set_state(state)


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode, without gradients; each part goes back as it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def parts_of(loader: Any) -> Iterator[Any]:
    """Yield a loader, and the samplers and data set in it, however deep they sit."""
    waiting = [loader]
    seen = set()
    while waiting:
        part = waiting.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        waiting += [getattr(part, name, None) for name in ("dataset", "batch_sampler", "sampler")]


def tell_epoch(loader: Any, epoch: int) -> None:
    """Call ``set_epoch`` of a loader, and of each part of it that has one."""
    for part in parts_of(loader):
        if hasattr(part, "set_epoch"):
            part.set_epoch(epoch)


def shares_batches(loader: Any) -> bool:
    """Return whether a loader gives each process its share of a batch by itself."""
    return any(
        isinstance(part, DistributedSampler) or getattr(part, "shares_batches", False)
        for part in parts_of(loader)
    )


def generators_of(loaders: Iterable[Any]) -> list[torch.Generator]:
    """Return the random generators of their own that loaders have, each once."""
    found = [getattr(part, "generator", None) for loader in loaders for part in parts_of(loader)]
    once = {id(generator): generator for generator in found}
    return [one for one in once.values() if isinstance(one, torch.Generator)]
