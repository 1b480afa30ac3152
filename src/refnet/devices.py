"""Devices: choose one, describe it, seed its random numbers."""

import os
import platform
import random

import numpy as np
import torch

from refnet.errors import check_int, check_number, sentence

_MEANT = {"gpu": "cuda", "nvidia": "cuda", "cuda0": "cuda:0", "cuda1": "cuda:1"}


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
    where = "choose_device"
    expected = "'auto', 'cpu', 'cuda' or 'cuda:<number>'"
    if not isinstance(name, str | torch.device):
        raise TypeError(sentence(where, expected, repr(name), "Pass the name as a str."))
    found = _count_gpus()
    text = str(name).strip()
    asked = os.environ.get("REFNET_DEVICE", "").strip()
    if text == "auto" and asked not in ("", "auto"):
        where = "REFNET_DEVICE"
        text = asked
    if text == "auto":
        text = "cuda" if found > 0 else "cpu"
    if text in ("cpu", "cpu:0"):
        return torch.device("cpu")
    kind, colon, index = text.partition(":")
    if kind == "cpu":
        raise ValueError(sentence(where, "'cpu'", repr(text), "The CPU is one device: use 'cpu'."))
    if kind != "cuda" or (colon and not index.isdecimal()):
        usual = "cuda" if "cu" in text.lower() else "cpu"
        do = f"Did you mean {_MEANT.get(text.lower(), usual)!r}?"
        raise ValueError(sentence(where, expected, repr(text), do))
    number = int(index or os.environ.get("LOCAL_RANK", "0"))
    if number < found:
        return torch.device("cuda", number)
    got = repr(text)
    if found == 0:
        do = "Use 'cpu', or install a build of torch for CUDA and an NVIDIA driver."
        raise ValueError(sentence(where, "a device of this machine (no CUDA here)", got, do))
    if not colon:
        got = f"local rank {number}: more processes than GPUs"
    do = f"Start at most {found} processes a machine, or use 'cuda:0' to 'cuda:{found - 1}'."
    raise ValueError(sentence(where, f"one of the {found} GPUs of this machine", got, do))


def _count_gpus() -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def all_devices() -> list[torch.device]:
    """Return every device of this machine: the CPU first, then each GPU by number.

    Examples
    --------
    >>> all_devices()[0]
    device(type='cpu')
    """
    gpus = [torch.device("cuda", number) for number in range(_count_gpus())]
    return [torch.device("cpu"), *gpus]


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
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return states


def set_random_state(device: torch.device, states: list[torch.Tensor]) -> None:
    """Go back to a state that :func:`random_state` returned."""
    torch.set_rng_state(states[0])
    if device.type == "cuda" and len(states) > 1:
        torch.cuda.set_rng_state(states[1], device)
