"""Cos against NumPy and torch, and the activations by name."""

import numpy as np
import pytest
import torch

from refnet import by_hand
from refnet.layers.activations import ACTIVATIONS, TORCHS_OWN, Cos, activation

ATOL = 1e-12  # float64: right formulas agree to about 1e-16


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (2, 3, 4)])
@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "cos"])
def test_each_activation_and_its_gradient_match_numpy(name, shape):
    rng = np.random.default_rng(0)
    x, dy = 3 * rng.standard_normal(shape), rng.standard_normal(shape)
    xt = torch.tensor(x, requires_grad=True)

    y = activation(name)(xt)
    y.backward(torch.tensor(dy))

    np.testing.assert_allclose(y.detach(), getattr(by_hand, name)(x), rtol=0, atol=ATOL)
    backward = getattr(by_hand, name + "_backward")
    np.testing.assert_allclose(xt.grad, backward(x, dy), rtol=0, atol=ATOL)


def test_cos_has_no_parameters_and_prints_its_name():
    assert list(Cos().parameters()) == []
    assert repr(Cos()) == "Cos()"


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_each_call_gives_a_new_layer(name):
    assert activation(name) is not activation(name)


@pytest.mark.parametrize(
    ("name", "error", "end"),
    [
        ("rleu", ValueError, "got 'rleu'. Did you mean 'relu'?"),
        ("ReLU", ValueError, "got 'ReLU'. Did you mean 'relu'?"),
        ("sigmoyd", ValueError, "got 'sigmoyd'. Did you mean 'sigmoid'?"),
        ("", ValueError, "got ''. Choose one of them."),
        (torch.nn.ReLU, TypeError, "Pass one of the names for name."),
        (None, TypeError, "got None. Pass one of the names for name."),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name, error, end):
    with pytest.raises(error) as caught:
        activation(name)

    message = str(caught.value)
    assert message.startswith(
        "activation: expected name to be one of relu, sigmoid, tanh, cos, got "
    )
    assert message.endswith(end)


@pytest.mark.parametrize("name", [*TORCHS_OWN, "GELU", "SiLU", "leaky_relu", "LeakyReLU"])
def test_a_layer_that_only_torch_has_is_named(name):
    own = {
        "gelu": "GELU",
        "silu": "SiLU",
        "swish": "SiLU",
        "elu": "ELU",
        "selu": "SELU",
        "leakyrelu": "LeakyReLU",
        "softplus": "Softplus",
        "mish": "Mish",
    }

    with pytest.raises(ValueError, match="activation") as caught:
        activation(name)

    kind = own[name.lower().replace("_", "")]
    assert str(caught.value) == (
        f"activation: expected name to be one of relu, sigmoid, tanh, cos, got {name!r}. "
        f"Put torch's own layer into a Sequential yourself: torch.nn.{kind}()."
    )


@pytest.mark.parametrize("code", TORCHS_OWN.values())
def test_the_layers_of_torch_that_are_named_are_there(code):
    assert isinstance(eval(code, {"torch": torch}), torch.nn.Module)
