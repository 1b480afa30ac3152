"""Batches on their way through a trainer: what must hold for them, and who gets which part."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DistributedSampler

from refnet.devices import random_state, rank_and_world, set_random_state
from refnet.errors import all_finite, check_number, sentence
from refnet.training.measures import check_labels


class Stream:
    """One pass over a loader: its batches, checked and on the device, this process's share of each.

    A loader with a sampler of refnet's, or a DistributedSampler, gives each process its share
    itself; of the batches of any other each process takes every ``world``-th sample.

    Parameters
    ----------
    loader : iterable of (x, y)
    model : Module
        x must have the dtype of its weights.
    done : int
        Batches to draw and skip, to go on in the middle of a pass.
    order : list of Tensor, optional
        Random state in which that pass had begun; the present one returns after the skipping.

    Attributes
    ----------
    order : list of Tensor
        Random state in which the pass began.
    """

    def __init__(
        self,
        loader: Iterable[Any],
        model: nn.Module,
        device: torch.device,
        done: int = 0,
        order: list[Tensor] | None = None,
    ) -> None:
        if not isinstance(loader, Iterable):
            expected, do = "batches (x, y)", "Pass a Loader or a list of batches."
            raise TypeError(sentence("Trainer", expected, type(loader).__name__, do))
        if hasattr(loader, "to"):
            loader.to(device)
        self.dtype = next((p.dtype for p in model.parameters()), torch.float32)
        self.device = device
        rank, world = rank_and_world()
        self.part = None if world == 1 or _shares(loader) else slice(rank, None, world)
        now = random_state(device)
        self.order = order if done and order else now
        set_random_state(device, self.order)
        self._pairs = iter(loader)
        if done:
            next(islice(self._pairs, done - 1, None), None)
            set_random_state(device, now)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        first = True
        for pair in self._pairs:
            x, y = check_batch(pair, self.dtype, first)
            if self.part:
                x, y = x[self.part], y[self.part]
            yield x.to(self.device), y.to(self.device)
            first = False


def _shares(loader: Any) -> bool:
    """Return whether ``loader`` gives each process its share itself."""
    batches = getattr(loader, "batch_sampler", None)
    samplers = (getattr(loader, "sampler", None), batches, getattr(batches, "sampler", None))
    return any(
        isinstance(each, DistributedSampler) or getattr(each, "shares_batches", False)
        for each in samplers
    )


def check_batch(pair: Any, dtype: torch.dtype, first: bool) -> tuple[Tensor, Tensor]:
    """Return ``pair`` as inputs x, shape (N, ...), of the model's dtype, and labels y, shape (N,).

    Only the ``first`` batch of a pass is searched for nan; later ones show in the loss.
    """
    where = "batch"
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        expected, do = "a pair (x, y) of inputs and labels", "Yield both from the loader."
        if isinstance(pair, Tensor):  # the pair itself was passed, or x alone
            do = "Pass a list of batches: [(x, y)]."
        raise TypeError(sentence(where, expected, type(pair).__name__, do))
    x, y = pair
    for name, value in (("x", x), ("y", y)):
        if not isinstance(value, Tensor):
            do = f"Convert it first: torch.as_tensor({name})."
            raise TypeError(sentence(where, f"{name} as a tensor", type(value).__name__, do))
    if x.dtype != dtype:
        do = f"Convert it first: x.to({dtype}), scaled as the model expects it."
        raise TypeError(sentence(where, f"x of the weights' {dtype}", str(x.dtype), do))
    if y.ndim != 1:
        do = "Pass y.argmax(1)." if y.ndim == 2 and y.shape[1] > 1 else "Pass y.flatten()."
        raise ValueError(sentence(where, "y of shape (N,), a class index each", _shapes(x, y), do))
    if y.dtype != torch.int64:
        do = "Pass class indices: y.long()."
        if y.is_floating_point() and not torch.equal(y, y.round()):
            do = "The Trainer learns classes; to learn numbers write the loop yourself."
        raise TypeError(sentence(where, "y of torch.int64", str(y.dtype), do))
    if x.ndim < 2:
        expected, do = "x of shape (N, ...)", "For one input a sample pass x[:, None]."
        raise ValueError(sentence(where, expected, _shapes(x, y), do))
    if len(x) != len(y):
        do = "Give each sample one label."
        raise ValueError(sentence(where, "as many samples as labels", _shapes(x, y), do))
    if len(y) == 0 and rank_and_world()[1] == 1:
        do = "Leave empty batches out."
        raise ValueError(sentence(where, "at least one sample", _shapes(x, y), do))
    if first and not all_finite(x):
        do = "Repair or leave out such samples."
        raise ValueError(sentence(where, "finite inputs", "nan or inf in x", do))
    return x, y


def _shapes(x: Tensor, y: Tensor) -> str:
    return f"x {tuple(x.shape)}, y {tuple(y.shape)}"


def checked_loss(
    loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, y: Tensor, look: bool
) -> Tensor:
    """Return ``loss(logits, y)``, shape (): 0 for an empty share of a batch.

    Raises ValueError unless logits have shape (N, C) and the labels lie in 0..C-1. Without a
    ``look``, labels of -100 pass here, as in torch; the sums find them at the next look.
    """
    expected = f"logits of shape ({len(y)}, C)"
    if not isinstance(logits, Tensor):
        do = "Let forward return one tensor: does it end in return?"
        raise TypeError(sentence("model", expected, type(logits).__name__, do))
    if logits.ndim != 2 or len(logits) != len(y):
        got = str(tuple(logits.shape))
        raise ValueError(sentence("model", expected, got, "Look at the model's last layer."))
    if len(y) == 0:
        return logits.sum() * 0
    if look:
        check_labels(int(y.min()), int(y.max()), logits.shape[1])
    try:
        value = loss(logits, y)
    except IndexError:
        check_labels(int(y.min()), int(y.max()), logits.shape[1])
        raise
    expected = "a tensor of shape ()"
    if not isinstance(value, Tensor):
        do = "Return what torch computed, without .item() or float()."
        raise TypeError(sentence("loss", expected, type(value).__name__, do))
    if value.ndim != 0:
        got = str(tuple(value.shape))
        raise ValueError(sentence("loss", expected, got, "Take the mean over the batch."))
    return value


@contextlib.contextmanager
def explained(x: Tensor, first: bool) -> Iterator[None]:
    """Turn what torch says about a ``first`` batch into a sentence with its shape."""
    try:
        yield
    except RuntimeError as error:
        if not first or isinstance(error, torch.OutOfMemoryError):
            raise
        expected, got = "one that model, loss and optimizer take", f"x {tuple(x.shape)}"
        do = f"torch says: {error}"
        if "does not require grad" in do:
            do = f"Is every layer frozen, or fit called under torch.no_grad()? {do}"
        raise ValueError(sentence("batch", expected, got, do)) from error


def check_parts(model: object, optimizer: object, loss: object) -> None:
    """Raise unless every group of the optimizer improves this model, at a rate above 0."""
    if not callable(loss) or isinstance(loss, type):
        do = "Pass e.g. torch.nn.functional.cross_entropy or nn.CrossEntropyLoss()."
        raise TypeError(sentence("Trainer", "loss to be a function", repr(loss), do))
    do = "Build it first and pass the object."
    if not isinstance(model, nn.Module):
        raise TypeError(sentence("Trainer", "model to be a torch Module", repr(model), do))
    if not isinstance(optimizer, Optimizer):
        expected = "optimizer to be a torch Optimizer"
        raise TypeError(sentence("Trainer", expected, repr(optimizer), do))
    own = {id(p) for p in model.parameters()}
    for group in optimizer.param_groups:
        lr = float(group["lr"]) if isinstance(group["lr"], Tensor) else group["lr"]
        if check_number("Trainer", "lr", lr, 0) == 0:
            do = "With 0 nothing would be learnt."
            raise ValueError(sentence("Trainer", "lr above 0", repr(lr), do))
        if not any(id(p) in own for p in group["params"]):
            expected, do = "an optimizer of this model", "Build it from model.parameters()."
            raise ValueError(sentence("Trainer", expected, "one of other tensors", do))


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


def share(n: int, device: torch.device) -> Tensor | None:
    """Return n * world / N for this process's n of the N samples of a batch; None for one process.

    DistributedDataParallel averages the gradients of the processes' means. With this factor the
    average is the gradient of the mean over all N samples, however unequal the shares.
    """
    world = rank_and_world()[1]
    if world == 1:
        return None
    total = torch.tensor(float(n), device=device)
    dist.all_reduce(total)
    return n * world / total
