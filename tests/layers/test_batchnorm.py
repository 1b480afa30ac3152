"""BatchNorm1d against two independent witnesses: NumPy by hand, and torch.nn.BatchNorm1d."""

import numpy as np
import pytest
import torch

from refnet import by_hand
from refnet.layers.batchnorm import BatchNorm1d

ATOL = 1e-12  # float64: right formulas agree to 3e-15; eps outside the root misses by 2.6e-6


def random_layer(c, **settings):
    """Return a float64 layer whose parameters are not the 1 and 0 that hide a missing term."""
    layer = BatchNorm1d(c, **settings).double()
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    return layer


@pytest.mark.parametrize("eps", [1e-5, 0.3])
@pytest.mark.parametrize(("n", "c"), [(2, 1), (3, 5), (64, 256)])
def test_training_output_gradients_and_running_values_match_numpy(n, c, eps):
    torch.manual_seed(0)
    layer = random_layer(c, eps=eps)
    x = torch.randn(n, c, dtype=torch.float64, requires_grad=True)
    dy = torch.randn(n, c, dtype=torch.float64)  # never y.sum(): under it the true dx is 0

    y = layer(x)
    y.backward(dy)

    gamma, beta = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    x_, dy_ = x.detach().numpy(), dy.numpy()
    dx, dgamma, dbeta = by_hand.batch_norm_backward(x_, gamma, dy_, eps)
    mean, var = by_hand.batch_norm_running(x_, np.zeros(c), np.ones(c))
    for ours, theirs in [
        (y.detach(), by_hand.batch_norm(x_, gamma, beta, eps)),
        (x.grad, dx),
        (layer.weight.grad, dgamma),
        (layer.bias.grad, dbeta),
        (layer.running_mean, mean),
        (layer.running_var, var),
    ]:
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=ATOL)


@pytest.mark.parametrize(("n", "c"), [(1, 1), (3, 5)])
def test_evaluation_output_and_gradients_match_numpy(n, c):
    torch.manual_seed(0)
    layer = random_layer(c)
    layer(3 + 2 * torch.randn(16, c, dtype=torch.float64))
    layer.eval()
    x = torch.randn(n, c, dtype=torch.float64, requires_grad=True)
    dy = torch.randn(n, c, dtype=torch.float64)

    y = layer(x)
    y.backward(dy)

    gamma, beta = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    mean, var, x_ = layer.running_mean.numpy(), layer.running_var.numpy(), x.detach().numpy()
    gradients = by_hand.batch_norm_evaluation_backward(x_, gamma, mean, var, dy.numpy())
    for ours, theirs in [
        (y.detach(), by_hand.batch_norm_evaluation(x_, gamma, beta, mean, var)),
        *zip((x.grad, layer.weight.grad, layer.bias.grad), gradients, strict=True),
    ]:
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=ATOL)


@pytest.mark.parametrize("momentum", [0.1, 0.25, 1.0])
def test_three_training_batches_and_an_evaluation_match_torch(momentum):
    torch.manual_seed(0)
    layer = random_layer(5, momentum=momentum)
    twin = torch.nn.BatchNorm1d(5, momentum=momentum).double()
    twin.load_state_dict(layer.state_dict())

    for n in (2, 3, 64):
        x = torch.randn(n, 5, dtype=torch.float64, requires_grad=True)
        dy = torch.randn(n, 5, dtype=torch.float64)
        ours = torch.autograd.grad(layer(x), [x, layer.weight, layer.bias], dy)
        torchs = torch.autograd.grad(twin(x), [x, twin.weight, twin.bias], dy)
        torch.testing.assert_close(ours, torchs, rtol=0, atol=ATOL)
    torch.testing.assert_close(layer.state_dict(), twin.state_dict(), rtol=0, atol=ATOL)
    x = torch.randn(4, 5, dtype=torch.float64)
    torch.testing.assert_close(layer.eval()(x), twin.eval()(x), rtol=0, atol=ATOL)


def test_each_loads_the_others_state_dict():
    layer, twin = BatchNorm1d(3), torch.nn.BatchNorm1d(3)
    layer(torch.randn(8, 3))

    twin.load_state_dict(layer.state_dict())
    copy = BatchNorm1d(3)
    copy.load_state_dict(twin.state_dict())

    assert copy.num_batches_tracked == 1
    torch.testing.assert_close(copy.state_dict(), layer.state_dict(), rtol=0, atol=0)


def test_it_starts_as_its_twin():
    layer, twin = BatchNorm1d(3), torch.nn.BatchNorm1d(3)

    assert (layer.eps, layer.momentum) == (twin.eps, twin.momentum)
    torch.testing.assert_close(layer.state_dict(), twin.state_dict(), rtol=0, atol=0)


def test_the_batch_is_normalized_by_the_biased_variance():
    x = torch.tensor([[0.0], [2.0]], dtype=torch.float64)  # biased variance 1, unbiased 2

    y = BatchNorm1d(1, eps=1e-12).double()(x)

    torch.testing.assert_close(y.flatten().tolist(), [-1.0, 1.0], rtol=0, atol=1e-11)  # eps / 2


def test_running_var_uses_the_unbiased_variance():
    layer = BatchNorm1d(1, momentum=1.0).double()

    layer(torch.tensor([[0.0], [2.0]], dtype=torch.float64))

    assert layer.running_var.item() == 2
    assert layer.running_mean.item() == 1


def test_momentum_is_the_share_of_the_new_value():
    layer = BatchNorm1d(1, momentum=0.25)

    layer(torch.tensor([[3.0], [5.0]]))

    assert layer.running_mean.item() == 0.75 * 0 + 0.25 * 4
    assert layer.running_var.item() == 0.75 * 1 + 0.25 * 2


def test_evaluation_changes_no_running_value_and_treats_each_sample_alone():
    layer = BatchNorm1d(3)
    layer(torch.randn(8, 3))
    layer.eval()
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    x = torch.randn(5, 3)

    together, alone = layer(x), torch.cat([layer(row) for row in x.split(1)])

    assert torch.equal(together, alone)
    torch.testing.assert_close(layer.state_dict(), before, rtol=0, atol=0)


def test_no_gradient_flows_into_the_running_values():
    layer = BatchNorm1d(3)

    layer(torch.randn(8, 3, requires_grad=True))

    assert not layer.running_mean.requires_grad
    assert not layer.running_var.requires_grad


def test_float32_survives_a_mean_of_1000_with_a_spread_of_a_hundredth():
    torch.manual_seed(0)
    x = 1000 + 0.01 * torch.randn(64, 8)
    layer = BatchNorm1d(8)

    y = layer(x)

    expected = by_hand.batch_norm(x.double().numpy(), np.ones(8), np.zeros(8))
    # x / sqrt(var + eps) is about 95,000 here, and float32 holds such a number to 0.004; it is
    # formed, and the mean's part taken off it, in a few roundings. mean(x^2) - mean(x)^2 in place
    # of the variance would be wrong in every digit.
    np.testing.assert_allclose(y.detach(), expected, rtol=0, atol=0.05)


def test_float32_gives_exactly_the_bias_for_a_constant_column():
    layer = BatchNorm1d(2)
    torch.nn.init.constant_(layer.bias, 0.5)

    y = layer(torch.tensor([[3.0, 7.0]] * 4))

    # (x - mean) is 0, and the rounding of 7 / sqrt(eps) = 2214 to 1.2e-4 is all that is left
    torch.testing.assert_close(y, torch.full((4, 2), 0.5), rtol=0, atol=5e-4)
    assert layer.running_var.tolist() == pytest.approx([0.9, 0.9], rel=1e-6)  # 0.9 * 1 + 0.1 * 0


def test_float32_takes_one_sample_in_evaluation():
    torch.manual_seed(0)
    layer = BatchNorm1d(8)
    layer(1000 + 0.01 * torch.randn(64, 8))
    layer.eval()
    x = torch.full((1, 8), 1000.0)

    y = layer(x)

    mean, var = layer.running_mean.double().numpy(), layer.running_var.double().numpy()
    expected = by_hand.batch_norm_evaluation(x.double().numpy(), np.ones(8), np.zeros(8), mean, var)
    # values of about 950, from terms of about 1000 that float32 holds to 6e-5
    np.testing.assert_allclose(y.detach(), expected, rtol=0, atol=5e-4)


WIDTH = "Make num_features equal to the last dimension of the input."


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (torch.zeros(8, 4), ValueError, f"input of shape (..., 5), got (8, 4). {WIDTH}"),
        (torch.tensor(1.0), ValueError, f"input of shape (..., 5), got (). {WIDTH}"),
        (
            torch.zeros(8, 3, 5),
            ValueError,
            "input of shape (N, 5), got (8, 3, 5). Give one row for each place: x.flatten(0, -2).",
        ),
        (
            torch.zeros(8, 5, 2, 2, 4),
            ValueError,
            "input of shape (..., 5), got (8, 5, 2, 2, 4). "
            "For channels use torch.nn.BatchNorm3d(5).",
        ),
        (
            torch.zeros(8, 5, 2, 2, 2, 4),
            ValueError,
            f"input of shape (..., 5), got (8, 5, 2, 2, 2, 4). {WIDTH}",
        ),
        (
            torch.zeros(5),
            ValueError,
            "input of shape (N, 5), got (5,). "
            "One sample is a batch of one: call eval(), then give it x[None].",
        ),
        (
            torch.zeros(8, 5, 1),
            ValueError,
            "input of shape (..., 5), got (8, 5, 1). Flatten each sample first: x.flatten(1).",
        ),
        (
            torch.zeros(8, 5, 4, 4),
            ValueError,
            "input of shape (..., 5), got (8, 5, 4, 4). For channels use torch.nn.BatchNorm2d(5).",
        ),
        (
            torch.zeros(1, 5),
            ValueError,
            "a training batch of 2 samples or more, got 1. "
            "Use a larger batch, drop the last one, or call eval() first.",
        ),
        (
            torch.zeros(0, 5),
            ValueError,
            "a training batch of 2 samples or more, got 0. "
            "Use a larger batch, drop the last one, or call eval() first.",
        ),
        (
            np.zeros((8, 5)),
            TypeError,
            "a torch.Tensor, got ndarray. "
            "Convert it first, e.g. torch.as_tensor(x, dtype=torch.float32).",
        ),
        (
            [[0.0] * 5] * 8,
            TypeError,
            "a torch.Tensor, got list. "
            "Convert it first, e.g. torch.as_tensor(x, dtype=torch.float32).",
        ),
        (
            torch.zeros(8, 5, dtype=torch.uint8),
            TypeError,
            "a floating-point tensor, got torch.uint8. Convert it first, e.g. x.float().",
        ),
        (
            torch.zeros(8, 5, dtype=torch.float64),
            TypeError,
            "input of dtype torch.float32, as its weight, got torch.float64. "
            "Convert one of the two, e.g. x.to(torch.float32).",
        ),
    ],
)
def test_wrong_input_says_expected_got_and_what_to_do_and_leaves_no_trace(x, error, words):
    layer = BatchNorm1d(5)

    with pytest.raises(error) as caught:
        layer(x)

    assert str(caught.value) == f"BatchNorm1d(5): expected {words}"
    assert layer.num_batches_tracked == 0


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        (
            {"num_features": 0},
            ValueError,
            "num_features to be a whole number, 1 or more, got 0. Choose num_features >= 1.",
        ),
        (
            {"num_features": 2.0},
            TypeError,
            "num_features to be a whole number, 1 or more, got 2.0. "
            "Pass a plain int for num_features.",
        ),
        ({"eps": 0}, ValueError, "eps above 0, got 0. Choose eps above 0."),
        (
            {"eps": -1e-5},
            ValueError,
            "eps to be a finite number in [0, inf], got -1e-05. Choose another eps.",
        ),
        (
            {"eps": float("nan")},
            ValueError,
            "eps to be a finite number in [0, inf], got nan. Choose another eps.",
        ),
        (
            {"eps": "1e-5"},
            TypeError,
            "eps to be a finite number in [0, inf], got '1e-5'. Pass an int or a float for eps.",
        ),
        ({"momentum": 0}, ValueError, "momentum above 0, got 0. Choose momentum above 0."),
        (
            {"momentum": 1.1},
            ValueError,
            "momentum to be a finite number in [0, 1], got 1.1. Choose another momentum.",
        ),
        (
            {"momentum": -0.1},
            ValueError,
            "momentum to be a finite number in [0, 1], got -0.1. Choose another momentum.",
        ),
        (
            {"momentum": None},
            TypeError,
            "momentum to be a finite number in [0, 1], got None. "
            "Pass an int or a float for momentum.",
        ),
    ],
)
def test_a_setting_out_of_range_is_refused_with_a_sentence(settings, error, words):
    with pytest.raises(error) as caught:
        BatchNorm1d(**{"num_features": 5, **settings})

    assert str(caught.value) == f"BatchNorm1d: expected {words}"


def test_it_prints_its_settings():
    assert repr(BatchNorm1d(5)) == "BatchNorm1d(5, eps=1e-05, momentum=0.1)"
