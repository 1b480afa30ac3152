"""Find a data file, or fetch it: whole and checked, or not at all.

Written by hand is what the libraries for this do not do: pooch has neither several addresses for a
file, nor a lock between processes, nor a limit on a server that sends one byte a second. The lock
is filelock's, the cache folder platformdirs', the bar tqdm's, the rest is the standard library.
"""

import contextlib
import math
import os
import threading
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlsplit

import filelock
import platformdirs
from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from refnet.data.idx import SHAPES, Array, check_file
from refnet.errors import (
    DataError,
    MissingDataError,
    check_path,
    put_in_place,
    sentence,
    what_failed,
)

T = TypeVar("T")

MINIMUM_RATE = 1024  # bytes a second; at this rate the training images would take 7 hours
TEMPORARY = (408, 425, 429, 500, 502, 503, 504)  # after these the same address is asked again
NOT_ASKED = "not asked, time was up"
PAUSES = (0.0, 0.025, 0.05, 0.1)  # before each round over the addresses, as parts of the patience
DEBIAN = Path("/usr/share/datasets")  # where the package dataset-fashion-mnist puts its files
TORCHVISION = {"fashion-mnist": "FashionMNIST", "mnist": "MNIST"}  # its files lie in <name>/raw
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


class TransferError(Exception):
    """An address did not send a whole answer; ``final`` if asking again is of no use."""

    def __init__(self, reason: str, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


# --- where a file lies


def cache_folder() -> Path | None:
    """Return refnet's own folder for files from the network; None for a user without a home."""
    try:
        return platformdirs.user_cache_path("refnet")
    except RuntimeError:
        return None


def folders(kind: str, root: Path | None) -> list[Path]:
    """Return the folders in which files of set ``kind`` may lie; an explicit root is the only one.

    What is fetched goes into the first of them if it was named by the reader, else into the cache.
    """
    named = root
    data = os.environ.get("REFNET_DATA")
    if root is None and data:
        named = check_path("REFNET_DATA", "REFNET_DATA", data)
    places = []
    if named is not None:
        places += [named / kind, named]
    if root is None:
        places.append(DEBIAN / kind)
        cache = cache_folder()
        places += [] if cache is None else [cache / kind]
    return places


def find_file(kind: str, name: str, root: Path | None) -> Path | None:
    """Return the file in the first place that holds it, raw or gz, or None.

    Of several files there that could be meant, the one with the published bytes is taken.
    """
    for folder in folders(kind, root):
        found = list(_lying_in(folder, kind, name))
        if len(found) > 1:
            published = (path for path in found if _is_published(kind, name, path))
            return next(published, found[0])
        if found:
            return found[0]
    return None


def _lying_in(folder: Path, kind: str, name: str) -> Iterator[Path]:
    """Yield what may be the file: in the folder, or in one of those that others put it in."""
    dotted = name.replace("-idx", ".idx")
    torchvision = Path(TORCHVISION[kind]) / "raw"
    for place in ("", name, dotted, torchvision, "raw"):  # Kaggle's: a folder around each file
        for stem in (name, dotted):
            for file in (stem, f"{stem}.gz"):
                path = folder / place / file
                if os.path.lexists(path) and not os.path.isdir(path):
                    yield path


def _is_published(kind: str, name: str, path: Path) -> bool:
    try:
        return check_file(kind, name, path)[1] == "sha256"
    except DataError:
        return False


def addresses(kind: str, name: str) -> list[str]:
    """Return where the network has the file: at ``$REFNET_MIRROR``, if set, and the mirrors."""
    urls = [f"{base}{name}.gz" for base in MIRRORS[kind]]
    own = os.environ.get("REFNET_MIRROR")
    if not own:
        return urls
    if urlsplit(own).scheme not in ("http", "https"):
        do = f"The file is asked for at <REFNET_MIRROR>/{kind}/<file>.gz."
        raise ValueError(sentence("REFNET_MIRROR", "an address http(s)://...", repr(own), do))
    return [f"{own.rstrip('/')}/{kind}/{name}.gz", *urls]


def ways_out(kind: str, root: Path | None = None) -> str:
    """Return what a reader can do who has no data, or none in the only folder looked in."""
    files = ", ".join(f"{name}.gz" for name in SHAPES)
    ways = [f"put {files} from {MIRRORS[kind][0]} into a folder, and name it in REFNET_DATA"]
    if kind == "fashion-mnist":
        ways.insert(0, "apt-get install dataset-fashion-mnist (Debian, Ubuntu)")
    if root is not None:
        ways[0] = f"leave the folder out, so that refnet looks elsewhere too, and {ways[0]}"
    ways.append(f"take the embedded sample, {TORCHVISION[kind]}(sample=True)")
    return f"Ways out: {'; '.join(ways)}; or set REFNET_MIRROR to the address of a copy."


# --- found, or else fetched


def obtain(kind: str, name: str, root: Path | None, download: bool) -> tuple[Array, str]:
    """Return the array in a data file and how it was checked; the file is found or else fetched.

    A file is checked where it lies. What came over the network must be the published data to the
    byte. A damaged file in refnet's own cache is fetched again, once, with a warning; a file of
    anybody else's is never touched.
    """
    path = find_file(kind, name, root)
    cache = cache_folder()
    offline = os.environ.get("REFNET_OFFLINE", "0") not in ("", "0")
    network = download and not offline
    if path is not None:
        own = cache is not None and path.parent == cache / kind
        try:
            return check_file(kind, name, path, strict=own)
        except DataError as error:
            if not (own and network):
                raise
            note = f"{error} It lies in refnet's own cache: fetching it again."
            warnings.warn(note, stacklevel=4)
    places = folders(kind, root)
    ways = ways_out(kind, root)
    if not network:
        why = "REFNET_OFFLINE is set" if offline else "download=False"
        got = f"none in {', '.join(map(str, places))}, and no network ({why})"
        raise MissingDataError(sentence(f"{kind} data", f"a file {name}[.gz]", got, ways))
    named = root is not None or bool(os.environ.get("REFNET_DATA"))
    if cache is None and not named:
        got = "none: this user has no home folder"
        raise MissingDataError(sentence(f"{kind} data", "a folder to keep it in", got, ways))
    target = path or places[0 if named else -1] / f"{name}.gz"
    most = 4096 + 2 * math.prod(SHAPES[name])
    urls = addresses(kind, name)
    return fetch_file(urls, target, lambda part: check_file(kind, name, part, True), most, ways)


def fetch_file(
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
        The final name. Only a checked file gets it, in one move. Of several processes one
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
    asked = list(urls)
    lost = 0.0
    end = time.monotonic() + total
    expected = f"{target.name} from one of {len(urls)} addresses"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{target}.lock", timeout=total):
            if target.is_file():  # another process was faster
                with contextlib.suppress(DataError):
                    return check(target)
            for pause in PAUSES:
                time.sleep(pause * patience if asked else 0)
                for url in list(asked):
                    began = time.monotonic()
                    left = min(patience / len(urls), patience - lost)
                    if left <= 0 or began > end:
                        break
                    try:
                        value = _attempt(url, target, check, most, min(stall, left), end)
                    except TransferError as failed:
                        reasons[url] = str(failed)
                        lost += min(stall, time.monotonic() - began)
                        if failed.final:
                            asked.remove(url)
                    else:
                        _say_if_stepped_down(url, urls, target.name)
                        return value
        got = "; ".join(f"{url}: {reason}" for url, reason in reasons.items())
    except filelock.Timeout:
        expected = "the process that fetches the file to finish"
        got = f"none after {total:g} s"
    except OSError as error:
        expected = f"room for {target.name} in a folder that can be written"
        got = f"{what_failed(error)} at {target.parent}"
    raise MissingDataError(sentence("download", expected, got, ways))


def _say_if_stepped_down(url: str, urls: Sequence[str], name: str) -> None:
    """Warn if the file came from a plain http address because the https ones before it failed."""
    before = [urlsplit(other).scheme for other in urls[: urls.index(url)]]
    if urlsplit(url).scheme == "http" and "https" in before:
        note = f"download: no https address has sent {name}, asking {url} over plain http did; "
        warnings.warn(note + "its hash alone says that it is right.", stacklevel=6)


def _attempt(
    url: str, target: Path, check: Callable[[Path], T], most: int, stall: float, end: float
) -> T:
    """Get the file from one address; its name is final only after its content was checked."""
    part = target.with_name(f"{target.name}.part")  # has one writer: the holder of the lock
    try:
        with open(part, "wb") as file:
            _receive(url, file, most, stall, end)
        value = check(part)
        put_in_place(part, target)
        return value
    except DataError as error:
        wrong = str(error).partition(", got ")[2].split(". ")[0]  # without the advice
        raise TransferError(f"sent {wrong}", final=True) from error
    finally:
        part.unlink(missing_ok=True)


# --- one answer over http or https


class _Answer(threading.Thread):
    """Writes an answer into ``file``; whoever started it looks at the clock meanwhile.

    No time limit of a socket ends a silent name server, or a header that comes a byte at a time.
    A thread that waits for such a one is left behind: it finds its file closed, and ends.
    """

    def __init__(self, url: str, file: BinaryIO, most: int, stall: float) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.file = file
        self.most = most
        self.stall = stall
        self.got = 0  # bytes
        self.announced: int | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            for piece in self._pieces():
                self.file.write(piece)
                self.got += len(piece)
                if self.got > self.most:
                    raise TransferError(f"sent more than {self.most} bytes", final=True)
            self.file.flush()
        except Exception as error:
            self.error = error

    def _pieces(self) -> Iterator[bytes]:
        """Yield the pieces of the answer; what goes wrong on the line is a TransferError."""
        request = urllib.request.Request(self.url, headers={"User-Agent": "refnet"})
        try:
            with _opener().open(request, timeout=self.stall) as reply:
                self.announced = reply.length
                yield from iter(lambda: reply.read1(1 << 16), b"")
        except HTTPError as error:
            error.close()
            final = error.code not in TEMPORARY
            raise TransferError(f"{error.code} {error.reason}", final) from error
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise TransferError(f"stalled after {self.got} bytes") from error
            raise TransferError(str(reason) or type(reason).__name__) from error
        if self.announced is not None and self.got < self.announced:  # read1 does not say so
            raise TransferError(f"{self.got} of {self.announced} bytes")


def _receive(url: str, file: BinaryIO, most: int, stall: float, end: float) -> None:
    """Write the answer of an address into ``file``.

    ``MINIMUM_RATE * stall`` bytes must come in ``stall`` seconds, again and again, and all of them
    before ``time.monotonic()`` is ``end``. Raises TransferError if they do not, OSError if the
    file cannot be written.
    """
    answer = _Answer(url, file, most, stall)
    answer.start()
    seen = 0
    since = time.monotonic()
    name = url.rpartition("/")[2]
    with tqdm(desc=name, unit="B", unit_scale=True, disable=None, leave=False) as bar:
        while answer.is_alive():
            answer.join(stall / 20)
            now = time.monotonic()
            bar.total = answer.announced
            bar.update(answer.got - bar.n)
            if answer.got - seen >= MINIMUM_RATE * stall:
                seen = answer.got
                since = now
            if answer.is_alive() and now - since > stall:
                raise TransferError(f"stalled after {answer.got} bytes")
            if answer.is_alive() and now > end:
                raise TransferError(f"too slow, {answer.got} bytes until time was up", final=True)
    if answer.error is not None:
        raise answer.error


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens http and https alone; urllib's own opener also knows file and ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirect(),
    ):
        opener.add_handler(handler)
    return opener


class _Redirect(urllib.request.HTTPRedirectHandler):
    """Redirects as in urllib, but never from https down to http, nor to ftp."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        if urlsplit(newurl).scheme not in ("https", urlsplit(req.full_url).scheme):
            raise HTTPError(newurl, code, f"refused to follow a redirect to {newurl}", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
