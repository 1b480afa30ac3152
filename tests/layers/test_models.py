"""The nets of the course: sizes, shapes, torch twins, known answers, and what they refuse."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from refnet import by_hand
from refnet.layers.activations import Cos
from refnet.layers.batchnorm import BatchNorm1d
from refnet.layers.linear import Linear
from refnet.layers.models import LeNet, linear_classifier, mlp, overfit_net, xor_net

XOR = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR_LABELS = torch.tensor([0, 1, 1, 0])


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (linear_classifier, 7_850),  # 784 * 10 + 10
        (mlp, 203_530),  # 784 * 256 + 256 + 256 * 10 + 10
        (lambda: mlp(1), 805),
        (xor_net, 22),  # 2 * 4 + 4 + 4 * 2 + 2
        (lambda: xor_net(2), 12),
        (overfit_net, 33_410),  # 2 * 64 + 64 + 64 * 256 + 256 + 256 * 64 + 64 + 64 * 2 + 2
        (lambda: overfit_net(batch_norm=True), 34_178),  # and 2 * (64 + 256 + 64)
        (LeNet, 61_706),  # 156 + 2,416 + 48,120 + 10,164 + 850
    ],
)
def test_the_number_of_parameters_is_the_known_one(make, parameters):
    assert sum(p.numel() for p in make().parameters()) == parameters


def torch_mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


def torch_overfit_net():
    blocks = [nn.Sequential(nn.Linear(d, o), nn.BatchNorm1d(o), nn.Tanh())
              for d, o in [(2, 64), (64, 256), (256, 64)]]  # fmt: skip
    return nn.Sequential(*blocks, nn.Linear(64, 2))


TWINS = {
    "linear_classifier": (
        linear_classifier,
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
        (5, 28, 28),
    ),
    "mlp": (mlp, torch_mlp, (5, 28, 28)),
    "xor_net": (
        xor_net,
        lambda: nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2)),
        (5, 2),
    ),
    "overfit_net": (lambda: overfit_net("tanh", True), torch_overfit_net, (5, 2)),
}


@pytest.mark.parametrize("name", TWINS)
def test_logits_and_all_gradients_match_the_torch_twin(name):
    make, make_twin, shape = TWINS[name]
    torch.manual_seed(0)
    net, twin = make().double(), make_twin().double()
    twin.load_state_dict(net.state_dict())
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    dy = torch.randn_like(twin(x))

    ours = torch.autograd.grad(net(x), [x, *net.parameters()], dy)
    torchs = torch.autograd.grad(twin(x), [x, *twin.parameters()], dy)

    # float64: the same sums in the same order agree to about 1e-15
    torch.testing.assert_close(net(x), twin(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(ours, torchs, rtol=0, atol=1e-12)


def by_hand_lenet(net, x):
    """Return LeNet's logits in NumPy, from the parameters of ``net``."""
    p = {name: value.detach().numpy() for name, value in net.named_parameters()}
    h = x.numpy()
    for conv in ("conv1", "conv2"):
        h = by_hand.conv2d(h, p[conv + ".weight"], p[conv + ".bias"])
        h = by_hand.max_pool2d(by_hand.relu(h))
    h = h.reshape(len(h), -1)
    for fc in ("fc1", "fc2"):
        h = by_hand.relu(by_hand.linear(h, p[fc + ".weight"], p[fc + ".bias"]))
    return by_hand.linear(h, p["fc3.weight"], p["fc3.bias"])


def test_lenet_matches_numpy_layer_by_layer():
    torch.manual_seed(0)
    net = LeNet().double()
    x = torch.randn(3, 1, 32, 32, dtype=torch.float64)

    # float64, sums of up to 400 terms below 1
    np.testing.assert_allclose(net(x).detach(), by_hand_lenet(net, x), rtol=0, atol=1e-12)


def test_lenet_gradients_match_a_torch_twin():
    torch.manual_seed(0)
    net = LeNet().double()
    twin = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    ).double()  # fmt: skip
    twin.load_state_dict(dict(zip(twin.state_dict(), net.state_dict().values(), strict=True)))
    x = torch.randn(3, 1, 32, 32, dtype=torch.float64, requires_grad=True)
    dy = torch.randn(3, 10, dtype=torch.float64)

    ours = torch.autograd.grad(net(x), [x, *net.parameters()], dy)
    torchs = torch.autograd.grad(twin(x), [x, *twin.parameters()], dy)

    torch.testing.assert_close(ours, torchs, rtol=0, atol=1e-12)  # float64, as above


@pytest.mark.parametrize("shape", [(5, 28, 28), (5, 1, 28, 28), (5, 784)])
@pytest.mark.parametrize("make", [linear_classifier, mlp])
def test_images_may_come_with_or_without_a_channel_or_flat(make, shape):
    net, x = make(), torch.randn(5, 784)

    assert torch.equal(net(x.reshape(shape)), net(x))


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (linear_classifier, (5, 784)),
        (mlp, (5, 784)),
        (xor_net, (5, 2)),
        (overfit_net, (5, 2)),
        (LeNet, (5, 1, 32, 32)),
    ],
    ids=["linear_classifier", "mlp", "xor_net", "overfit_net", "LeNet"],
)
def test_the_output_is_logits_not_probabilities(make, shape):
    torch.manual_seed(0)

    y = make()(10 * torch.randn(shape))

    assert (y < 0).any()
    assert not torch.allclose(y.sum(1), torch.ones(5))


@pytest.mark.data
def test_a_torch_twin_gives_the_same_logits_on_all_10000_test_images():
    from refnet.data.datasets import FashionMNIST

    torch.manual_seed(0)
    net, twin = mlp(), torch_mlp()
    twin.load_state_dict(net.state_dict())
    images = FashionMNIST(train=False, download=False).images.float() / 255

    with torch.no_grad():
        ours, torchs = net(images), twin(images)

    assert ours.shape == (10_000, 10)
    assert torch.equal(ours, torchs)  # the same two products on the same machine, bit for bit


def test_weights_set_by_hand_solve_xor():
    net = xor_net(2, "relu")  # h = [relu(x1 + x2), relu(x1 + x2 - 1)], XOR = h1 - 2 h2
    net.load_state_dict(
        {
            "0.weight": torch.ones(2, 2),
            "0.bias": torch.tensor([0.0, -1.0]),
            "2.weight": torch.tensor([[0.0, 0.0], [1.0, -2.0]]),
            "2.bias": torch.tensor([0.5, 0.0]),
        }
    )

    assert torch.equal(net(XOR).argmax(1), XOR_LABELS)


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", "cos"])
def test_xor_is_learnt_with_every_activation(activation):
    torch.manual_seed(0)
    net = xor_net(8, activation)  # 8 units: nearly every start finds a solution
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)

    for _ in range(300):
        optimizer.zero_grad()
        cross_entropy(net(XOR), XOR_LABELS).backward()
        optimizer.step()

    assert torch.equal(net(XOR).argmax(1), XOR_LABELS)


def test_a_linear_model_cannot_learn_xor():
    torch.manual_seed(0)
    net = Linear(2, 2)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)

    for _ in range(300):
        optimizer.zero_grad()
        loss = cross_entropy(net(XOR), XOR_LABELS)
        loss.backward()
        optimizer.step()

    assert loss.item() == pytest.approx(math.log(2), abs=1e-4)  # no better than a coin


@pytest.mark.parametrize(
    ("activation", "batch_norm", "kinds"),
    [
        ("relu", False, [Linear, nn.ReLU]),
        ("cos", True, [Linear, BatchNorm1d, Cos]),
    ],
)
def test_overfit_net_is_three_hidden_blocks_and_a_linear_layer(activation, batch_norm, kinds):
    net = overfit_net(activation, batch_norm)

    assert [[type(layer) for layer in block] for block in list(net)[:3]] == [kinds] * 3
    assert [block[0].out_features for block in list(net)[:3]] == [64, 256, 64]
    assert (type(net[3]), len(net)) == (Linear, 4)


def test_the_defaults_are_those_of_the_course():
    assert type(overfit_net()[0][1]) is nn.ReLU
    assert len(overfit_net()[0]) == 2
    assert type(xor_net()[1]) is nn.Tanh
    assert xor_net()[0].out_features == 4
    assert mlp()[1].out_features == 256


@pytest.mark.parametrize(
    ("shape", "do"),
    [
        (
            (64, 28, 28),
            "Pad 28 x 28 images by 2: torch.nn.functional.pad(x.unsqueeze(1), (2, 2, 2, 2)).",
        ),
        ((64, 1, 28, 28), "Pad 28 x 28 images by 2: torch.nn.functional.pad(x, (2, 2, 2, 2))."),
        ((64, 32, 32), "Add the channel: x.unsqueeze(1)."),
        ((1, 32, 32), "Add the channel: x.unsqueeze(1)."),
        ((64, 3, 32, 32), "Make one grey channel of the colours: x.mean(1, keepdim=True)."),
        ((64, 32, 32, 3), "Make one grey channel of the colours: x.mean(-1).unsqueeze(1)."),
        (
            (64, 784),
            "Pad 28 x 28 images by 2: "
            "torch.nn.functional.pad(x.reshape(-1, 1, 28, 28), (2, 2, 2, 2)).",
        ),
        ((64, 1024), "Make images of the rows: x.reshape(-1, 1, 32, 32)."),
        ((64, 1, 64, 64), "Scale them: torch.nn.functional.interpolate(x, (32, 32))."),
        ((32, 32), "One image is a batch of one: x[None, None]."),
        (
            (28, 28),
            "Pad 28 x 28 images by 2: torch.nn.functional.pad(x[None, None], (2, 2, 2, 2)).",
        ),
        ((), "Make it one channel of 32 x 32."),
        ((2, 1, 1, 50, 50), "Make it one channel of 32 x 32."),
    ],
)
def test_lenet_refuses_another_shape_and_says_how_to_make_the_right_one(shape, do):
    with pytest.raises(ValueError, match="LeNet") as caught:
        LeNet()(torch.zeros(shape))

    expected = f"LeNet: expected images of shape (N, 1, 32, 32), got {shape}. {do}"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    "shape",
    [
        *[(28, 28), (64, 28, 28), (64, 1, 28, 28), (64, 3, 28, 28), (64, 28, 28, 3), (64, 784)],
        *[(32, 32), (1, 32, 32), (64, 32, 32), (64, 3, 32, 32), (64, 32, 32, 1), (64, 1024)],
        *[(50, 40), (64, 50, 40), (64, 1, 50, 40), (64, 3, 50, 40), (64, 50, 40, 3), (784,)],
    ],
)
def test_what_lenet_says_about_another_shape_works(shape):
    x = torch.rand(shape)
    with pytest.raises(ValueError, match=r": .*: (?P<code>.*)\.$") as caught:
        LeNet()(x)
    code = str(caught.value).rpartition(": ")[2].removesuffix(".")

    images = eval(code, {"torch": torch, "x": x})

    assert LeNet()(images).shape == (64 if 64 in shape else 1, 10)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((1, 1, 32, 32), np.float32), "a torch.Tensor, got ndarray. Convert it first"),
        ([[0.0]], "a torch.Tensor, got list. Convert it first"),
        (
            torch.zeros(1, 1, 32, 32, dtype=torch.uint8),
            "a floating-point tensor, got torch.uint8. Convert it first, e.g. x.float().",
        ),
        (
            torch.zeros(1, 1, 32, 32, dtype=torch.float64),
            "input of dtype torch.float32, as its weight, got torch.float64. Convert one",
        ),
    ],
)
def test_lenet_refuses_another_kind(x, words):
    with pytest.raises(TypeError) as caught:
        LeNet()(x)

    assert str(caught.value).startswith(f"LeNet: expected {words}")


@pytest.mark.parametrize("make", [mlp, xor_net])
@pytest.mark.parametrize(
    ("hidden", "error"), [(0, ValueError), (-3, ValueError), (2.5, TypeError), ("8", TypeError)]
)
def test_a_number_of_hidden_units_that_is_none_is_refused(make, hidden, error):
    with pytest.raises(error) as caught:
        make(hidden)

    expected = f"{make.__name__}: expected hidden to be a whole number, 1 or more, got {hidden!r}."
    assert str(caught.value).startswith(expected)


def test_one_hidden_unit_is_enough():
    assert xor_net(1)(XOR).shape == (4, 2)


@pytest.mark.parametrize("make", [lambda name: xor_net(2, name), overfit_net])
def test_an_unknown_activation_is_refused_with_the_nearest(make):
    with pytest.raises(ValueError, match="Did you mean 'cos'"):
        make("cosine")
