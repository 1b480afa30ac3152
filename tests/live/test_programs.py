"""The programs of the live parts compute what torch does: in float64, after 100 steps of training.

Twin in the browser: tests/site/test_live.py.
"""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

import refnet

LIVE = Path(__file__).resolve().parents[2] / "docs" / "live"


@pytest.fixture(scope="module", autouse=True)
def live_modules():
    """Let the build's own modules be imported, as docs/_ext/live.py does."""
    sys.path.insert(0, str(LIVE))
    yield
    sys.path.remove(str(LIVE))


def picture_batches(r, steps):
    """Return the batches that the course trains OVERFIT on."""
    pixels = refnet.ImagePixels(refnet.draw_text("OVERFIT", 60, 200))
    scale = refnet.Rescale((60, 200), -r, r) if r else torch.Tensor.float
    stream = zip(range(steps), pixels.batches(256, seed=0), strict=False)
    return [(scale(x).double(), y) for _, (x, y) in stream]


def train_torch(model, batches, optimizer):
    """Train a model in float64; return its state_dict and the loss of the last step."""
    for x, y in batches:
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.state_dict(), loss.item()


def train_program(program, start, batches, lr):
    """Train by a program in float64, from the same start; return its last outputs."""
    from tracing import execute

    values = {name: np.zeros(program["shapes"][name]) for name in program["inputs"]}
    values |= {name: start[name] for name in start if name in values}
    for t, (x, y) in enumerate(batches, 1):
        values |= {"x": x.numpy(), "labels": y.numpy(), "t": t, "lr": lr}
        results = execute(program, values)
        values |= {name: value for name, value in results.items() if name in values}
    return values | results


def assert_agree(results, expected, loss):
    for name, value in expected.items():
        if "num_batches" not in name:
            scale = max(float(value.norm()), 1e-12)
            distance = float((torch.from_numpy(np.asarray(results[name])) - value).norm())
            assert distance <= 1e-8 * scale, name
    assert float(results["loss"]) == pytest.approx(loss, abs=1e-8)


@pytest.mark.parametrize(
    ("activation", "r", "batch_norm", "fourier"),
    [
        ("relu", 0, False, False),
        ("relu", 1, False, False),
        ("tanh", 1, False, False),
        ("cos", 1, False, False),
        ("cos", 3, False, False),
        ("cos", 6, False, False),
        ("relu", 0, True, False),
        ("cos", 3, True, False),
        ("relu", 1, False, True),
        ("tanh", 1, True, True),
    ],
)
def test_the_program_trains_overfit_as_torch_does(activation, r, batch_norm, fourier):
    from programs import overfit_model, overfit_nets

    refnet.seed_everything(0)
    model = overfit_model(activation, batch_norm, fourier).double()
    start = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    key = activation + "-bn" * batch_norm + "-fourier" * fourier
    program = overfit_nets()[key]["step"]
    # a bias in front of batch normalization has gradient 0, which Adam's division makes of
    # rounding errors: where it goes changes no output, so there it starts with none to move
    batches = picture_batches(r, 100)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    expected, loss = train_torch(model, batches, optimizer)
    results = train_program(program, start, batches, lr=3e-3)
    assert_agree(results, expected, loss)


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "cos"])
@pytest.mark.parametrize("hidden", [0, 1, 2, 8])
def test_the_program_trains_xor_as_torch_does(activation, hidden):
    from programs import xor

    refnet.seed_everything(0)
    linear = refnet.Sequential(refnet.Linear(2, 2))
    model = (refnet.xor_net(hidden, activation) if hidden else linear).double()
    start = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    data = refnet.XOR()
    batches = [(data.x.double(), data.y)] * 100
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    expected, loss = train_torch(model, batches, optimizer)
    results = train_program(xor(hidden, activation)["step"], start, batches, lr=0.5)
    assert_agree(results, expected, loss)


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_the_program_learns_pictures_as_torch_does(name):
    from programs import picture_nets

    refnet.seed_everything(0)
    model = {"linear": refnet.linear_classifier, "mlp": refnet.mlp}[name]().double()
    start = {key: value.numpy().copy() for key, value in model.state_dict().items()}
    clothes = refnet.FashionMNIST(sample=True)
    x = clothes.images.double().flatten(1) / 255
    batches = [(x[64 * i : 64 * i + 64], clothes.labels[64 * i : 64 * i + 64]) for i in range(40)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    expected, loss = train_torch(model, batches, optimizer)
    results = train_program(picture_nets()[name]["step"], start, batches, lr=0.01)
    assert_agree(results, expected, loss)


def test_the_program_of_the_filter_is_a_convolution_of_torch():
    from programs import convolution
    from tracing import execute

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 1, 28, 28, generator=generator, dtype=torch.float64)
    W = torch.randn(1, 1, 3, 3, generator=generator, dtype=torch.float64)
    b = torch.randn(1, generator=generator, dtype=torch.float64)
    found = execute(convolution(), {"x": x.numpy(), "W": W.numpy(), "b": b.numpy()})["y"]
    expected = torch.nn.functional.conv2d(x, W, b)
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=0, atol=1e-12)


def test_the_program_of_the_descent_is_a_step_of_torch():
    from programs import DESCENT, descent
    from tracing import execute

    x = torch.tensor(DESCENT["x"], dtype=torch.float64)
    target = torch.tensor(DESCENT["target"], dtype=torch.float64)
    w = torch.tensor(-2.0, dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.mse_loss(w * x, target)
    loss.backward()
    values = {"x": x[:, None], "target": target[:, None], "W": [[-2.0]], "b": [0.0], "lr": 0.1}
    found = execute(descent(), values)
    assert float(found["loss"]) == pytest.approx(loss.item(), abs=1e-12)
    assert found["W"].item() == pytest.approx(-2 - 0.1 * w.grad.item(), abs=1e-12)


# The mathematics of the course stands in by_hand alone
@pytest.mark.parametrize("name", ["kernels.c", "runtime.js"])
def test_no_kernel_knows_a_layer_a_loss_a_gradient_or_an_optimizer(name):
    from tracing import OPERATIONS

    source = (LIVE / name).read_text(encoding="utf-8")
    words = "relu sigmoid softmax entropy linear convolution layer loss gradient backward adam sgd"
    words += " momentum optimizer weight bias norm dropout learning"
    known = [w for w in words.split() if re.search(rf"(?<![a-z]){w}|_{w}", source, re.IGNORECASE)]
    assert known == []
    if name == "kernels.c":
        kernel = re.compile(r"^(?:OUT|UNARY|BINARY)\((\w+?)_?(?:, |\))", re.MULTILINE)
        assert set(kernel.findall(source)) - {"heap"} <= OPERATIONS.keys()


def test_the_same_source_gives_the_same_kernels():
    from kernels import kernels

    assert kernels() == kernels()


def test_a_step_that_a_program_does_not_need_is_left_out():
    from tracing import program

    def negative(a):
        np.exp(a["x"])
        return {"y": -a["x"]}

    found = program(negative, {"x": (2, 2)})
    assert [operation for operation, *_ in found["steps"]] == ["neg"]
