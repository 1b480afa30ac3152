"""A captured step learns what the plain step learns; where it cannot, it says so and stays plain.

On the CPU a replay runs the step again on the tensors it was captured with, as a graph does; the
tests marked cuda replay real graphs.
"""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import refnet
from refnet.training.capture import WARM, CapturedStep, _counting_on, _held
from refnet.training.trainer import Trainer

OPTIMIZERS = {
    "plain": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
}


def net():
    torch.manual_seed(0)
    # no bias before the normalization: its gradient is rounding alone, which Adam makes large
    first = nn.Linear(4, 8, bias=False)
    return nn.Sequential(first, refnet.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 3))


def batches(n=90, size=8, seed=1):
    """Return n samples in batches, the last one smaller."""
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))
    return list(zip(x.split(size), x[:, :3].argmax(1).split(size), strict=True))


def step_of(model, optimizer):
    def step(x, y):
        optimizer.zero_grad()
        loss = cross_entropy(logits := model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach(), logits.detach()

    return step


class Captures:
    """Stands in for a graph: replays the step on the tensors it was captured with."""

    def __init__(self):
        self.count = 0

    def __call__(self, step, optimizer, x, y):
        self.count += 1
        inputs = x.clone(), y.clone()

        def replay(x, y):
            inputs[0].copy_(x)
            inputs[1].copy_(y)
            return step(*inputs)

        return replay


def weights(model):
    return torch.cat(
        [value.detach().flatten().cpu().double() for value in model.state_dict().values()]
    )


def learn(kind, capture=None, between=lambda n, model, optimizer: None):
    """Train a net, captured or plain; return its weights, all losses, and the captured step."""
    model = net()
    optimizer = OPTIMIZERS[kind](model.parameters())
    step = plain = step_of(model, optimizer)
    if capture:
        step = CapturedStep(plain, model, optimizer, capture)
    torch.manual_seed(3)
    losses = []
    for n, (x, y) in enumerate(batches() + batches(seed=2)):
        between(n, model, optimizer)
        losses.append(float(step(x, y)[0]))
    return weights(model), losses, step


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_captured_step_learns_what_the_plain_one_learns(kind):
    expected, losses, _ = learn(kind)
    got, captured_losses, step = learn(kind, captures := Captures())
    assert captured_losses == losses
    assert torch.equal(got, expected)
    assert captures.count == 1
    assert step.replays == 24 - WARM - 1 - 2  # not the one compared, nor two smaller batches


def slower(n, model, optimizer):
    if n == 15:
        optimizer.param_groups[0]["lr"] /= 2


def frozen(n, model, optimizer):
    if n == 15:
        model[0].requires_grad_(False)


def evaluated(n, model, optimizer):
    if n == 15:
        model[1].eval()


@pytest.mark.parametrize("change", [slower, frozen, evaluated])
def test_after_a_change_the_step_is_captured_again(change):
    expected, losses, _ = learn("plain", between=change)
    got, captured_losses, _ = learn("plain", captures := Captures(), between=change)
    assert captured_losses == losses
    assert torch.equal(got, expected)
    assert captures.count == 2


def forgets_the_weights(step, optimizer, x, y):
    return lambda x, y: (torch.zeros(()), torch.zeros(len(y), 3))


def scales_the_step(step, optimizer, x, y):
    def replay(x, y):
        result = step(x, y)
        for p in optimizer.param_groups[0]["params"]:
            p.data *= 1.01
        return result

    return replay


def cannot(step, optimizer, x, y):
    step(x, y)
    raise RuntimeError("called a synchronizing CUDA operation")


@pytest.mark.parametrize("capture", [forgets_the_weights, scales_the_step, cannot])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_capture_that_fails_is_told_and_changes_no_number(kind, capture):
    expected, losses, _ = learn(kind)
    why = "synchronizing" if capture is cannot else "other numbers"
    with pytest.warns(UserWarning, match=f"not captured as a CUDA graph: .*{why}") as told:
        got, captured_losses, step = learn(kind, capture)
    assert captured_losses == losses
    assert torch.equal(got, expected)
    assert len(told) == 1
    assert step.replays == 0


def moved(n, model, optimizer):
    if n == 15:
        for p in model.parameters():
            p.data = p.data.clone()  # as model.cpu().cuda() in a callback does


def test_a_graph_never_writes_where_the_weights_were():
    expected, losses, _ = learn("plain", between=moved)
    got, captured_losses, _ = learn("plain", captures := Captures(), between=moved)
    assert captured_losses == losses
    assert torch.equal(got, expected)
    assert captures.count == 2


def test_a_learning_rate_changed_in_place_is_seen():
    rates = []
    for capture in (None, Captures()):
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=torch.tensor(0.1))
        step = step_of(model, optimizer)
        step = CapturedStep(step, model, optimizer, capture) if capture else step
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 12, 0.5)
        for x, y in batches() + batches(seed=2):
            step(x, y)
            schedule.step()
        rates.append(float(optimizer.param_groups[0]["lr"]))
    assert rates[0] == rates[1]
    assert capture.count == 2


def test_adam_counts_on_the_device_while_captured_in_one_kernel():
    model = net()
    optimizer = OPTIMIZERS["adam"](model.parameters())
    step_of(model, optimizer)(*batches()[0])
    with _counting_on(torch.device("cpu"), optimizer):
        assert optimizer.param_groups[0]["capturable"] is optimizer.param_groups[0]["fused"] is True
        step_of(model, optimizer)(*batches()[1])
    assert optimizer.param_groups[0]["capturable"] is False
    assert optimizer.param_groups[0]["fused"] is None


def test_counts_that_a_graph_cannot_change_are_refused():
    model = net()
    optimizer = torch.optim.Adagrad(model.parameters())  # counts on the CPU, always
    step_of(model, optimizer)(*batches()[0])
    expected = pytest.raises(RuntimeError, match="Adagrad counts its steps")
    with expected, _counting_on(torch.device("meta"), optimizer):
        pass
    own = torch.optim.SGD(model.parameters(), 0.1)
    own.state[model[0].weight]["step"] = 3
    expected = pytest.raises(RuntimeError, match="SGD counts its steps")
    with expected, _counting_on(torch.device("cpu"), own):
        pass


def test_an_output_that_keeps_its_graph_is_seen():
    model = net()
    assert not any(_held(p) for p in model.parameters())
    y = model(batches()[0][0])
    assert all(_held(p) for p in model.parameters())
    y = y.detach()
    assert not any(_held(p) for p in model.parameters())
    model.requires_grad_(False)
    assert not any(_held(p) for p in model.parameters())


def test_on_the_cpu_the_step_is_plain():
    model = net()
    run = Trainer(model, OPTIMIZERS["plain"](model.parameters()), device="cpu", verbose=False)
    assert run.graph is False
    run.fit(batches(), epochs=1)
    assert run._step == run.training_step


def fit(kind, graph, epochs=3, folder=None, resume=False):
    model = net()
    run = Trainer(
        model, OPTIMIZERS[kind](model.parameters()), device="cuda", verbose=False, graph=graph
    )
    run.fit(batches(), epochs=epochs, checkpoint=folder, resume=resume)
    return weights(model), run


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_graph_learns_what_the_plain_step_learns_on_cuda(kind, recwarn):
    (expected, _), (got, run) = fit(kind, graph=False), fit(kind, graph=True)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)  # 36 steps in float32
    assert run._step.replays == 36 - WARM - 1 - 3 - 3  # first and last of an epoch are plain too
    assert not recwarn.list


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_resumed_run_with_graphs_ends_with_the_same_weights(kind, tmp_path):
    whole, _ = fit(kind, graph=True)
    fit(kind, graph=True, epochs=2, folder=tmp_path)
    resumed, run = fit(kind, graph=True, folder=tmp_path, resume=True)
    torch.testing.assert_close(resumed, whole, rtol=0, atol=1e-5)
    assert run._step.replays > 0


class Reads(nn.Module):
    """Decides by a number that it reads from the device."""

    def forward(self, x):
        return x if x.sum().item() > 0 else -x


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_model_that_reads_a_number_is_learnt_by_plain_steps():
    results = []
    for graph in (False, True):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), Reads(), nn.Linear(8, 3))
        optimizer = OPTIMIZERS["adam"](model.parameters())
        run = Trainer(model, optimizer, device="cuda", verbose=False, graph=graph)
        if graph:
            with pytest.warns(UserWarning, match="not captured as a CUDA graph: .*synchroniz"):
                run.fit(batches(), epochs=2)
            assert run._step.replays == 0
        else:
            run.fit(batches(), epochs=2)
        results.append(weights(model))
    torch.testing.assert_close(results[1], results[0], rtol=0, atol=1e-6)
    torch.rand(3, device="cuda")  # a broken capture would leave the random numbers unusable
