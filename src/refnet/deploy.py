"""From the training graph to a static one: a net as a file that runs without its Python code.

Needs the extra ``refnet[deploy]`` for ONNX.
"""

import contextlib
import importlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from refnet.errors import (
    check_number,
    check_path,
    first_line,
    how_to_make_a_tensor,
    sentence,
    written_whole,
)
from refnet.training.trainer import evaluating


def export(model: nn.Module, example: Tensor, path: str | Path) -> Path:
    """Write the evaluation graph of a model as a ``.pt2`` file for any batch size; return its path.

    ``torch.export.load(path).module()(x)`` runs it, in a process that knows torch and nothing of
    the model's class.

    Parameters
    ----------
    model : Module
        Its mode and its weights stay as they are. Of a compiled model, or one that several
        processes train, the model inside is written.
    example : Tensor, shape (N, ...)
        An input as in use. N is free in the file; all other sizes are fixed by the example.
    path : str or Path
        Ends in ``.pt2``; its folder is made if missing.

    Raises
    ------
    ValueError
        If the forward pass depends on values, as in ``if x.sum() > 0``: a graph has no such
        choice. Also if the path has another ending or cannot be written.

    References
    ----------
    PyTorch documentation, "torch.export", section Limitations of torch.export.

    Examples
    --------
    >>> import tempfile
    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    >>> path = export(net, torch.zeros(1, 4), tempfile.mkdtemp() + "/net.pt2")
    >>> torch.export.load(path).module()(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    """
    where = "deploy.export"
    path = _path(where, path, ".pt2")
    program = _program(where, model, example)
    with written_whole(where, path) as part:
        torch.export.save(program, part)
    return path


def to_onnx(model: nn.Module, example: Tensor, path: str | Path) -> Path:
    """Write the evaluation graph of a model as one ONNX file for any batch size; return its path.

    The input is named ``x`` and the output ``logits``; ONNX Runtime and others run the file
    without torch. Parameters and errors are those of :func:`export`, with ``.onnx`` for the
    ending, ValueError for an operator that ONNX lacks, and ImportError where onnx or onnxscript is
    missing.
    """
    where = "deploy.to_onnx"
    path = _path(where, path, ".onnx")
    _need(where, "onnx", "onnxscript")
    program = _program(where, model, example)
    try:
        with _quiet():
            written = torch.onnx.export(
                program, dynamo=True, input_names=["x"], output_names=["logits"], verbose=False
            )
    except Exception as error:  # torch raises many kinds here
        cause: BaseException = error
        while cause.__cause__ is not None:  # the last of them names the operator
            cause = cause.__cause__
        expected = "operators that ONNX has"
        do = "Write that part with other operators, or use deploy.export."
        raise ValueError(sentence(where, expected, first_line(cause), do)) from error
    assert written is not None  # None belongs to the exporter of old
    with written_whole(where, path) as part, _quiet():
        written.save(str(part), external_data=False)  # one file, not two
    return path


def check_parity(model: nn.Module, path: str | Path, x: Tensor, tolerance: float = 1e-5) -> float:
    """Return the largest difference between a model's logits and those of its exported file.

    Parameters
    ----------
    model : Module
        The one that was exported, on the CPU.
    path : str or Path
        A ``.pt2`` or ``.onnx`` file; the latter is run by ONNX Runtime.
    x : Tensor, shape (N, ...)
    tolerance : float
        Largest difference allowed.

    Raises
    ------
    ValueError
        If a logit differs by more than ``tolerance``, or a sample is put into another class.

    Examples
    --------
    >>> import tempfile
    >>> net = nn.Linear(4, 3)
    >>> path = export(net, torch.zeros(1, 4), tempfile.mkdtemp() + "/net.pt2")
    >>> check_parity(net, path, torch.rand(5, 4)) < 1e-5
    True
    """
    where = f"deploy.check_parity({path})"
    path = check_path(where, "path", path)
    tolerance = check_number(where, "tolerance", tolerance, 0)
    if not path.is_file():
        do = "Write it first, with deploy.export or deploy.to_onnx."
        raise ValueError(sentence(where, "an exported file", "none there", do))
    with evaluating(model):
        expected = model(x)
    got = _logits_of_file(where, path, x)
    difference = float((got - expected).abs().max())
    other = int((got.argmax(-1) != expected.argmax(-1)).sum())
    if other or not difference <= tolerance:
        found = f"{difference:g}, and {other} samples in another class"
        do = "Export the model again."
        if not expected.isfinite().all():
            do = "The model itself gives nan or inf: look at x and at its weights."
        elif not other and difference <= 1e-5 * float(expected.abs().max()):
            do = f"Of logits so large this is rounding: pass tolerance={2 * difference:.0e}."
        raise ValueError(sentence(where, f"differences up to {tolerance:g}", found, do))
    return difference


def _logits_of_file(where: str, path: Path, x: Tensor) -> Tensor:
    """Return what an exported net makes of ``x``."""
    if path.suffix == ".onnx":
        onnxruntime = _need(where, "onnxruntime")
    try:
        if path.suffix == ".onnx":
            session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            return torch.from_numpy(np.asarray(session.run(None, {"x": x.numpy()})[0]))
        with torch.no_grad(), _quiet():
            logits: Tensor = torch.export.load(path).module()(x)
            return logits
    except Exception as error:  # torch and ONNX Runtime raise many kinds here
        do = "Export the model again, with an example of the sizes of x."
        raise ValueError(sentence(where, "a net that takes x", first_line(error), do)) from error


def _program(where: str, model: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    _check_example(where, example)
    model = _inside(model)
    pair = example[:1].repeat_interleave(2, 0)  # a batch of 1 would be taken for a fixed size
    batch = {0: torch.export.Dim("batch")}
    with evaluating(model):
        model(pair)  # an example that does not fit is named by the model itself
    try:
        with evaluating(model), _quiet():
            return torch.export.export(model, (pair,), dynamic_shapes=(batch,))
    except Exception as error:  # torch raises many kinds here
        expected = "a forward pass that is the same for all values"
        do = "Write choices as torch.where, and loops with a fixed number of steps."
        if "Constraints violated" in str(error):
            expected = "a forward pass that is the same for all batch sizes"
            do = "Take the batch size from x.shape[0], and compute with all rows at once."
        elif "data-dependent" not in str(error):
            expected = "a forward pass of torch's operations alone"
            do = "Write the line that it names in these: no NumPy, no float(x)."
        raise ValueError(sentence(where, expected, first_line(error), do)) from error


def _check_example(where: str, example: Tensor) -> None:
    expected = "an example batch, a tensor of shape (N, ...)"
    if not isinstance(example, Tensor):
        do = how_to_make_a_tensor(example, name="example")
        raise TypeError(sentence(where, expected, type(example).__name__, do))
    if example.ndim < 2 or len(example) == 0:
        do = "One sample is a batch of one: example[None]."
        if example.ndim >= 2:
            do = "Pass one sample or more."
        raise TypeError(sentence(where, expected, str(tuple(example.shape)), do))


def _inside(model: nn.Module) -> nn.Module:
    """Return the model that torch.compile or DistributedDataParallel has wrapped."""
    while hasattr(model, "_orig_mod") or isinstance(model, DistributedDataParallel):
        model = model.get_submodule("_orig_mod" if hasattr(model, "_orig_mod") else "module")
    return model


def _need(where: str, *names: str) -> Any:
    """Return the last of the modules, all imported."""
    try:
        return [importlib.import_module(name) for name in names][-1]
    except ImportError as error:
        expected = " and ".join(names)
        do = (
            f"Run: python -m pip install {' '.join(names)}; "
            'or in the folder of the repository: python -m pip install ".[deploy]".'
        )
        raise ImportError(sentence(where, expected, str(error), do)) from error


def _path(where: str, path: str | Path, suffix: str) -> Path:
    path = check_path(where, "path", path)
    if path.suffix != suffix:
        do = f"Name it {path.with_suffix(suffix).name}."
        raise ValueError(sentence(where, f"a path ending in {suffix}", str(path), do))
    return path


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' notes about their own insides off the screen."""
    names = ("torch.onnx", "torch.fx.experimental.symbolic_shapes")
    levels = {logger: logger.level for logger in map(logging.getLogger, names)}
    for logger in levels:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
