"""The training step as one launch: captured once as a CUDA graph, compared, then replayed.

A step of a small net is some forty kernels, each done sooner than Python can launch the next. A
graph holds them all, and one launch replays it."""

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from refnet.devices import random_state, set_random_state

WARM = 3  # plain steps before a capture: in these, libraries and optimizers set themselves up
TOLERANCE = 1e-4  # relative and absolute: float32 sums, added up in another order

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class CapturedStep:
    """A training step that gives the numbers of ``step``, with one launch where it can.

    The first steps are plain. Then one batch is learnt both ways from the same state. If the two
    differ, or if the step cannot be captured, a warning says so and every later step is plain. A
    batch of another shape gets a plain step; after a change of the optimizer's settings, or of
    what is trained, the step is captured again.

    Parameters
    ----------
    step : callable (x, y) -> (loss, logits)
        One step of training on one batch, as :meth:`refnet.Trainer.training_step`.
    model, optimizer : Module, Optimizer
        What it changes, in place.
    capture : callable (step, optimizer, x, y) -> Step
        Returns a step that can be replayed; by default :func:`cuda_graph`.

    Notes
    -----
    A replay repeats the kernels of the captured step and runs no Python: no hooks, and what
    ``forward`` or ``loss`` decide there stays as it was. It leaves no gradients to be read.
    Adam rounds differently in it: two runs are the same bit for bit only without graphs.

    References
    ----------
    PyTorch documentation, "CUDA semantics", section CUDA Graphs.

    Examples
    --------
    On a CPU nothing is captured: there the step itself may stand in for its replay.

    >>> model = nn.Linear(2, 2)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> def step(x, y):
    ...     optimizer.zero_grad()
    ...     loss = nn.functional.cross_entropy(logits := model(x), y)
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss.detach(), logits.detach()
    >>> captured = CapturedStep(step, model, optimizer, capture=lambda step, *_: step)
    >>> losses = [captured(torch.eye(2), torch.tensor([0, 1]))[0] for _ in range(9)]
    >>> captured.replays, bool(losses[8] < losses[0])
    (5, True)
    """

    def __init__(
        self,
        step: Step,
        model: nn.Module,
        optimizer: Optimizer,
        capture: Callable[[Step, Optimizer, Tensor, Tensor], Step] | None = None,
    ) -> None:
        self.step, self.model, self.optimizer = step, model, optimizer
        self._parameters, self._parts = list(model.parameters()), list(model.modules())
        self.capture = capture or cuda_graph
        self.replays = 0
        self._plain = False  # for good
        self._replay: Step | None = None
        self._warm = 0
        self._shapes: Any = None
        self._settings: Any = None

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Learn one batch, on the model's device; return its loss and its logits.

        Use them before the next call: a replay writes over those of the last one.
        """
        if self._plain:
            return self.step(x, y)
        shapes, settings = (x.shape, x.dtype, y.shape), self._fixed()
        if settings != self._settings:
            self._replay, self._warm, self._settings = None, 0, settings
        if self._replay and shapes == self._shapes:
            self.replays += 1
            return self._replay(x, y)
        if self._replay is None:
            self._warm = self._warm + 1 if shapes == self._shapes else 1
            self._shapes = shapes
            if self._warm > WARM:
                return self._try(x, y)
        return self.step(x, y)

    def _try(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Learn a batch by the plain step; go back, and see whether a replay does the same."""
        before = self._state(x)
        loss, logits = self.step(x, y)
        after = self._state(x)
        held = [dict(state) for state in self.optimizer.state.values()]
        try:
            self._go_to(before, x)
            replay = self.capture(self.step, self.optimizer, x, y)
            self._go_to(before, x)
            again, _ = replay(x, y)
            pairs = zip([loss, *after[1]], [again, *self._changing()], strict=True)
            same = all(torch.allclose(a.to(b), b, TOLERANCE, TOLERANCE, True) for a, b in pairs)
            why = "" if same else "its replay gives other numbers"
        except Exception as error:  # whatever a capture can provoke: plain steps go on
            why = f"{type(error).__name__}: {error}"
        if why:  # the optimizer counts on the CPU again: plain steps wait for no number there
            for state, old in zip(self.optimizer.state.values(), held, strict=True):
                state.update(old)
        self._go_to(after, x)
        if why:
            self._plain = True
            warnings.warn(f"Trainer: the step is not captured as a CUDA graph: {why}", stacklevel=2)
        else:
            self._replay = replay
        return loss, logits

    def _fixed(self) -> list[Any]:
        """Return what a captured step has fixed: rates and the like, what is trained, the modes."""
        groups = self.optimizer.param_groups
        rates = [_number(v) for g in groups for k, v in g.items() if k != "params"]
        trained = [(p.data_ptr(), p.requires_grad) for p in self._parameters]
        return [rates, trained, [part.training for part in self._parts]]

    def _changing(self) -> list[Tensor]:
        """Return all tensors that a step changes in place."""
        kept = [value for state in self.optimizer.state.values() for value in state.values()]
        tensors = [*self.model.parameters(), *self.model.buffers(), *kept]
        return [value for value in tensors if isinstance(value, Tensor)]

    def _state(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        return random_state(x.device), [value.detach().clone() for value in self._changing()]

    def _go_to(self, state: tuple[list[Tensor], list[Tensor]], x: Tensor) -> None:
        set_random_state(x.device, state[0])
        with torch.no_grad():
            for value, old in zip(self._changing(), state[1], strict=True):
                value.copy_(old)


def cuda_graph(step: Step, optimizer: Optimizer, x: Tensor, y: Tensor) -> Step:
    """Return ``step`` as one launch, for batches of the shapes of ``x`` and ``y``, both on CUDA.

    Raises RuntimeError if the step waits for the device, as one does that reads a number.
    """
    if any(_held(p) for group in optimizer.param_groups for p in group["params"]):
        raise RuntimeError("an output of the model is still alive with its graph: detach() it")
    inputs, now = (x.clone(), y.clone()), torch.cuda.current_stream(x.device)
    stream = _side_stream(x.device)
    with _counting_on(x.device, optimizer), torch.cuda.stream(stream):
        stream.wait_stream(now)
        try:
            with _no_waiting():  # a wait in a capture would break it
                step(*inputs)
        finally:  # what is launched already must not run into what the caller restores
            now.wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            outputs = step(*inputs)

    def replay(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        inputs[0].copy_(x)
        inputs[1].copy_(y)
        graph.replay()
        return outputs

    return replay


@functools.cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """Return one stream for all captures: each new one would keep workspaces of its own."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _number(value: Any) -> Any:
    """Return a setting as a value of its own: a tensor may be changed in place."""
    return value.item() if isinstance(value, Tensor) and value.is_cpu else value


def _held(p: Tensor) -> bool:
    """Whether a tensor computed from ``p`` is alive: its gradient would go to another stream."""
    if not p.requires_grad:
        return False
    _accumulator(p).metadata["refnet"] = True  # gone with the node, if nothing else holds it
    return "refnet" in _accumulator(p).metadata


def _accumulator(p: Tensor) -> Any:
    return p.expand_as(p).grad_fn.next_functions[0][0]  # type: ignore[union-attr]


@contextlib.contextmanager
def _no_waiting() -> Iterator[None]:
    """Raise RuntimeError where Python would wait for a number from CUDA."""
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(mode)


@contextlib.contextmanager
def _counting_on(device: torch.device, optimizer: Optimizer) -> Iterator[None]:
    """Let the optimizer count on the device, where a graph can go on counting; Adam in one kernel.

    Raises RuntimeError if it counts where a graph cannot: in Python, or on the CPU.
    """
    groups = [group for group in optimizer.param_groups if group.get("capturable") is False]
    fused = [g for g in groups if g.get("fused", 0) is None and not g.get("foreach")]
    for group in groups:
        group["capturable"] = True
        for state in (optimizer.state.get(p, {}) for p in group["params"]):
            state |= {k: v.to(device) for k, v in state.items() if isinstance(v, Tensor)}
    for group in fused:
        group["fused"] = True
    try:
        kept = [value for state in optimizer.state.values() for value in state.values()]
        counts = [v for v in kept if isinstance(v, int | float)]
        if counts or any(v.device != device for v in kept if isinstance(v, Tensor)):
            raise RuntimeError(f"{type(optimizer).__name__} counts its steps outside the device")
        with warnings.catch_warnings():  # torch tells of plain steps, and of the mode of no waiting
            warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")
            warnings.filterwarnings("ignore", "Synchronization debug mode is a prototype")
            yield
    finally:
        for group in groups:
            group["capturable"] = False
        for group in fused:
            group["fused"] = None
