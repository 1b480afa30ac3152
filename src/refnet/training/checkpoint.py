"""Checkpoints: save a run so that nothing can be half written, load it only when it is whole.

A file is a torch.save archive followed by the sha256 of all before.
"""

import contextlib
import hashlib
import io
import os
import warnings
from pathlib import Path
from typing import Any

import filelock
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from refnet.errors import CheckpointError, check_path, first_line, sentence

FORMAT = 1  # a file with a higher number comes from a newer refnet
KEEP = 3  # checkpoints left in a folder
_MARK = b"\nrefnet checkpoint, sha256 of the bytes before: "
_TAIL = len(_MARK) + 64 + 1
_OWN = {"format", "model", "optimizer", "optimizer_kind"}  # names that state may not use
_PREFIXES = ("module.", "_orig_mod.")  # of DistributedDataParallel and of torch.compile


def save_checkpoint(
    path: str | Path,
    model: nn.Module,
    optimizer: Optimizer | None = None,
    state: dict[str, Any] | None = None,
) -> Path:
    """Write a checkpoint and return its path; an older file there is replaced in one move.

    The bytes go to a temporary file, reach the disk, and only then take the final name: a crash
    or a full disk at any moment leaves the older file as it was.

    Parameters
    ----------
    path : str or Path
        Its folder is made if missing.
    model, optimizer : Module, Optimizer (optional)
        Parameters, buffers, momentum, step counts and learning rate are stored.
    state : dict, optional
        More to keep: ints, floats, strings, tensors, and lists and dicts of these.

    Raises
    ------
    CheckpointError
        If a parameter is nan, a lazy layer has seen no batch yet, the file cannot be written, or
        ``state``, or the extra state of a layer, holds another kind of value; or ``state`` a
        name of the file's own: format, model, optimizer, optimizer_kind.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> path = save_checkpoint(f"{folder}/checkpoint-7.pt", nn.Linear(2, 1), state={"step": 7})
    >>> load_checkpoint(path, nn.Linear(2, 1))["step"]
    7
    >>> latest_checkpoint(folder).name
    'checkpoint-7.pt'
    """
    where = "save_checkpoint"
    path = check_path(where, "path", path)
    state = state or {}
    if taken := ", ".join(sorted(_OWN & state.keys())):
        raise CheckpointError(sentence(where, "names of your own in state", taken, "Rename them."))
    do = "The run has diverged: choose a lower learning rate."
    _refuse_nan(where, model, model.state_dict(), do)
    check_plain(where, "state", state)
    check_plain(where, "the extra state of the layers", extra_state(model))
    if lazy := ", ".join(name for name, p in model.named_parameters() if is_lazy(p)):
        do = "Run one batch through the model first."
        raise CheckpointError(sentence(where, "layers that know their sizes", lazy, do))
    content: dict[str, Any] = {**state, "format": FORMAT, "model": model.state_dict()}
    if optimizer:
        content["optimizer"] = optimizer.state_dict()
        content["optimizer_kind"] = type(optimizer).__name__
    payload = _packed(content)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(payload + _MARK + hashlib.sha256(payload).hexdigest().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        do = "Make room or choose another folder; what was there is still good."
        got = f"{path} ({first_line(error)})"
        raise CheckpointError(sentence(where, "a file that can be written", got, do)) from error
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        folder = os.open(path.parent, os.O_RDONLY)  # the new name too, where the system allows it
        stack.callback(os.close, folder)
        os.fsync(folder)
    return path


def load_checkpoint(
    path: str | Path, model: nn.Module | None = None, optimizer: Optimizer | None = None
) -> dict[str, Any]:
    """Return what :func:`save_checkpoint` stored, and fill ``model`` and ``optimizer`` with it.

    All is checked before anything is changed. Tensors are read to the CPU and copied from there
    to where the model is; names saved from a DistributedDataParallel or compiled model fit too.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, of a newer format, holds nan, or is of another optimizer
        or model, of which it names the parts that are missing, unexpected or of another size.
    """
    content = _read(check_path("load_checkpoint", "path", path))
    fill(content, model, optimizer)
    return content


def fill(content: dict[str, Any], model: nn.Module | None, optimizer: Optimizer | None) -> None:
    """Copy what :func:`load_checkpoint` returned into a model and an optimizer."""
    where = "load_checkpoint"
    saved: dict[str, Any] = {_strip(name): value for name, value in content["model"].items()}
    if model is not None:
        _refuse_nan(where, model, saved, "Go back to an older checkpoint.")
        _compare(where, {_strip(name): t for name, t in model.state_dict().items()}, saved)
    if optimizer is not None:
        kind = type(optimizer).__name__
        kept = content.get("optimizer_kind", "no optimizer")
        try:
            if kept != kind:
                raise ValueError(f"{kept} saved")
            optimizer.load_state_dict(content["optimizer"])
        except (ValueError, KeyError) as error:
            expected, do = f"{kind} over the same parameters", "Build the optimizer that was saved."
            raise CheckpointError(sentence(where, expected, first_line(error), do)) from error
    if model is not None:
        own = {_strip(name): name for name in model.state_dict()}
        model.load_state_dict({own[name]: value for name, value in saved.items()})


def latest_checkpoint(folder: str | Path) -> Path | None:
    """Return the newest whole checkpoint of a folder, or None where there is none.

    Damaged files are passed over with a warning that names them.
    """
    for path in _by_age(check_path("latest_checkpoint", "folder", folder)):
        try:
            _read(path)
            return path
        except CheckpointError as error:
            warnings.warn(f"passed over a checkpoint. {error}", stacklevel=2)
    return None


class CheckpointFolder:
    """The folder of one run: locked while it is open, newest checkpoints kept, older ones deleted.

    Entering raises CheckpointError if another run has it open, it cannot be written, or it holds
    checkpoints and ``resume`` is False.
    """

    def __init__(self, folder: str | Path, resume: bool) -> None:
        self.folder, self.resume = check_path("Trainer", "checkpoint", folder), resume

    def __enter__(self) -> "CheckpointFolder":
        where = f"checkpoint={str(self.folder)!r}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = filelock.FileLock(self.folder / ".lock")
            self._lock.acquire(timeout=0)
        except OSError as error:
            busy = isinstance(error, filelock.Timeout)
            got = "one that another run has open" if busy else first_line(error)
            expected, do = "a folder that this run can write", "Choose another folder."
            raise CheckpointError(sentence(where, expected, got, do)) from error
        if not self.resume and (found := _by_age(self.folder)):
            self._lock.release()
            got, do = f"{found[0].name} of an earlier run", "Pass resume=True, or another folder."
            raise CheckpointError(sentence(where, "a folder without checkpoints", got, do))
        for leftover in self.folder.glob(".checkpoint-*.tmp"):
            leftover.unlink()  # of a save that was killed
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def save(
        self, model: nn.Module, optimizer: Optimizer, epoch: int, step: int, state: dict[str, Any]
    ) -> None:
        """Save as ``checkpoint-<epoch>-<step>.pt``, then delete all but the newest."""
        name = f"checkpoint-{epoch:04d}-{step:09d}.pt"
        save_checkpoint(self.folder / name, model, optimizer, state)
        for older in [path for path in _by_age(self.folder) if 0 <= _step(path) < step][KEEP - 1 :]:
            older.unlink(missing_ok=True)


def extra_state(model: nn.Module) -> dict[str, Any]:
    """Return what a model's layers keep beside tensors, by ``get_extra_state``."""
    return {n: value for n, value in model.state_dict().items() if not isinstance(value, Tensor)}


def check_plain(where: str, whose: str, values: dict[str, Any]) -> None:
    """Raise unless values that are to be saved could be read back by ``weights_only``."""
    try:
        torch.load(io.BytesIO(_packed(values)), map_location="cpu", weights_only=True)
    except Exception as error:
        expected = f"plain values and tensors in {whose}"
        kinds = {key: type(value).__name__ for key, value in values.items()}
        do = "Turn NumPy values and paths to such."
        raise CheckpointError(sentence(where, expected, str(kinds), do)) from error


def _packed(content: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _read(path: Path) -> dict[str, Any]:
    do, content = "Use an older checkpoint; latest_checkpoint(folder) finds the newest.", None
    try:
        data = path.read_bytes() if path.is_file() else b""
        payload, tail = data[:-_TAIL], data[-_TAIL:]
        got = f"{path}: its {len(data)} bytes do not match their sha256"
        if not path.is_file():
            got = f"{path}, which is {'a folder' if path.is_dir() else 'no file'}"
        elif tail == _MARK + hashlib.sha256(payload).hexdigest().encode() + b"\n":
            got = f"{path} without a model"
            content = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
        elif data[-22:-18] == b"PK\5\6":  # an archive to its end, and nothing after it
            got, do = f"{path}, written by torch.save", "Use torch.load(path, weights_only=True)."
    except Exception as error:  # whatever a pickle can provoke
        got = f"{path} ({first_line(error)})"
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise CheckpointError(sentence("load_checkpoint", "a whole checkpoint of refnet", got, do))
    if content.get("format") != FORMAT:
        got, do = f"format {content.get('format')!r} in {path}", "Install a newer refnet."
        raise CheckpointError(sentence("load_checkpoint", f"format {FORMAT}", got, do))
    return content


def _compare(where: str, own: dict[str, Any], saved: dict[str, Any]) -> None:
    """Raise unless the saved names and sizes are those of the model."""
    sizes = []
    for name, value in own.items():
        other = saved.get(name)
        if not isinstance(value, Tensor) or not isinstance(other, Tensor) or is_lazy(value):
            continue
        if value.shape != other.shape:
            sizes.append(f"{name} {tuple(other.shape)} for {tuple(value.shape)}")
    parts = {
        "missing": [name for name in own if name not in saved],
        "unexpected": [name for name in saved if name not in own],
        "of another size": sizes,
    }
    if got := "; ".join(f"{title}: {', '.join(names)}" for title, names in parts.items() if names):
        do = "Build the model that was saved."
        raise CheckpointError(sentence(where, "the parts of the model", got, do))


def _refuse_nan(where: str, model: nn.Module, values: dict[str, Any], do: str) -> None:
    """Raise if a parameter is nan; a buffer may be meant to hold nan."""
    parameters = {_strip(name) for name, _ in model.named_parameters(remove_duplicate=False)}
    bad = [
        name
        for name, value in values.items()
        if _strip(name) in parameters and not is_lazy(value) and value.isnan().any()
    ]
    if bad:
        raise CheckpointError(
            sentence(where, "weights without nan", f"nan in {', '.join(bad)}", do)
        )


def _strip(name: str) -> str:
    while name.startswith(_PREFIXES):
        name = name.partition(".")[2]
    return name


def _step(path: Path) -> int:
    text = path.stem.rpartition("-")[2]
    return int(text) if text.isdecimal() else -1


def _by_age(folder: Path) -> list[Path]:  # newest first
    return sorted(folder.glob("checkpoint-*.pt"), key=_step, reverse=True)
