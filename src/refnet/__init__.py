"""refnet: a neural-network course in which every line runs and every number is checked.

Floor 9: names only. ``refnet.plots`` (it needs matplotlib) and ``refnet.deploy`` are imported by
those who use them.
"""

from importlib.metadata import version

from refnet import by_hand, init
from refnet.activations import Cos, activation
from refnet.batchnorm import BatchNorm1d
from refnet.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint
from refnet.datasets import MNIST, XOR, ArrayDataset, FashionMNIST
from refnet.devices import all_devices, choose_device, seed_everything
from refnet.errors import (
    CheckpointError,
    DataError,
    DivergedError,
    MissingDataError,
    RefnetError,
    run_script,
)
from refnet.history import History
from refnet.idx import read_idx
from refnet.images import ImagePixels, draw_text
from refnet.linear import Linear
from refnet.loader import Loader
from refnet.measures import Metrics
from refnet.models import LeNet, linear_classifier, mlp, overfit_net, xor_net
from refnet.samplers import RandomSampler, SequentialSampler
from refnet.sequential import Sequential, fully_connected
from refnet.trainers import Trainer
from refnet.transforms import Normalize, Rescale

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
