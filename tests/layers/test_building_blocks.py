"""Blocks, layers and parameters of one's own: worked examples that a reader can copy.

Each example is what a course on deep learning shows, in the form in which it is right; where a
wrong form is often seen, a test shows what goes wrong with it.
"""

import pytest
import torch
from torch import Tensor, nn

from refnet import init
from refnet.layers.linear import Linear
from refnet.layers.models import LeNet, xor_net
from refnet.layers.sequential import Sequential

# A block of one's own: parameters come from the layers that __init__ stores, forward uses them


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = Linear(20, 256)
        self.out = Linear(256, 10)

    def forward(self, x):
        return self.out(torch.relu(self.hidden(x)))  # (N, 20) -> (N, 256) -> (N, 10)


def test_a_block_of_ones_own_registers_its_layers_and_gives_what_the_chain_gives():
    torch.manual_seed(0)
    block = Block()
    chain = Sequential(block.hidden, nn.ReLU(), block.out)
    x = torch.rand(2, 20)

    assert [name for name, _ in block.named_parameters()] == [
        "hidden.weight",
        "hidden.bias",
        "out.weight",
        "out.bias",
    ]
    assert torch.equal(block(x), chain(x))


def test_a_layer_kept_in_a_plain_list_is_not_registered():
    class Forgotten(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [Linear(2, 2)]  # nn.ModuleList([...]) would be seen

    assert list(Forgotten().parameters()) == []


# A Sequential from scratch: the names under which the layers are kept must be strings


class Chain(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        for i, layer in enumerate(layers):
            self.add_module(str(i), layer)

    def forward(self, x):
        for layer in self._modules.values():
            x = layer(x)
        return x


class ChainKeyedByLayers(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        for layer in layers:
            self._modules[layer] = layer

    def forward(self, x):
        for layer in self._modules.values():
            x = layer(x)
        return x


def test_a_sequential_from_scratch_equals_the_one_of_the_library():
    torch.manual_seed(0)
    layers = [nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10)]
    chain, library = Chain(*layers), nn.Sequential(*layers)
    x = torch.rand(2, 20)

    assert torch.equal(chain(x), library(x))
    assert list(chain.state_dict()) == list(library.state_dict())


def test_a_sequential_keyed_by_the_layers_themselves_has_no_state_dict_to_save():
    chain = ChainKeyedByLayers(nn.Linear(4, 2))

    assert chain(torch.zeros(1, 4)).shape == (1, 2)  # it computes,
    with pytest.raises(TypeError):
        chain.state_dict()  # but its names are no strings


def test_a_sequential_keyed_by_the_layers_themselves_runs_a_shared_layer_once():
    shared = nn.Linear(4, 4)
    x = torch.rand(1, 4)

    assert torch.equal(ChainKeyedByLayers(shared, shared)(x), shared(x))
    assert torch.equal(Chain(shared, shared)(x), shared(shared(x)))


# A fixed random layer, a layer used twice, and a loop in forward


class FixedAndLooped(nn.Module):
    """Halves its result until the sum of sizes is at most 1; returns the sum of what is left.

    A float32 sum is below 2^128, and each turn halves it, so 128 turns are enough for every
    finite sum. inf stays inf when halved, and would never get there; nan is not above 1 and ends
    the loop at once. Both are refused with the rest that is not finite.
    """

    def __init__(self):
        super().__init__()
        self.register_buffer("fixed", torch.rand(20, 20))  # saved, moved with the net, not trained
        self.linear = Linear(20, 20)

    def forward(self, x):
        x = self.linear(x)
        x = torch.relu(x @ self.fixed + 1)
        x = self.linear(x)  # the same layer again: shared parameters
        size = x.abs().sum()
        if not torch.isfinite(size):
            raise ValueError("FixedAndLooped: expected finite sums, got inf or nan. Scale x down.")
        while size > 1:
            x, size = x / 2, size / 2  # not x /= 2, which autograd may need unchanged
        return x.sum()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("scale", [0, 1e-30, 1, 1e10, 1e30, 1e34])
def test_the_loop_in_forward_ends_for_every_finite_size(scale):
    torch.manual_seed(0)
    block = FixedAndLooped()

    y = block(scale * torch.rand(2, 20))
    y.backward()

    assert y.abs() <= 1
    assert torch.isfinite(block.linear.weight.grad).all()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 3e38])
def test_the_loop_in_forward_refuses_what_would_never_end(value):
    torch.manual_seed(0)

    with pytest.raises(ValueError, match="expected finite sums"):
        FixedAndLooped()(torch.full((2, 20), value))


def test_a_sum_of_finite_values_may_be_infinite_and_halving_the_values_ends_all_the_same():
    x = torch.full((2, 20), 3e38)  # each finite, their sum not
    turns = 0

    while x.abs().sum() > 1:  # taken anew each turn, the sum comes back below infinity
        x, turns = x / 2, turns + 1

    assert turns == 134  # 40 * 3e38 = 1.2e40 lies between 2^133 and 2^134


def test_an_infinite_value_is_still_infinite_after_every_halving():
    x = torch.tensor([float("inf")])

    assert (x / 2.0**100).abs().sum() > 1


def test_a_fixed_layer_is_saved_and_moved_but_not_trained():
    block = FixedAndLooped()
    before = block.fixed.clone()
    optimizer = torch.optim.SGD(block.parameters(), lr=0.1)

    block(torch.rand(2, 20)).backward()
    optimizer.step()

    assert torch.equal(block.fixed, before)
    assert "fixed" in block.state_dict()
    assert block.double().fixed.dtype == torch.float64
    assert "fixed" not in dict(block.named_parameters())


def test_a_plain_tensor_attribute_is_neither_saved_nor_moved():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.fixed = torch.rand(2, 2)

    assert list(Plain().state_dict()) == []
    assert Plain().double().fixed.dtype == torch.float32


# Nested blocks


def nested():
    def small():
        return Sequential(Linear(4, 8), nn.ReLU(), Linear(8, 4), nn.ReLU())

    return Sequential(Sequential(*[small() for _ in range(4)]), Linear(4, 1))


def test_blocks_nest_and_names_show_the_path():
    net = nested()

    assert net(torch.rand(2, 4)).shape == (2, 1)
    assert net[0][1][2].out_features == 4
    assert "0.1.2.weight" in net.state_dict()
    assert sum(p.numel() for p in net.parameters()) == 4 * (40 + 36) + 5


def test_blocks_of_ones_own_take_their_place_in_a_chain():
    torch.manual_seed(0)
    net = Sequential(Block(), Linear(10, 20), FixedAndLooped())

    assert net(torch.rand(2, 20)).shape == ()


# Layers of one's own, without and with parameters


class Centered(nn.Module):
    def forward(self, x):
        return x - x.mean()


class OwnLinear(nn.Module):
    def __init__(self, in_units, out_units):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_units, out_units))
        self.bias = nn.Parameter(torch.randn(out_units))

    def forward(self, x):
        return torch.relu(x @ self.weight + self.bias)


class DetachedLinear(OwnLinear):
    def forward(self, x):
        return torch.relu(x @ self.weight.data + self.bias.data)


def test_a_layer_without_parameters_takes_the_mean_away():
    assert Centered()(torch.tensor([1.0, 2, 3, 4, 5])).tolist() == [-2, -1, 0, 1, 2]

    y = Sequential(Linear(8, 128), Centered())(torch.rand(4, 8))

    assert abs(y.mean().item()) < 1e-6  # 512 values below 2 sum to 0 to within float32's rounding


def test_a_layer_with_parameters_is_found_by_the_optimizer_and_learns():
    torch.manual_seed(0)
    net = Sequential(OwnLinear(64, 8), OwnLinear(8, 1))
    before = [p.clone() for p in net.parameters()]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    net(torch.rand(16, 64)).square().mean().backward()
    optimizer.step()

    assert [tuple(p.shape) for p in before] == [(64, 8), (8,), (8, 1), (1,)]
    assert not any(torch.equal(old, new) for old, new in zip(before, net.parameters(), strict=True))


def test_parameters_used_through_data_never_learn():
    layer = DetachedLinear(5, 3)

    y = layer(torch.rand(2, 5))

    assert not y.requires_grad  # autograd saw plain numbers: there is nothing to go back to
    with pytest.raises(RuntimeError, match="does not require grad"):
        y.sum().backward()


# Access to parameters


def test_a_parameter_is_reached_by_position_by_name_and_by_path():
    net = xor_net()

    by_name = dict(net.named_parameters())

    assert net[2].bias is by_name["2.bias"]
    assert net.get_parameter("2.bias") is by_name["2.bias"]
    assert torch.equal(net.state_dict()["2.bias"], net[2].bias)
    assert isinstance(net[2].bias, nn.Parameter)
    assert {name: tuple(p.shape) for name, p in by_name.items()} == {
        "0.weight": (4, 2),
        "0.bias": (4,),
        "2.weight": (2, 4),
        "2.bias": (2,),
    }


def test_a_parameter_has_no_gradient_before_the_first_backward():
    net = xor_net()

    assert net[2].weight.grad is None
    net(torch.zeros(1, 2)).sum().backward()
    assert net[2].weight.grad.shape == net[2].weight.shape


# Shared layers


def shared_net():
    shared = Linear(8, 8)
    return Sequential(Linear(4, 8), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), Linear(8, 1))


def test_a_shared_layer_is_one_layer_in_two_places():
    net = shared_net()

    with torch.no_grad():
        net[2].weight[0, 0] = 100

    assert net[2] is net[4]
    assert net[4].weight[0, 0] == 100
    assert len(list(net.parameters())) == 6


def test_the_gradient_of_a_shared_layer_is_the_sum_of_both_places():
    torch.manual_seed(0)
    net, apart = shared_net().double(), shared_net().double()
    apart.load_state_dict(net.state_dict())
    separate = [Linear(8, 8).double() for _ in range(2)]
    for layer in separate:
        layer.load_state_dict(net[2].state_dict())
    apart = Sequential(
        apart[0], nn.ReLU(), separate[0], nn.ReLU(), separate[1], nn.ReLU(), apart[6]
    )
    x, dy = torch.rand(3, 4, dtype=torch.float64), torch.rand(3, 1, dtype=torch.float64)

    net(x).backward(dy)
    apart(x).backward(dy)

    together = separate[0].weight.grad + separate[1].weight.grad
    # float64: one addition apart
    torch.testing.assert_close(net[2].weight.grad, together, rtol=0, atol=1e-12)


# Start values for some blocks only


def test_start_values_go_to_the_layers_that_are_chosen():
    torch.manual_seed(0)
    net = Sequential(Linear(4, 8), nn.ReLU(), Linear(8, 1))
    bound = (6 / (4 + 8)) ** 0.5

    init.xavier_uniform_(net[0].weight)
    nn.init.constant_(net[2].weight, 42)

    assert net[0].weight.abs().max() <= bound
    assert net[0].weight.unique().numel() == 32
    assert net[2].weight.unique().tolist() == [42]


def test_apply_reaches_every_linear_layer_and_nothing_else():
    def start(module):
        if isinstance(module, Linear):
            init.normal_(module.weight, 0.01)
            init.zeros_(module.bias)

    torch.manual_seed(0)
    net = nested()
    net.apply(start)

    weights = torch.cat([p.flatten() for name, p in net.named_parameters() if "weight" in name])
    biases = torch.cat([p.flatten() for name, p in net.named_parameters() if "bias" in name])
    # 260 draws: their standard deviation is known to 1 / sqrt(520) = 4.4 %, four times that
    assert weights.std().item() == pytest.approx(0.01, rel=0.18)
    assert biases.count_nonzero() == 0


# The graph behind a result, walked from the loss to the input


def graph_lines(y: Tensor, names: dict[str, Tensor], depth: int = 100) -> list[str]:
    """Return the graph behind ``y``, one line for each step back, indented by its distance.

    A leaf shows the name that ``names`` gives to its tensor, or its shape.
    """
    by_id = {id(tensor): name for name, tensor in names.items()}
    lines = []
    waiting = [(y.grad_fn, 0)]
    while waiting:
        node, distance = waiting.pop()
        if node is None or distance > depth:
            continue
        leaf = getattr(node, "variable", None)
        label = node.name() if leaf is None else by_id.get(id(leaf), str(tuple(leaf.shape)))
        lines.append("  " * distance + label)
        waiting += [(child, distance + 1) for child, _ in reversed(node.next_functions)]
    return lines


def test_the_walk_goes_from_the_loss_to_every_parameter():
    net = xor_net()
    loss = nn.functional.cross_entropy(net(torch.zeros(4, 2)), torch.tensor([0, 1, 1, 0]))

    assert graph_lines(loss, dict(net.named_parameters())) == [
        "NllLossBackward0",
        "  LogSoftmaxBackward0",
        "    AddmmBackward0",
        "      2.bias",
        "      TanhBackward0",
        "        AddmmBackward0",
        "          0.bias",
        "          TBackward0",
        "            0.weight",
        "      TBackward0",
        "        2.weight",
    ]


def test_the_walk_shows_the_input_where_it_wants_a_gradient():
    x = torch.zeros(3, 2, requires_grad=True)

    assert graph_lines(x.cos().sum(), {}) == ["SumBackward0", "  CosBackward0", "    (3, 2)"]


def test_the_walk_through_lenet_finds_all_ten_parameters_and_both_poolings():
    net = LeNet()
    names = dict(net.named_parameters())

    lines = [line.strip() for line in graph_lines(net(torch.zeros(1, 1, 32, 32)), names)]

    assert set(names) <= set(lines)
    assert sum("MaxPool2D" in line for line in lines) == 2
    assert sum("Convolution" in line for line in lines) == 2


def test_there_is_no_graph_where_none_was_asked_for():
    with torch.no_grad():
        y = xor_net()(torch.zeros(4, 2))

    assert graph_lines(y, {}) == []
