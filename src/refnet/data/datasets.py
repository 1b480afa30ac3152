"""Data sets in memory: arrays of one's own, XOR, MNIST and Fashion-MNIST."""

import operator
import os
import shlex
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from refnet.data.fetch import obtain
from refnet.data.idx import SHAPES, Array, read_checked
from refnet.errors import MissingDataError, all_finite, check_path, sentence

Root = str | os.PathLike[str] | None

SAMPLES = Path(__file__).parent / "samples"
_noted: dict[Any, Any] = {}  # where warnings keeps in mind what it has said


class ArrayDataset:
    """Samples ``x`` and their labels ``y``, kept as two tensors.

    Parameters
    ----------
    x : array or tensor, shape (N, ...), any real dtype
        One sample a row; the :class:`~refnet.Loader` makes float32 of it. uint16, uint32 and uint64
        become int64, and numbers in the other byte order are turned around: both are copies. A
        :class:`numpy.memmap` of any other kind is not read: its rows come from the disk batch by
        batch.
    y : array or tensor, shape (N,), any whole-number dtype, or (N, O), floating point
        Class index in 0..C-1 of each sample, converted to int64; or the numbers that a model with
        O outputs is to give for each sample, converted to float32.

    Attributes
    ----------
    x : Tensor, shape (N, ...)
        Shares its memory with the array given, where NumPy and torch allow it.
    y : Tensor, shape (N,), int64, or (N, O), float32

    Raises
    ------
    TypeError
        Neither array nor tensor, or not of numbers; masked entries; labels (N,) of bool or
        floating-point type.
    ValueError
        No sample, another number of labels, labels of another shape or below 0; nan or inf in ``x``
        or ``y`` (in a memmap these are found by the loader, in the batch that holds them).

    References
    ----------
    PyTorch documentation, "torch.utils.data", section Map-style datasets.

    Examples
    --------
    >>> points = ArrayDataset(np.eye(3), np.array([0, 1, 1]))
    >>> len(points), points.x.dtype, points[2][1]
    (3, torch.float64, 1)
    """

    def __init__(self, x: Any, y: Any) -> None:
        where = type(self).__name__
        self.on_disk = isinstance(x, np.memmap)  # then nan and inf are the loader's to find
        self.x = _tensor(where, "x", x)
        n = len(self.x) if self.x.ndim else 0
        if n == 0:
            got = f"x of shape {tuple(self.x.shape)}"
            do = "Pass x of shape (N, ...), N of 1 or more; for one sample x[None]."
            raise ValueError(sentence(where, "one sample or more", got, do))
        if not (self.on_disk or all_finite(self.x)):
            do = "Clean the data first, e.g. x = numpy.nan_to_num(x)."
            raise ValueError(sentence(where, "finite real numbers in x", "nan or inf", do))
        self.y = _labels(where, _tensor(where, "y", y), n)

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, i: int) -> tuple[Tensor, Any]:
        """Return sample ``i`` as (tensor, label)."""
        i = operator.index(i)
        if not -len(self) <= i < len(self):
            where = type(self).__name__
            raise IndexError(
                sentence(where, f"an index below {len(self)}", str(i), "Count from 0.")
            )
        label = self.y[i]
        return self.x[i], label if label.ndim else int(label)


class XOR(ArrayDataset):
    """The four points of exclusive or, in the order (0, 0), (0, 1), (1, 0), (1, 1).

    Attributes
    ----------
    x : Tensor, shape (4, 2), float32
    y : Tensor, shape (4,), int64
        1 where exactly one of the two coordinates is 1.

    References
    ----------
    Minsky and Papert, "Perceptrons", 1969: no linear model separates them.

    Examples
    --------
    >>> XOR().y
    tensor([0, 1, 1, 0])
    """

    def __init__(self) -> None:
        x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        super().__init__(x, torch.tensor([0, 1, 1, 0]))


class _Pictures(ArrayDataset):
    """What FashionMNIST and MNIST have in common: the files of a published set, or its sample."""

    kind: str
    classes: tuple[str, ...]

    def __init__(
        self,
        root: Root = None,
        train: bool = True,
        *,
        download: bool = True,
        sample: bool = False,
        or_sample: bool = False,
    ) -> None:
        where = type(self).__name__
        switches = {"train": train, "download": download, "sample": sample, "or_sample": or_sample}
        for name, value in switches.items():
            if not isinstance(value, bool):
                do = f"Write {name}=True or {name}=False."
                raise TypeError(sentence(where, f"{name} to be a bool", repr(value), do))
        folder = None if root is None else check_path(where, "root", root)
        part = "train" if train else "t10k"
        names = [name for name in SHAPES if name.startswith(part)]
        try:
            if sample:
                images, labels, self.checked = _sample(self.kind, names)
            else:
                images, labels, self.checked = _whole(self.kind, names, folder, download)
        except MissingDataError:
            if not or_sample:
                raise
            _note_the_sample(where, folder)
            images, labels, self.checked = _sample(self.kind, names)
        super().__init__(images, labels)
        self.images = self.x
        self.labels = self.y


class FashionMNIST(_Pictures):
    """Fashion-MNIST: 60,000 training and 10,000 test pictures of clothes, in 10 classes.

    Parameters
    ----------
    root : str or Path, optional
        The only folder to look in (``root/<file>`` or ``root/fashion-mnist/<file>``, gz or raw;
        also as Kaggle and torchvision lay it out) and to fetch into. Else ``$REFNET_DATA``,
        Debian's folder, refnet's cache, the network.
    train : bool
        The training set, or else the test set.
    download : bool
        Whether the network may be used; ``REFNET_OFFLINE=1`` forbids it too.
    sample : bool
        The embedded sample instead: the first 300 (train) or 100 pictures of each class.
    or_sample : bool
        The embedded sample where the set cannot be had, with a warning that says so.

    Attributes
    ----------
    images, x : Tensor, shape (N, 28, 28), uint8
        Brightness in [0, 255].
    labels, y : Tensor, shape (N,), int64
    classes : tuple of str
        The name of each label.
    checked : str
        ``"sha256"``: the bytes are the published ones. ``"structure"``: see :class:`MNIST`.
        ``"sample"``: the embedded sample.

    Raises
    ------
    DataError
        A file is missing (``MissingDataError`` lists the places and the ways out), damaged, or of
        another set. A damaged file in refnet's own cache is fetched again, once, with a warning.

    References
    ----------
    Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
    Learning Algorithms", 2017.

    Examples
    --------
    >>> test = FashionMNIST(train=False, sample=True)
    >>> test.images.shape, test.classes[test[0][1]]
    (torch.Size([1000, 28, 28]), 'Ankle boot')
    """

    kind = "fashion-mnist"
    classes = (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    )


class MNIST(_Pictures):
    """MNIST: 60,000 training and 10,000 test pictures of handwritten digits.

    Parameters, attributes and errors are those of :class:`FashionMNIST`; the folder is ``mnist``.

    Notes
    -----
    The two sets share their file names. Other files of this format in a folder of one's own are
    accepted by their structure (60,000 or 10,000 pictures of 28 × 28, labels 0 to 9), and
    ``checked`` then says ``"structure"``; what comes over the network must have the right hash.
    The embedded sample holds 300 and 100 pictures of each digit, all from the training set.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition",
    1998, section III.

    Examples
    --------
    >>> digits = MNIST(sample=True)
    >>> digits.images.shape, digits.labels.bincount().tolist()
    (torch.Size([3000, 28, 28]), [300, 300, 300, 300, 300, 300, 300, 300, 300, 300])
    """

    kind = "mnist"
    classes = tuple("0123456789")


def _whole(
    kind: str, names: list[str], root: Path | None, download: bool
) -> tuple[Array, Array, str]:
    """Return images, labels and how they were checked."""
    images, how = obtain(kind, names[0], root, download)
    labels, also = obtain(kind, names[1], root, download)
    return images, labels, max(how, also)  # "structure" is the weaker one


def _sample(kind: str, names: list[str]) -> tuple[Array, Array, str]:
    images, labels = (read_checked(SAMPLES / kind / f"{name}.gz")[0] for name in names)
    return images, labels, "sample"


def _note_the_sample(where: str, root: Path | None) -> None:
    """Say in two lines, once for training and test set, that the sample is used instead."""
    folder = "" if root is None else f" --root {shlex.quote(str(root))}"
    note = (
        "NOT the full set, which cannot be had here, but the embedded sample: 3,000 pictures to "
        "train on, 1,000 to test.\n"
        f"What is missing, and the ways out: python -m refnet data --fetch{folder}"
    )
    warnings.warn_explicit(note, UserWarning, where, 1, registry=_noted)


def _labels(where: str, y: Tensor, n: int) -> Tensor:
    """Return labels as int64, shape (n,), or numbers to learn as float32, shape (n, O)."""
    if y.is_floating_point() and y.ndim > 1 and len(y) == n:
        if not all_finite(y):
            do = "Leave samples without a number out."
            raise ValueError(sentence(where, "finite numbers in y", "nan or inf", do))
        return y.to(torch.float32)
    if y.dtype == torch.bool or y.is_floating_point():
        do = "For class indices write y.astype('int64') or y.long()."
        if y.is_floating_point():
            do += " Numbers to learn have the shape of the model's output: y.reshape(-1, 1)."
        raise TypeError(sentence(where, "labels of a whole-number type", str(y.dtype), do))
    if y.shape != (n,):
        do = "Give each sample one label."
        if y.ndim == 2 and y.shape == (n, 1):
            do = "Flatten (N, 1) by y.reshape(-1)."
        elif y.ndim == 2 and len(y) == n:
            do = (
                "Turn one-hot rows into indices by y.argmax(1); rows with several 1s are numbers "
                "to learn, float: y.astype('float32')."
            )
        expected = f"one label for each sample, shape ({n},)"
        raise ValueError(sentence(where, expected, str(tuple(y.shape)), do))
    y = y.to(torch.int64)
    least = int(y.min())
    if least < 0:
        do = "Number the classes 0..C-1: numpy.unique(y, return_inverse=True)[1] does that."
        raise ValueError(sentence(where, "labels of 0 or more", str(least), do))
    return y


def _tensor(where: str, name: str, value: Any) -> Tensor:
    """Return an array or tensor as a tensor, sharing its memory where torch can do that."""
    if isinstance(value, Tensor) and value.layout == torch.strided and not value.is_complex():
        return value.detach()
    if not _is_plain(value):
        got = type(value).__name__
        if isinstance(value, np.ndarray) and not np.ma.is_masked(value):
            got = f"an array of {value.dtype}"
        if isinstance(value, Tensor):
            got = f"a tensor of {value.dtype}, {value.layout}"
        do = _conversion(name, value)
        raise TypeError(sentence(where, f"{name} to be an array of numbers or a tensor", got, do))
    value = np.ma.getdata(value)
    if value.dtype.kind == "u" and value.dtype.itemsize > 1:  # torch has little use for these
        value = value.astype(np.int64)
    value = value.astype(value.dtype.newbyteorder("="), copy=False)
    if min((0, *value.strides)) < 0:
        value = value.copy()
    if value.flags.writeable:
        return torch.from_numpy(value)
    with warnings.catch_warnings():  # refnet writes into no data set
        warnings.filterwarnings("ignore", message="The given NumPy array is not writ")
        return torch.from_numpy(value)


def _is_plain(value: Any) -> bool:
    """Whether this is an array of real numbers that torch knows, all of them there."""
    if not isinstance(value, np.ndarray) or np.ma.is_masked(value):
        return False
    return value.dtype.kind in "biuf" and value.dtype.itemsize <= 8


def _conversion(name: str, value: Any) -> str:
    """Return what makes an array of numbers out of a value that is none."""
    dtype = "int64" if name == "y" else "float32"
    if isinstance(value, Tensor):
        return f"Pass {name}.to_dense(), and of complex numbers {name}.real."
    if hasattr(value, "toarray"):
        return f"Pass the dense array: {name}.toarray()."
    if np.ma.is_masked(value):
        return f"Say what stands in the masked places: {name}.filled(0), or leave such rows out."
    if getattr(value, "dtype", None) is not None and isinstance(value, np.ndarray):
        if value.dtype.names:
            return f"Pass numpy.lib.recfunctions.structured_to_unstructured({name})."
        if value.dtype.kind == "c":
            return f"Pass {name}.real, or both parts: numpy.stack([{name}.real, {name}.imag], 1)."
        if value.dtype.kind in "US" and name == "y":
            return "Number the names: names, y = numpy.unique(y, return_inverse=True)."
    return f"Convert it first: {name} = numpy.asarray({name}, dtype='{dtype}')."
