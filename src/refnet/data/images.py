"""OVERFIT: a picture as an endless set of samples, coordinates in, black or white out."""

import os
import warnings
from collections.abc import Iterable, Iterator
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
HALF = 128  # of 255: what is brighter is white
DEPTHS = [2**bits - 1 for bits in (8, 10, 12, 14, 16)]  # white in 16 bits, all or some of them used
LUMINANCE = np.array([0.299, 0.587, 0.114])  # of red, green, blue: ITU-R BT.601


class ImagePixels:
    """A picture as samples: real-valued coordinates, and the colour of the nearest pixel.

    Parameters
    ----------
    image : str, Path, or array of shape (H, W), (H, W, 3) or (H, W, 4)
        A file that Pillow reads (PNG, JPEG, TIFF, ...), or an array of uint8, uint16 or bool, in
        the order red, green, blue, opacity. Colours become their luminance; what is transparent
        shows white behind it. In 16 bits white is the largest number of the 8, 10, 12, 14 or 16
        bits that are used; in a file of floats 1, 255 or 65535.

    Attributes
    ----------
    height, width : int, in pixels
    labels : Tensor, shape (H, W), int64
        1 where the luminance is above 128 of 255, else 0; the top row first.

    Raises
    ------
    DataError
        The file is missing, unreadable or damaged; more than 4096 × 4096 pixels (found before
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
        where = "ImagePixels"
        if isinstance(image, np.ndarray):
            grey = _luminance(where, image)
        else:
            path = check_path(where, "image", image)
            where = f"ImagePixels({path})"
            grey = _luminance(where, _read_picture(where, path))
        self.height, self.width = grey.shape
        white = grey > HALF
        self.labels = torch.from_numpy(white.astype(np.int64))
        if white.all() or not white.any():
            side = "above" if white.all() else "at or below"
            got = f"{self.height} x {self.width} pixels all {side} half of full brightness"
            do = "Choose another picture, or set the border yourself: pass grey > grey.mean()."
            if grey.min() == grey.max():
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
            do = "Pass torch.Generator().manual_seed(0)."
            got = type(generator).__name__
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
        device = generator.device
        size = torch.tensor([self.height - 1, self.width - 1], device=device)
        coordinates = torch.rand(n, 2, generator=generator, device=device) * size
        y, x = coordinates.round().long().unbind(1)  # (n,), (n,)
        row = self.height - 1 - y  # y points upwards, the rows count from the top
        return coordinates, labels.take(row * self.width + x)


def _read_picture(where: str, path: Path) -> Pixels:
    """Return the pixels of a picture file; its size is read before its pixels are."""
    from PIL import Image, ImageOps, UnidentifiedImageError  # here: only pictures need it

    do = "Give the path of a PNG or JPEG file."
    if os.path.exists(path) and not os.path.isfile(path):
        raise DataError(sentence(where, "a picture file", "a folder, pipe or device", do))
    try:
        with warnings.catch_warnings(), open(path, "rb") as file:
            warnings.simplefilter("ignore")  # what Pillow thinks of odd files is said below
            with Image.open(file) as picture:
                check_size(where, picture.height, picture.width)
                upright = ImageOps.exif_transpose(picture)
                if picture.mode[0] in "IF":  # one number a pixel, of more than 8 bits
                    return _as_uint16(where, np.asarray(upright))
                mode = "RGBA" if picture.has_transparency_data else "RGB"
                return np.asarray(upright.convert(mode))
    except DataError:
        raise
    except Image.DecompressionBombError:
        got = f"more than {MAX_PIXELS} pixels"
        do = "Scale it down to 4096 x 4096 or fewer."
    except UnidentifiedImageError:
        got = "a damaged file or one of another kind"
    except Exception as error:  # Pillow raises a dozen kinds, by format
        got = getattr(error, "strerror", None) or f"a damaged file ({first_line(error)})"
    raise DataError(sentence(where, "a picture file", got, do))


def _as_uint16(where: str, grey: Pixels) -> Pixels:
    """Return wide integers or floats as uint16; floats in [0, 1] or [0, 255] fill its range."""
    if grey.dtype.kind != "f":
        return grey.clip(0, 65535).astype(np.uint16)
    low = grey.min()
    high = grey.max()
    if not (low >= 0 and high <= 65535):
        do = "Scale its numbers to 0..1 and save it again."
        raise DataError(sentence(where, "brightness from 0 on", f"{low:g} to {high:g}", do))
    full = _least_above(high, (1, 255, 65535))
    wide = grey.astype(np.float64) * (65535 / full)
    return np.rint(wide).astype(np.uint16)


def _least_above(most: float, limits: Iterable[int]) -> int:
    """Return the first of the limits that the largest number does not exceed."""
    return next(limit for limit in limits if most <= limit)


def check_size(where: str, height: int, width: int) -> None:
    """Raise DataError for a picture of too many pixels."""
    if height * width > MAX_PIXELS:
        expected = f"at most {MAX_PIXELS} pixels"
        do = "Scale it down to 4096 x 4096 or fewer."
        raise DataError(sentence(where, expected, f"{height} x {width}", do))


def _luminance(where: str, a: Pixels) -> Pixels:
    """Return the luminance in [0, 255] of an array of pixels, transparency on white."""
    a = a.astype(a.dtype.newbyteorder("="), copy=False)
    _check_pixels(where, a)
    full = _full_brightness(a)
    channels = a.shape[2] if a.ndim == 3 else 1
    grey: Pixels = a
    if channels > 1:
        grey = a[..., :3] @ LUMINANCE  # (H, W, 3) @ (3,) -> (H, W)
    if channels == 4:
        opacity = a[..., 3] / full
        grey = full - (full - grey) * opacity
    return np.asarray(grey * (255 / full))


def _check_pixels(where: str, a: Pixels) -> None:
    """Raise unless an array is a picture: its kind of numbers, its shape, its size."""
    if a.dtype not in (np.uint8, np.uint16, np.bool_):
        do = "For 0..255 write picture.astype('uint8'), for 0..1 (255 * picture).astype('uint8')."
        raise TypeError(sentence(where, "pixels of uint8, uint16 or bool", str(a.dtype), do))
    if np.ma.is_masked(a):
        do = "Say what stands in the masked places: picture.filled(0)."
        raise TypeError(sentence(where, "every pixel", "a masked array", do))
    shape = a.shape
    colours = len(shape) == 3 and shape[2] in (3, 4)
    if not (len(shape) == 2 or colours) or a.size == 0:
        do = "Pass (height, width), or (height, width, 3 or 4)."
        if len(shape) == 3 and shape[2] == 1:
            do = "Pass picture[:, :, 0]."
        elif len(shape) == 3 and shape[0] in (1, 3, 4):
            do = "Channels stand last here: pass picture.transpose(1, 2, 0), or picture[0] of one."
        raise ValueError(sentence(where, "pixels of shape (H, W[, 3 or 4])", str(shape), do))
    check_size(where, shape[0], shape[1])


def _full_brightness(a: Pixels) -> int:
    """Return the number that stands for white; 8 to 14 bits are known by their largest number."""
    if a.dtype == np.bool_:
        return 1
    if a.dtype == np.uint8:
        return 255
    return _least_above(int(a.max()), DEPTHS)
