"""The training step as one launch: captured once as a CUDA graph, compared, then replayed.

A step of a small net is some forty kernels, each done sooner than Python can launch the next. A
graph holds them all, and one launch replays it. Floor 4: may import devices.
"""

import contextlib
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
    A replay repeats the kernels of the captured step. What ``forward`` decides in Python, by a
    counter or by a random number, stays as it was at that moment.

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
        self.capture = capture or cuda_graph
        self.replays = 0
        self._plain = False  # for good
        self._replay: Step | None = None
        self._warm = 0
        self._shapes: Any = None
        self._settings: Any = None

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Learn one batch, on the model's device; return its loss and its logits."""
        if self._plain:
            return self.step(x, y)
        shapes, settings = (x.shape, x.dtype, y.shape), _settings(self.model, self.optimizer)
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
        self._go_to(after, x)
        if why:
            self._plain = True
            warnings.warn(f"Trainer: the step is not captured as a CUDA graph: {why}", stacklevel=2)
        else:
            self._replay = replay
        return loss, logits

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
    inputs, stream = (x.clone(), y.clone()), torch.cuda.Stream(x.device)  # type: ignore[no-untyped-call]
    with _counting_on(x.device, optimizer):
        stream.wait_stream(torch.cuda.current_stream(x.device))
        with torch.cuda.stream(stream), _no_waiting():  # a wait in a capture would break it
            step(*inputs)
        torch.cuda.current_stream(x.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            outputs = step(*inputs)

    def replay(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        inputs[0].copy_(x)
        inputs[1].copy_(y)
        graph.replay()
        return outputs[0].clone(), outputs[1].clone()  # the next replay writes over them

    return replay


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
    """Let the optimizer count its steps on the device, where a graph can go on counting."""
    groups = [group for group in optimizer.param_groups if group.get("capturable") is False]
    states = [optimizer.state.get(p, {}) for group in groups for p in group["params"]]
    counts = [(state, state["step"]) for state in states if "step" in state]
    for group in groups:
        group["capturable"] = True
    for state, count in counts:
        state["step"] = count.to(device)
    try:
        with warnings.catch_warnings():  # torch tells of plain steps, and of the mode of no waiting
            warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")
            warnings.filterwarnings("ignore", "Synchronization debug mode is a prototype")
            yield
    except BaseException:
        for state, count in counts:
            state["step"] = count
        raise
    finally:
        for group in groups:
            group["capturable"] = False


def _settings(model: nn.Module, optimizer: Optimizer) -> list[Any]:
    """Return what a captured step has fixed: rates and the like, what is trained, the modes."""
    groups = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    trained = [(id(p), p.requires_grad) for p in model.parameters()]
    return [groups, trained, [(id(part), part.training) for part in model.modules()]]
