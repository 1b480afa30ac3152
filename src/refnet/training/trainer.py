"""The trainer: one training step, and the loops over epochs or steps around it."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import length_hint
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer
from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from refnet.devices import choose_device
from refnet.errors import check_int, sentence
from refnet.processes import (
    StopSignal,
    add_up_gradients,
    copy_from_first,
    from_first,
    highest,
    rank_and_world,
    start_distributed,
)
from refnet.training.batches import (
    Stream,
    check_parts,
    checked_loss,
    explained,
)
from refnet.training.checkpoint import CheckpointFolder, fill, latest_checkpoint, load_checkpoint
from refnet.training.measures import Metrics, Sums, check_weights
from refnet.training.record import History, Progress

LOOK_EVERY = 50  # steps between two looks at the sums, at which to wait for the device


class Trainer:
    """Improves a classifier, step by step, on batches of inputs and class labels; no regression.

    Under torchrun the processes share each batch, and the step is that of one process over it,
    but for batch normalization, which uses the statistics of each share. torch accepts a learning
    rate of 0 or nan and labels of -100 in silence; here they are errors.

    Parameters
    ----------
    model : Module
        Maps inputs, shape (N, ...), to logits, shape (N, C). Moved to the device, in place.
    optimizer : Optimizer
        Over the model's parameters; its learning rate must be a finite number above 0.
    loss : callable (logits, labels) -> Tensor, shape ()
        The plain mean over the batch, in nats for the default, cross-entropy. torch's mean with
        class weights ``w``, or a sum, depends on the batch size and on the processes; return
        ``(w[y] * cross_entropy(logits, y, reduction="none")).mean()`` instead.
    device : str or torch.device
        As for :func:`refnet.choose_device`.
    verbose : bool
        Whether to print a line a row, and a progress bar where a terminal is watching.

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
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
        device: str | torch.device = "auto",
        verbose: bool = True,
    ) -> None:
        check_parts(model, optimizer, loss)
        self.device = choose_device(device)
        start_distributed(self.device)
        self.rank, self.world = rank_and_world()
        self.model, self.optimizer, self.loss = model.to(self.device), optimizer, loss
        copy_from_first(model.state_dict().values())
        self.verbose = verbose and self.rank == 0
        self._fresh = True  # whether the next batch is the first of a pass

    def training_step(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Improve the model on one batch; return the loss and the logits from before the step."""
        self.optimizer.zero_grad()  # torch adds gradients up: forget those of the last step
        logits = self.model(x)  # the forward pass: (N, ...) -> (N, C)
        loss = self._loss(logits, y)  # one number: how wrong the batch is
        loss.backward()  # type: ignore[no-untyped-call]  # a gradient for each parameter
        if self.world > 1:
            add_up_gradients(self.model, len(y))  # those of the shares make that of the batch
        self.optimizer.step()  # a small move of each parameter against its gradient
        return loss.detach(), logits.detach()

    def fit(
        self,
        train: Iterable[Any],
        validation: Iterable[Any] | None = None,
        epochs: int = 5,
        checkpoint: str | Path | None = None,
        resume: bool = False,
    ) -> History:
        """Pass ``epochs`` times over the batches of ``train``; return one row an epoch.

        Parameters
        ----------
        train, validation : iterable of (x, y)
            x floating-point, shape (N, ...); y int64, shape (N,), class index in 0..C-1. A list
            of batches will do. ``train.set_epoch(epoch)`` is called where it exists.
        epochs : int, at least 1
            In all: a resumed run does those left; any other begins at epoch 0, with its order.
        checkpoint : str or Path, optional
            Folder to save to after each epoch, on Ctrl-C or SIGTERM, and if validation fails.
        resume : bool
            Whether to go on from the newest whole checkpoint there, if there is one.

        Raises
        ------
        DivergedError
            If a loss, read every 50 steps, or a weight is nan or inf; nothing is saved after that.
        CheckpointError
            If the folder cannot be used, or holds another model's checkpoint.
        """
        check_int("Trainer.fit", "epochs", epochs, 1)
        with self._start("fit", checkpoint, resume):
            while self._run.epoch < epochs:
                if hasattr(train, "set_epoch"):
                    train.set_epoch(self._run.epoch)
                self._learn(self._open(train), length_hint(train) or None)
                self._report(self._run.epoch, validation)
        return self._run.history

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
        row, with the model in evaluation mode and no gradients. To resume, pass the stream from
        its beginning: what is done is drawn again and skipped. The rest is as for :meth:`fit`.
        """
        check_int("Trainer.fit_steps", "steps", steps, 1)
        check_int("Trainer.fit_steps", "every", every, 1)
        with self._start("fit_steps", checkpoint, resume):
            run, stream = self._run, iter(self._open(batches))
            if run.step == 0:
                show(callback, run.step, self.model)
            while run.step < steps or run.sums.batches:
                row = ((run.step - run.sums.batches) // every + 1) * every
                end = max(run.step, min(steps, row))  # resumed: settings may be smaller now
                self._learn(islice(stream, end - run.step), end - run.step)
                if run.step < end:
                    got, do = f"only {run.step}", "Pass an endless stream, or fewer steps."
                    raise ValueError(sentence("Trainer.fit_steps", f"{steps} batches", got, do))
                self._report(None, validation, callback)
        return self._run.history

    def evaluate(self, loader: Iterable[Any]) -> Metrics:
        """Return loss and accuracy over all batches, with the model in evaluation mode meanwhile.

        Every sample counts once, whatever the batch size and the number of processes.
        """
        self._fresh, sums = True, Sums(self.device)
        with evaluating(self.model):
            for x, y in Stream(loader, self.model, self.device):
                if len(y):  # else this process has no share of the batch
                    with explained(x, self._fresh):
                        logits = self.model(x)
                        sums.add(self._loss(logits, y), logits, y)
        sums.check(sums.batches, "batch")
        return sums.metrics()

    def _loss(self, logits: Tensor, y: Tensor) -> Tensor:
        look, self._fresh = self._fresh, False  # at the first batch of a pass
        return checked_loss(self.loss, logits, y, look)

    def _open(self, loader: Iterable[Any]) -> Stream:
        self._fresh, run = True, self._run
        stream = Stream(loader, self.model, self.device, run.batch, run.order)
        run.order = stream.order
        return stream

    def _learn(self, batches: Iterable[tuple[Tensor, Tensor]], steps: int | None) -> None:
        run, off = self._run, None if self.verbose else True  # None: a bar on a terminal only
        with tqdm(total=steps, unit="step", disable=off, leave=False, mininterval=0.5) as bar:
            for x, y in batches:
                with explained(x, self._fresh and self.world == 1):
                    loss, logits = self.training_step(x, y)
                run.sums.add(loss, logits, y)
                run.step, run.batch = run.step + 1, run.batch + 1
                if run.step % LOOK_EVERY == 0 or (self._signal.seen and self.world == 1):
                    self._look()
                    bar.update(LOOK_EVERY)
        self._look()

    def _look(self) -> None:
        """Wait for the device; stop if a loss was not finite, or if a signal asked for it."""
        self._run.sums.check(self._run.step, "step")
        self._signal.seen = highest(self._signal.seen, self.device)
        if self._signal.seen:
            check_weights(self.model, self._run.step)
            self._save()
            self._signal.stop()

    def _report(self, epoch: int | None, data: Iterable[Any] | None, callback: Any = None) -> None:
        check_weights(self.model, self._run.step)
        with self._run.saving(self._save):
            row = self._run.add_row(epoch, None if data is None else self.evaluate(data))
            if self.verbose:
                print(row, flush=True)
            show(callback, self._run.step, self.model)

    @contextlib.contextmanager
    def _start(self, kind: str, checkpoint: str | Path | None, resume: bool) -> Iterator[None]:
        """Open a run: check the settings, lock the folder, go back to its newest checkpoint."""
        check_parts(self.model, self.optimizer, self.loss)
        if resume and checkpoint is None:
            expected, do = "a folder to resume from", "Pass checkpoint=FOLDER too."
            raise ValueError(sentence(f"Trainer.{kind}", expected, "checkpoint=None", do))
        self._run, self._folder = Progress(kind, self.device, Sums(self.device)), None
        with contextlib.ExitStack() as stack:
            if checkpoint is not None and self.rank == 0:
                self._folder = stack.enter_context(CheckpointFolder(checkpoint, resume))
            self._signal = stack.enter_context(StopSignal())
            if resume:  # the first process reads the file for all of them
                path = latest_checkpoint(self._folder.folder) if self._folder else None
                if content := from_first(path and load_checkpoint(path), self.device):
                    self._run.go_back(content)  # first: it refuses another loop's checkpoint
                    fill(content, self.model, self.optimizer)
            self.model.train()
            yield
            if self._signal.seen:  # it came after the last step: all is saved
                self._signal.stop()

    def _save(self) -> None:
        run, state = self._run, self._run.state()  # every process: it sums over them
        if self._folder:
            self._folder.save(self.model, self.optimizer, run.epoch, run.step, state)


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


def show(callback: Callable[[int, nn.Module], object] | None, step: int, model: nn.Module) -> None:
    """Call ``callback(step, model)``, if there is one, while the model is in evaluation mode."""
    if callback:
        with evaluating(model):
            callback(step, model)
