"""IDX files: their reader, and the published ones of MNIST and Fashion-MNIST by their hashes."""

import hashlib
import math
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from refnet.errors import DataError, check_path, sentence

Bytes = np.ndarray[Any, np.dtype[np.uint8]]

RATIO = 1032  # the most that deflate can pack into a byte
MOST = 1 << 30  # bytes in a gz file; the largest one here has 47 million

SHAPES = {
    "train-images-idx3-ubyte": (60000, 28, 28),
    "train-labels-idx1-ubyte": (60000,),
    "t10k-images-idx3-ubyte": (10000, 28, 28),
    "t10k-labels-idx1-ubyte": (10000,),
}
# A file is what the sha256 of its unpacked bytes says: its name and its packing prove nothing.
SHA256 = {
    "fashion-mnist": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    "mnist": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}
KNOWN = {
    sha: (kind, name) for kind, t in SHA256.items() for sha, name in zip(t, SHAPES, strict=True)
}


def read_idx(path: str | os.PathLike[str]) -> Bytes:
    """Return the array in an IDX file of unsigned bytes, raw or gz (told by its content).

    The format: two zero bytes, a type byte (8: unsigned bytes), the number of dimensions, each
    dimension as a big-endian 32-bit number, then the items, the last dimension fastest.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    array : ndarray, shape as the header says, uint8

    Raises
    ------
    DataError
        Not a file, not readable, not IDX, of another item type, or with more or fewer bytes than
        its header announces. Nothing is allocated that the file's own size cannot hold.

    References
    ----------
    LeCun, Cortes and Burges, "The MNIST database of handwritten digits", section "The IDX file
    format".

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "three.idx"
    >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 10, 20, 30]))
    >>> read_idx(path)
    array([10, 20, 30], dtype=uint8)
    """
    return read_checked(check_path("read_idx", "path", path))[0]


def read_checked(path: Path) -> tuple[Bytes, str]:
    """Return the array in an IDX file, and the sha256 of the file's unpacked bytes."""
    try:
        size, mode = path.stat().st_size, path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or device"
            raise DataError(sentence(str(path), "a file", kind, "Name the data file itself."))
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            pieces = _gunzip(file) if packed else iter(lambda: file.read(1 << 20), b"")
            return _fill(path, pieces, min(RATIO * size, MOST) if packed else size)
    except FileNotFoundError:
        got = "a link to nothing" if path.is_symlink() else "no such file"
    except PermissionError:
        got = "a file that you may not read"
    except (zlib.error, EOFError) as error:
        got = f"damaged gz data ({error})"
    except OSError as error:
        got = error.strerror or str(error)
    do = "Check the path, or delete the file and fetch it again."
    raise DataError(sentence(str(path), "a whole, readable IDX file", got, do))


def _gunzip(file: BinaryIO) -> Iterator[bytes]:
    """Yield the unpacked bytes of a gz file of one member, in pieces; zlib checks its CRC."""
    unpack = zlib.decompressobj(wbits=31)
    while not unpack.eof:
        packed = unpack.unconsumed_tail or file.read(1 << 16)
        if not packed:
            raise EOFError("it ends too early")
        if piece := unpack.decompress(packed, 1 << 20):
            yield piece
    if unpack.unused_data or file.read(1):
        raise EOFError("bytes follow its end")


def _fill(path: Path, pieces: Iterator[bytes], most: int) -> tuple[Bytes, str]:
    """Return the array in unpacked IDX bytes, of which there can be ``most``, and their sha256."""
    do = "Delete the file and fetch it again."
    first = b""
    while len(first) < 4 + 4 * 8 and (piece := next(pieces, b"")):
        first += piece  # the whole header: 8 dimensions at most
    shape = _shape(path, first)
    start = 4 + 4 * len(shape)
    total = start + math.prod(shape)
    if total > most:
        expected = f"the {total} bytes that its header announces"
        raise DataError(sentence(str(path), expected, f"{most} at most", do))
    data, end, digest = np.empty(total, np.uint8), 0, hashlib.sha256()
    while first and end + len(first) <= total:
        data[end : end + len(first)] = np.frombuffer(first, np.uint8)
        digest.update(first)
        end, first = end + len(first), next(pieces, b"")
    if first or end < total:
        got = "more" if first else str(end)
        expected = f"the {total} bytes that its header announces"
        raise DataError(sentence(str(path), expected, got, do))
    return data[start:].reshape(shape), digest.hexdigest()


def _shape(path: Path, head: bytes) -> tuple[int, ...]:
    """Return the dimensions in the header of unpacked IDX bytes."""
    dims = head[3] if len(head) > 3 else 0
    if head[:2] != b"\0\0" or len(head) < 4:
        got = f"the bytes {head[:4].hex(' ')}" if head else "an empty file"
        if head.lstrip()[:1] == b"<":
            got = "a web page"
        elif head[:2] == b"\x1f\x8b":
            got = "gz inside gz"
        elif head[2:4] == b"\0\0":
            got += " (little-endian?)"
    elif head[2] != 8:
        names = {9: "int8", 11: "int16", 12: "int32", 13: "float32", 14: "float64"}
        got = f"items of type {names.get(head[2], f'0x{head[2]:02x}, which is none')}"
    elif not 1 <= dims <= 8:
        got = f"{dims} dimensions"
    elif len(head) < 4 + 4 * dims:
        got = f"a header of {len(head)} bytes"
    elif 0 in (shape := struct.unpack(f">{dims}I", head[4 : 4 + 4 * dims])):
        got = f"no item, shape {shape}"
    else:
        return shape
    expected = "IDX data of unsigned bytes (00 00 08, 1 to 8 dimensions, raw or gz)"
    raise DataError(sentence(str(path), expected, got, "Fetch the file again."))


def check_file(kind: str, name: str, path: Path, strict: bool = False) -> tuple[Bytes, str]:
    """Return the array in file ``name`` of set ``kind``, and how it was checked.

    That is "sha256", or, for files in MNIST's form unless ``strict``, "structure".
    """
    array, sha = read_checked(path)
    found = KNOWN.get(sha)
    if found == (kind, name):
        return array, "sha256"
    do = "Delete it or put it elsewhere; the right file then is found or fetched."
    labels = array.ndim == 1
    if found:
        got = f"{found[1]} of {found[0]}"
    elif array.shape != SHAPES[name]:
        got = f"an array of shape {array.shape}, not {SHAPES[name]}"
    elif labels and array.max() > 9:
        got = f"label {array.max()}, above 9"
    elif strict or kind != "mnist":
        got = f"other bytes in the same form (sha256 {sha[:12]}...): damaged, or another set's"
    else:
        return array, "structure"
    if kind == "fashion-mnist" and not found:
        do = "MNIST has files of the same names. " + do
    raise DataError(sentence(str(path), f"{name} of {kind}", got, do))
