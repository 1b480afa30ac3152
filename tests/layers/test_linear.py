"""Linear against two independent witnesses: NumPy by hand, and torch.nn.Linear."""

import numpy as np
import pytest
import torch

from refnet import by_hand
from refnet.layers.linear import Linear

ATOL = 1e-12  # float64: the two agree to 3e-15, a wrong formula misses by 1e-2 or more


@pytest.mark.parametrize(("n", "d", "o"), [(1, 1, 1), (3, 5, 7), (32, 784, 10)])
def test_output_and_all_gradients_match_numpy(n, d, o):
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((n, d)), rng.standard_normal((n, o))
    layer = Linear(d, o).double()
    xt = torch.tensor(x, requires_grad=True)

    y = layer(xt)
    y.backward(torch.tensor(dy))  # a random upstream gradient, never y.sum()

    W, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    dx, dW, db = by_hand.linear_backward(x, W, dy)
    np.testing.assert_allclose(y.detach(), by_hand.linear(x, W, b), rtol=0, atol=ATOL)
    np.testing.assert_allclose(xt.grad, dx, rtol=0, atol=ATOL)
    np.testing.assert_allclose(layer.weight.grad, dW, rtol=0, atol=ATOL)
    np.testing.assert_allclose(layer.bias.grad, db, rtol=0, atol=ATOL)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5,), (1, 5), (32, 5), (2, 7, 5), (2, 3, 4, 5)])
def test_output_and_all_gradients_match_torch_for_every_rank(shape, bias):
    torch.manual_seed(0)
    twin, layer = torch.nn.Linear(5, 3, bias).double(), Linear(5, 3, bias).double()
    layer.load_state_dict(twin.state_dict())
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    dy = torch.randn(*shape[:-1], 3, dtype=torch.float64)

    ours = torch.autograd.grad(layer(x), [x, *layer.parameters()], dy)
    torchs = torch.autograd.grad(twin(x), [x, *twin.parameters()], dy)

    torch.testing.assert_close(layer(x), twin(x), rtol=0, atol=ATOL)
    torch.testing.assert_close(ours, torchs, rtol=0, atol=ATOL)


@pytest.mark.parametrize("bias", [True, False])
def test_each_loads_the_others_state_dict(bias):
    twin, layer = torch.nn.Linear(5, 3, bias), Linear(5, 3, bias)
    x = torch.randn(2, 5)

    layer.load_state_dict(twin.state_dict())
    copy = torch.nn.Linear(5, 3, bias)
    copy.load_state_dict(layer.state_dict())

    assert torch.equal(copy(x), twin(x))


def test_start_values_equal_torch_for_the_same_seed():
    torch.manual_seed(0)
    layer = Linear(6, 4)
    torch.manual_seed(0)
    twin = torch.nn.Linear(6, 4)

    # torch draws through kaiming_uniform_(a=sqrt(5)): the bound is the same up to float32 rounding
    torch.testing.assert_close(layer.weight, twin.weight, rtol=1e-6, atol=0)
    torch.testing.assert_close(layer.bias, twin.bias, rtol=1e-6, atol=0)


def test_start_values_have_the_variance_that_the_docstring_says():
    torch.manual_seed(0)
    layer = Linear(300, 1000)

    # the variance of 300,000 uniform draws is known to within 0.16 % (one standard deviation)
    assert layer.weight.var().item() == pytest.approx(1 / (3 * 300), rel=0.01)
    assert layer.weight.abs().max() <= 300**-0.5
    assert layer.bias.abs().max() <= 300**-0.5


def test_float32_agrees_with_numpy_to_the_rounding_of_784_products():
    torch.manual_seed(0)
    layer, x = Linear(784, 10), torch.randn(64, 784)

    expected = by_hand.linear(
        x.double().numpy(),
        layer.weight.detach().double().numpy(),
        layer.bias.detach().double().numpy(),
    )

    # 784 products of size 0.02, each rounded to 6e-8 of the sum so far, which stays below 3
    np.testing.assert_allclose(layer(x).detach(), expected, rtol=0, atol=5e-6)


def test_a_batch_of_no_samples_gives_no_outputs():
    assert Linear(5, 3)(torch.zeros(0, 5)).shape == (0, 3)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_passes_through_its_own_row_alone(value):
    x = torch.ones(3, 5)
    x[1, 2] = value

    finite = Linear(5, 3)(x).isfinite()

    assert finite.all(dim=1).tolist() == [True, False, True]


def test_many_layers_run_at_once_under_vmap():
    layers = [Linear(5, 3) for _ in range(4)]
    stacked, _ = torch.func.stack_module_state(layers)
    x = torch.randn(2, 5)

    def run(parameters):
        return torch.func.functional_call(layers[0], parameters, (x,))

    together = torch.func.vmap(run)(stacked)

    # one batched product in place of four: the same to float32 rounding of values below 5
    torch.testing.assert_close(together, torch.stack([f(x) for f in layers]), rtol=0, atol=2e-6)


def test_it_prints_as_its_twin():
    assert repr(Linear(784, 10)) == repr(torch.nn.Linear(784, 10))
    assert repr(Linear(784, 10, bias=False)) == repr(torch.nn.Linear(784, 10, bias=False))


WHERE, FLATTEN = "Linear(784 -> 10): expected ", "Flatten each sample first: x.flatten(1)."
ONE = "One sample is a batch of one: give the whole net x[None], or this layer x[None].flatten(1)."
SIZES = "Make in_features equal to the last dimension of the input."


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (
            torch.zeros(32, 1, 28, 28),
            ValueError,
            f"input of shape (..., 784), got (32, 1, 28, 28). {FLATTEN}",
        ),
        (
            torch.zeros(32, 28, 28),
            ValueError,
            f"input of shape (..., 784), got (32, 28, 28). {FLATTEN}",
        ),
        (
            torch.zeros(1, 1, 28, 28),
            ValueError,
            f"input of shape (..., 784), got (1, 1, 28, 28). {FLATTEN}",
        ),
        (
            torch.zeros(0, 1, 28, 28),
            ValueError,
            f"input of shape (..., 784), got (0, 1, 28, 28). {FLATTEN}",
        ),
        (torch.zeros(2, 783), ValueError, f"input of shape (..., 784), got (2, 783). {SIZES}"),
        (
            torch.zeros(3, 28, 27),
            ValueError,
            f"input of shape (..., 784), got (3, 28, 27). {SIZES}",
        ),
        (torch.zeros(28, 28), ValueError, f"input of shape (..., 784), got (28, 28). {ONE}"),
        (torch.tensor(1.0), ValueError, f"input of shape (..., 784), got (). {SIZES}"),
        (
            np.zeros((2, 784)),
            TypeError,
            "a torch.Tensor, got ndarray. "
            "Convert it first, e.g. torch.as_tensor(x, dtype=torch.float32).",
        ),
        (
            [[0.0] * 784],
            TypeError,
            "a torch.Tensor, got list. "
            "Convert it first, e.g. torch.as_tensor(x, dtype=torch.float32).",
        ),
        (
            np.zeros((2, 3, 784), np.float32),
            TypeError,
            "a torch.Tensor, got ndarray. "
            "Convert it first, e.g. torch.as_tensor(x, dtype=torch.float32).",
        ),
        (
            torch.zeros(2, 3, 784, dtype=torch.int64),
            TypeError,
            "a floating-point tensor, got torch.int64. Convert it first, e.g. x.float().",
        ),
        (
            torch.zeros(2, 784, dtype=torch.uint8),
            TypeError,
            "a floating-point tensor, got torch.uint8. Convert it first, e.g. x.float().",
        ),
        (
            torch.zeros(2, 784, dtype=torch.float64),
            TypeError,
            "input of dtype torch.float32, as its weight, got torch.float64. "
            "Convert one of the two, e.g. x.to(torch.float32).",
        ),
        (
            torch.zeros(2, 784, dtype=torch.float16),
            TypeError,
            "input of dtype torch.float32, as its weight, got torch.float16. "
            "Convert one of the two, e.g. x.to(torch.float32).",
        ),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_wrong_input_says_expected_got_and_what_to_do(x, error, words, bias):
    with pytest.raises(error) as caught:
        Linear(784, 10, bias)(x)

    assert str(caught.value) == WHERE + words


@pytest.mark.parametrize("name", ["in_features", "out_features"])
@pytest.mark.parametrize(
    ("value", "error"),
    [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError), ("8", TypeError)],
)
def test_a_size_that_is_no_positive_whole_number_is_refused(name, value, error):
    sizes = {"in_features": 2, "out_features": 2, name: value}

    with pytest.raises(error) as caught:
        Linear(**sizes)

    expected = f"Linear: expected {name} to be a whole number, 1 or more, got {value!r}. "
    assert str(caught.value).startswith(expected)


def test_an_error_that_is_not_about_the_input_stays_torchs_own():
    layer = Linear(5, 3)
    layer.bias = torch.nn.Parameter(torch.zeros(4))  # as after a bad piece of surgery

    with pytest.raises(RuntimeError, match=r"must match|not match"):
        layer(torch.zeros(2, 5))


def test_a_vector_is_not_told_to_be_flattened():
    with pytest.raises(ValueError, match=r"got \(5,\). Make in_features equal"):
        Linear(1, 2)(torch.zeros(5))


def test_one_input_and_one_output_are_enough():
    assert Linear(1, 1)(torch.zeros(1, 1)).shape == (1, 1)


def test_autocast_may_mix_dtypes():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = Linear(5, 3)(torch.zeros(2, 5, dtype=torch.bfloat16))

    assert y.dtype == torch.bfloat16
