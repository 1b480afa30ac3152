"""The error classes of refnet, and the checks that turn a wrong argument into one sentence.

Every sentence says where, expected, got, what to do.
"""

import argparse
import contextlib
import difflib
import errno
import math
import numbers
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor


class RefnetError(Exception):
    """Base class of refnet's own errors; a wrong argument is a plain ValueError or TypeError."""


class DataError(RefnetError, ValueError):
    """A data file or picture is missing, damaged, or not what its name says."""


class MissingDataError(DataError):
    """A data set lies in none of the places looked in and could not be fetched."""


class CheckpointError(RefnetError, ValueError):
    """A checkpoint is missing, damaged, or belongs to another model."""


class DivergedError(RefnetError, ArithmeticError):
    """Training produced nan or inf; the sentence names the step."""


def sentence(where: str, expected: str, got: str, do: str) -> str:
    """Return ``<where>: expected <expected>, got <got>. <do>``, the form of every error here."""
    return f"{where}: expected {expected}, got {got}. {do}".rstrip()


def first_line(error: BaseException) -> str:
    """Return the class and the first line of another library's error, for a sentence's "got"."""
    return f"{type(error).__name__}: {str(error).strip()}".splitlines()[0]


def check_int(where: str, name: str, value: object, minimum: int) -> int:
    """Return ``value`` as an int of at least ``minimum``; True, 1.5 and "8" are refused."""
    expected = f"{name} to be a whole number, {minimum} or more"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(sentence(where, expected, repr(value), f"Pass a plain int for {name}."))
    if value < minimum:
        raise ValueError(sentence(where, expected, repr(value), f"Choose {name} >= {minimum}."))
    return int(value)


def check_number(
    where: str, name: str, value: object, low: float = -math.inf, high: float = math.inf
) -> float:
    """Return ``value`` as a finite float in the closed interval [low, high]."""
    expected = f"{name} to be a finite number"
    if (low, high) != (-math.inf, math.inf):
        expected += f" in [{low:g}, {high:g}]"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        do = f"Pass an int or a float for {name}."
        raise TypeError(sentence(where, expected, repr(value), do))
    number = float(value)
    if not (math.isfinite(number) and low <= number <= high):
        raise ValueError(sentence(where, expected, repr(value), f"Choose another {name}."))
    return number


def all_finite(x: Tensor) -> bool:
    """Whether there is neither nan nor inf; the sum alone settles nearly every case, and fast."""
    if not x.is_floating_point() or x.detach().sum().isfinite():
        return True
    return bool(x.isfinite().all())


def check_choice(where: str, name: str, value: object, choices: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``choices``; otherwise suggest the nearest of them."""
    choices = list(choices)
    expected = f"{name} to be one of {', '.join(choices)}"
    if not isinstance(value, str):
        do = f"Pass one of the names for {name}."
        raise TypeError(sentence(where, expected, repr(value), do))
    if value not in choices:
        near = difflib.get_close_matches(value.lower(), choices, n=1, cutoff=0.4)
        do = "Choose one of them."
        if near:
            do = f"Did you mean {near[0]!r}?"
        raise ValueError(sentence(where, expected, repr(value), do))
    return value


def check_path(where: str, name: str, value: object) -> Path:
    """Return ``value``, a str or Path, as a Path with ``~`` expanded."""
    expected = f"{name} to be a path"
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str):
        do = f"Pass a str or a pathlib.Path for {name}."
        raise TypeError(sentence(where, expected, repr(value), do))
    if text == "" or "\0" in text:
        do = f"Name a file or folder for {name}."
        raise ValueError(sentence(where, expected, repr(value), do))
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        got = f"{value!r}, and no such home folder"
        do = f"Write the whole path for {name}, from / on."
        raise ValueError(sentence(where, expected, got, do)) from error


def what_failed(error: OSError) -> str:
    """Return in a few words why the system refused to write a file."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "a full disk"
    return error.strerror or str(error)


@contextlib.contextmanager
def written_whole(
    where: str, path: Path, kind: type[Exception] = ValueError, do: str = "Choose another path."
) -> Iterator[Path]:
    """Yield a file beside ``path`` to write to; at the end it takes that name, in one move.

    The folder is made where there is none. Whatever goes wrong on the way, a file that stood at
    ``path`` before stays as it was, and nothing else is left. What the system refuses is raised as
    ``kind``, with the sentence. The yielded name ends as ``path`` does, in ``.png`` for example.
    """
    target = Path(os.path.realpath(path))  # a link goes on leading to its file
    part = target.with_name(f".{target.stem}.{os.getpid()}.tmp{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not target.exists():
            part.touch()
        elif not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        elif not target.is_file():
            part = target  # a device such as /dev/stdout, or a pipe: there is no second one beside
        else:
            part.touch()
            shutil.copymode(target, part)
        yield part
        if part != target:
            put_in_place(part, target)
    except OSError as error:
        got = f"{path} ({what_failed(error)})"
        raise kind(sentence(where, "a file that can be written", got, do)) from error
    finally:
        if part != target:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def put_in_place(part: Path, target: Path) -> None:
    """Give a written file its final name, on the disk too: after a crash it is whole or not there.

    Raises OSError where the content cannot be written; the folder's entry is written where the
    system allows that.
    """
    _to_disk(part, os.O_RDWR)
    os.replace(part, target)
    with contextlib.suppress(OSError):
        _to_disk(target.parent, os.O_RDONLY)


def _to_disk(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def how_to_make_a_tensor(x: object, kind: torch.dtype | None = None, name: str = "x") -> str:
    """Return what makes a tensor of dtype ``kind`` out of ``x``, as the advice of a sentence."""
    if isinstance(x, Mapping) and x:
        return f"Give one tensor of it, e.g. {name}[{next(iter(x))!r}]."
    if isinstance(x, list | tuple) and any(isinstance(part, Tensor) for part in x):
        shapes = {getattr(part, "shape", None) for part in x}
        if len(shapes) > 1:
            return f"Of a batch (x, y) give x alone: {name}[0]."
        return f"Make one batch of them: torch.stack({name})."
    array = f"{name}.to_numpy()" if hasattr(x, "to_numpy") else name
    return f"Convert it first, e.g. torch.as_tensor({array}, dtype={kind or torch.float32})."


def check_features(
    where: str, x: object, size: int, hint: str, kind: torch.dtype | None = None
) -> None:
    """Raise unless ``x`` is a floating-point tensor of shape (..., size) and dtype ``kind``."""
    if not isinstance(x, Tensor):
        do = how_to_make_a_tensor(x, kind)
        raise TypeError(sentence(where, "a torch.Tensor", type(x).__name__, do))
    if not x.is_floating_point():
        to_kind = "x.float()" if kind in (None, torch.float32) else f"x.to({kind})"
        do = f"Convert it first, e.g. {to_kind}."
        raise TypeError(sentence(where, "a floating-point tensor", str(x.dtype), do))
    if kind not in (None, x.dtype) and not torch.is_autocast_enabled(x.device.type):
        do = f"Convert one of the two, e.g. x.to({kind})."
        raise TypeError(sentence(where, f"input of dtype {kind}, as its weight", str(x.dtype), do))
    if x.ndim == 0 or x.shape[-1] != size:
        expected = f"input of shape (..., {size})"
        raise ValueError(sentence(where, expected, str(tuple(x.shape)), hint))


def run_script(main: Callable[..., object], parser: argparse.ArgumentParser) -> None:
    """Call ``main`` with the command line's arguments; an error is one sentence and exit code 2."""
    parser.formatter_class = argparse.ArgumentDefaultsHelpFormatter
    try:
        main(**vars(parser.parse_args()))
    except (RefnetError, ValueError, TypeError, OSError, ImportError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
