"""The programs of the live parts compute what torch does: in float64, after 100 steps of training.

Twin in the browser: tests/site/test_live.py.
"""

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
    return results


def assert_agree(results, expected, loss):
    for name, value in expected.items():
        if "num_batches" not in name:
            scale = max(float(value.norm()), 1e-12)
            distance = float((torch.from_numpy(np.asarray(results[name])) - value).norm())
            assert distance <= 1e-8 * scale, name
    assert float(results["loss"]) == pytest.approx(loss, abs=1e-8)


@pytest.mark.parametrize(
    ("activation", "r", "batch_norm"),
    [
        ("relu", 0, False),
        ("relu", 1, False),
        ("tanh", 1, False),
        ("cos", 1, False),
        ("cos", 3, False),
        ("cos", 6, False),
        ("relu", 0, True),
        ("cos", 3, True),
    ],
)
def test_the_program_trains_overfit_as_torch_does(activation, r, batch_norm):
    from programs import overfit

    refnet.seed_everything(0)
    model = refnet.overfit_net(activation, batch_norm).double()
    start = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    program = overfit(activation, batch_norm)["step"]
    # a bias in front of batch normalization has gradient 0, which Adam's division makes of
    # rounding errors: where it goes changes no output, so there it starts with none to move
    batches = picture_batches(r, 100)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    expected, loss = train_torch(model, batches, optimizer)
    results = train_program(program, start, batches, lr=3e-3)
    assert_agree(results, expected, loss)
