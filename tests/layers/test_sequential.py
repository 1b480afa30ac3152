"""Sequential beside torch.nn.Sequential, its sentences, its table, and fully_connected."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from refnet.layers.activations import Cos
from refnet.layers.batchnorm import BatchNorm1d
from refnet.layers.linear import Linear
from refnet.layers.sequential import Sequential, fully_connected


def test_output_and_all_gradients_match_torch():
    torch.manual_seed(0)
    net = Sequential(Linear(5, 7), nn.Tanh(), Linear(7, 3)).double()
    twin = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double()
    twin.load_state_dict(net.state_dict())
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    dy = torch.randn(4, 3, dtype=torch.float64)

    ours = torch.autograd.grad(net(x), [x, *net.parameters()], dy)
    torchs = torch.autograd.grad(twin(x), [x, *twin.parameters()], dy)

    # float64: the same products in the same order agree to about 1e-16
    torch.testing.assert_close(net(x), twin(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(ours, torchs, rtol=0, atol=1e-12)


def test_each_loads_the_others_state_dict():
    net, twin = (
        Sequential(Linear(2, 3), Linear(3, 1)),
        nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)),
    )

    net.load_state_dict(twin.state_dict())
    twin.load_state_dict(net.state_dict())

    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert torch.equal(net(torch.ones(1, 2)), twin(torch.ones(1, 2)))


def test_length_iteration_and_index():
    layers = [Linear(2, 3), nn.ReLU(), Linear(3, 1)]
    net = Sequential(*layers)

    assert len(net) == 3
    assert list(net) == layers
    assert net[0] is layers[0]
    assert net[-1] is layers[2]
    with pytest.raises(IndexError):
        net[3]


@pytest.mark.parametrize(
    "part", [slice(None, -1), slice(1, None), slice(None), slice(0, 0), slice(None, None, -1)]
)
def test_a_slice_is_a_chain_of_the_same_layers_under_the_names_of_its_twin(part):
    layers = [Linear(3, 3), nn.Tanh(), Linear(3, 3)]
    net, twin = Sequential(*layers), nn.Sequential(*layers)
    x = torch.rand(2, 3)

    assert type(net[part]) is Sequential
    assert list(net[part]) == layers[part]
    assert torch.equal(net[part](x), twin[part](x))
    assert list(net[part].state_dict()) == list(twin[part].state_dict())
    net[part].load_state_dict(twin[part].state_dict())
    assert repr(net[part]) == repr(twin[part])


def test_a_slice_shares_the_parameters_and_the_mode_of_the_whole():
    net = Sequential(Linear(3, 4), nn.Dropout(), Linear(4, 1)).eval()

    part = net[:-1]

    assert part[0].weight is net[0].weight
    assert not part.training
    assert part.train().training
    assert not net.training


def test_a_slice_of_a_slice_and_a_layer_given_twice():
    shared = Linear(3, 3)
    net = Sequential(shared, nn.Tanh(), shared)

    assert list(net[1:][1:]) == [shared]
    assert list(net[::2]) == [shared, shared]
    assert net[1:][-1] is shared


def test_a_slice_survives_a_pickle_and_a_copy():
    net = Sequential(Linear(3, 4), nn.Tanh(), Linear(4, 1))
    x = torch.rand(2, 3)

    for part in (pickle.loads(pickle.dumps(net[1:])), copy.deepcopy(net)[1:]):
        assert list(part.state_dict()) == ["2.weight", "2.bias"]
        assert torch.equal(part(net[0](x)), net(x))


def test_a_layer_that_breaks_in_a_slice_is_counted_from_its_start():
    with pytest.raises(ValueError, match=r"Sequential: layer 0, Linear\(in_features=4"):
        Sequential(Linear(3, 4), Linear(4, 1))[1:](torch.zeros(2, 3))


def test_no_layers_give_back_the_input():
    x = torch.ones(2)

    assert Sequential()(x) is x


def test_a_layer_given_twice_runs_twice_and_shares_its_parameters():
    shared = Linear(4, 4)
    net = Sequential(shared, nn.Tanh(), shared)
    x = torch.randn(3, 4)

    assert torch.equal(net(x), shared(torch.tanh(shared(x))))
    assert len(list(net.parameters())) == 2


def test_it_prints_as_its_twin():
    assert repr(Sequential(nn.Flatten(), nn.ReLU())) == repr(nn.Sequential(nn.Flatten(), nn.ReLU()))


@pytest.mark.parametrize(
    ("layer", "got"),
    [
        (nn.ReLU, "the class ReLU. Make one of it: write ReLU()."),
        (Cos, "the class Cos. Make one of it: write Cos()."),
        ("relu", "'relu'. Make one of the name: refnet.activation('relu')."),
        ([nn.ReLU()], "a list. Give the layers one by one: Sequential(*layers)."),
        ((nn.ReLU(),), "a tuple. Give the layers one by one: Sequential(*layers)."),
        (None, "None. Wrap it in a layer of your own, a subclass of nn.Module."),
        (Linear, "the class Linear. Make one of it: write Linear(in_features, out_features)."),
        (Sequential, "the class Sequential. Make one of it: write Sequential()."),
        ("Tanh", "'Tanh'. Make one of the name: refnet.activation('tanh')."),
        ("gelu", "'gelu'. Give the layer itself, e.g. torch.nn.GELU()."),
        ({"a": nn.ReLU()}, "a dict. Give the layers one by one: Sequential(*layers.values())."),
        (
            nn.ModuleDict({"a": nn.ReLU()}),
            "a ModuleDict. Give the layers one by one: Sequential(*layers.values()).",
        ),
        (
            nn.ModuleList([nn.ReLU()]),
            "a ModuleList. Give the layers one by one: Sequential(*layers).",
        ),
    ],
)
def test_what_is_no_layer_is_refused_with_what_to_write(layer, got):
    with pytest.raises(TypeError) as caught:
        Sequential(Linear(2, 2), layer)

    expected = "Sequential: expected layer 1 to be a layer (an nn.Module), got "
    assert str(caught.value) == expected + got


def test_a_function_is_refused_as_a_layer():
    with pytest.raises(TypeError, match=r"got <built-in method relu .*Wrap it in a layer"):
        Sequential(torch.relu)


def test_a_layer_that_breaks_is_named_with_the_shape_it_got():
    net = Sequential(nn.Flatten(), Linear(784, 256), nn.ReLU(), Linear(255, 10))

    with pytest.raises(ValueError, match="Sequential") as caught:
        net(torch.zeros(64, 28, 28))

    assert str(caught.value) == (
        "Sequential: layer 3, Linear(in_features=255, out_features=10, bias=True), was given "
        "(64, 256): Linear(255 -> 10): expected input of shape (..., 255), got (64, 256). "
        "Make in_features equal to the last dimension of the input."
    )
    assert str(caught.value.__cause__).startswith("Linear(255 -> 10): expected ")


@pytest.mark.parametrize(
    ("layer", "x", "words"),
    [
        (nn.Linear(5, 2), torch.zeros(3, 4), ["Linear(in_features=5", "(3, 4)", "mat1 and mat2"]),
        (nn.Conv2d(3, 6, 5), torch.zeros(2, 1, 9, 9), ["Conv2d(3, 6", "(2, 1, 9, 9)", "channels"]),
        (nn.Flatten(), torch.tensor(1.0), ["Flatten(", "()", "Dimension out of range"]),
        (nn.BatchNorm1d(4), torch.zeros(2, 5), ["BatchNorm1d(4", "(2, 5)", "running_mean"]),
        (nn.Sigmoid(), torch.zeros(2).to_sparse(), ["Sigmoid()", "(2,)", "Sparse"]),
    ],
)
def test_an_error_of_torch_becomes_a_sentence_that_keeps_torchs_reason(layer, x, words):
    with pytest.raises(ValueError, match="Sequential: layer 1, ") as caught:
        Sequential(nn.Identity(), layer)(x)

    message = str(caught.value)
    assert f"expected input that it can take, got {tuple(x.shape)} of torch.float32. " in message
    assert all(word in message for word in [*words, "Torch says: "])
    assert "\n" not in message
    assert isinstance(caught.value.__cause__, RuntimeError | IndexError)


@pytest.mark.parametrize("layer", [nn.Flatten(), nn.ReLU(), Linear(4, 2), nn.Linear(4, 2)])
@pytest.mark.parametrize("x", [np.zeros((3, 4), np.float32), [[1.0]], None, 3])
def test_an_input_that_is_no_tensor_is_refused_by_any_first_layer(layer, x):
    with pytest.raises(TypeError) as caught:
        Sequential(layer, nn.ReLU())(x)

    message = str(caught.value)
    assert message.startswith(f"Sequential: layer 0, {layer!r}: expected a torch.Tensor, got ")
    assert message.endswith(
        f"{type(x).__name__}. Convert it first, e.g. torch.as_tensor(x, dtype=torch.float32)."
    )


class Pair(nn.Module):
    def forward(self, x):
        return x, x


def test_a_layer_that_returned_no_tensor_is_named():
    with pytest.raises(TypeError) as caught:
        Sequential(Pair(), Linear(3, 2))(torch.zeros(1, 3))

    assert str(caught.value) == (
        "Sequential: layer 1, Linear(in_features=3, out_features=2, bias=True): expected a "
        "torch.Tensor, got tuple. Layer 0 returned it: let a layer of your own take the tensor out "
        "of it."
    )


def test_the_type_of_a_wrong_dtype_stays_a_type_error():
    net = Sequential(nn.Flatten(), Linear(784, 10))

    with pytest.raises(TypeError, match=r"layer 1.*got torch.uint8. Convert it first") as caught:
        net(torch.zeros(64, 28, 28, dtype=torch.uint8))

    assert isinstance(caught.value.__cause__, TypeError)


def test_a_chain_in_a_chain_names_both_layers():
    net = Sequential(Sequential(nn.Identity(), Linear(3, 2)))

    with pytest.raises(ValueError, match="was given") as caught:
        net(torch.zeros(1, 4))

    start = "Sequential: layer 0, Sequential, was given (1, 4): Sequential: layer 1, Linear("
    assert str(caught.value).startswith(start)


class Broken(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("full"),
        AttributeError("no such thing"),
        RecursionError(),
        KeyError(1),
    ],
)
def test_an_error_that_is_not_about_the_input_passes_unchanged(error):
    with pytest.raises(type(error)) as caught:
        Sequential(Broken(error))(torch.zeros(1))

    assert caught.value is error


def test_a_torch_error_without_words_still_becomes_a_sentence():
    with pytest.raises(ValueError, match=r"got \(1,\) of torch.float32. Torch says:$"):
        Sequential(Broken(RuntimeError()))(torch.zeros(1))


TABLE = """\
layer          output shape  parameters
0 Flatten      (1, 784)               0
1 Linear       (1, 256)         200,960
2 BatchNorm1d  (1, 256)             512
3 ReLU         (1, 256)               0
4 Linear       (1, 10)            2,570
total                           204,042"""


def test_the_table_shows_layers_shapes_and_parameters_even_for_one_sample():
    net = Sequential(nn.Flatten(), Linear(784, 256), BatchNorm1d(256), nn.ReLU(), Linear(256, 10))

    assert net.table(torch.zeros(1, 28, 28)) == TABLE


def test_the_table_changes_nothing():
    net = Sequential(Linear(3, 4), BatchNorm1d(4).eval(), Sequential(nn.Dropout()), BatchNorm1d(4))
    modes = [module.training for module in net.modules()]
    before = {name: value.clone() for name, value in net.state_dict().items()}

    net.table(torch.randn(8, 3))

    assert [module.training for module in net.modules()] == modes
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)


def test_the_table_names_the_layer_that_breaks_and_restores_the_mode():
    net = Sequential(Linear(3, 4), Linear(5, 1))

    with pytest.raises(ValueError, match=r"Sequential: layer 1, Linear\(in_features=5"):
        net.table(torch.zeros(8, 3))

    assert net.training


def test_the_total_counts_shared_parameters_once_wherever_they_are_shared():
    shared = Linear(4, 4)

    table = Sequential(shared, shared, Sequential(shared)).table(torch.zeros(2, 4))

    assert table.splitlines()[1:] == [
        "0 Linear      (2, 4)                20",
        "1 Linear      (2, 4)                20",
        "2 Sequential  (2, 4)                20",
        "total                               20",
    ]


@pytest.mark.parametrize(
    ("activation", "batch_norm", "kinds"),
    [
        ("relu", False, [Linear, nn.ReLU]),
        ("tanh", False, [Linear, nn.Tanh]),
        ("cos", True, [Linear, BatchNorm1d, Cos]),
    ],
)
def test_fully_connected_is_linear_then_batch_norm_then_activation(activation, batch_norm, kinds):
    block = fully_connected(2, 64, activation, batch_norm)

    assert [type(layer) for layer in block] == kinds
    assert block(torch.zeros(8, 2)).shape == (8, 64)
    parameters = 2 * 64 + 64 + 2 * 64 * batch_norm
    assert sum(p.numel() for p in block.parameters()) == parameters


def test_fully_connected_is_relu_without_batch_norm_by_default():
    assert [type(layer) for layer in fully_connected(2, 3)] == [Linear, nn.ReLU]


def test_fully_connected_suggests_the_nearest_activation():
    with pytest.raises(ValueError, match="Did you mean 'tanh'"):
        fully_connected(2, 3, "than")
