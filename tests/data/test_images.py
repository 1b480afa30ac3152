"""OVERFIT: pictures as samples, checked against the pixels one by one."""

import os
import struct
import zlib

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from refnet import DataError, ImagePixels, draw_text
from refnet.data.images import BATCHES_AT_ONCE

PICTURE = np.array([[0, 255, 0, 0], [0, 0, 255, 0], [255, 0, 0, 0]], np.uint8)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# --- samples


def test_the_label_of_a_point_is_that_of_the_nearest_pixel_y_upwards():
    pixels = ImagePixels(PICTURE)
    points, labels = pixels.sample(1000, seeded())
    assert (points.shape, points.dtype) == ((1000, 2), torch.float32)
    assert (labels.shape, labels.dtype) == ((1000,), torch.int64)
    for (y, x), label in zip(points.tolist(), labels.tolist(), strict=True):
        row, column = 2 - round(y), round(x)  # the bottom row of the picture has y = 0
        assert label == PICTURE[row, column] // 255


def test_points_are_uniform_over_the_picture():
    points, _ = ImagePixels(draw_text(height=30, width=100)).sample(100_000, seeded())
    assert points.min() >= 0
    assert points[:, 0].max() <= 29
    assert points[:, 1].max() <= 99
    # a mean of 100,000 uniform numbers on [0, L] has a standard deviation of L / 1095: four of them
    assert points.mean(0).tolist() == pytest.approx([14.5, 49.5], abs=4 * 99 / 1095)
    corner = ((points[:, 0] < 14.5) & (points[:, 1] < 49.5)).float().mean()
    assert corner == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 100_000) ** 0.5)


def test_the_grid_reshapes_to_the_picture():
    pixels = ImagePixels(PICTURE)
    points, labels = pixels.grid()
    assert torch.equal(labels.reshape(3, 4), torch.from_numpy(PICTURE // 255).long())
    assert points[0].tolist() == [2, 0]  # top left
    assert points[-1].tolist() == [0, 3]  # bottom right
    assert (points.dtype, labels.dtype, points.shape) == (torch.float32, torch.int64, (12, 2))
    for (y, x), label in zip(points.long().tolist(), labels.tolist(), strict=True):
        assert pixels.labels[2 - y, x] == label


def test_batches_are_endless_and_depend_on_the_seed_alone():
    pixels = ImagePixels(PICTURE)
    first, again, other = (pixels.batches(8, seed) for seed in (3, 3, 4))
    seen = set()
    for _ in range(2 * BATCHES_AT_ONCE + 1):
        (x, y), (x2, y2) = next(first), next(again)
        assert (x.shape, y.shape) == ((8, 2), (8,))
        assert torch.equal(x, x2)
        assert torch.equal(y, y2)
        seen.add(tuple(x.flatten().tolist()))
    assert len(seen) == 2 * BATCHES_AT_ONCE + 1
    assert not torch.equal(next(other)[0], x)


def test_the_global_random_state_is_left_alone():
    before = torch.random.get_rng_state()
    pixels = ImagePixels(PICTURE)
    pixels.sample(5, seeded())
    next(pixels.batches(4, 0))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, True, "8"])
def test_a_wrong_batch_size_is_refused_at_once(batch_size):
    with pytest.raises((ValueError, TypeError), match=r"ImagePixels.batches: expected batch_size"):
        ImagePixels(PICTURE).batches(batch_size, 0)


@pytest.mark.parametrize("seed", [-1, "0", 0.5])
def test_a_wrong_seed_is_refused_at_once(seed):
    with pytest.raises((ValueError, TypeError), match=r"ImagePixels.batches: expected seed"):
        ImagePixels(PICTURE).batches(4, seed)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cpu:1", "meta"])
def test_a_device_that_is_not_there_is_refused_at_once(device):
    with pytest.raises(ValueError, match=f"^choose_device: expected .*, got '{device}'. ."):
        ImagePixels(PICTURE).batches(4, 0, device)


def test_a_generator_is_asked_for():
    with pytest.raises(TypeError, match=r"sample: expected a torch.Generator, got int. Pass torch"):
        ImagePixels(PICTURE).sample(4, 0)


# --- pictures


def test_the_threshold_is_128_of_255_and_colours_become_luminance():
    assert ImagePixels(np.array([[128, 129]], np.uint8)).labels.tolist() == [[0, 1]]
    rgb = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    assert ImagePixels(rgb).labels.tolist() == [[0, 1, 0, 1]]  # 76, 150, 29, 255
    orange_and_azure = np.array([[[255, 91, 0], [0, 91, 255]]], np.uint8)
    assert ImagePixels(orange_and_azure).labels.tolist() == [[1, 0]]  # 130, 82


def test_what_is_transparent_is_white():
    rgba = np.array([[[0, 0, 0, 255], [0, 0, 0, 0], [0, 0, 0, 100], [0, 0, 0, 200]]], np.uint8)
    assert ImagePixels(rgba).labels.tolist() == [[0, 1, 1, 0]]  # 0, 255, 155, 55


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.bool_])
@pytest.mark.parametrize("channels", [None, 3, 4])
def test_arrays_of_each_type_and_shape_are_read(dtype, channels):
    full = {np.uint8: 255, np.uint16: 65535, np.bool_: 1}[dtype]
    array = (PICTURE // 255 * np.uint16(full)).astype(dtype)
    if channels:
        array = np.repeat(array[..., None], channels, 2)
    if channels == 4:
        array[..., 3] = full
    pixels = ImagePixels(array)
    assert pixels.labels.tolist() == (PICTURE // 255).tolist()
    assert (pixels.height, pixels.width, pixels.labels.dtype) == (3, 4, torch.int64)


def saved(tmp_path, mode, suffix=".png"):
    path = tmp_path / f"图 {mode}{suffix}"
    big = np.kron(PICTURE, np.ones((16, 16), np.uint8))  # so that JPEG keeps its edges
    if mode == "I;16":
        Image.fromarray(big.astype(np.uint16) * 257).save(path)
    elif mode == "RGBA":
        rgba = np.zeros((*big.shape, 4), np.uint8)
        rgba[..., 3] = 255 - big  # black letters on nothing
        Image.fromarray(rgba).save(path)
    else:
        Image.fromarray(big).convert(mode).save(path)
    return path


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_png_of_each_kind_gives_the_same_labels(tmp_path, mode):
    pixels = ImagePixels(saved(tmp_path, mode))
    assert pixels.labels[::16, ::16].tolist() == (PICTURE // 255).tolist()


@pytest.mark.parametrize("suffix", [".jpg", ".bmp", ".webp"])
def test_other_formats_give_the_same_labels(tmp_path, suffix):
    path = saved(tmp_path, "RGB", suffix)
    assert ImagePixels(str(path)).labels[8::16, 8::16].tolist() == (PICTURE // 255).tolist()


def test_a_photo_is_turned_as_its_camera_says(tmp_path):
    big = Image.fromarray(np.kron(PICTURE, np.ones((16, 16), np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees clockwise
    big.save(tmp_path / "photo.jpg", exif=exif)
    pixels = ImagePixels(tmp_path / "photo.jpg")
    assert pixels.labels[8::16, 8::16].tolist() == np.rot90(PICTURE // 255, -1).tolist()


BIG = np.kron(PICTURE, np.ones((16, 16), np.uint8))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_16_bit_picture_is_turned_as_an_8_bit_one_is(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(BIG).save(tmp_path / "8.png", exif=exif)
    Image.fromarray(BIG.astype(np.uint16) * 257).save(tmp_path / "16.png", exif=exif)
    eight, sixteen = ImagePixels(tmp_path / "8.png"), ImagePixels(tmp_path / "16.png")
    assert torch.equal(eight.labels, sixteen.labels)
    assert (eight.height > eight.width) == (orientation > 4)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_fewer_bits_in_16_are_known_by_their_largest_number(tmp_path, bits):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    grey[grey == 128] = 127  # on the border itself the rounding would decide
    wide = np.rint(grey / 255 * (2**bits - 1)).astype(np.uint16)
    Image.fromarray(wide).save(tmp_path / "grey.png")
    expected = ImagePixels(grey).labels
    assert torch.equal(ImagePixels(wide).labels, expected)
    assert torch.equal(ImagePixels(tmp_path / "grey.png").labels, expected)


@pytest.mark.parametrize("full", [1, 255, 65535])
def test_a_tiff_of_floats_gives_the_labels_of_its_bytes(tmp_path, full):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey.astype(np.float32) / np.float32(255) * full).save(tmp_path / "grey.tiff")
    assert torch.equal(ImagePixels(tmp_path / "grey.tiff").labels, ImagePixels(grey).labels)


@pytest.mark.parametrize("value", [-1, np.nan, np.inf, 1e9])
def test_a_tiff_of_numbers_that_are_no_brightness_is_a_data_error(tmp_path, value):
    grey = np.zeros((4, 4), np.float32)
    grey[1, 1] = value
    Image.fromarray(grey).save(tmp_path / "grey.tiff")
    with pytest.raises(DataError, match=r"expected brightness from 0 on, got .*Scale its numbers"):
        ImagePixels(tmp_path / "grey.tiff")


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_orders_of_bytes_give_the_same_labels(tmp_path, order):
    wide = (BIG.astype(np.uint16) * 257).astype(f"{order}u2")
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order]
    tags = [(256, 64), (257, 48), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, 48)]
    tags.append((279, wide.nbytes))
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags)
    count = struct.pack(f"{order}H", len(tags))
    head = mark + struct.pack(f"{order}I", 8 + wide.nbytes)
    (tmp_path / "grey.tiff").write_bytes(head + wide.tobytes() + count + entries + bytes(4))
    expected = ImagePixels(BIG).labels
    assert torch.equal(ImagePixels(tmp_path / "grey.tiff").labels, expected)
    assert torch.equal(ImagePixels(wide).labels, expected)


def test_the_kind_of_a_file_is_told_by_its_content(tmp_path):
    Image.fromarray(BIG).save(tmp_path / "picture.png")
    (tmp_path / "picture.png").rename(tmp_path / "picture.jpg")
    assert torch.equal(ImagePixels(tmp_path / "picture.jpg").labels, ImagePixels(BIG).labels)


def png_of(width, height):
    """Return a small PNG file whose header claims a size."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + head + pixels + chunk(b"IEND", b"")


WHOLE = cv2.imencode(".png", np.kron(PICTURE, np.ones((16, 16), np.uint8)))[1].tobytes()
JPEG = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))[
    1
].tobytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "a picture file, got a damaged file or one of another kind. Give"),
        (b"these are words", "a picture file, got a damaged file or one of another kind. Give"),
        (WHOLE[:-30], "a damaged"),
        (WHOLE[:40], "a damaged"),
        (JPEG[: len(JPEG) // 2], "a damaged"),
        (WHOLE[:60] + b"\xff" + WHOLE[61:], "a damaged"),
        (png_of(30000, 30000), "Scale it down"),
        (png_of(5000, 5000), "got 5000 x 5000. Scale it down"),
        (png_of(2**31 - 1, 2**31 - 1), "got more than 16777216 pixels. Scale it down"),
    ],
    ids=[
        "empty",
        "text",
        "cut off",
        "header alone",
        "half a JPEG",
        "wrong byte",
        "30000 x 30000",
        "5000 x 5000",
        "2**31 x 2**31",
    ],
)
def test_a_file_that_is_no_good_picture_is_a_data_error(tmp_path, content, words, capfd):
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        ImagePixels(path)
    assert str(caught.value).startswith(f"ImagePixels({path}): expected ")
    assert words in str(caught.value)
    assert capfd.readouterr() == ("", "")  # the libraries below say nothing of their own


@pytest.mark.timeout(20)
def test_a_missing_file_a_folder_a_pipe_and_a_forbidden_file_say_so(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, words in {
        "missing.png": "expected a picture file, got No such file or directory. Give the path",
        ".": "a folder, pipe or device",
        "pipe": "a folder, pipe or device",
        "x" * 300: "File name too long",
    }.items():
        with pytest.raises(DataError, match=words):
            ImagePixels(tmp_path / name)


@pytest.mark.parametrize("value", [0, 128, 129, 255])
def test_one_colour_teaches_nothing(tmp_path, value):
    side = "above" if value > 128 else "at or below"
    with pytest.raises(DataError, match=f"2 x 3 pixels all {side} half.*nothing to learn"):
        ImagePixels(np.full((2, 3), value, np.uint8))
    with pytest.raises(DataError, match="1 x 1 pixels all"):
        ImagePixels(np.full((1, 1), value, np.uint8))


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (PICTURE / 255, TypeError, "got float64. For 0..255 .* for 0..1 .255 . picture.*'uint8'"),
        (PICTURE.astype(int), TypeError, "got int64"),
        (PICTURE[0], ValueError, r"\(H, W\[, 3 or 4\]\), got \(4,\)"),
        (np.zeros((2, 2, 2), np.uint8), ValueError, r"got \(2, 2, 2\)"),
        (np.zeros((0, 5), np.uint8), ValueError, r"got \(0, 5\)"),
        (np.zeros((3, 5, 5), np.uint8), ValueError, r"got \(3, 5, 5\). Channels stand last"),
        (np.zeros((5, 5, 1), np.uint8), ValueError, r"got \(5, 5, 1\). Pass picture"),
        (np.ma.masked_equal(PICTURE, 0), TypeError, "got a masked array. .*filled"),
        (np.broadcast_to(np.uint8(0), (5000, 5000)), DataError, "got 5000 x 5000. Scale"),
        (7, TypeError, "expected image to be a path, got 7"),
        (b"picture.png", TypeError, "expected image to be a path"),
    ],
)
def test_wrong_arrays_say_expected_got_and_what_to_do(image, error, words):
    with pytest.raises(error, match=words):
        ImagePixels(image)
