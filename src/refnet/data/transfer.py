"""One answer over http or https, piece by piece, from a server that may be slow, broken or silent.

The only file that touches the network.
"""

import contextlib
import queue
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

MINIMUM_RATE = 1024  # bytes a second; at this rate the training images would take 7 hours
TEMPORARY = (408, 425, 429, 500, 502, 503, 504)  # after these the same address is asked again


class TransferError(Exception):
    """An address did not send a whole answer; ``final`` if asking again is of no use."""

    def __init__(self, reason: str, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


def receive(url: str, stall: float, most: int, end: float) -> Iterator[bytes]:
    """Yield the pieces of an answer.

    Another thread does the reading, since no time limit of a socket ends a silent name server, or
    a header that comes a byte at a time. Such a thread is left behind and ends with its server.

    Parameters
    ----------
    url : str
    stall : float
        Seconds in which ``MINIMUM_RATE * stall`` bytes must come, again and again.
    most : int
        Bytes after which the answer is cut off.
    end : float
        Value of ``time.monotonic()`` at which time is up.

    Raises
    ------
    TransferError
        The answer is not whole, too slow, too long, or a refusal.
    """
    pieces: queue.Queue[bytes | int | TransferError] = queue.Queue(maxsize=64)
    stop = threading.Event()
    threading.Thread(target=_pull, args=(url, stall, pieces, stop), daemon=True).start()
    got, seen, since = 0, 0, time.monotonic()
    name = url.rpartition("/")[2]
    try:
        with tqdm(desc=name, unit="B", unit_scale=True, disable=None, leave=False) as bar:
            while True:
                try:
                    piece = pieces.get(timeout=max(0.001, since + stall - time.monotonic()))
                except queue.Empty:
                    raise TransferError(f"stalled after {got} bytes") from None
                if isinstance(piece, TransferError):
                    raise piece
                if isinstance(piece, int):
                    bar.total = piece
                    continue
                if not piece:
                    return
                got += len(piece)
                bar.update(len(piece))
                if got > most:
                    raise TransferError(f"sent more than {most} bytes", final=True)
                yield piece
                now = time.monotonic()
                if now > end:
                    raise TransferError(f"too slow, {got} bytes until time was up", final=True)
                if got - seen >= MINIMUM_RATE * stall:
                    seen, since = got, now
    finally:
        stop.set()
        with contextlib.suppress(queue.Empty):
            while True:  # a thread that waits for room must see the stop
                pieces.get_nowait()


def _pull(
    url: str,
    stall: float,
    pieces: "queue.Queue[bytes | int | TransferError]",
    stop: threading.Event,
) -> None:
    """Put the answer's length, its pieces and b"" into the queue, or why there is none."""
    try:
        opener = urllib.request.OpenerDirector()  # http(s) alone; build_opener adds file, ftp
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
        request = urllib.request.Request(url, headers={"User-Agent": "refnet"})
        with opener.open(request, timeout=stall) as reply:
            announced, got = reply.length, 0
            if announced is not None:
                pieces.put(announced)
            while not stop.is_set() and (piece := reply.read1(1 << 16)):
                got += len(piece)
                pieces.put(piece)
        short = announced is not None and got < announced  # read1 does not raise on a short body
        pieces.put(TransferError(f"{got} of {announced} bytes") if short else b"")
    except HTTPError as error:
        with error:
            pieces.put(
                TransferError(f"{error.code} {error.reason}", final=error.code not in TEMPORARY)
            )
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if not isinstance(reason, TimeoutError):  # of a silent server the reader's clock tells
            pieces.put(TransferError(str(reason) or type(reason).__name__))


class _Redirect(urllib.request.HTTPRedirectHandler):
    """Redirects as in urllib, but never from https down to http, nor to ftp."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        if urlsplit(newurl).scheme not in ("https", urlsplit(req.full_url).scheme):
            raise HTTPError(newurl, code, f"refused to follow a redirect to {newurl}", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
