"""The IDX reader: the same array from any packing, and one clear error for every damaged file."""

import gzip
import hashlib
import os
import struct
import subprocess
import sys

import numpy as np
import pytest

from refnet import DataError, read_idx
from refnet.data.fetch import find_file
from refnet.data.idx import SHAPES, check_file, read_checked

ARRAY = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def idx(array=ARRAY, shape=None, magic=None):
    shape = array.shape if shape is None else shape
    head = bytes([0, 0, 8, len(shape)]) if magic is None else magic
    return head + struct.pack(f">{len(shape)}I", *shape) + array.tobytes()


def test_magic_numbers_are_those_of_the_format():
    assert int.from_bytes(idx(ARRAY[0, 0])[:4]) == 2049  # labels
    assert int.from_bytes(idx()[:4]) == 2051  # images


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("shape", [(1,), (7,), (3, 5), (2, 28, 28), (1, 1, 1, 1), (2,) * 8])
def test_an_array_comes_back_as_it_was(tmp_path, packed, shape):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    data = idx(array)
    (tmp_path / "file").write_bytes(gzip.compress(data) if packed else data)

    got = read_idx(tmp_path / "file")

    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, array)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [(8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")],
)
@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 2, 2, 2)])
@pytest.mark.parametrize("packed", [False, True])
def test_every_type_of_the_format_is_read(tmp_path, kind, dtype, shape, packed):
    values = np.random.default_rng(kind).integers(-100, 100, shape)
    array = (values + 100 if kind == 8 else values).astype(dtype)
    data = idx(array, magic=bytes([0, 0, kind, len(shape)]))
    (tmp_path / "file").write_bytes(gzip.compress(data) if packed else data)

    got = read_idx(tmp_path / "file")

    assert got.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(got, array)
    assert got.flags.writeable
    assert got.flags.aligned


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(idx()[:30]) + gzip.compress(idx()[30:]),
        gzip.compress(idx()[:2]) + gzip.compress(b"") + bytes(9) + gzip.compress(idx()[2:]),
        gzip.compress(idx()) + bytes(1),
        gzip.compress(idx()) + bytes(200_000),
    ],
    ids=["two members", "zeros between three members", "one zero after", "many zeros after"],
)
def test_gz_of_several_members_and_with_zeros_after_them_is_read(tmp_path, content):
    assert gzip.decompress(content) == idx()  # as Python's own module reads it
    (tmp_path / "file").write_bytes(content)
    np.testing.assert_array_equal(read_idx(tmp_path / "file"), ARRAY)


def test_a_header_that_comes_in_two_pieces_is_read(tmp_path):
    stored = gzip.compress(idx(), 0)  # 10 bytes of gz header, 5 of block header, then the bytes
    extra = (1 << 16) - 10 - 2 - 5 - 9  # the first 64 KiB of the file end within the sizes
    flag = stored[:3] + b"\x04" + stored[4:10] + struct.pack("<H", extra) + bytes(extra)
    (tmp_path / "file").write_bytes(flag + stored[10:])
    assert gzip.decompress(flag + stored[10:]) == idx()
    np.testing.assert_array_equal(read_idx(tmp_path / "file"), ARRAY)


@pytest.mark.parametrize("name", ["图像 数据.gz", "👟 shoe.idx", "no-suffix"])
def test_names_in_any_script_work(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(idx()))
    np.testing.assert_array_equal(read_idx(str(tmp_path / name)), ARRAY)


def test_the_home_sign_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "file").write_bytes(idx())
    np.testing.assert_array_equal(read_idx("~/file"), ARRAY)


GZ = gzip.compress(idx())
BAD = {
    "empty": (b"", "an empty file"),
    "one byte": (b"\0", "the bytes 00"),
    "header of 3 bytes": (b"\0\0\x08", "the bytes 00 00 08"),
    "first bytes not zero": (idx(magic=b"\0\x01\x08\x03"), "the bytes 00 01 08 03"),
    "little-endian magic": (idx(magic=b"\x03\x08\0\0"), "little-endian"),
    "little-endian sizes": (b"\0\0\x08\x01" + struct.pack("<I", 3) + b"abc", "50331656 bytes"),
    "unknown type": (idx(magic=b"\0\0\x07\x03"), "type 0x07"),
    "float announced, bytes sent": (idx(magic=b"\0\0\x0d\x03"), "the 112 bytes that its header"),
    "0 dimensions": (b"\0\0\x08\0" + b"x", "0 dimensions"),
    "255 dimensions": (b"\0\0\x08\xff" + b"\0\0\0\x01" * 255 + b"x", "255 dimensions"),
    "sizes cut off": (b"\0\0\x08\x03\0\0\0\x01\0\0", "a header of 10 bytes"),
    "count 0": (idx(np.empty((0, 28, 28), np.uint8)), "(0, 28, 28)"),
    "count 2**32-1": (idx(shape=(2**32 - 1, 28, 28)), "3367254359296 bytes"),
    "product overflows": (idx(shape=(2**32 - 1,) * 8), "bytes that its header announces"),
    "one byte short": (idx()[:-1], "the 40 bytes that its header announces, got 39"),
    "one byte long": (idx() + b"x", "the 40 bytes that its header announces, got more"),
    "web page": (b"<!DOCTYPE html><html></html>", "a web page"),
    "web page in gz": (gzip.compress(b"\n<html></html>"), "a web page"),
    "gz cut off": (GZ[:-9], "damaged gz data (it ends too early)"),
    "gz header alone": (GZ[:10], "damaged gz data (it ends too early)"),
    "gz magic alone": (GZ[:2], "damaged gz data (it ends too early)"),
    "gz with a bad CRC": (GZ[:-8] + bytes([GZ[-8] ^ 1]) + GZ[-7:], "incorrect data check"),
    "gz with a bad length": (GZ[:-1] + b"\x01", "incorrect length check"),
    "bytes after gz": (GZ + b"junk", "bytes follow its end"),
    "bytes after zeros after gz": (GZ + bytes(100_000) + b"junk", "bytes follow its end"),
    "two arrays in two members": (GZ + GZ, "the 40 bytes that its header announces, got more"),
    "second member cut off": (GZ + GZ[:7], "damaged gz data (it ends too early)"),
    "second member damaged": (
        gzip.compress(idx()[:30]) + gzip.compress(idx()[30:])[:-8] + bytes(8),
        "incorrect data check",
    ),
    "gz inside gz": (gzip.compress(GZ), "gz inside gz"),
    "gz one byte short": (gzip.compress(idx()[:-1]), "the 40 bytes that its header announces"),
    "gz one byte long": (gzip.compress(idx() + b"x"), "the 40 bytes that its header announces"),
    "gz too small for it": (gzip.compress(idx(shape=(10**6,))), "at most"),
    "gz of 2**32-1": (gzip.compress(idx(shape=(2**32 - 1,))), "4294967303 bytes"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_damaged_file_is_a_data_error_that_names_it(tmp_path, case):
    content, words = BAD[case]
    path = tmp_path / "file"
    path.write_bytes(content)

    with pytest.raises(DataError) as caught:
        read_idx(path)

    text = str(caught.value)
    assert text.startswith(f"{path}: expected ")
    assert words in text
    assert text.endswith(".")
    assert path.read_bytes() == content  # a user's file stays as it is


def test_a_flipped_bit_of_a_gz_file_is_found(tmp_path):
    path = tmp_path / "file"
    for at in range(10, len(GZ)):  # bytes 4 to 9 are the packer's notes: time, level, system
        path.write_bytes(GZ[:at] + bytes([GZ[at] ^ 4]) + GZ[at + 1 :])
        with pytest.raises(DataError):
            read_idx(path)


GREEDY = {
    "claim": idx(shape=(2**32 - 1,)),
    "gz-claim": gzip.compress(idx(shape=(2**32 - 1,))),
    "bomb": gzip.compress(bytes(300_000_000), 1),  # no IDX inside
    "bomb-behind-an-array": gzip.compress(idx() + bytes(300_000_000), 1),
    "gz-that-announces-more": gzip.compress(idx(ARRAY, (300_000_000,)) + bytes(100), 1),
}
READ_ALL = """
import resource, sys
from refnet import DataError, read_idx
for path in sys.argv[1:]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read_idx(path)
    except DataError:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_nothing_is_allocated_that_the_file_does_not_hold(tmp_path):
    for name, content in GREEDY.items():
        (tmp_path / name).write_bytes(content)
    paths = [str(tmp_path / name) for name in GREEDY]
    command = [sys.executable, "-c", READ_ALL, *paths]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    growth = [int(line) * 1024 for line in done.stdout.split()]  # of the peak, in bytes (Linux)
    assert len(growth) == len(GREEDY)
    assert max(growth) < 16_000_000  # pieces of the file; each claim is of 300 MB or more


@pytest.mark.parametrize("path", [3, 3.5, None, b"file", ["file"], sys.stdin])
def test_something_that_is_no_path_is_a_type_error(path):
    with pytest.raises(
        TypeError, match=r"read_idx: expected path to be a path, got .*\. Pass a str"
    ):
        read_idx(path)


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_a_path_that_cannot_be_is_a_value_error(path):
    with pytest.raises(ValueError, match="read_idx: expected path to be a path"):
        read_idx(path)


def test_a_missing_file_a_folder_a_dangling_link_and_a_long_name_say_so(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    cases = {
        "missing": "no such file",
        ".": "a folder",
        "link": "a link to nothing",
        "x" * 300: "File name too long",
    }
    for name, words in cases.items():
        with pytest.raises(DataError, match=words):
            read_idx(tmp_path / name)


@pytest.mark.timeout(10)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="a pipe or device"):
        read_idx(tmp_path / "pipe")


def test_a_file_that_one_may_not_read_says_so(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(idx())
    path.chmod(0)
    tmp_path.chmod(0o755)
    user = os.geteuid()
    if user == 0:  # root reads everything: be somebody else for a moment
        for folder in list(tmp_path.parents)[:-2]:
            folder.chmod(folder.stat().st_mode | 0o011)
        os.seteuid(65534)
    try:
        with pytest.raises(DataError, match="a file that you may not read"):
            read_idx(path)
    finally:
        os.seteuid(user)


def test_the_hash_is_that_of_the_unpacked_bytes(tmp_path):
    for name, content in (("raw", idx()), ("packed", GZ)):
        (tmp_path / name).write_bytes(content)
        assert read_checked(tmp_path / name)[1] == hashlib.sha256(idx()).hexdigest()


def write(tmp_path, name, array):
    path = tmp_path / name
    kind = 8 if array.dtype == np.uint8 else 12
    path.write_bytes(idx(array, magic=bytes([0, 0, kind, array.ndim])))
    return path


def test_files_in_the_form_of_mnist_are_accepted_as_such_only_where_it_is_asked_for(tmp_path):
    path = write(tmp_path, "labels", np.zeros(10000, np.uint8))
    name = "t10k-labels-idx1-ubyte"
    assert check_file("mnist", name, path)[1] == "structure"
    with pytest.raises(DataError, match="other bytes in the same form"):
        check_file("mnist", name, path, strict=True)
    with pytest.raises(DataError, match="MNIST has files of the same names"):
        check_file("fashion-mnist", name, path)


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("train-labels-idx1-ubyte", np.zeros(59999, np.uint8), r"shape \(59999,\), not \(60000,\)"),
        ("t10k-labels-idx1-ubyte", np.full(10000, 10, np.uint8), "label 10, above 9"),
        ("t10k-images-idx3-ubyte", np.zeros(10000, np.uint8), r"shape \(10000,\), not \(10000, 28"),
        ("t10k-labels-idx1-ubyte", np.zeros((10000, 28, 28), np.uint8), r"not \(10000,\)"),
        ("t10k-images-idx3-ubyte", np.zeros((10000, 28, 27), np.uint8), r"\(10000, 28, 27\), not"),
        ("t10k-labels-idx1-ubyte", np.zeros(10000, ">i4"), r"int32 and shape \(10000,\), not"),
    ],
    ids=["59,999 labels", "label 10", "labels for images", "images for labels", "28 x 27", "int32"],
)
@pytest.mark.parametrize("kind", ["mnist", "fashion-mnist"])
def test_a_file_of_another_form_is_refused_by_both_sets(tmp_path, kind, name, array, words):
    with pytest.raises(DataError, match=words):
        check_file(kind, name, write(tmp_path, "file", array))


@pytest.mark.data
@pytest.mark.parametrize("name", SHAPES)
def test_the_real_files_are_named_in_the_wrong_folder_and_under_the_wrong_name(name):
    path = find_file("fashion-mnist", name, None)
    array, how = check_file("fashion-mnist", name, path)
    assert (array.shape, how) == (SHAPES[name], "sha256")
    with pytest.raises(DataError, match=f"expected {name} of mnist, got {name} of fashion-mnist"):
        check_file("mnist", name, path)
    other = "train" + name[4:] if name.startswith("t10k") else "t10k" + name[5:]
    with pytest.raises(DataError, match=f"expected {other} of fashion-mnist, got {name} of"):
        check_file("fashion-mnist", other, path)
