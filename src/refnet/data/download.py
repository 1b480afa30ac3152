"""Find a data file or fetch it: https mirrors, checked before it has its name, locked.


Written by hand is what the libraries for this do not do: pooch has neither several addresses for a
file, nor a lock between processes, nor a limit on a server that sends one byte a second. The lock
is filelock's, the cache folder platformdirs', the bar tqdm's, the rest is the standard library.
"""

import contextlib
import errno
import os
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import filelock
import platformdirs

from refnet.data.transfer import TransferError, receive
from refnet.errors import DataError, MissingDataError, check_path, sentence

T = TypeVar("T")

NOT_ASKED = "not asked, time was up"
PAUSES = (0.0, 0.025, 0.05, 0.1)  # before each round over the addresses, as parts of the patience
DEBIAN = Path("/usr/share/datasets")  # where the package dataset-fashion-mnist puts its files
MIRRORS = {  # the http address is the last: what it sends is believed for its hash alone
    "fashion-mnist": (
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
}


def cache_folder() -> Path:
    """Return refnet's own folder, where files from the network are kept."""
    return platformdirs.user_cache_path("refnet")


def folders(kind: str, root: Path | None) -> tuple[list[Path], Path]:
    """Return the folders in which files of set ``kind`` may lie, and the one to fetch them into."""
    data = os.environ.get("REFNET_DATA")
    given = check_path("REFNET_DATA", "REFNET_DATA", data) if data and root is None else root
    places = [given / kind, given] if given else []
    if root is None:  # an explicit root is the only place
        places += [DEBIAN / kind, cache_folder() / kind]
    return places, places[0] if given else places[-1]


def find_file(kind: str, name: str, root: Path | None) -> Path | None:
    """Return the first place that holds the file, raw or gz, or None."""
    for folder in folders(kind, root)[0]:
        for stem in (name, name.replace("-idx", ".idx")):
            for path in (folder / stem, folder / f"{stem}.gz"):
                if os.path.lexists(path):
                    return path
    return None


def addresses(kind: str, name: str) -> list[str]:
    """Return where the network has the file: at ``$REFNET_MIRROR``, if set, and the mirrors."""
    urls = [f"{base}{name}.gz" for base in MIRRORS[kind]]
    own = os.environ.get("REFNET_MIRROR")
    if own and urlsplit(own).scheme not in ("http", "https"):
        do = f"The file is asked for at <REFNET_MIRROR>/{kind}/<file>.gz."
        raise ValueError(sentence("REFNET_MIRROR", "an address http(s)://...", repr(own), do))
    return [f"{own.rstrip('/')}/{kind}/{name}.gz", *urls] if own else urls


def ways_out(kind: str, root: Path | None = None) -> str:
    """Return what a reader can do who has no data, or none in the only folder looked in."""
    ways = ["set REFNET_DATA to a folder that has the files, or can be written"]
    if kind == "fashion-mnist":
        ways.insert(0, "apt-get install dataset-fashion-mnist (Debian, Ubuntu)")
        ways.append("take the embedded sample, FashionMNIST(sample=True)")
    if root is not None:
        ways[0] = f"leave the folder out, so that refnet looks elsewhere too, and {ways[0]}"
    return f"Ways out: {'; '.join(ways)}; or set REFNET_MIRROR to the address of a copy."


def obtain(
    kind: str, name: str, root: Path | None, network: bool, most: int, check: Callable[..., T]
) -> T:
    """Return ``check(kind, name, path, strict)`` of a data file, found or else fetched.

    A file is checked where it lies. ``strict`` is True for what came over the network, which must
    be the published data to the byte (``most`` bytes at most). A damaged file in refnet's own
    cache is fetched again, once, with a warning; a file of anybody else's is never touched.
    """
    path, (places, into) = find_file(kind, name, root), folders(kind, root)
    offline = os.environ.get("REFNET_OFFLINE", "0") not in ("", "0")
    if path is not None:
        own = path.parent == cache_folder() / kind
        try:
            return check(kind, name, path, own)
        except DataError as error:
            if not (own and network) or offline:
                raise
            warnings.warn(
                f"{error} It lies in refnet's own cache: fetching it again.", stacklevel=5
            )
    elif not network or offline:
        why = "REFNET_OFFLINE is set" if offline else "download=False"
        got = f"none in {', '.join(map(str, places))}, and no network ({why})"
        expected = f"a file {name}[.gz]"
        raise MissingDataError(sentence(f"{kind} data", expected, got, ways_out(kind, root)))
    target = path or into / f"{name}.gz"
    ways, urls = ways_out(kind, root), addresses(kind, name)
    return fetch(urls, target, lambda part: check(kind, name, part, True), most, ways)


def fetch(
    urls: Sequence[str],
    target: Path,
    check: Callable[[Path], T],
    most: int,
    ways: str = "",
    *,
    stall: float = 4.0,
    patience: float = 10.0,
    total: float = 900.0,
) -> T:
    """Get one file from the first address that sends it right; return what ``check`` says of it.

    Parameters
    ----------
    urls : sequence of str
        Asked in order, in four rounds with growing pauses; an address that says no, or sends
        something wrong, is not asked again.
    target : Path
        The final name. Only a checked file gets it, by ``os.replace``. Of several processes one
        fetches; the others wait and find the file.
    check : callable
        Raises DataError for a path with the wrong content.
    most : int
        Bytes after which an answer is cut off.
    ways : str
        What the reader can do instead: the last part of the errors.
    stall : float
        Seconds in which an address must send 1024 bytes for each of them, or be given up; it is
        ``patience / len(urls)`` where that is less.
    patience : float
        Seconds that may be lost in all on addresses that fail. A slow line that keeps sending
        loses none of them: it has ``total``.
    total : float
        Seconds for everything, and for waiting until another process has the file.

    Raises
    ------
    MissingDataError
        No address sent the right file (each is listed with its reason), or it cannot be written.
    """
    reasons = dict.fromkeys(urls, NOT_ASKED)
    asked, lost, end = list(urls), 0.0, time.monotonic() + total
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{target}.lock", timeout=total):
            if target.is_file():  # another process was faster
                with contextlib.suppress(DataError):
                    return check(target)
            for pause in PAUSES:
                time.sleep(pause * patience if asked else 0)
                for url in list(asked):
                    began, left = time.monotonic(), min(patience / len(urls), patience - lost)
                    if left <= 0 or began > end:
                        break
                    if reasons[url] == NOT_ASKED and _steps_down(url, urls):
                        warnings.warn(
                            f"download: no https address has sent {target.name}, asking {url} "
                            "over plain http, where its hash alone says that it is right.",
                            stacklevel=6,
                        )
                    try:
                        return _attempt(url, target, check, most, min(stall, left), end)
                    except TransferError as failed:
                        reasons[url] = str(failed)
                        lost += min(stall, time.monotonic() - began)
                        if failed.final:
                            asked.remove(url)
        expected = f"{target.name} from one of {len(urls)} addresses"
        got = "; ".join(f"{url}: {reason}" for url, reason in reasons.items())
    except filelock.Timeout:
        expected, got = "the process that fetches the file to finish", f"none after {total:g} s"
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        expected = f"room for {target.name} in a folder that can be written"
        got = f"{'a full disk' if full else error.strerror or error} at {target.parent}"
    raise MissingDataError(sentence("download", expected, got, ways))


def _steps_down(url: str, urls: Sequence[str]) -> bool:
    """Whether this is a plain http address that comes after an https one."""
    before = urls[: urls.index(url)]
    return urlsplit(url).scheme == "http" and any(urlsplit(u).scheme == "https" for u in before)


def _attempt(
    url: str, target: Path, check: Callable[[Path], T], most: int, stall: float, end: float
) -> T:
    """Get the file from one address; its name is final only after its content was checked."""
    part = target.with_name(f"{target.name}.part")  # has one writer: the holder of the lock
    try:
        with open(part, "wb") as file:
            for piece in receive(url, stall, most, end):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        value = check(part)
        os.replace(part, target)
        _sync(target.parent)
        return value
    except DataError as error:
        wrong = str(error).partition(", got ")[2].split(". ")[0]  # without the advice
        raise TransferError(f"sent {wrong}", final=True) from error
    finally:
        part.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Write the folder's entries to the disk, where the system lets one do that."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
