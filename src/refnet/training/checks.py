"""All that a trainer refuses, with its sentences: its parts, a batch, an output, a run."""

import contextlib
import inspect
import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, nll_loss
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
)

from refnet.errors import (
    CheckpointError,
    DivergedError,
    all_finite,
    check_choice,
    check_number,
    sentence,
)
from refnet.processes import rank_and_world

Loss = Callable[[Tensor, Tensor], Tensor]

_OF_NUMBERS = {  # losses of torch whose targets are numbers, and no class indices
    *("mse_loss", "MSELoss", "l1_loss", "L1Loss", "huber_loss", "HuberLoss"),
    *("smooth_l1_loss", "SmoothL1Loss", "poisson_nll_loss", "PoissonNLLLoss"),
    *("binary_cross_entropy", "BCELoss", "kl_div", "KLDivLoss"),
    *("binary_cross_entropy_with_logits", "BCEWithLogitsLoss"),
}
_FAR = 30  # times the loss of guessing, at which a first loss is far above it
_NAMED = 5  # names of parameters in a sentence


# The parts of a trainer


def check_parts(
    model: object, optimizer: object, loss: object, schedule: object, schedule_each: object
) -> None:
    """Raise unless model, optimizer, loss and schedule are such, and fit together."""
    do = "Build it first and pass the object."
    if isinstance(model, Optimizer):
        do = "Pass the model first, and the optimizer after it."
    if not isinstance(model, nn.Module):
        raise TypeError(sentence("Trainer", "model to be a torch Module", _in_a_line(model), do))
    if not isinstance(optimizer, Optimizer):
        expected = "optimizer to be a torch Optimizer"
        raise TypeError(sentence("Trainer", expected, _in_a_line(optimizer), do))
    if not callable(loss) or isinstance(loss, type):
        do = "Pass e.g. torch.nn.functional.cross_entropy or nn.CrossEntropyLoss()."
        raise TypeError(sentence("Trainer", "loss to be a function", repr(loss), do))
    _check_rates(optimizer)
    _check_parameters(model, optimizer)
    _check_closure(optimizer)
    check_choice("Trainer", "schedule_each", schedule_each, ("auto", "epoch", "step"))
    if schedule is not None:
        _check_schedule(schedule, optimizer, schedule_each)


def _in_a_line(value: object) -> str:
    """Return how a value is written, or the name of its type if that takes several lines."""
    text = repr(value)
    return f"one of type {type(value).__name__}" if "\n" in text else text


def _check_rates(optimizer: Optimizer) -> None:
    highest = 0.0
    for group in optimizer.param_groups:
        for name in ("lr", "initial_lr"):  # the second is where a schedule came from or goes to
            rate = group.get(name, 0)
            if isinstance(rate, Tensor):
                rate = float(rate)
            highest = max(highest, check_number("Trainer", "lr", rate, 0))
    if highest == 0:
        do = "Choose one above 0; a schedule may begin at 0 and rise to it."
        raise ValueError(sentence("Trainer", "lr above 0", "0 in every group", do))


def _check_parameters(model: nn.Module, optimizer: Optimizer) -> None:
    own = {id(p) for p in model.parameters()}
    given = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not own & given:
        do = "Build it from model.parameters()."
        raise ValueError(sentence("Trainer", "an optimizer of this model", "one of others", do))
    names = [name for name, p in model.named_parameters() if p.requires_grad and id(p) not in given]
    if not names:
        return
    left_out = ", ".join(names[:_NAMED])
    if len(names) > _NAMED:
        left_out += " ..."
    if given - own:
        expected = "an optimizer of this model"
        got = f"one that holds tensors of another in place of {left_out}"
        do = "Build it again from model.parameters(), after the last change of the model."
        raise ValueError(sentence("Trainer", expected, got, do))
    expected = "an optimizer over all parameters"
    do = "They stay as they are: give them to the optimizer, or call requires_grad_(False) on them."
    warnings.warn(sentence("Trainer", expected, f"one without {left_out}", do), stacklevel=4)


def _check_closure(optimizer: Optimizer) -> None:
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        expected = "an optimizer whose step needs no closure"
        do = "Take Adam or SGD, or write the loop yourself with optimizer.step(closure)."
        raise TypeError(sentence("Trainer", expected, type(optimizer).__name__, do))


def _check_schedule(schedule: object, optimizer: Optimizer, each: object) -> None:
    if not isinstance(schedule, LRScheduler):
        do = "Pass e.g. torch.optim.lr_scheduler.StepLR(optimizer, 10)."
        expected = "schedule to be one of torch.optim.lr_scheduler"
        raise TypeError(sentence("Trainer", expected, repr(schedule), do))
    if schedule.optimizer is not optimizer:
        do = "Build the schedule from the optimizer that the trainer gets."
        raise ValueError(sentence("Trainer", "a schedule of its optimizer", "one of another", do))
    if isinstance(schedule, ReduceLROnPlateau) and each == "step":
        do = "It looks at the loss of a row: leave schedule_each out."
        got = "'step' with ReduceLROnPlateau"
        raise ValueError(sentence("Trainer", "schedule_each='epoch'", got, do))


def check_end_of_schedule(schedule: LRScheduler, times: int) -> None:
    """Raise if a OneCycleLR would end before it has been stepped ``times`` more."""
    parts = schedule._schedulers if isinstance(schedule, ChainedScheduler) else [schedule]
    for part in parts:
        if isinstance(part, OneCycleLR) and part.last_epoch + times > part.total_steps:
            expected = f"a OneCycleLR of {part.last_epoch + times} steps, as the run has"
            do = f"Build it with total_steps={part.last_epoch + times}."
            got = f"one of {part.total_steps}"
            raise ValueError(sentence("Trainer", expected, got, do))


# A batch


def check_loader(loader: object) -> None:
    """Raise unless ``loader`` can be iterated."""
    if not isinstance(loader, Iterable):
        do = "Pass a Loader or a list of batches."
        if hasattr(loader, "__getitem__"):
            do = "Put the data set into a Loader or DataLoader, which makes batches of it."
        raise TypeError(sentence("Trainer", "batches (x, y)", type(loader).__name__, do))


def check_batch(pair: Any, dtype: torch.dtype, first: bool) -> tuple[Tensor, Tensor]:
    """Return ``pair`` as inputs x, shape (N, ...), of the model's dtype, and targets y.

    Targets are class indices, int64 of shape (N,), or numbers, floating-point of shape (N, ...).
    Only the ``first`` batch of a pass is searched for nan; later ones show in the loss.
    """
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        expected = "a pair (x, y) of inputs and labels"
        raise TypeError(sentence("batch", expected, type(pair).__name__, _how_to_pair(pair)))
    x, y = pair
    for name, value in (("x", x), ("y", y)):
        if not isinstance(value, Tensor):
            do = _how_to_convert(name, value)
            raise TypeError(sentence("batch", f"{name} as a tensor", type(value).__name__, do))
    if x.dtype != dtype:
        do = f"Convert it first: x.to({dtype}), scaled as the model expects it."
        raise TypeError(sentence("batch", f"x of the weights' {dtype}", str(x.dtype), do))
    if not y.is_floating_point() and (y.ndim != 1 or y.dtype != torch.int64):
        _refuse_labels(x, y)
    if y.ndim == 0:
        raise ValueError(sentence("batch", "y of shape (N,)", _shapes(x, y), _SINGLE))
    if x.ndim < 2:
        do = "For one input a sample pass x[:, None]."
        raise ValueError(sentence("batch", "x of shape (N, ...)", _shapes(x, y), do))
    if len(x) != len(y):
        do = "Give each sample one label."
        raise ValueError(sentence("batch", "as many samples as labels", _shapes(x, y), do))
    if len(y) == 0 and rank_and_world()[1] == 1:
        do = "Leave empty batches out."
        raise ValueError(sentence("batch", "at least one sample", _shapes(x, y), do))
    if first:
        do = "Repair or leave out such samples."
        if not all_finite(x):
            raise ValueError(sentence("batch", "finite inputs", "nan or inf in x", do))
        if not all_finite(y):
            raise ValueError(sentence("batch", "finite targets", "nan or inf in y", do))
    return x, y


_SINGLE = "These are single samples: put the data set into a Loader or DataLoader."


def _how_to_pair(pair: Any) -> str:
    if isinstance(pair, Tensor):  # the pair itself was passed, or x alone
        return "Pass a list of batches: [(x, y)]."
    if isinstance(pair, dict) and len(pair) > 1:
        x, y = list(pair)[:2]
        pairs = f"((b[{x!r}], b[{y!r}]) for b in loader)"
        return f"Yield two of its values: {pairs} for one pass, a class for more."
    return "Yield both, and nothing else, from the loader."


def _how_to_convert(name: str, value: Any) -> str:
    if isinstance(value, int | float | np.number):
        return _SINGLE
    if isinstance(value, list | tuple) and any(isinstance(part, Tensor) for part in value):
        return f"Convert it first: torch.stack({name})."
    if hasattr(value, "convert"):  # a picture of Pillow's
        return f"Convert it first: torch.as_tensor(np.array({name}))."
    return f"Convert it first: torch.as_tensor({name})."


def _refuse_labels(x: Tensor, y: Tensor) -> None:
    """Raise on targets that are neither numbers nor int64 of shape (N,)."""
    if y.ndim == 0:
        do = _SINGLE
    elif y.ndim == 1:
        do = "Pass class indices: y.long()."
        raise TypeError(sentence("batch", "y of torch.int64", str(y.dtype), do))
    elif y[0].numel() == 1:
        do = "For classes pass y.flatten(); for numbers y.float()."
    elif y.ndim == 2 and _is_one_hot(y):
        do = "Pass y.argmax(1)."
    elif y.ndim == 2:
        do = "For several labels a sample pass y.float(), with binary_cross_entropy_with_logits."
    else:
        do = "For numbers pass y.float(); a class for each pixel needs a loop of its own."
    expected = "y of shape (N,), a class index each"
    raise ValueError(sentence("batch", expected, f"{_shapes(x, y)} of {y.dtype}", do))


def _is_one_hot(y: Tensor) -> bool:
    return bool(((y == 0) | (y == 1)).all() and (y.sum(1) == 1).all())


def _shapes(x: Tensor, y: Tensor) -> str:
    return f"x {tuple(x.shape)}, y {tuple(y.shape)}"


# What comes out of the model and the loss


def checked_loss(loss: Loss, output: Tensor, y: Tensor, first: bool) -> Tensor:
    """Return ``loss(output, y)``, shape (): 0 for an empty share of a batch.

    Numbers must have the output's shape; for class indices the output must be logits, shape
    (N, C), and the labels lie in 0..C-1. Labels of -100 pass here, as in torch, unless the batch
    is the ``first`` of a pass; the sums find them at the next look.
    """
    if not isinstance(output, Tensor):
        expected = f"logits of shape ({len(y)}, C)"
        do = "Let forward return one tensor: does it end in return?"
        raise TypeError(sentence("model", expected, type(output).__name__, do))
    if y.is_floating_point():
        if output.shape != y.shape:
            _refuse_shape(output, y)
    elif output.ndim != 2 or len(output) != len(y) or output.shape[1] == 1:
        _refuse_output(output, y)
    if len(y) == 0:
        return output.sum() * 0
    if first:
        _check_targets(loss, output, y)
    try:
        value = loss(output, y)
    except IndexError:
        _check_range(output, y)
        raise
    if not isinstance(value, Tensor):
        do = "Return what torch computed, without .item() or float()."
        raise TypeError(sentence("loss", "a tensor of shape ()", type(value).__name__, do))
    if value.ndim != 0:
        do = "Take the mean over the batch."
        raise ValueError(sentence("loss", "a tensor of shape ()", str(tuple(value.shape)), do))
    return value


def _check_targets(loss: Loss, output: Tensor, y: Tensor) -> None:
    """Raise if a first batch has targets that this loss would take for something else."""
    if not y.is_floating_point():
        if name_of(loss) in _OF_NUMBERS:
            do = f"Pass torch.nn.functional.one_hot(y, {output.shape[1]}).float(), or numbers."
            expected = f"numbers of the output's shape {tuple(output.shape)} for {name_of(loss)}"
            got = f"y {tuple(y.shape)} of {y.dtype}"
            raise TypeError(sentence("batch", expected, got, do))
        _check_range(output, y)
    elif name_of(loss) in ("cross_entropy", "CrossEntropyLoss") and y.ndim == 2:
        if _is_one_hot(y):
            expected = "y of shape (N,), a class index each"
            got = f"one-hot rows, y {tuple(y.shape)}"
            raise ValueError(sentence("batch", expected, got, "Pass y.argmax(1)."))
        sums = y.sum(1)
        if not torch.allclose(sums, torch.ones_like(sums), rtol=0, atol=1e-2):
            expected = f"probabilities for {name_of(loss)}, rows that add up to 1"
            got = f"sums of {float(sums.min()):.4g}..{float(sums.max()):.4g}"
            do = "For several labels a sample use binary_cross_entropy_with_logits."
            raise ValueError(sentence("batch", expected, got, do))


def _refuse_shape(output: Tensor, y: Tensor) -> None:
    """Raise on numbers that have not the output's shape, which torch would spread out."""
    expected = f"y of the output's shape {tuple(output.shape)}"
    got = f"y {tuple(y.shape)} of {y.dtype}"
    if y.ndim == 1 and output.ndim == 2 and output.shape[1] > 1:
        do = "End the model in one output, and pass y[:, None]."
        if torch.equal(y, y.round()):
            do = "For classes pass y.long(); for numbers end the model in one, and pass y[:, None]."
        expected = f"y of torch.int64 for classes, or numbers of shape {tuple(output.shape)}"
        raise TypeError(sentence("batch", expected, got, do))
    do = "End the model in as many outputs as a sample has numbers."
    if output.numel() == y.numel():
        do = f"Pass y.reshape({(-1, *output.shape[1:])})."
        if output.ndim == 1:
            do = "Pass y.flatten()."
        if output.ndim == 2 and y.ndim == 1:
            do = "Pass y[:, None]."
    raise ValueError(sentence("batch", expected, got, do))


def _refuse_output(output: Tensor, y: Tensor) -> None:
    """Raise on an output that is no logits, for targets that are class indices."""
    expected = f"logits of shape ({len(y)}, C)"
    got = str(tuple(output.shape))
    do = "End the model in one output for each class"
    if output.shape in ((len(y),), (len(y), 1)):
        target = "y.float()" if output.ndim == 1 else "y.float()[:, None]"
        got += " for y of whole numbers"
        do = f"To learn numbers, or a yes or no, pass {target}; for classes end in one output each"
    elif output.ndim > 2:
        do = f"{do}, after an nn.Flatten()"
    raise ValueError(sentence("model", expected, got, f"{do}."))


def _check_range(output: Tensor, y: Tensor) -> None:
    check_labels(int(y.min()), int(y.max()), output.shape[1])


def check_labels(low: int, high: int, classes: int) -> None:
    """Raise unless labels from ``low`` to ``high`` lie in 0..classes-1."""
    if low < 0 or high >= classes:
        do = "Number the classes from 0, and give the model one output for each."
        raise ValueError(sentence("batch", f"labels in 0..{classes - 1}", f"{low}..{high}", do))


def name_of(loss: Loss) -> str:
    """Return the name of a loss: of the function, or of the class of the object."""
    function = getattr(loss, "func", loss)  # of a functools.partial
    return str(getattr(function, "__name__", type(function).__name__))


@contextlib.contextmanager
def explained(x: Tensor, first: bool) -> Iterator[None]:
    """Turn what torch says about a first batch into a sentence with its shape."""
    try:
        yield
    except RuntimeError as error:
        if not first or isinstance(error, torch.OutOfMemoryError):
            raise
        do = f"torch says: {error}"
        if "does not require grad" in do:
            do = f"Is every layer frozen, or fit called under torch.no_grad()? {do}"
        if "must return None or a tuple of (new_args" in do:
            do = f"Let the hook of the optimizer return nothing. {do}"
        expected = "one that model, loss and optimizer take"
        raise ValueError(sentence("batch", expected, f"x {tuple(x.shape)}", do)) from error


def warn_of_a_high_loss(loss: Loss, value: Tensor, output: Tensor, x: Tensor, y: Tensor) -> None:
    """Warn if the first cross-entropy of a run is far above ln C, that of guessing."""
    plain = isinstance(loss, nn.CrossEntropyLoss) and loss.reduction == "mean"
    if y.is_floating_point() or not (plain or loss is cross_entropy):
        return
    classes = output.shape[1]
    guess = math.log(classes)
    if value > _FAR * guess:
        expected = f"a first loss near ln {classes} = {guess:.2f}, that of guessing"
        do = (
            f"Its inputs lie in {float(x.min()):.4g}..{float(x.max()):.4g}: are they scaled to a "
            "spread of about 1, and the start values of the weights as small as torch's?"
        )
        warnings.warn(sentence("Trainer", expected, f"{float(value):.4g}", do), stacklevel=4)


def warn_of_no_logits(loss: Loss, output: Tensor) -> None:
    """Warn if the first output of a run is not what its loss takes: torch would not."""
    output = output.detach()
    if isinstance(loss, nn.CrossEntropyLoss) or loss is cross_entropy:
        sums = output.sum(dim=1)
        one = torch.ones_like(sums)
        if output.min() >= 0 and torch.allclose(sums, one, atol=1e-3):
            got = "rows of numbers from 0 to 1 whose sum is 1"
            do = "Leave the softmax out of the model: the loss takes it itself."
            warnings.warn(sentence("Trainer", "logits", got, do), stacklevel=4)
    if isinstance(loss, nn.NLLLoss) or loss is nll_loss:
        highest = float(output.max())
        if highest > 0:
            do = "End the model in nn.LogSoftmax(dim=1), or take cross_entropy as the loss."
            expected = "logarithms of probabilities, none above 0"
            warnings.warn(sentence("Trainer", expected, f"{highest:.4g}", do), stacklevel=4)


# A run


_DO = "Lower the learning rate or look for nan in the data; saved checkpoints are kept."


def refuse_loss(where: str) -> None:
    """Raise DivergedError: a loss was nan or infinite."""
    raise DivergedError(sentence(where, "a finite loss", "nan or inf", _DO))


def check_weights(model: nn.Module, step: int) -> None:
    """Raise DivergedError if a parameter is nan or infinite."""
    bad = [name for name, p in model.named_parameters() if not all_finite(p)]
    if bad:
        got = f"nan or inf in {', '.join(bad)}"
        raise DivergedError(sentence(f"step {step}", "finite weights", got, _DO))


def check_resume(where: str, checkpoint: object, resume: bool) -> None:
    """Raise if a run is to go on from no folder."""
    if resume and checkpoint is None:
        do = "Pass checkpoint=FOLDER too."
        raise ValueError(sentence(where, "a folder to resume from", "checkpoint=None", do))


def check_kind(content: dict[str, Any], kind: str) -> None:
    """Raise unless a checkpoint is one of this loop."""
    if content.get("kind") != kind:
        expected = f"a checkpoint of Trainer.{kind}"
        got = f"one of {content.get('kind', 'save_checkpoint')}"
        raise CheckpointError(sentence("resume=True", expected, got, "Choose another folder."))


def check_saved_schedule(content: dict[str, Any], schedule: LRScheduler | None) -> None:
    """Raise unless a checkpoint holds a schedule of the same kind, or neither has one."""
    saved = (content.get("schedule") or {}).get("kind", "no schedule")
    given = type(schedule).__name__ if schedule else "no schedule"
    if saved != given:
        expected = f"a checkpoint of a run with {given}"
        do = "Pass the schedule that was saved."
        raise CheckpointError(sentence("resume=True", expected, f"one with {saved}", do))


def warn_of_other_generators(saved: int, found: int) -> None:
    """Warn if the loaders have not as many random generators of their own as were saved."""
    if saved != found:
        expected = f"{saved} generators in the loaders, as were saved"
        do = "The order of the samples will be another one: give the loaders the same as before."
        warnings.warn(sentence("resume=True", expected, str(found), do), stacklevel=4)


def check_samples(count: int) -> None:
    """Raise if a pass had no samples at all."""
    if count == 0:
        do = "Look at the data set, and whether an iterator was used up."
        raise ValueError(sentence("Trainer", "at least one batch", "none", do))


def refuse_short_stream(steps: int, batches: int) -> None:
    """Raise: a stream ended before the run."""
    do = "Pass an endless stream, or fewer steps."
    raise ValueError(sentence("Trainer.fit_steps", f"{steps} batches", f"only {batches}", do))


def wants_end(answer: object) -> bool:
    """Return whether a callback asked to end the run: by True, or whatever counts as true."""
    try:
        end = bool(answer)
    except (ValueError, RuntimeError) as error:  # an array
        do = "Return True to end the run, and nothing to go on."
        got = type(answer).__name__
        raise TypeError(sentence("callback", "True, False or None", got, do)) from error
    if end and not isinstance(answer, bool | int | np.bool_ | Tensor):
        do = "It counts as true and ends the run; return nothing to go on."
        warnings.warn(sentence("callback", "True or None", repr(answer), do), stacklevel=5)
    return end
