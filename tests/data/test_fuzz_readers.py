"""Random and damaged files: the readers give an array or a DataError, and nothing else."""

import gzip
import io
import math
import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from refnet import ArrayDataset, DataError, ImagePixels, Loader, RandomSampler, Rescale, read_idx

# Derandomized: the same examples in every run, so that a failure is one for everybody.
BOUNDED = settings(
    derandomize=True,
    deadline=None,  # the machine's pace is no property of the code
    max_examples=150,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

shapes = st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple)
sizes = st.lists(st.sampled_from([0, 1, 2, 27, 28, 255, 2**31, 2**32 - 1]), max_size=9)
tails = st.binary(max_size=200)


def header(sizes, kind=8):
    return bytes([0, 0, kind, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


def read_or_refuse(reader, path, content):
    """Return what the reader gives for a file of this content, or None if it refuses it well."""
    path.write_bytes(content)
    try:
        return reader(path)
    except DataError as error:
        text = str(error)
    assert str(path) in text
    assert ": expected " in text
    return None


@BOUNDED
@given(shape=shapes, packed=st.booleans(), seed=st.integers(0, 9))
def test_every_array_of_bytes_comes_back(tmp_path, shape, packed, seed):
    array = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    data = header(shape) + array.tobytes()
    got = read_or_refuse(read_idx, tmp_path / "file", gzip.compress(data) if packed else data)
    np.testing.assert_array_equal(got, array)


@BOUNDED
@given(sizes=sizes, kind=st.sampled_from([0, 8, 8, 13, 255]), tail=tails, packed=st.booleans())
def test_a_header_and_any_bytes_give_the_announced_array_or_a_data_error(
    tmp_path, sizes, kind, tail, packed
):
    data = header(sizes, kind) + tail
    got = read_or_refuse(read_idx, tmp_path / "file", gzip.compress(data, 1) if packed else data)
    dtype = {8: np.dtype("u1"), 13: np.dtype(">f4")}.get(kind, np.dtype("V1"))
    fits = 0 < math.prod(sizes) * dtype.itemsize == len(tail)
    right = kind in (8, 13) and 1 <= len(sizes) <= 8 and fits
    assert (got is not None) == right
    if right:
        assert got.shape == tuple(sizes)
        assert got.astype(dtype).tobytes() == tail


@BOUNDED
@given(content=st.binary(max_size=300))
def test_any_bytes_are_an_array_or_a_data_error(tmp_path, content):
    read_or_refuse(read_idx, tmp_path / "idx", content)
    read_or_refuse(ImagePixels, tmp_path / "picture", content)


WHOLE = header((5, 7)) + bytes(range(35))
PACKED = gzip.compress(WHOLE, mtime=0)


@BOUNDED
@given(data=st.data(), packed=st.booleans())
def test_a_changed_gz_file_gives_the_right_array_or_a_data_error(tmp_path, data, packed):
    content = bytearray(PACKED if packed else WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    got = read_or_refuse(read_idx, tmp_path / "file", bytes(content[:cut]))
    if got is not None and packed:  # the CRC let it through: then the array is the right one
        assert got.tobytes() == WHOLE[12:]


@BOUNDED
@given(level=st.integers(0, 9), junk=st.binary(min_size=1, max_size=30))
def test_deflate_streams_with_junk_inside_are_refused(tmp_path, level, junk):
    raw = zlib.compress(WHOLE, level)
    content = b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + raw[2:-4] + junk
    assert read_or_refuse(read_idx, tmp_path / "file", content) is None


def pictures():
    """Yield small good files of each format that pictures come in."""
    picture = np.zeros((12, 16, 3), np.uint8)
    picture[3:9, 4:12] = 255
    for name in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM"):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, name)
        yield pytest.param(file.getvalue(), id=name)


@pytest.mark.parametrize("good", list(pictures()))
@settings(BOUNDED, max_examples=60)
@given(data=st.data())
def test_a_damaged_picture_is_a_picture_or_a_data_error(tmp_path, good, data):
    content = bytearray(good)
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    pixels = read_or_refuse(ImagePixels, tmp_path / "picture", bytes(content[:cut]))
    if pixels is not None:
        assert pixels.labels.shape == (pixels.height, pixels.width)
        assert set(pixels.labels.unique().tolist()) == {0, 1}


@BOUNDED
@given(
    n=st.integers(1, 200),
    batch_size=st.integers(1, 64),
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 2**40),
)
def test_an_epoch_gives_each_sample_with_its_own_label_once(n, batch_size, seed, epoch):
    data = ArrayDataset(np.arange(n), np.arange(n))
    loader = Loader(data, RandomSampler(data, batch_size, seed))
    loader.set_epoch(epoch)
    seen = []
    for x, y in loader:
        assert x.tolist() == y.tolist()
        seen += y.tolist()
    assert sorted(seen) == list(range(n))


@BOUNDED
@given(
    size=st.integers(2, 5000),
    low=st.floats(-100, 100, width=32),
    width=st.floats(0.125, 200, width=32),
)
def test_rescale_is_undone_by_its_inverse(size, low, width):
    scale = Rescale(size, low, low + width)
    x = np.linspace(0, size - 1, 7, dtype=np.float32)
    y = scale(torch.from_numpy(x))
    # three roundings of float32, each 6e-8 of the largest number that occurs on the way
    largest = max(size, (size - 1) / width * (abs(low) + width))
    np.testing.assert_allclose(scale.inverse(y), x, rtol=0, atol=6 * 6e-8 * largest)
