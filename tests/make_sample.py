"""Make the embedded sample of Fashion-MNIST: the first pictures of each class, in the file's order.

Run `python tests/make_sample.py` where the whole set is; the files go to src/refnet/data/samples.
"""

import gzip
import struct
from pathlib import Path

import torch
from torch import Tensor

from refnet.data.datasets import FashionMNIST

FOLDER = Path(__file__).parents[1] / "src" / "refnet" / "data" / "samples"
PER_CLASS = {"train": 300, "t10k": 100}


def first_of_each_class(labels: Tensor, count: int) -> Tensor:
    """Return the indices of the first ``count`` samples of each class, ascending."""
    return torch.cat([(labels == c).nonzero()[:count, 0] for c in range(10)]).sort().values


def make(part: str) -> tuple[Tensor, Tensor]:
    """Return the images and labels of the sample of ``part``, "train" or "t10k"."""
    whole = FashionMNIST(train=part == "train", download=False)
    chosen = first_of_each_class(whole.labels, PER_CLASS[part])
    return whole.images[chosen], whole.labels[chosen].to(torch.uint8)


def idx(array: Tensor) -> bytes:
    """Return the IDX file of an array of unsigned bytes."""
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.numpy().tobytes()


if __name__ == "__main__":
    for part in PER_CLASS:
        for kind, array in zip(("images-idx3", "labels-idx1"), make(part), strict=True):
            path = FOLDER / f"sample-{part}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(idx(array), 9, mtime=0))
            print(path.name, tuple(array.shape), path.stat().st_size)
