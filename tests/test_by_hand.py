"""The NumPy witness against torch's own functions, in float64, and by itself without torch."""

import ast
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812 (torch's own habit)

from refnet import by_hand

ATOL = 1e-12  # float64: right formulas agree to about 3e-15, the smallest wrong one misses by 1e-6
SOURCE = pathlib.Path(by_hand.__file__)


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=ATOL)


def torch_values(function, *arrays, dy):
    """Return torch's result and its gradients with respect to all arrays."""
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = function(*tensors)
    grads = torch.autograd.grad(y, tensors, torch.as_tensor(dy, dtype=y.dtype))
    return y.detach().numpy(), *(g.numpy() for g in grads)


def normal(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


@pytest.mark.parametrize(("n", "d", "o"), [(1, 1, 1), (3, 5, 7), (64, 784, 10)])
def test_linear_and_its_gradients_match_torch(n, d, o):
    x, W, b, dy = normal((n, d), (o, d), (o,), (n, o))

    y, dx, dW, db = torch_values(F.linear, x, W, b, dy=dy)

    close(by_hand.linear(x, W, b), y)
    for ours, torchs in zip(by_hand.linear_backward(x, W, dy), (dx, dW, db), strict=True):
        close(ours, torchs)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (2, 3, 4)])
@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "cos"])
def test_an_activation_and_its_gradient_match_torch(name, shape):
    x, dy = normal(shape, shape)

    y, dx = torch_values(getattr(torch, name), x, dy=dy)

    close(getattr(by_hand, name)(x), y)
    close(getattr(by_hand, name + "_backward")(x, dy), dx)


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "cos"])
def test_an_activation_is_finite_and_right_at_zero_and_far_out(name):
    x, dy = np.array([0.0, -0.0, 1.0, -1.0, 40.0, -40.0, 1000.0, -1000.0]), np.full(8, 0.7)

    y, dx = torch_values(getattr(torch, name), x, dy=dy)

    close(getattr(by_hand, name)(x), y)
    close(getattr(by_hand, name + "_backward")(x, dy), dx)


def test_sigmoid_keeps_its_relative_precision_where_it_is_tiny():
    x = np.array([-50.0, -300.0])

    # for x << 0 the value is exp(x) to within exp(2x), far below the last bit
    np.testing.assert_allclose(by_hand.sigmoid(x), np.exp(x), rtol=1e-15)
    np.testing.assert_allclose(by_hand.sigmoid_backward(-x, 1.0), np.exp(x), rtol=1e-15)


@pytest.mark.parametrize(("n", "c"), [(1, 1), (3, 5), (64, 10)])
def test_softmax_and_its_gradient_match_torch(n, c):
    z, dp = normal((n, c), (n, c))

    p, dz = torch_values(lambda t: t.softmax(1), z, dy=dp)

    close(by_hand.softmax(z), p)
    close(by_hand.softmax_backward(z, dp), dz)
    close(by_hand.log_softmax(z), np.log(p))


@pytest.mark.parametrize("scale", [1, 1e4])  # at 1e4 a plain exp overflows, and warns
@pytest.mark.parametrize(("n", "c"), [(1, 2), (3, 5), (64, 10)])
def test_cross_entropy_and_its_gradient_match_torch_also_for_huge_logits(n, c, scale):
    z = normal((n, c))[0] * scale
    labels = np.random.default_rng(1).integers(0, c, n)
    t = torch.tensor(z, requires_grad=True)

    loss = F.cross_entropy(t, torch.tensor(labels))
    loss.backward()

    # the loss grows with the logits, and its rounding error with the loss
    np.testing.assert_allclose(
        by_hand.softmax_cross_entropy(z, labels), loss.item(), rtol=1e-14, atol=ATOL
    )
    close(by_hand.softmax_cross_entropy_backward(z, labels), t.grad)


def test_cross_entropy_of_equal_logits_is_the_logarithm_of_the_number_of_classes():
    assert by_hand.softmax_cross_entropy(np.zeros((4, 10)), np.arange(4)) == pytest.approx(
        np.log(10), abs=1e-15
    )


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (64, 10)])
def test_mean_squared_error_and_its_gradient_match_torch(shape):
    y, target = normal(shape, shape)
    t = torch.tensor(y, requires_grad=True)

    loss = F.mse_loss(t, torch.tensor(target))
    loss.backward()

    close(by_hand.mean_squared_error(y, target), loss.item())
    close(by_hand.mean_squared_error_backward(y, target), t.grad)


@pytest.mark.parametrize("eps", [1e-5, 0.3])
@pytest.mark.parametrize(("n", "c"), [(2, 1), (3, 5), (64, 256)])
def test_batch_norm_in_training_matches_torch(n, c, eps):
    x, gamma, beta, dy = normal((n, c), (c,), (c,), (n, c))

    def twin(x, gamma, beta):
        return F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)

    y, *gradients = torch_values(twin, x, gamma, beta, dy=dy)

    close(by_hand.batch_norm(x, gamma, beta, eps), y)
    for ours, torchs in zip(by_hand.batch_norm_backward(x, gamma, dy, eps), gradients, strict=True):
        close(ours, torchs)


@pytest.mark.parametrize("eps", [1e-5, 0.3])
@pytest.mark.parametrize(("n", "c"), [(1, 1), (3, 5)])
def test_batch_norm_in_evaluation_matches_torch(n, c, eps):
    x, gamma, beta, mean, dy = normal((n, c), (c,), (c,), (c,), (n, c))
    var = np.random.default_rng(2).uniform(0.5, 2, c)

    def twin(x, gamma, beta):
        running = torch.tensor(mean), torch.tensor(var)
        return F.batch_norm(x, *running, gamma, beta, training=False, eps=eps)

    y, *gradients = torch_values(twin, x, gamma, beta, dy=dy)

    close(by_hand.batch_norm_evaluation(x, gamma, beta, mean, var, eps), y)
    ours = by_hand.batch_norm_evaluation_backward(x, gamma, mean, var, dy, eps)
    for ours_one, torchs in zip(ours, gradients, strict=True):
        close(ours_one, torchs)


def test_the_constants_of_batch_norm_and_adam_are_those_of_torch():
    x, gamma, beta, dy = normal((3, 5), (5,), (5,), (3, 5))
    twin = torch.nn.BatchNorm1d(5)
    adam = torch.optim.Adam(twin.parameters()).defaults

    close(by_hand.batch_norm(x, gamma, beta), by_hand.batch_norm(x, gamma, beta, twin.eps))
    for some, others in [
        (
            by_hand.batch_norm_backward(x, gamma, dy),
            by_hand.batch_norm_backward(x, gamma, dy, 1e-5),
        ),
        (
            by_hand.batch_norm_running(x, beta, gamma),
            by_hand.batch_norm_running(x, beta, gamma, twin.momentum),
        ),
        (
            by_hand.batch_norm_evaluation_backward(x, gamma, beta, gamma**2, dy),
            by_hand.batch_norm_evaluation_backward(x, gamma, beta, gamma**2, dy, twin.eps),
        ),
        (
            by_hand.adam_step(x, dy, 0 * x, 0 * x, 1),
            by_hand.adam_step(x, dy, 0 * x, 0 * x, 1, adam["lr"], adam["betas"], adam["eps"]),
        ),
    ]:
        for one, other in zip(some, others, strict=True):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(
        by_hand.batch_norm_evaluation(x, gamma, beta, beta, gamma**2),
        by_hand.batch_norm_evaluation(x, gamma, beta, beta, gamma**2, twin.eps),
    )


@pytest.mark.parametrize("momentum", [0.1, 0.5, 1.0])
def test_running_values_of_batch_norm_match_torch_over_three_batches(momentum):
    mean, var = np.zeros(5), np.ones(5)
    twin = torch.nn.BatchNorm1d(5, momentum=momentum).double()

    for x in normal((3, 5), (7, 5), (64, 5)):
        mean, var = by_hand.batch_norm_running(x, mean, var, momentum)
        twin(torch.tensor(x))

    close(mean, twin.running_mean)
    close(var, twin.running_var)


@pytest.mark.parametrize(
    ("n", "c", "h", "w", "o", "k"), [(1, 1, 1, 1, 1, 1), (3, 2, 7, 6, 5, 3), (2, 6, 14, 14, 16, 5)]
)
def test_conv2d_and_its_gradients_match_torch(n, c, h, w, o, k):
    x, W, b, dy = normal((n, c, h, w), (o, c, k, k), (o,), (n, o, h - k + 1, w - k + 1))

    y, *gradients = torch_values(F.conv2d, x, W, b, dy=dy)

    close(by_hand.conv2d(x, W, b), y)
    for ours, torchs in zip(by_hand.conv2d_backward(x, W, dy), gradients, strict=True):
        close(ours, torchs)


@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (3, 2, 7, 5), (2, 6, 28, 28)])
def test_max_pool_and_its_gradient_match_torch_also_for_odd_sizes(shape):
    x, dy = normal(shape, (*shape[:2], shape[2] // 2, shape[3] // 2))

    y, dx = torch_values(lambda t: F.max_pool2d(t, 2), x, dy=dy)

    close(by_hand.max_pool2d(x), y)
    close(by_hand.max_pool2d_backward(x, dy), dx)


def test_max_pool_sends_the_gradient_of_a_tie_to_the_first_of_the_largest():
    x, dy = np.zeros((1, 1, 4, 4)), np.arange(4.0).reshape(1, 1, 2, 2)

    _, dx = torch_values(lambda t: F.max_pool2d(t, 2), x, dy=dy)

    close(by_hand.max_pool2d_backward(x, dy), dx)


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_five_steps_of_sgd_match_torch(momentum, nesterov):
    w, *gradients = normal(*[(3, 5)] * 6)
    twin = torch.nn.Parameter(torch.tensor(w))
    optimizer = torch.optim.SGD([twin], lr=0.1, momentum=momentum, nesterov=nesterov)

    v = np.zeros_like(w)
    for dw in gradients:
        w, v = by_hand.sgd_step(w, dw, v, 0.1, momentum, nesterov)
        twin.grad = torch.tensor(dw)
        optimizer.step()

    close(w, twin.detach())


def test_without_more_words_sgd_has_no_momentum_and_momentum_no_nesterov():
    w, dw, v = normal((3, 5), (3, 5), (3, 5))

    close(by_hand.sgd_step(w, dw, v, 0.1)[0], w - 0.1 * dw)
    close(by_hand.sgd_step(w, dw, v, 0.1, 0.9)[0], w - 0.1 * (0.9 * v + dw))


def test_five_steps_of_adam_match_torch():
    w, *gradients = normal(*[(3, 5)] * 6)
    twin = torch.nn.Parameter(torch.tensor(w))
    optimizer = torch.optim.Adam([twin], lr=0.05, betas=(0.8, 0.95), eps=1e-3)

    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, dw in enumerate(gradients, start=1):
        w, m, v = by_hand.adam_step(w, dw, m, v, t, 0.05, (0.8, 0.95), 1e-3)
        twin.grad = torch.tensor(dw)
        optimizer.step()

    close(w, twin.detach())


def test_nothing_that_is_given_is_changed():
    x, W, b, dy = normal((3, 3), (3, 3), (3,), (3, 3))
    before = [a.copy() for a in (x, W, b, dy)]

    by_hand.linear_backward(x, W, dy)
    by_hand.softmax_cross_entropy_backward(x, np.array([0, 1, 2]))
    by_hand.batch_norm_backward(x, b, dy)
    by_hand.sgd_step(x, dy, W, 0.1, 0.9)
    by_hand.adam_step(x, dy, W, W**2, 1)

    for old, new in zip(before, (x, W, b, dy), strict=True):
        np.testing.assert_array_equal(old, new)


def test_it_imports_numpy_and_nothing_else():
    imported = set()
    for node in ast.walk(ast.parse(SOURCE.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])

    assert imported == {"numpy"}


WITHOUT_TORCH = """
import runpy, sys
import numpy as np
sys.modules["torch"] = None  # from here on, import torch raises ImportError
hand = runpy.run_path(sys.argv[1])


def train(x, labels, widths, lr, steps):
    rng = np.random.default_rng(0)
    D, H, C = widths
    p = [rng.normal(size=(H, D)) / D**0.5, np.zeros(H)]
    p += [rng.normal(size=(C, H)) / H**0.5, np.zeros(C)]
    v = [np.zeros_like(w) for w in p]
    losses = []
    for _ in range(steps):
        sums = hand["linear"](x, p[0], p[1])
        h = hand["tanh"](sums)
        z = hand["linear"](h, p[2], p[3])
        losses.append(hand["softmax_cross_entropy"](z, labels))
        dz = hand["softmax_cross_entropy_backward"](z, labels)
        dh, *upper = hand["linear_backward"](h, p[2], dz)
        _, *lower = hand["linear_backward"](x, p[0], hand["tanh_backward"](sums, dh))
        new = [hand["sgd_step"](*t, lr, 0.9) for t in zip(p, lower + upper, v)]
        p, v = [w for w, _ in new], [u for _, u in new]
    return losses, (z.argmax(1) == labels).mean()


xor = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
losses, accuracy = train(xor, np.array([0, 1, 1, 0]), (2, 4, 2), 0.1, 500)
assert accuracy == 1, accuracy

rng = np.random.default_rng(1)
centres = rng.uniform(size=(10, 784))  # ten made-up classes: a random image each, plus noise
labels = np.arange(128) % 10
images = centres[labels] + 0.3 * rng.normal(size=(128, 784))
losses, accuracy = train(images, labels, (784, 256, 10), 0.01, 40)
assert losses[-1] < losses[0] / 10, losses
assert accuracy == 1, accuracy
try:
    import torch
except ImportError:
    print("trained without torch")
"""


def test_it_trains_xor_and_an_mnist_size_net_where_torch_cannot_be_imported():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(SOURCE)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert (done.returncode, done.stdout.strip()) == (0, "trained without torch"), done.stderr
