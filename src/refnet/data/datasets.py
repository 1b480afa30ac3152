"""Data sets in memory: arrays of one's own, XOR, MNIST and Fashion-MNIST."""

import math
import operator
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from refnet.data.download import obtain
from refnet.data.idx import SHAPES, check_file, read_checked
from refnet.errors import all_finite, check_path, sentence

Root = str | os.PathLike[str] | None

SAMPLE = Path(__file__).parent / "samples"
FASHION = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
CLASSES = {"fashion-mnist": tuple(FASHION.split(",")), "mnist": tuple("0123456789")}


class ArrayDataset:
    """Samples ``x`` and class labels ``y`` of one's own, kept as two tensors.

    Parameters
    ----------
    x : array or tensor, shape (N, ...), any real dtype
        One sample a row; the :class:`~refnet.Loader` makes float32 of it. uint16, uint32 and uint64
        become int64, and numbers in the other byte order are turned around: both are copies. A
        :class:`numpy.memmap` of any other kind is not read: its rows come from the disk batch by
        batch.
    y : array or tensor, shape (N,), any whole-number dtype
        Class index in 0..C-1 of each sample; converted to int64.

    Attributes
    ----------
    x : Tensor, shape (N, ...)
        Shares its memory with the array given, where NumPy and torch allow it.
    y : Tensor, shape (N,), int64

    Raises
    ------
    TypeError
        Neither array nor tensor; labels of bool or floating-point type.
    ValueError
        No sample, another number of labels, labels not (N,) or below 0; nan or inf in ``x`` (in
        a memmap these are found by the loader, in the batch that holds them).

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
        self.x, self.y = _tensor(where, "x", x), _tensor(where, "y", y)
        n = len(self.x) if self.x.ndim else 0
        if n == 0:
            got = f"x of shape {tuple(self.x.shape)}"
            do = "Pass x of shape (N, ...)."
            raise ValueError(sentence(where, "one sample or more", got, do))
        if self.x.is_complex() or not (self.on_disk or all_finite(self.x)):
            got = "complex numbers" if self.x.is_complex() else "nan or inf"
            do = "Clean the data first, e.g. numpy.nan_to_num(x)."
            raise ValueError(sentence(where, "finite real numbers in x", got, do))
        if self.y.dtype == torch.bool or self.y.is_floating_point() or self.y.is_complex():
            do = "For class indices write y.astype('int64') or y.long()."
            if self.y.is_floating_point() and not torch.equal(self.y, self.y.round()):
                do = "These are no classes; to learn numbers write the loop yourself."
            raise TypeError(sentence(where, "labels of a whole-number type", str(self.y.dtype), do))
        if self.y.shape != (n,):
            expected, got = f"one label for each sample, shape ({n},)", str(tuple(self.y.shape))
            do = "Flatten (N, 1) by y.reshape(-1); turn one-hot rows into indices by y.argmax(1)."
            raise ValueError(sentence(where, expected, got, do))
        self.y = self.y.to(torch.int64)
        if int(self.y.min()) < 0:
            do = "Number the classes 0..C-1."
            raise ValueError(sentence(where, "labels of 0 or more", str(int(self.y.min())), do))

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        """Return sample ``i`` as (tensor, label)."""
        i = operator.index(i)
        if not -len(self) <= i < len(self):
            expected, where = f"an index below {len(self)}", type(self).__name__
            raise IndexError(sentence(where, expected, str(i), "Count from 0."))
        return self.x[i], int(self.y[i])


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


class FashionMNIST(ArrayDataset):
    """Fashion-MNIST: 60,000 training and 10,000 test pictures of clothes, in 10 classes.

    Parameters
    ----------
    root : str or Path, optional
        The only folder to look in (``root/<file>`` or ``root/fashion-mnist/<file>``, gz or raw)
        and to fetch into. Else ``$REFNET_DATA``, Debian's folder, refnet's cache, the network.
    train : bool
        The training set, or else the test set.
    download : bool
        Whether the network may be used; ``REFNET_OFFLINE=1`` forbids it too.
    sample : bool
        The embedded sample instead: the first 300 (train) or 100 pictures of each class.

    Attributes
    ----------
    images, x : Tensor, shape (N, 28, 28), uint8
        Brightness in [0, 255].
    labels, y : Tensor, shape (N,), int64
    classes : tuple of str
        The name of each label.
    checked : str
        ``"sha256"``: the bytes are the published ones. ``"structure"``: see :class:`MNIST`.

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

    def __init__(
        self, root: Root = None, train: bool = True, *, download: bool = True, sample: bool = False
    ) -> None:
        images, labels, self.checked = _load("fashion-mnist", root, train, download, sample)
        super().__init__(images, labels)
        self.images, self.labels, self.classes = self.x, self.y, CLASSES["fashion-mnist"]


class MNIST(ArrayDataset):
    """MNIST: 60,000 training and 10,000 test pictures of handwritten digits.

    Parameters, attributes and errors are those of :class:`FashionMNIST`; the folder is ``mnist``.

    Notes
    -----
    The two sets share their file names. Other files of this format in a folder of one's own are
    accepted by their structure (60,000 or 10,000 pictures of 28 x 28, labels 0 to 9), and
    ``checked`` then says ``"structure"``; what comes over the network must have the right hash.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition",
    1998, section III.

    Examples
    --------
    >>> try:
    ...     MNIST("no/such/folder", download=False)
    ... except ValueError as error:
    ...     print(str(error).split(",")[0])
    mnist data: expected a file train-images-idx3-ubyte[.gz]
    """

    def __init__(self, root: Root = None, train: bool = True, *, download: bool = True) -> None:
        images, labels, self.checked = _load("mnist", root, train, download)
        super().__init__(images, labels)
        self.images, self.labels, self.classes = self.x, self.y, CLASSES["mnist"]


def _load(
    kind: str, root: Any, train: bool, download: bool, sample: bool = False
) -> tuple[Any, ...]:
    """Return images, labels and how they were checked."""
    where = "FashionMNIST" if kind == "fashion-mnist" else "MNIST"
    for name, value in (("train", train), ("download", download), ("sample", sample)):
        if not isinstance(value, bool):
            do = f"Write {name}=True or {name}=False."
            raise TypeError(sentence(where, f"{name} to be a bool", repr(value), do))
    part = "train" if train else "t10k"
    files = [name for name in SHAPES if name.startswith(part)]
    if sample:
        images, labels = (read_checked(SAMPLE / f"sample-{name}.gz")[0] for name in files)
        return images, labels, "structure"
    folder = None if root is None else check_path(where, "root", root)
    (images, how), (labels, also) = (
        obtain(kind, name, folder, download, 4096 + 2 * math.prod(SHAPES[name]), check_file)
        for name in files
    )
    return images, labels, max(how, also)  # "structure" is the weaker one


def _tensor(where: str, name: str, value: Any) -> Tensor:
    """Return an array or tensor as a tensor, sharing its memory where torch can do that."""
    if isinstance(value, Tensor):
        return value.detach()
    got = type(value).__name__
    if isinstance(value, np.ndarray):
        kind, got = value.dtype.kind, f"an array of {value.dtype}"
        if kind in "biuf" and value.dtype.itemsize <= 8:
            if kind == "u" and value.dtype.itemsize > 1:  # torch has little use for these
                value = value.astype(np.int64)
            value = value.astype(value.dtype.newbyteorder("="), copy=False)
            value = value if min((0, *value.strides)) == 0 else value.copy()
            with warnings.catch_warnings():  # of a read-only array: refnet writes into no data set
                warnings.filterwarnings("ignore", message="The given NumPy array is not writ")
                return torch.from_numpy(value)
    do = f"Convert it first: numpy.asarray({name}, dtype='float32' or 'int64')."
    raise TypeError(sentence(where, f"{name} to be an array of numbers or a tensor", got, do))
