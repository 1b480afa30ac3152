"""IDX files: their reader, and the published ones of MNIST and Fashion-MNIST by their hashes."""

import hashlib
import math
import os
import stat
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from refnet.errors import DataError, check_path, sentence

Array = np.ndarray[Any, np.dtype[Any]]

TYPES = {8: "uint8", 9: "int8", 11: "int16", 12: "int32", 13: "float32", 14: "float64"}
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


def read_idx(path: str | os.PathLike[str]) -> Array:
    """Return the array in an IDX file, raw or gz (told by its content).

    The format: two zero bytes, a type byte, the number of dimensions, each dimension as a
    big-endian 32-bit number, then the items, big-endian too, the last dimension fastest. The types
    are 8: uint8, 9: int8, 11: int16, 12: int32, 13: float32, 14: float64.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    array : ndarray, shape and dtype as the header says, in this machine's byte order

    Raises
    ------
    DataError
        Not a file, not readable, not IDX, or with more or fewer bytes than its header announces.
        Nothing is allocated that the file's own size cannot hold.

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


def read_checked(path: Path) -> tuple[Array, str]:
    """Return the array in an IDX file, and the sha256 of the file's unpacked bytes."""
    do = "Fetch or write the file again."
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            got = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or device"
            raise DataError(sentence(str(path), "a file", got, "Name the data file itself."))
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if not packed:
                return _fill(path, _blocks(file), status.st_size, str(status.st_size))
            most = min(RATIO * status.st_size, MOST)
            return _fill(path, _gunzip(file), most, f"{most} at most")
    except FileNotFoundError:
        got = "a link to nothing" if path.is_symlink() else "no such file"
        do = "Check the path."
    except PermissionError:
        got = "a file that you may not read"
        do = "Let its owner allow it (chmod a+r), or read a copy."
    except (zlib.error, EOFError) as error:
        got = f"damaged gz data ({error})"
    except OSError as error:
        got = error.strerror or str(error)
        do = "Check the path."
    raise DataError(sentence(str(path), "a whole, readable IDX file", got, do))


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield the rest of a file in pieces."""
    return iter(lambda: file.read(1 << 18), b"")


def _gunzip(file: BinaryIO) -> Iterator[bytes]:
    """Yield the unpacked bytes of a gz file in pieces; zlib checks the CRC of each member.

    A gz file is one member or several, and zero bytes may fill it up at its end.
    """
    packed = file.read(1 << 16)
    while packed:
        unpack = zlib.decompressobj(wbits=31)
        while not unpack.eof:
            if not packed:
                raise EOFError("it ends too early")
            piece = unpack.decompress(packed, 1 << 20)
            if piece:
                yield piece
            packed = unpack.unconsumed_tail or unpack.unused_data or file.read(1 << 16)
        packed = _after_padding(packed, file)
        if packed and not b"\x1f\x8b".startswith(packed[:2]):
            raise EOFError("bytes follow its end")


def _after_padding(packed: bytes, file: BinaryIO) -> bytes:
    """Return the next bytes of a file, without the zeros before them; b"" at its end."""
    while packed:
        rest = packed.lstrip(b"\0")
        if rest:
            return rest
        packed = file.read(1 << 16)
    return b""


def _fill(path: Path, pieces: Iterable[bytes], most: int, size: str) -> tuple[Array, str]:
    """Return the array in unpacked IDX bytes, of which there can be ``most``, and their sha256."""
    pieces = iter(pieces)
    do = "Fetch or write the file again."
    first = b""
    for piece in pieces:
        first += piece
        if len(first) >= 4 + 4 * 8:  # the whole header: 8 dimensions at most
            break
    dtype, shape = _header(path, first)
    start = 4 + 4 * len(shape)
    total = start + math.prod(shape) * dtype.itemsize
    expected = f"the {total} bytes that its header announces"
    if total > most:
        raise DataError(sentence(str(path), expected, size, do))
    data = np.empty(total, np.uint8)
    digest = hashlib.sha256()
    end = 0
    while first and end + len(first) <= total:
        data[end : end + len(first)] = np.frombuffer(first, np.uint8)
        digest.update(first)
        end += len(first)
        first = next(pieces, b"")
    if first or end < total:
        raise DataError(sentence(str(path), expected, "more" if first else str(end), do))
    array = data[start:].view(dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False), digest.hexdigest()


def _header(path: Path, head: bytes) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return the type and the dimensions in the header of unpacked IDX bytes."""
    kind = head[2] if len(head) > 2 else 0
    dims = head[3] if len(head) > 3 else 0
    if len(head) < 4 or head[:2] != b"\0\0":
        got = _instead_of_idx(head)
    elif kind not in TYPES:
        got = f"items of type 0x{kind:02x}, which is none"
    elif not 1 <= dims <= 8:
        got = f"{dims} dimensions"
    elif len(head) < 4 + 4 * dims:
        got = f"a header of {len(head)} bytes"
    else:
        shape = struct.unpack(f">{dims}I", head[4 : 4 + 4 * dims])
        if 0 not in shape:
            return np.dtype(TYPES[kind]).newbyteorder(">"), shape
        got = f"no item, shape {shape}"
    expected = "IDX data (00 00, a type byte, 1 to 8 dimensions, raw or gz)"
    raise DataError(sentence(str(path), expected, got, "Fetch or write the file again."))


def _instead_of_idx(head: bytes) -> str:
    """Return what the first bytes of a file are that do not begin an IDX file."""
    if not head:
        return "an empty file"
    if head.lstrip()[:1] == b"<":
        return "a web page"
    if head[:2] == b"\x1f\x8b":
        return "gz inside gz"
    little = " (little-endian?)" if head[2:4] == b"\0\0" else ""
    return f"the bytes {head[:4].hex(' ')}{little}"


def check_file(kind: str, name: str, path: Path, strict: bool = False) -> tuple[Array, str]:
    """Return the array in file ``name`` of set ``kind``, and how it was checked.

    That is "sha256", or, for files in MNIST's form unless ``strict``, "structure".
    """
    array, sha = read_checked(path)
    found = KNOWN.get(sha)
    if found == (kind, name):
        return array, "sha256"
    do = "Delete it or put it elsewhere; the right file then is found or fetched."
    if found:
        got = f"{found[1]} of {found[0]}"
        raise DataError(sentence(str(path), f"{name} of {kind}", got, do))
    if array.shape != SHAPES[name] or array.dtype != np.uint8:
        kinds = "" if array.dtype == np.uint8 else f"{array.dtype} and "
        got = f"an array of {kinds}shape {array.shape}, not {SHAPES[name]}"
    elif array.ndim == 1 and array.max() > 9:
        got = f"label {array.max()}, above 9"
    elif strict or kind != "mnist":
        got = f"other bytes in the same form (sha256 {sha[:12]}...): damaged, or another set's"
    else:
        return array, "structure"
    if kind == "fashion-mnist":
        do = f"MNIST has files of the same names. {do}"
    if not strict:
        own = "ArrayDataset(read_idx(images), read_idx(labels))"
        do = f"Files of your own are taken by {own}, with their two paths. For {kind}: {do}"
    raise DataError(sentence(str(path), f"{name} of {kind}", got, do))
