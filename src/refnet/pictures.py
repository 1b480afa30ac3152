"""Pictures and films of a net: arrays of pixels from it, PNG and WebM files from them.

OpenCV writes the files, and is imported only then.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor, nn

from refnet.errors import check_number, check_path, sentence
from refnet.training.trainer import evaluating

Picture = np.ndarray[Any, np.dtype[np.uint8]]


def probabilities(model: nn.Module, x: Tensor, batch_size: int = 2**15) -> Tensor:
    """Return softmax of the logits, shape (N, C), on the CPU; the model is in evaluation mode."""
    with evaluating(model):
        return torch.cat([model(part).softmax(1).cpu() for part in torch.split(x, batch_size)])


def to_picture(figure: Figure) -> Picture:
    """Return a figure as pixels, shape (H, W, 3), RGB, for :func:`write_film`."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib's
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return pixels[..., :3].copy()


def prediction_picture(model: nn.Module, coordinates: Tensor, height: int, width: int) -> Picture:
    """Return the probability of class 1 at each pixel as a picture, shape (H, W), 0..255.

    ``coordinates``, shape (H * W, D), lie on the model's device, scaled as in training, the top
    row first. The model is in evaluation mode meanwhile.

    Examples
    --------
    >>> prediction_picture(nn.Linear(2, 2), torch.zeros(12, 2), 3, 4).shape
    (3, 4)
    """
    if len(coordinates) != height * width:
        expected, got = f"{height} * {width} coordinates", str(len(coordinates))
        raise ValueError(sentence("prediction_picture", expected, got, "Pass the grid."))
    white = 255 * probabilities(model, coordinates)[:, 1]
    return np.asarray(white.round().byte().reshape(height, width))


def write_png(picture: Picture | Tensor, path: str | Path) -> Path:
    """Write a picture, shape (H, W) or (H, W, 3) in RGB, uint8, as PNG; return the path.

    Examples
    --------
    >>> import tempfile
    >>> write_png(np.zeros((30, 100), np.uint8), tempfile.mkdtemp() + "/a.png").name
    'a.png'
    """
    image = _picture("write_png", picture)
    data = _opencv().imencode(".png", image[..., ::-1] if image.ndim == 3 else image)[1]
    return _write("write_png", check_path("write_png", "path", path), data.tobytes())


def write_film(frames: Iterable[Picture | Tensor], path: str | Path, fps: float = 10) -> Path:
    """Write pictures of one size as a WebM film (VP9), which browsers play; return the path.

    Parameters
    ----------
    frames : iterable of ndarray or Tensor, shape (H, W) or (H, W, 3) in RGB, uint8
        A last odd row or column is doubled: the format holds even sizes.
    path : str or Path
        Ends in ``.webm``; its folder is made if missing.
    fps : float
        Pictures a second.

    Raises
    ------
    ValueError, TypeError
        If there are no frames, they differ in size, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> frames = [np.full((30, 100), 5 * i, np.uint8) for i in range(12)]
    >>> write_film(frames, tempfile.mkdtemp() + "/a.webm").stat().st_size > 0
    True
    """
    where, path = "write_film", check_path("write_film", "path", path)
    check_number(where, "fps", fps, 0.1, 240)
    if path.suffix != ".webm":
        raise ValueError(sentence(where, "a path ending in .webm", str(path), "Rename it."))
    images = [_picture(where, frame) for frame in frames]
    sizes = sorted({image.shape[:2] for image in images})
    if len(sizes) != 1:
        got = ", ".join(map(str, sizes)) or "no frames"
        raise ValueError(sentence(where, "frames of one size", got, "Draw all alike."))
    (height, width), cv2 = sizes[0], _opencv()
    _write(where, path, b"")  # a clear error where OpenCV would be silent
    size = (width + width % 2, height + height % 2)
    with _quiet_stderr():  # OpenCV grumbles about a tag that WebM does not have
        film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"VP90"), fps, size)
    if not film.isOpened():
        do = "Install opencv-python-headless from PyPI, which has it."
        raise ValueError(sentence(where, "an OpenCV that writes VP9", "one that does not", do))
    for image in images:
        colour = image[..., ::-1] if image.ndim == 3 else image[..., None].repeat(3, 2)
        film.write(np.pad(colour, ((0, height % 2), (0, width % 2), (0, 0)), "edge"))
    film.release()
    return path


def _picture(where: str, picture: Picture | Tensor) -> Picture:
    image = picture.cpu().numpy() if isinstance(picture, Tensor) else picture
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        got, do = str(getattr(image, "dtype", type(image).__name__)), "Scale it to 0..255 first."
        raise TypeError(sentence(where, "an array of uint8", got, do))
    if image.ndim not in (2, 3) or 0 in image.shape or image.shape[2:] not in ((), (3,)):
        got, do = str(image.shape), "Reshape it to a picture."
        raise ValueError(sentence(where, "shape (H, W) or (H, W, 3)", got, do))
    return image


def _write(where: str, path: Path, data: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        got, do = f"{path} ({error.strerror})", "Choose another path."
        raise ValueError(sentence(where, "a file that can be written", got, do)) from error
    return path


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        do = "Run: pip install opencv-python-headless."
        raise ImportError(sentence("refnet.pictures", "OpenCV", str(error), do)) from error
    return cv2


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Send what C code writes to stderr nowhere."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
