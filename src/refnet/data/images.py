"""OVERFIT: a word or a picture as an endless set of samples, coordinates in, black or white out."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from refnet.devices import choose_device
from refnet.errors import DataError, check_int, check_path, first_line, sentence

Pixels = np.ndarray[Any, Any]

MAX_PIXELS = 1 << 24  # 4096 x 4096; the labels of so many take 128 MiB
BATCHES_AT_ONCE = 64  # drawn in one go: the small kernels of one batch would cost more than a step
LUMINANCE = np.array([0.299, 0.587, 0.114])  # of red, green, blue: ITU-R BT.601


def draw_text(text: str = "OVERFIT", height: int = 300, width: int = 1000) -> Pixels:
    """Return a picture of a word, white on black, in the middle and as large as fits.

    Parameters
    ----------
    text : str
        Printable ASCII: OpenCV's fonts have no other letters.
    height, width : int, at least 16
        Size of the picture in pixels.

    Returns
    -------
    picture : ndarray, shape (height, width), uint8
        255 in the letters, 0 around them, nothing in between.

    Raises
    ------
    ValueError
        No letter to draw, a letter that the font lacks, or no room for it.

    Notes
    -----
    OpenCV 4 and 5 draw somewhat different letters.

    References
    ----------
    OpenCV documentation, "Drawing Functions", ``putText`` and ``getTextSize``.

    Examples
    --------
    >>> picture = draw_text("NN", height=60, width=100)
    >>> picture.shape, np.unique(picture).tolist()
    ((60, 100), [0, 255])
    """
    if not isinstance(text, str):
        raise TypeError(sentence("draw_text", "text to be a str", repr(text), "Pass a word."))
    height = check_int("draw_text", "height", height, 16)
    width = check_int("draw_text", "width", width, 16)
    if not text.strip() or not (text.isascii() and text.isprintable()):
        do = "For other letters draw a picture yourself and pass its path to ImagePixels."
        raise ValueError(sentence("draw_text", "printable ASCII letters", repr(text), do))
    _check_size("draw_text", height, width)
    try:
        import cv2  # here, since it needs libraries that a slim machine lacks
    except ImportError as error:
        do = "Run: pip install opencv-python-headless."
        raise ImportError(sentence("draw_text", "OpenCV", str(error), do)) from error
    font, best = cv2.FONT_HERSHEY_DUPLEX, np.zeros((0, 0), np.uint8)
    (w, h), base = cv2.getTextSize(text, font, 1, 1)
    scale = min(height / (h + base), width / w) / 2  # small enough, whatever the font does
    for _ in range(12):  # the ink grows nearly as the scale does: a few steps meet the room
        canvas = np.zeros((3 * height, 3 * width), np.uint8)
        cv2.putText(canvas, text, (width, 2 * height), font, scale, 255, max(1, round(3 * scale)))
        rows, columns = (np.flatnonzero((canvas > 128).any(axis)) for axis in (1, 0))
        if len(rows) == 0:
            break
        ink = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        fit = min(15 / 16 * height / ink.shape[0], 15 / 16 * width / ink.shape[1])
        best = ink if fit >= 1 and ink.size > best.size else best
        if 1 <= fit < 1.02:
            break
        scale *= 0.99 * fit
    if best.size == 0:
        do = "Choose a larger picture or a shorter word."
        raise ValueError(sentence("draw_text", "room for the word", f"{height} x {width}", do))
    picture = np.zeros((height, width), np.uint8)
    top, left = (height - best.shape[0]) // 2, (width - best.shape[1]) // 2
    picture[top : top + best.shape[0], left : left + best.shape[1]] = np.where(best > 128, 255, 0)
    return picture


class ImagePixels:
    """A picture as samples: real-valued coordinates, and the colour of the nearest pixel.

    Parameters
    ----------
    image : str, Path, or array of shape (H, W), (H, W, 3) or (H, W, 4)
        A file that Pillow reads (PNG, JPEG, ...), or an array of uint8, uint16 or bool, in the
        order red, green, blue, opacity. Colours become their luminance; what is transparent shows
        white behind it.

    Attributes
    ----------
    height, width : int, in pixels
    labels : Tensor, shape (H, W), int64
        1 where the luminance is above 128 of 255, else 0; the top row first.

    Raises
    ------
    DataError
        The file is missing, unreadable or damaged; more than 4096 x 4096 pixels (found before
        they are unpacked); one colour alone, from which there is nothing to learn.

    References
    ----------
    Sitzmann et al., "Implicit Neural Representations with Periodic Activation Functions", 2020,
    section 1: a picture as a function of its coordinates.

    Examples
    --------
    >>> pixels = ImagePixels(np.array([[0, 255, 0], [0, 0, 255]], dtype=np.uint8))
    >>> pixels.labels
    tensor([[0, 1, 0],
            [0, 0, 1]])
    >>> coordinates, labels = pixels.sample(5, torch.Generator().manual_seed(0))
    >>> coordinates.shape, labels.shape
    (torch.Size([5, 2]), torch.Size([5]))
    """

    def __init__(self, image: str | os.PathLike[str] | Pixels) -> None:
        if isinstance(image, np.ndarray):
            where, array = "ImagePixels", image
        else:
            path = check_path("ImagePixels", "image", image)
            where, array = f"ImagePixels({path})", _read_picture(path)
        grey = _luminance(where, array)
        self.height, self.width = grey.shape
        self.labels = torch.from_numpy((grey > 128).astype(np.int64))
        if int(self.labels.min()) == int(self.labels.max()):
            side = "above" if self.labels[0, 0] else "at or below"
            got = f"{self.height} x {self.width} pixels all {side} half of full brightness"
            do = "There is nothing to learn: choose a picture with dark and bright parts."
            raise DataError(sentence(where, "dark and bright pixels", got, do))

    def grid(self) -> tuple[Tensor, Tensor]:
        """Return the coordinates (H * W, 2) of all pixels and their labels, the top row first.

        ``predictions.reshape(height, width)`` is a picture the right way up.
        """
        y = torch.arange(self.height - 1, -1, -1, dtype=torch.float32)
        x = torch.arange(self.width, dtype=torch.float32)
        return torch.cartesian_prod(y, x), self.labels.flatten()

    def sample(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return ``n`` random points, uniform over the picture, and their labels.

        Parameters
        ----------
        n : int, at least 1
        generator : torch.Generator
            The points are drawn on its device.

        Returns
        -------
        coordinates : Tensor, shape (n, 2), float32
            (y, x) in pixels, y upwards in [0, H-1], x in [0, W-1].
        labels : Tensor, shape (n,), int64
            Of the nearest pixel; a half is rounded to the even neighbour, as in IEEE 754.
        """
        n = check_int("ImagePixels.sample", "n", n, 1)
        if not isinstance(generator, torch.Generator):
            do, got = "Pass torch.Generator().manual_seed(0).", type(generator).__name__
            raise TypeError(sentence("ImagePixels.sample", "a torch.Generator", got, do))
        return self._sample(n, generator, self.labels.to(generator.device))

    def batches(
        self, batch_size: int, seed: int, device: torch.device | str | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Return an endless stream of such samples that depends on (batch_size, seed, device)."""
        batch_size = check_int("ImagePixels.batches", "batch_size", batch_size, 1)
        seed = check_int("ImagePixels.batches", "seed", seed, 0)
        generator = torch.Generator(choose_device(device or "cpu")).manual_seed(seed)
        return self._stream(batch_size, generator, self.labels.to(generator.device))

    def _stream(
        self, n: int, generator: torch.Generator, labels: Tensor
    ) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            many, theirs = self._sample(n * BATCHES_AT_ONCE, generator, labels)
            yield from zip(torch.split(many, n), torch.split(theirs, n), strict=True)

    def _sample(self, n: int, generator: torch.Generator, labels: Tensor) -> tuple[Tensor, Tensor]:
        size = torch.tensor([self.height - 1, self.width - 1], device=generator.device)
        coordinates = torch.rand(n, 2, generator=generator, device=generator.device) * size
        y, x = coordinates.round().long().unbind(1)  # (n,), (n,)
        return coordinates, labels.take((self.height - 1 - y) * self.width + x)


def _read_picture(path: Path) -> Pixels:
    """Return the pixels of a picture file; its size is read before its pixels are."""
    from PIL import Image, ImageOps, UnidentifiedImageError  # here: only pictures need it

    where, do = f"ImagePixels({path})", "Give the path of a PNG or JPEG file."
    try:
        if path.exists() and not path.is_file():
            raise DataError(sentence(where, "a picture file", "a folder, pipe or device", do))
        with warnings.catch_warnings(), open(path, "rb") as file:
            warnings.simplefilter("ignore")  # what Pillow thinks of odd files is said below
            with Image.open(file) as picture:
                _check_size(where, picture.height, picture.width)
                if picture.mode.startswith("I"):  # 16 bits of grey, at times in a wider type
                    return np.asarray(picture).clip(0, 65535).astype(np.uint16)
                mode = "RGBA" if picture.has_transparency_data else "RGB"
                return np.asarray(ImageOps.exif_transpose(picture).convert(mode))
    except DataError:
        raise
    except Image.DecompressionBombError:
        got, do = f"more than {MAX_PIXELS} pixels", "Scale it down to 4096 x 4096 or fewer."
    except UnidentifiedImageError:
        got = "a damaged file or one of another kind"
    except Exception as error:  # Pillow raises a dozen kinds, by format
        got = getattr(error, "strerror", None) or f"a damaged file ({first_line(error)})"
    raise DataError(sentence(where, "a picture file", got, do))


def _check_size(where: str, height: int, width: int) -> None:
    if height * width > MAX_PIXELS:
        expected, do = f"at most {MAX_PIXELS} pixels", "Scale it down to 4096 x 4096 or fewer."
        raise DataError(sentence(where, expected, f"{height} x {width}", do))


def _luminance(where: str, a: Pixels) -> Pixels:
    """Return the luminance in [0, 255] of an array of pixels, transparency on white."""
    if a.dtype not in (np.uint8, np.uint16, np.bool_):
        do = "For 0..255 write picture.astype('uint8'), for 0..1 (255 * picture).astype('uint8')."
        raise TypeError(sentence(where, "pixels of uint8, uint16 or bool", str(a.dtype), do))
    if not (a.ndim == 2 or (a.ndim == 3 and a.shape[2] in (3, 4))) or a.size == 0:
        do = "Pass (height, width), or (height, width, 3 or 4)."
        raise ValueError(sentence(where, "pixels of shape (H, W[, 3 or 4])", str(a.shape), do))
    _check_size(where, a.shape[0], a.shape[1])
    full = {"u1": 255, "u2": 65535, "b1": 1}[a.dtype.str[1:]]
    grey = a[..., :3] @ LUMINANCE if a.ndim == 3 else a  # (H, W, 3) @ (3,) -> (H, W)
    if a.ndim == 3 and a.shape[2] == 4:
        grey = full - (full - grey) * (a[..., 3] / full)
    return np.asarray(grey * (255 / full))
