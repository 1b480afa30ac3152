"""Start values: the variance aimed at, what it does through 20 layers, and the trap of zeros."""

import math

import pytest
import torch
from torch import nn

from refnet.layers import init
from refnet.layers.linear import Linear
from refnet.layers.sequential import Sequential

O, D = 400, 600  # noqa: E741 (the letters of the formulas)
# The variance of n normal draws is known to a standard deviation of sqrt(2 / n), that of uniform
# draws to sqrt(0.8 / n); for n = 240,000 that is 0.3 %: four of them
FOUR_SIGMA = 4 * math.sqrt(2 / (O * D))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


VARIANCES = {
    "normal": (lambda w, g: init.normal_(w, 0.05, g), 0.05**2),
    "xavier normal": (init.xavier_normal_, 2 / (D + O)),
    "xavier uniform": (init.xavier_uniform_, 2 / (D + O)),
    "he normal": (init.he_normal_, 2 / D),
    "he uniform": (init.he_uniform_, 2 / D),
}


@pytest.mark.parametrize("name", VARIANCES)
def test_the_measured_variance_is_the_one_aimed_at_and_the_mean_is_zero(name):
    fill, variance = VARIANCES[name]

    w = fill(torch.empty(O, D), seeded())

    assert w.var().item() == pytest.approx(variance, rel=FOUR_SIGMA)
    assert abs(w.mean().item()) < 4 * math.sqrt(variance / (O * D))


@pytest.mark.parametrize(
    ("fill", "variance"),
    [
        # fan_in = 64 * 5 * 5 and fan_out = 32 * 5 * 5
        (init.he_normal_, 2 / (64 * 25)),
        (init.he_uniform_, 2 / (64 * 25)),
        (init.xavier_normal_, 2 / (64 * 25 + 32 * 25)),
        (init.xavier_uniform_, 2 / (64 * 25 + 32 * 25)),
    ],
)
def test_in_a_convolution_the_fans_count_the_filter_too(fill, variance):
    w = fill(torch.empty(32, 64, 5, 5), seeded())

    assert w.var().item() == pytest.approx(variance, rel=4 * math.sqrt(2 / w.numel()))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (1, 1, 3, 3)])
def test_one_row_or_one_column_is_enough(shape):
    w = init.xavier_uniform_(torch.empty(shape), seeded())

    fans = (shape[0] + shape[1]) * w[0, 0].numel()
    assert 0 < w.abs().max().item() <= (6 / fans) ** 0.5


@pytest.mark.parametrize("fill", [init.xavier_uniform_, init.he_uniform_])
def test_uniform_draws_fill_their_interval_and_stay_inside(fill):
    w = fill(torch.empty(O, D), seeded())

    bound = math.sqrt(3 * w.var().item())  # U(-k, k) has the variance k^2 / 3
    assert w.abs().max().item() == pytest.approx(bound, rel=FOUR_SIGMA)


@pytest.mark.parametrize("fill", [init.xavier_normal_, init.he_normal_])
def test_normal_draws_have_the_tails_of_a_normal(fill):
    w = fill(torch.empty(O, D), seeded())

    beyond_two = (w.abs() > 2 * w.std()).double().mean().item()
    assert beyond_two == pytest.approx(0.0455, abs=4 * math.sqrt(0.0455 / (O * D)))


@pytest.mark.parametrize("name", VARIANCES)
def test_a_generator_decides_the_draws_and_the_same_tensor_comes_back(name):
    fill, _ = VARIANCES[name]
    w = nn.Parameter(torch.empty(3, 5))

    result = fill(w, seeded(1))

    assert result is w
    assert w.requires_grad
    assert torch.equal(w, fill(torch.empty(3, 5), seeded(1)))
    assert not torch.equal(w, fill(torch.empty(3, 5), seeded(2)))


@pytest.mark.parametrize(
    "fill", [init.xavier_normal_, init.xavier_uniform_, init.he_normal_, init.he_uniform_]
)
def test_without_a_generator_the_global_seed_decides(fill):
    torch.manual_seed(3)
    first = fill(torch.empty(3, 5))
    torch.manual_seed(3)

    assert torch.equal(first, fill(torch.empty(3, 5)))


def test_zeros_fills_with_zeros_in_place():
    w = nn.Parameter(torch.ones(2, 3))

    assert init.zeros_(w) is w
    assert w.count_nonzero() == 0
    assert w.requires_grad


def train(net, steps=20):
    torch.manual_seed(0)
    x = torch.randn(32, 3)
    labels = (x[:, 0] > 0.5).long()  # of unequal counts: equal ones cancel out at the start
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), labels).backward()
        optimizer.step()


def test_from_zeros_all_hidden_units_stay_equal():
    net = Sequential(Linear(3, 8), nn.Sigmoid(), Linear(8, 2))
    for layer in (net[0], net[2]):
        init.zeros_(layer.weight)
        init.zeros_(layer.bias)

    train(net)

    rows = net[0].weight
    assert rows.abs().max() > 0.01  # the units did learn,
    assert torch.equal(rows, rows[:1].expand_as(rows))  # all of them the same


def test_from_zeros_a_relu_net_learns_nothing_but_its_last_bias():
    net = Sequential(Linear(3, 8), nn.ReLU(), Linear(8, 2))
    for layer in (net[0], net[2]):
        init.zeros_(layer.weight)
        init.zeros_(layer.bias)

    train(net)

    assert [name for name, p in net.named_parameters() if p.any()] == ["2.bias"]


def test_from_normal_draws_the_hidden_units_go_their_own_ways():
    net = Sequential(Linear(3, 8), nn.Sigmoid(), Linear(8, 2))
    init.normal_(net[0].weight, 0.01, seeded())

    train(net)

    assert torch.unique(net[0].weight, dim=0).shape[0] == 8


WIDTH, LAYERS = 512, 20
# A layer's multiplication of the mean square scatters by a relative sqrt(5 / WIDTH) at most
# (ReLU), 20 of them by the factor exp(sqrt(20 * 5 / 512)) = 1.56: four times that in the exponent
SCATTER = 4 * math.sqrt(LAYERS * 5 / WIDTH) / math.log(10)
CHAINS = [
    # fill, activation, what one layer multiplies the mean square by
    (lambda w, g: init.normal_(w, 1, g), torch.relu, WIDTH / 2),
    (lambda w, g: init.normal_(w, 0.01, g), torch.relu, WIDTH * 0.01**2 / 2),
    (init.xavier_normal_, torch.relu, 1 / 2),
    (init.xavier_uniform_, torch.relu, 1 / 2),
    (init.he_normal_, torch.relu, 1),
    (init.he_uniform_, torch.relu, 1),
    (init.xavier_normal_, torch.clone, 1),
    (init.xavier_uniform_, torch.clone, 1),
    (init.he_normal_, torch.clone, 2),
]
NAMES = [
    "N(0, 1) explodes",
    "N(0, 0.01^2) vanishes",
    "Xavier normal halves with ReLU",
    "Xavier uniform halves with ReLU",
    "He normal keeps with ReLU",
    "He uniform keeps with ReLU",
    "Xavier normal keeps without activation",
    "Xavier uniform keeps without activation",
    "He normal doubles without activation",
]


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize(("fill", "activation", "factor"), CHAINS, ids=NAMES)
def test_the_variance_through_20_layers_is_the_factor_to_the_20th(
    fill, activation, factor, direction
):
    generator = seeded(0)
    x = torch.randn(64, WIDTH, generator=generator, dtype=torch.float64, requires_grad=True)
    h = x

    for _ in range(LAYERS):
        W = fill(torch.empty(WIDTH, WIDTH, dtype=torch.float64), generator)
        h = activation(h @ W.T)
    start, end = x, h
    if direction == "backward":
        start = torch.randn(64, WIDTH, generator=generator, dtype=torch.float64)
        h.backward(start)
        end = x.grad

    measured = (end.square().mean() / start.square().mean()).log10().item()
    assert measured == pytest.approx(LAYERS * math.log10(factor), abs=SCATTER)


def test_tanh_keeps_its_signal_with_xavier_and_loses_it_with_small_normals():
    x = torch.randn(64, WIDTH, generator=seeded(1))
    xavier, small = x, x
    generator = seeded(2)

    for _ in range(LAYERS):
        W = torch.empty(WIDTH, WIDTH)
        xavier = torch.tanh(xavier @ init.xavier_normal_(W, generator).T)
        small = torch.tanh(small @ init.normal_(W, 0.01, generator).T)

    # tanh(x)^2 = x^2 - 2/3 x^4 + ..., so that the variance v becomes v - 2 v^2 and, from layer to
    # layer, 1 / (2 * depth): a slow loss, no power; the higher terms are worth some 10 %
    assert xavier.var().item() == pytest.approx(1 / (2 * LAYERS), rel=0.3)
    assert small.var() < 1e-20


BIAS = "A bias has no fans: fill it with zeros_."


@pytest.mark.parametrize("name", ["xavier_normal_", "xavier_uniform_", "he_normal_", "he_uniform_"])
@pytest.mark.parametrize(
    ("weight", "error", "words"),
    [
        (
            torch.empty(5),
            ValueError,
            f"a weight of two dimensions or more, got (5,). {BIAS}",
        ),
        (
            torch.empty(0, 5),
            ValueError,
            "a weight that is not empty, got (0, 5). "
            "Give the layer one input and one output or more.",
        ),
        ([[0.0]], TypeError, "a torch.Tensor, got list. Pass the weight of a layer: layer.weight."),
    ],
)
def test_a_tensor_without_fans_is_refused(name, weight, error, words):
    with pytest.raises(error) as caught:
        getattr(init, name)(weight)

    assert str(caught.value) == f"{name}: expected {words}"


@pytest.mark.parametrize(
    ("where", "fill"),
    [
        ("zeros_", init.zeros_),
        ("normal_", lambda weight: init.normal_(weight, 0.01)),
        ("he_uniform_", init.he_uniform_),
    ],
)
def test_a_layer_or_whole_numbers_in_place_of_a_weight_are_refused(where, fill):
    with pytest.raises(TypeError) as caught:
        fill(nn.Linear(2, 2))
    do = "Pass the weight of a layer: layer.weight."
    assert str(caught.value) == f"{where}: expected a torch.Tensor, got Linear. {do}"

    with pytest.raises(TypeError) as caught:
        fill(torch.ones(2, 2, dtype=torch.int64))
    do = "Make it with dtype=torch.float32."
    assert str(caught.value) == f"{where}: expected a floating-point tensor, got torch.int64. {do}"


@pytest.mark.parametrize(
    ("std", "error"), [(-0.1, ValueError), (math.nan, ValueError), ("0.1", TypeError)]
)
def test_a_standard_deviation_that_is_none_is_refused(std, error):
    with pytest.raises(error) as caught:
        init.normal_(torch.empty(2, 2), std)

    assert str(caught.value).startswith("normal_: expected std to be a finite number in [0, inf]")
