"""Processes: join the others of a run, add up over them, and stop at a signal."""

import atexit
import datetime
import os
import signal
import threading
from collections.abc import Iterable
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parameter import is_lazy

from refnet.errors import sentence


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
    atexit.register(_leave)  # or a thread of the group that outlives Python aborts it


def _leave() -> None:
    """End the threads of the group while Python still runs, or a late one aborts the process."""
    if dist.is_initialized():
        dist.destroy_process_group()


def highest(value: int, device: torch.device) -> int:
    """Return the largest value that any process of the run asked with."""
    if rank_and_world()[1] == 1:
        return value
    number = torch.tensor(value, device=device)
    dist.all_reduce(number, dist.ReduceOp.MAX)
    return int(number)


def lowest(value: int, device: torch.device) -> int:
    """Return the smallest value that any process of the run asked with."""
    return -highest(-value, device)


def added_up(numbers: list[float], device: torch.device) -> list[float]:
    """Return the numbers, each summed over all processes of the run."""
    sums = torch.tensor(numbers, dtype=torch.float64, device=device)
    if rank_and_world()[1] > 1:
        dist.all_reduce(sums)
    return [float(value) for value in sums.tolist()]


def from_first(value: Any, device: torch.device) -> Any:
    """Return what the first process of the run passed."""
    box = [value]
    if rank_and_world()[1] > 1:
        dist.broadcast_object_list(box, device=device)
    return box[0]


def copy_from_first(tensors: Iterable[Tensor]) -> None:
    """Copy the tensors of the first process into those of every other, in place."""
    if rank_and_world()[1] == 1:
        return
    for tensor in tensors:
        if is_lazy(tensor):
            expected = "layers that know their sizes"
            do = "Run one batch through the model first, before the optimizer is built."
            raise ValueError(sentence("Trainer under torchrun", expected, "a lazy layer", do))
        dist.broadcast(tensor.detach(), src=0)


def add_up_gradients(model: nn.Module, samples: int) -> None:
    """Give every process the gradient of the mean over all samples, however unequal the shares.

    Each process brings the gradient of the mean over its own ``samples``, which counts as many
    times. A parameter that the loss reaches in no process keeps no gradient; one that it reaches
    in some gets their sum in all.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    here = [float(p.grad is not None) for p in parameters]
    total, *reached = added_up([float(samples), *here], parameters[0].device)
    by_dtype: dict[torch.dtype, list[nn.Parameter]] = {}  # of each those that are reached somewhere
    for p, processes in zip(parameters, reached, strict=True):
        if processes:
            by_dtype.setdefault(p.dtype, []).append(p)
    for alike in by_dtype.values():
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in alike]
        whole = torch.cat([gradient.flatten() for gradient in gradients])
        whole *= samples / total
        dist.all_reduce(whole)
        sums = torch.split(whole, [p.numel() for p in alike])
        for p, gradient in zip(alike, sums, strict=True):
            p.grad = gradient.view_as(p)


class StopSignal:
    """While open, the first Ctrl-C or SIGTERM only leaves its number in ``seen``, for the loop.

    A second one stops at once, and so does the end, if the loop has not stopped by itself. Outside
    the main thread, where Python allows no handlers, nothing is changed. The handlers from before
    come back at the end.
    """

    # what a loader raises whose processes Ctrl-C ended, too
    AFTERMATH = (RuntimeError, OSError, EOFError)

    def __init__(self) -> None:
        self.seen = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignal":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if self.seen and (error is None or isinstance(error, self.AFTERMATH)):
            self.stop()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.seen:
            self.stop()
        self.seen = number
        if hasattr(signal, "SIGCHLD"):
            # spawned workers of a DataLoader end at Ctrl-C, too, and its handler for that would
            # raise in the middle of a step; the loader finds out when it waits for them
            before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._before.setdefault(signal.SIGCHLD, before)

    def stop(self) -> None:
        """Raise what ends the program: KeyboardInterrupt, or SystemExit(143) for SIGTERM."""
        if self.seen == signal.SIGTERM:
            raise SystemExit(128 + signal.SIGTERM)
        raise KeyboardInterrupt
