"""Checkpoints: save a run so that nothing can be half written, load it only when it is whole.

A file is a torch.save archive followed by the sha256 of all before.
"""

import hashlib
import io
import warnings
from pathlib import Path
from typing import Any

import filelock
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from refnet.errors import CheckpointError, check_path, first_line, sentence, written_whole

FORMAT = 1  # a file with a higher number comes from a newer refnet
KEEP = 3  # checkpoints left in a folder
_MARK = b"\nrefnet checkpoint, sha256 of the bytes before: "
_TAIL = len(_MARK) + 64 + 1  # bytes: the mark, the hash, a line end
_END_OF_A_ZIP = b"PK\5\6"  # 22 bytes before the end of what torch.save writes
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
    _refuse_own_names(where, state)
    _refuse_nan(
        where, model, model.state_dict(), "The run has diverged: choose a lower learning rate."
    )
    check_plain(where, "state", state)
    check_plain(where, "the extra state of the layers", extra_state(model))
    _refuse_lazy(where, model)
    content = {**state, "format": FORMAT, "model": model.state_dict()}
    if optimizer:
        content["optimizer"] = optimizer.state_dict()
        content["optimizer_kind"] = type(optimizer).__name__
    payload = _packed(content)
    do = "Make room or choose another folder; what was there is still good."
    with written_whole(where, path, CheckpointError, do) as part:
        part.write_bytes(payload + _tail(payload))
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
    saved = _by_plain_name(content["model"])
    if model is not None:
        _refuse_nan(where, model, saved, "Go back to an older checkpoint.")
        _compare(where, _by_plain_name(model.state_dict()), saved)
    if optimizer is not None:
        _fill_optimizer(where, content, optimizer)
    if model is not None:
        names = {_plain(name): name for name in model.state_dict()}
        model.load_state_dict({names[name]: value for name, value in saved.items()})


def _fill_optimizer(where: str, content: dict[str, Any], optimizer: Optimizer) -> None:
    kind = type(optimizer).__name__
    saved = content.get("optimizer_kind", "no optimizer")
    try:
        if saved != kind:
            raise ValueError(f"{saved} saved")
        optimizer.load_state_dict(content["optimizer"])
    except (ValueError, KeyError) as error:
        expected = f"{kind} over the same parameters"
        do = "Build the optimizer that was saved."
        raise CheckpointError(sentence(where, expected, first_line(error), do)) from error


def latest_checkpoint(folder: str | Path) -> Path | None:
    """Return the newest whole checkpoint of a folder, or None where there is none.

    Damaged files are passed over with a warning that names them.
    """
    for path in _newest_first(check_path("latest_checkpoint", "folder", folder)):
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
        self.folder = check_path("Trainer", "checkpoint", folder)
        self.resume = resume

    def __enter__(self) -> "CheckpointFolder":
        where = f"checkpoint={str(self.folder)!r}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = filelock.FileLock(self.folder / ".lock")
            self._lock.acquire(timeout=0)
        except OSError as error:
            expected = "a folder that this run can write"
            got = first_line(error)
            if isinstance(error, filelock.Timeout):
                got = "one that another run has open"
            raise CheckpointError(
                sentence(where, expected, got, "Choose another folder.")
            ) from error
        found = _newest_first(self.folder)
        if found and not self.resume:
            self._lock.release()
            got = f"{found[0].name} of an earlier run"
            do = "Pass resume=True, or another folder."
            raise CheckpointError(sentence(where, "a folder without checkpoints", got, do))
        for leftover in self.folder.glob(".checkpoint-*.tmp*"):
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
        before = [path for path in _newest_first(self.folder) if 0 <= _step(path) < step]
        for older in before[KEEP - 1 :]:
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


def _tail(payload: bytes) -> bytes:
    """Return what follows the payload in a file: a mark and its sha256."""
    return _MARK + hashlib.sha256(payload).hexdigest().encode() + b"\n"


def _read(path: Path) -> dict[str, Any]:
    """Return what a file holds; raise unless it is a whole checkpoint."""
    content = None
    do = "Use an older checkpoint; latest_checkpoint(folder) finds the newest."
    try:
        data = path.read_bytes() if path.is_file() else b""
        payload = data[:-_TAIL]
        got = f"{path}: its {len(data)} bytes do not match their sha256"
        if path.is_dir():
            got = f"{path}, which is a folder"
        elif not path.is_file():
            got = f"{path}, which is no file"
        elif data[-_TAIL:] == _tail(payload):
            got = f"{path} without a model"
            content = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
        elif data[-22:].startswith(_END_OF_A_ZIP):
            got = f"{path}, written by torch.save"
            do = "Use torch.load(path, weights_only=True)."
    except Exception as error:  # whatever a pickle can provoke
        got = f"{path} ({first_line(error)})"
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise CheckpointError(sentence("load_checkpoint", "a whole checkpoint of refnet", got, do))
    if content.get("format") != FORMAT:
        got = f"format {content.get('format')!r} in {path}"
        do = "Install a newer refnet."
        raise CheckpointError(sentence("load_checkpoint", f"format {FORMAT}", got, do))
    return content


def _compare(where: str, own: dict[str, Any], saved: dict[str, Any]) -> None:
    """Raise unless the saved names and sizes are those of the model."""
    missing = [name for name in own if name not in saved]
    unexpected = [name for name in saved if name not in own]
    sizes = []
    for name, value in own.items():
        other = saved.get(name)
        if not isinstance(value, Tensor) or not isinstance(other, Tensor) or is_lazy(value):
            continue
        if value.shape != other.shape:
            sizes.append(f"{name} {tuple(other.shape)} for {tuple(value.shape)}")
    parts = {"missing": missing, "unexpected": unexpected, "of another size": sizes}
    got = "; ".join(f"{title}: {', '.join(names)}" for title, names in parts.items() if names)
    if got:
        do = "Build the model that was saved."
        raise CheckpointError(sentence(where, "the parts of the model", got, do))


def _refuse_own_names(where: str, state: dict[str, Any]) -> None:
    taken = ", ".join(sorted(_OWN & state.keys()))
    if taken:
        raise CheckpointError(sentence(where, "names of your own in state", taken, "Rename them."))


def _refuse_lazy(where: str, model: nn.Module) -> None:
    lazy = ", ".join(name for name, p in model.named_parameters() if is_lazy(p))
    if lazy:
        do = "Run one batch through the model first."
        raise CheckpointError(sentence(where, "layers that know their sizes", lazy, do))


def _refuse_nan(where: str, model: nn.Module, values: dict[str, Any], do: str) -> None:
    """Raise if a parameter is nan; a buffer may be meant to hold nan."""
    parameters = {_plain(name) for name, _ in model.named_parameters(remove_duplicate=False)}
    bad = []
    for name, value in values.items():
        if _plain(name) in parameters and not is_lazy(value) and value.isnan().any():
            bad.append(name)
    if bad:
        got = f"nan in {', '.join(bad)}"
        raise CheckpointError(sentence(where, "weights without nan", got, do))


def _by_plain_name(values: dict[str, Any]) -> dict[str, Any]:
    return {_plain(name): value for name, value in values.items()}


def _plain(name: str) -> str:
    """Return a parameter's name without what wraps the model."""
    while name.startswith(_PREFIXES):
        name = name.partition(".")[2]
    return name


def _step(path: Path) -> int:
    """Return the step in a checkpoint's name, or -1 for a name of the reader's own."""
    text = path.stem.rpartition("-")[2]
    return int(text) if text.isdecimal() else -1


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoint-*.pt"), key=_step, reverse=True)
