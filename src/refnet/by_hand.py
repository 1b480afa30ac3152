"""The mathematics of the course in NumPy, forward and backward, sharing no code with the layers.

Letters: N batch, D inputs, O outputs, C classes, columns or channels, H and W
height and width, k filter size. ``dy`` is the gradient of a loss with respect to y; a function
``f_backward`` turns it into the gradients with respect to what ``f`` was given.

>>> x, labels = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])  # XOR
>>> rng = np.random.default_rng(0)
>>> parameters = [rng.normal(size=s) for s in [(4, 2), (4,), (2, 4), (2,)]]
>>> for step in range(500):
...     W1, b1, W2, b2 = parameters
...     sums = linear(x, W1, b1)  # (4, 2) -> (4, 4)
...     h = tanh(sums)
...     dz = softmax_cross_entropy_backward(linear(h, W2, b2), labels)
...     dh, dW2, db2 = linear_backward(h, W2, dz)
...     _, dW1, db1 = linear_backward(x, W1, tanh_backward(sums, dh))
...     steps = zip(parameters, (dW1, db1, dW2, db2), strict=True)
...     parameters = [sgd_step(w, dw, 0, lr=1)[0] for w, dw in steps]
>>> linear(tanh(linear(x, W1, b1)), W2, b2).argmax(axis=1)
array([0, 1, 1, 0])
"""

# mypy: disable-error-code="no-any-return"
# (numpy types many of its results as Any)

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def linear(x: Array, W: Array, b: Array) -> Array:
    """Return y = x W^T + b, for x (N, D), W (O, D), b (O,); y is (N, O)."""
    return x @ W.T + b


def linear_backward(x: Array, W: Array, dy: Array) -> tuple[Array, Array, Array]:
    """Return dx (N, D), dW (O, D) and db (O,), given dy (N, O)."""
    return dy @ W, dy.T @ x, dy.sum(axis=0)


def relu(x: Array) -> Array:
    """Return max(x, 0) of each element."""
    return np.maximum(x, 0)


def relu_backward(x: Array, dy: Array) -> Array:
    """Return dx = dy where x > 0, else 0 (at x = 0 any slope in [0, 1] would do; torch takes 0)."""
    return dy * (x > 0)


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), written so that no exponential overflows."""
    e = np.exp(-np.abs(x))  # in (0, 1]
    return np.where(x >= 0, 1, e) / (1 + e)


def sigmoid_backward(x: Array, dy: Array) -> Array:
    """Return dx = dy y (1 - y), with y = sigmoid(x) and 1 - y = sigmoid(-x)."""
    return dy * sigmoid(x) * sigmoid(-x)


def tanh(x: Array) -> Array:
    """Return (exp(x) - exp(-x)) / (exp(x) + exp(-x)), which is 2 sigmoid(2x) - 1."""
    return np.tanh(x)


def tanh_backward(x: Array, dy: Array) -> Array:
    """Return dx = dy (1 - tanh(x)^2)."""
    return dy * (1 - np.tanh(x) ** 2)


def cos(x: Array) -> Array:
    """Return the cosine of each element."""
    return np.cos(x)


def cos_backward(x: Array, dy: Array) -> Array:
    """Return dx = -dy sin(x)."""
    return -dy * np.sin(x)


def log_softmax(z: Array) -> Array:
    """Return log(exp(z_c) / sum_j exp(z_j)) for each row of z (N, C).

    The row's maximum m is taken out first, log(sum exp(z)) = m + log(sum exp(z - m)): the result
    is the same, and no exponential is larger than 1.
    """
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def softmax(z: Array) -> Array:
    """Return p_c = exp(z_c) / sum_j exp(z_j), each row of z (N, C) turned into probabilities."""
    return np.exp(log_softmax(z))


def softmax_backward(z: Array, dp: Array) -> Array:
    """Return dz_c = p_c (dp_c - sum_j dp_j p_j), given dp (N, C)."""
    p = softmax(z)
    return p * (dp - (dp * p).sum(axis=1, keepdims=True))


def softmax_cross_entropy(z: Array, labels: NDArray[np.int64]) -> float:
    """Return the mean over the batch of -log p(label), in nats, for logits z (N, C)."""
    return float(-log_softmax(z)[np.arange(len(z)), labels].mean())


def softmax_cross_entropy_backward(z: Array, labels: NDArray[np.int64]) -> Array:
    """Return dz = (p - one_hot(labels)) / N, shape (N, C): what was said minus what was so."""
    dz = softmax(z)
    dz[np.arange(len(z)), labels] -= 1
    return dz / len(z)


def mean_squared_error(y: Array, target: Array) -> float:
    """Return the mean of (y - target)^2 over all elements."""
    return float(((y - target) ** 2).mean())


def mean_squared_error_backward(y: Array, target: Array) -> Array:
    """Return dy = 2 (y - target) / number of elements."""
    return 2 * (y - target) / y.size


def batch_norm(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> Array:
    """Return y = gamma (x - mean) / sqrt(var + eps) + beta, for x (N, C), in training.

    Mean and variance (C,) are those of the batch; the variance is the biased one, a mean of N.
    """
    return gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps) + beta


def batch_norm_backward(
    x: Array, gamma: Array, dy: Array, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """Return dx (N, C), dgamma (C,) and dbeta (C,), given dy (N, C).

    Each x moves the mean and the variance of its column too. Both ways are taken off: the mean of
    the gradient, and its part along x_hat.
    """
    s = np.sqrt(x.var(axis=0) + eps)  # (C,)
    x_hat = (x - x.mean(axis=0)) / s  # (N, C)
    dgamma, dbeta = (dy * x_hat).sum(axis=0), dy.sum(axis=0)  # (C,)
    dx = gamma / s * (dy - dbeta / len(x) - x_hat * dgamma / len(x))  # (N, C)
    return dx, dgamma, dbeta


def batch_norm_running(
    x: Array, mean: Array, var: Array, momentum: float = 0.1
) -> tuple[Array, Array]:
    """Return the running mean and variance (C,) moved toward those of x; here var is unbiased."""
    mean = (1 - momentum) * mean + momentum * x.mean(axis=0)
    return mean, (1 - momentum) * var + momentum * x.var(axis=0, ddof=1)


def batch_norm_evaluation(
    x: Array, gamma: Array, beta: Array, mean: Array, var: Array, eps: float = 1e-5
) -> Array:
    """Return y = gamma (x - mean) / sqrt(var + eps) + beta with the running mean and variance."""
    return gamma * (x - mean) / np.sqrt(var + eps) + beta


def batch_norm_evaluation_backward(
    x: Array, gamma: Array, mean: Array, var: Array, dy: Array, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """Return dx (N, C), dgamma (C,) and dbeta (C,); mean and variance are constants here."""
    s = np.sqrt(var + eps)
    return dy * gamma / s, (dy * (x - mean) / s).sum(axis=0), dy.sum(axis=0)


def conv2d(x: Array, W: Array, b: Array) -> Array:
    """Return y[n, o, i, j] = sum over c, u, v of W[o, c, u, v] x[n, c, i + u, j + v] + b[o].

    x (N, C, H, W), filters (O, C, k, k), b (O,); y is (N, O, H - k + 1, W - k + 1). No padding,
    stride 1, the filter not turned round (a correlation), as in torch.
    """
    windows = np.lib.stride_tricks.sliding_window_view(x, W.shape[2:], axis=(2, 3))
    return np.einsum("ncijuv,ocuv->noij", windows, W, optimize=True) + b[:, None, None]


def conv2d_backward(x: Array, W: Array, dy: Array) -> tuple[Array, Array, Array]:
    """Return dx, dW and db in the shapes of x, W and b, given dy (N, O, H - k + 1, W - k + 1)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, W.shape[2:], axis=(2, 3))
    dW = np.einsum("noij,ncijuv->ocuv", dy, windows, optimize=True)
    dx = np.zeros_like(x)
    height, width = dy.shape[2:]
    for u, v in np.ndindex(W.shape[2:]):  # x[i + u, j + v] met W[u, v] on its way to y[i, j]
        dx[:, :, u : u + height, v : v + width] += np.einsum("noij,oc->ncij", dy, W[:, :, u, v])
    return dx, dW, dy.sum(axis=(0, 2, 3))


def max_pool2d(x: Array) -> Array:
    """Return the maximum of each 2 × 2 square of x (N, C, H, W); an odd last row is left out."""
    return _squares(x).max(axis=-1)  # (N, C, H // 2, W // 2)


def max_pool2d_backward(x: Array, dy: Array) -> Array:
    """Return dx: each dy goes to the first largest element of its square, all others get 0."""
    squares = _squares(x)
    chosen = np.arange(4) == squares.argmax(axis=-1, keepdims=True)
    N, C, H, W = dy.shape
    parts = (dy[..., None] * chosen).reshape(N, C, H, W, 2, 2)
    dx = np.zeros_like(x)
    dx[:, :, : 2 * H, : 2 * W] = parts.swapaxes(3, 4).reshape(N, C, 2 * H, 2 * W)
    return dx


def _squares(x: Array) -> Array:
    """Return the 2 × 2 squares of x, shape (N, C, H // 2, W // 2, 4)."""
    N, C, H, W = x.shape[0], x.shape[1], x.shape[2] // 2, x.shape[3] // 2
    rows = x[:, :, : 2 * H, : 2 * W].reshape(N, C, H, 2, W, 2)
    return rows.swapaxes(3, 4).reshape(N, C, H, W, 4)


def sgd_step(
    w: Array, dw: Array, v: Array, lr: float, momentum: float = 0.0, nesterov: bool = False
) -> tuple[Array, Array]:
    """Return w and velocity v after one step: v <- momentum v + dw, w <- w - lr v; v starts at 0.

    With Nesterov, w <- w - lr (dw + momentum v). Both are torch's form, in which lr stands outside
    the velocity; Sutskever and others, "On the Importance of Initialization and Momentum in Deep
    Learning", 2013, equations 3 and 4, keep it inside. Momentum 0 is plain SGD.
    """
    v = momentum * v + dw
    return w - lr * (dw + momentum * v if nesterov else v), v


def adam_step(
    w: Array,
    dw: Array,
    m: Array,
    v: Array,
    t: int,
    lr: float = 0.001,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> tuple[Array, Array, Array]:
    """Return w, m and v after step t = 1, 2, ...; m and v start at 0.

    m and v are running means of the gradient and of its square. As they start at 0 they are too
    small at first; dividing by 1 - beta^t corrects that. Kingma and Ba, "Adam: A Method for
    Stochastic Optimization", 2015, algorithm 1.
    """
    m = betas[0] * m + (1 - betas[0]) * dw
    v = betas[1] * v + (1 - betas[1]) * dw**2
    m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
    return w - lr * m_hat / (np.sqrt(v_hat) + eps), m, v
