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

from refnet.errors import check_number, check_path, sentence, written_whole
from refnet.training.trainer import evaluating

Picture = np.ndarray[Any, np.dtype[np.uint8]]


def probabilities(model: nn.Module, x: Tensor, batch_size: int = 2**15) -> Tensor:
    """Return softmax of the logits, shape (N, C), on the CPU; the model is in evaluation mode."""
    with evaluating(model):
        parts = [model(part).softmax(1) for part in torch.split(x, batch_size)]
        return torch.cat([part.cpu() for part in parts])


def to_picture(figure: Figure) -> Picture:
    """Return a figure as pixels, shape (H, W, 3), RGB, for :func:`write_film`."""
    if not isinstance(figure, Figure):
        do = "Of axes, pass their figure: axes.figure."
        raise TypeError(sentence("to_picture", "a figure", type(figure).__name__, do))
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
        expected = f"{height} * {width} coordinates"
        do = "Pass one row for each pixel, and height and width of that picture."
        got = str(len(coordinates))
        raise ValueError(sentence("prediction_picture", expected, got, do))
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
    where = "write_png"
    path = check_path(where, "path", path)
    image = _picture(where, picture)
    with written_whole(where, path) as part:
        _, data = _opencv().imencode(".png", _to_bgr(image))
        part.write_bytes(data.tobytes())
    return path


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
    where = "write_film"
    path = check_path(where, "path", path)
    check_number(where, "fps", fps, 0.1, 240)
    if path.suffix != ".webm":
        do = f"Name it {path.with_suffix('.webm').name}."
        raise ValueError(sentence(where, "a path ending in .webm", str(path), do))
    images = [_picture(where, frame) for frame in frames]
    height, width = _one_size(where, images)
    below = height % 2
    right = width % 2
    with written_whole(where, path) as part:
        film = _open_film(where, part, fps, height + below, width + right)
        for image in images:
            colours = np.atleast_3d(image)
            colours = np.broadcast_to(colours, (height, width, 3))
            even = np.pad(_to_bgr(colours), ((0, below), (0, right), (0, 0)), "edge")
            film.write(even)
        film.release()
    return path


def _one_size(where: str, images: list[Picture]) -> tuple[int, int]:
    """Return height and width of pictures that are all alike."""
    if not images:
        do = "Give one or more; what yields frames is empty after one use."
        raise ValueError(sentence(where, "frames of one size", "no frames", do))
    heights = {image.shape[0] for image in images}
    widths = {image.shape[1] for image in images}
    if len(heights) > 1 or len(widths) > 1:
        sizes = sorted({image.shape[:2] for image in images})
        got = ", ".join(map(str, sizes))
        do = f"Cut all to the smallest: frame[:{min(heights)}, :{min(widths)}]."
        raise ValueError(sentence(where, "frames of one size", got, do))
    return heights.pop(), widths.pop()


def _open_film(where: str, path: Path, fps: float, height: int, width: int) -> Any:
    """Return OpenCV's writer of a film."""
    cv2 = _opencv()
    code = cv2.VideoWriter.fourcc(*"VP90")
    with _quiet_stderr():  # OpenCV grumbles about a tag that WebM does not have
        film = cv2.VideoWriter(str(path), code, fps, (width, height))
    if not film.isOpened():
        do = "Install the one from PyPI, which has it: pip install opencv-python-headless."
        raise ValueError(sentence(where, "an OpenCV that writes VP9", "one that does not", do))
    return film


def _picture(where: str, picture: Picture | Tensor) -> Picture:
    """Return ``picture`` as an array of uint8, shape (H, W) or (H, W, 3)."""
    image = picture
    if isinstance(picture, Tensor):
        image = picture.detach().cpu().numpy()
    if isinstance(image, Figure):
        do = "Make a picture of it: plots.to_picture(figure); or call figure.savefig(path)."
        raise TypeError(sentence(where, "an array of uint8", "a figure", do))
    if not isinstance(image, np.ndarray):
        do = "Make an array of it: numpy.asarray(picture, dtype='uint8')."
        raise TypeError(sentence(where, "an array of uint8", type(image).__name__, do))
    shape = image.shape
    grey = len(shape) == 2
    colours = len(shape) == 3 and shape[2] == 3
    if image.size == 0 or not (grey or colours):
        do = _how_to_shape(shape)
        raise ValueError(sentence(where, "shape (H, W) or (H, W, 3)", str(shape), do))
    if image.dtype != np.uint8:
        to_bytes = ".byte()" if isinstance(picture, Tensor) else ".astype('uint8')"
        do = f"Scale it to 0..255 first: {_how_to_scale(image)}{to_bytes}."
        raise TypeError(sentence(where, "an array of uint8", str(image.dtype), do))
    return image


def _how_to_shape(shape: tuple[int, ...]) -> str:
    """Return code that makes a picture of this shape one of (H, W) or (H, W, 3)."""
    if len(shape) == 3 and shape[2] == 1:
        return "Leave out the channel: picture[..., 0]."
    if len(shape) == 3 and shape[2] == 4:
        return "Leave out the fourth channel: picture[..., :3]."
    if len(shape) == 3 and shape[0] == 3:
        return "Put the channels last: picture.swapaxes(0, 1).swapaxes(1, 2)."
    if len(shape) > 2:
        return "Give one picture at a time: picture[0]."
    return "Reshape it to a picture: picture.reshape(H, W)."


def _how_to_scale(image: Picture) -> str:
    """Return code that brings the values of an array into 0..255."""
    low = image.min()
    high = image.max()
    if low >= 0 and high <= 1:
        return "(255 * picture)"
    if low >= 0 and high <= 255:
        return "picture"
    return "(255 * (picture - picture.min()) / (picture.max() - picture.min()))"


def _to_bgr(image: Picture) -> Picture:
    """Return a picture in the order of colours that OpenCV writes."""
    return image[..., ::-1] if image.ndim == 3 else image


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        do = "Run: pip install opencv-python-headless."
        raise ImportError(sentence("refnet.plots", "OpenCV", str(error), do)) from error
    return cv2


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Send what C code writes to stderr nowhere."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
