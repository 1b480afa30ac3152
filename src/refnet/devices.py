"""Devices and processes: choose a device, seed it, join torchrun, stop at a signal."""

import atexit
import datetime
import os
import platform
import random
import signal
import threading
import weakref
from types import FrameType

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from refnet.errors import check_int, check_number, sentence

_MEANT = {"gpu": "cuda", "nvidia": "cuda", "cuda0": "cuda:0", "cuda1": "cuda:1"}

_networks: weakref.WeakSet[nn.Module] = weakref.WeakSet()  # the networks that hold the group


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """Return the device to compute on: the given one, else REFNET_DEVICE, else the best there is.

    Parameters
    ----------
    name : str or torch.device
        ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"auto"``. For ``"auto"`` the environment variable
        ``REFNET_DEVICE`` decides if it is set; otherwise CUDA where there is a GPU, else the CPU.

    Returns
    -------
    torch.device
        The CPU, or a GPU with its number. Under torchrun ``"cuda"`` means the GPU whose number
        is ``LOCAL_RANK``, so that each process of a machine has its own.

    Raises
    ------
    ValueError
        If there is no such device on this machine, or the name is unknown. torch itself accepts
        ``"meta"`` and ``"cpu:1"`` without a word.
    TypeError
        If the name is neither a str nor a torch.device.

    Examples
    --------
    >>> choose_device("cpu")
    device(type='cpu')
    >>> choose_device("gpu")
    Traceback (most recent call last):
        ...
    ValueError: choose_device: expected 'auto', 'cpu', 'cuda' or 'cuda:<number>', got 'gpu'. Did you mean 'cuda'?
    """  # noqa: E501  (a doctest compares whole lines)
    where, expected = "choose_device", "'auto', 'cpu', 'cuda' or 'cuda:<number>'"
    if not isinstance(name, str | torch.device):
        raise TypeError(sentence(where, expected, repr(name), "Pass the name as a str."))
    text = str(name).strip()
    if text == "auto":
        text = os.environ.get("REFNET_DEVICE", "").strip() or "auto"
        where = "REFNET_DEVICE" if text != "auto" else where
    if text == "auto":
        text = "cuda" if torch.cuda.is_available() else "cpu"
    kind, colon, index = text.partition(":")
    if text in ("cpu", "cpu:0"):
        return torch.device("cpu")
    if kind == "cpu":
        raise ValueError(sentence(where, "'cpu'", repr(text), "The CPU is one device: use 'cpu'."))
    if kind != "cuda" or (colon and not index.isdecimal()):
        near = _MEANT.get(text.lower(), "cuda" if "cu" in text.lower() else "cpu")
        raise ValueError(sentence(where, expected, repr(text), f"Did you mean {near!r}?"))
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    number = int(index) if colon else int(os.environ.get("LOCAL_RANK", "0"))
    if number < found:
        return torch.device("cuda", number)
    if found == 0:
        do = "Use 'cpu', or install a build of torch for CUDA and an NVIDIA driver."
        raise ValueError(sentence(where, "a device of this machine (no CUDA here)", repr(text), do))
    got = repr(text) if colon else f"local rank {number}: more processes than GPUs"
    do = f"Start at most {found} processes a machine, or use 'cuda:0' to 'cuda:{found - 1}'."
    raise ValueError(sentence(where, f"one of the {found} GPUs of this machine", got, do))


def all_devices() -> list[torch.device]:
    """Return every device of this machine: the CPU first, then each GPU by number.

    Examples
    --------
    >>> all_devices()[0]
    device(type='cpu')
    """
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [torch.device("cpu"), *(torch.device("cuda", number) for number in range(found))]


def describe(device: str | torch.device = "auto") -> str:
    """Return one line about a device: its name, and its threads or its memory.

    Examples
    --------
    >>> describe("cpu").startswith("cpu: ")
    True
    """
    chosen = choose_device(device)
    if chosen.type == "cpu":
        processor = platform.processor() or platform.machine()
        return f"cpu: {processor}, {torch.get_num_threads()} of {os.cpu_count()} threads"
    gpu = torch.cuda.get_device_properties(chosen)
    return f"{chosen}: {gpu.name}, {gpu.total_memory / 2**30:.0f} GiB"


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's global random numbers, on every device.

    Parameters
    ----------
    seed : int, 0 to 2**32 - 1
        The same seed on the same machine with the same threads gives the same weights.

    Examples
    --------
    >>> seed_everything(0); first = torch.rand(3)
    >>> seed_everything(0); bool((first == torch.rand(3)).all())
    True
    """
    seed = check_int("seed_everything", "seed", seed, 0)
    check_number("seed_everything", "seed", seed, 0, 2**32 - 1)  # NumPy's range
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def random_state(device: torch.device) -> list[torch.Tensor]:
    """Return the state of torch's random numbers on the CPU and, if it is one, on the GPU."""
    gpu = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return [torch.get_rng_state(), *gpu]


def set_random_state(device: torch.device, states: list[torch.Tensor]) -> None:
    """Go back to a state that :func:`random_state` returned."""
    torch.set_rng_state(states[0])
    if device.type == "cuda" and len(states) > 1:
        torch.cuda.set_rng_state(states[1], device)


class StopSignal:
    """While open, the first Ctrl-C or SIGTERM only leaves its number in ``seen``, for the loop.

    A second one stops at once. Outside the main thread, where Python allows no handlers, nothing
    is changed. The handlers from before come back at the end.
    """

    def __init__(self) -> None:
        self.seen = 0

    def __enter__(self) -> "StopSignal":
        main = threading.current_thread() is threading.main_thread()
        numbers = (signal.SIGINT, signal.SIGTERM) if main else ()
        self._before = {number: signal.signal(number, self._note) for number in numbers}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.seen:
            self.stop()
        self.seen = number

    def stop(self) -> None:
        """Raise what ends the program: KeyboardInterrupt, or SystemExit(143) for SIGTERM."""
        raise SystemExit(128 + signal.SIGTERM) if self.seen == signal.SIGTERM else KeyboardInterrupt


def rank_and_world() -> tuple[int, int]:
    """Return this process's number and how many there are; (0, 1) for a process on its own."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def start_distributed(device: torch.device) -> None:
    """Join the other processes if torchrun started several; otherwise do nothing.

    The processes talk through gloo on the CPU and nccl on CUDA. A process that waits longer than
    ``REFNET_TIMEOUT`` seconds (60 if unset) for another one stops with an error.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or dist.is_initialized():
        return
    text = os.environ.get("REFNET_TIMEOUT", "60")
    if not text.isdecimal() or int(text) == 0:
        do = "Set it to 60, for example."
        raise ValueError(sentence("REFNET_TIMEOUT", "a whole number of seconds", repr(text), do))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    timeout = datetime.timedelta(seconds=int(text))
    store, rank, world = next(rendezvous("env://", timeout=timeout))
    # torchrun keeps the store when it restarts a run: without a prefix the new processes would
    # read the addresses of the dead ones there
    life = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = dist.PrefixStore(life, store)  # type: ignore[attr-defined]  # public in its manual
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=timeout, store=store, rank=rank, world_size=world)
    atexit.register(_leave)


def distribute(model: nn.Module) -> nn.Module:
    """Return the model; under torchrun, wrapped so that its gradients are averaged."""
    if rank_and_world()[1] == 1:
        return model
    network = DistributedDataParallel(model)
    _networks.add(network)
    return network


def _leave() -> None:
    """End the threads of the group while Python still runs, or a late one aborts the process.

    They end with the last holder of the group. It must not be a network: that one would wait for
    the threads with Python's lock in its hand, which they may need.
    """
    for network in _networks:
        vars(network).clear()
    if dist.is_initialized():
        dist.destroy_process_group()
