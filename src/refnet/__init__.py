"""refnet: a neural-network course in which every line runs and every number is checked.

Names only. ``refnet.plots`` (it needs matplotlib) and ``refnet.deploy`` are imported by
those who use them.
"""

import sys
from importlib.metadata import version

from refnet import by_hand
from refnet.data.datasets import MNIST, XOR, ArrayDataset, FashionMNIST
from refnet.data.idx import read_idx
from refnet.data.images import ImagePixels
from refnet.data.loader import Loader, Normalize, RandomSampler, Rescale, SequentialSampler
from refnet.data.words import draw_text
from refnet.devices import all_devices, choose_device, seed_everything
from refnet.errors import (
    CheckpointError,
    DataError,
    DivergedError,
    MissingDataError,
    RefnetError,
    run_script,
)
from refnet.layers import init
from refnet.layers.activations import Cos, activation
from refnet.layers.batchnorm import BatchNorm1d
from refnet.layers.linear import Linear
from refnet.layers.models import LeNet, linear_classifier, mlp, overfit_net, xor_net
from refnet.layers.sequential import Sequential, fully_connected
from refnet.training import record
from refnet.training.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint
from refnet.training.record import History, Metrics
from refnet.training.trainer import Trainer

sys.modules["refnet.init"] = init  # the names of these two modules for a reader
sys.modules["refnet.history"] = history = record

__version__ = version("refnet")

__all__ = [
    "MNIST",
    "XOR",
    "ArrayDataset",
    "BatchNorm1d",
    "CheckpointError",
    "Cos",
    "DataError",
    "DivergedError",
    "FashionMNIST",
    "History",
    "ImagePixels",
    "LeNet",
    "Linear",
    "Loader",
    "Metrics",
    "MissingDataError",
    "Normalize",
    "RandomSampler",
    "RefnetError",
    "Rescale",
    "Sequential",
    "SequentialSampler",
    "Trainer",
    "activation",
    "all_devices",
    "by_hand",
    "choose_device",
    "draw_text",
    "fully_connected",
    "init",
    "latest_checkpoint",
    "linear_classifier",
    "load_checkpoint",
    "mlp",
    "overfit_net",
    "read_idx",
    "run_script",
    "save_checkpoint",
    "seed_everything",
    "xor_net",
]
