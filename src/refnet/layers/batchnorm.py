"""Batch normalization: each column of a batch moved to mean 0 and variance 1, then rescaled.

Twins in NumPy: by_hand.batch_norm and batch_norm_backward.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from refnet import errors


class BatchNorm1d(nn.Module):
    r"""Normalized, rescaled columns of a batch.

    In training, with the mean and variance of each column of this batch:

    .. math::
        \mu = \frac{1}{N} \sum_n x_n, \qquad
        \sigma^2 = \frac{1}{N} \sum_n (x_n - \mu)^2, \qquad
        y = \gamma \, \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta

    In evaluation (after ``eval()``) the running mean and variance take the place of :math:`\mu`
    and :math:`\sigma^2`, so that a sample's result no longer depends on its neighbours.

    Parameters
    ----------
    num_features : int, at least 1
        Number C of columns.
    eps : float, above 0
        :math:`\epsilon`, inside the root: keeps a constant column from dividing by 0.
    momentum : float, above 0, at most 1
        Share m of the new batch in the running values: ``running = (1 - m) * running + m * new``.

    Attributes
    ----------
    weight, bias : Parameter, shape (num_features,), float32
        :math:`\gamma`, which starts at 1, and :math:`\beta`, which starts at 0.
    running_mean, running_var : Tensor, shape (num_features,), float32
        Start at 0 and 1; each training batch changes them, no gradient does.
    num_batches_tracked : Tensor, shape (), int64
        Number of training batches seen.

    Raises
    ------
    TypeError
        If a setting is not a number, or the input is no tensor or of another dtype than weight.
    ValueError
        If a setting is out of range, if the input is not of shape (N, num_features), or if a
        training batch has fewer than two samples: one sample has no variance.

    Notes
    -----
    Two variances are at work. The batch is normalized by the biased one, a division by N; what is
    kept in ``running_var`` is the unbiased one, a division by N - 1. torch and the paper do the
    same. Momentum is the share of the new value; elsewhere, MegEngine and Keras among them, it is
    the share of the old, so that 0.1 here is 0.9 there.

    Same names and values as :class:`torch.nn.BatchNorm1d`, so the two load each other's
    ``state_dict``. The difference: no ``momentum=None`` (a plain average of all batches), no
    input (N, C, L), and sentences for what does not fit. The formula is handed to one fused
    kernel, since the same lines written with tensor operations take several times as long; the
    lines themselves, forward and backward, stand in ``by_hand.batch_norm``.

    References
    ----------
    Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing
    Internal Covariate Shift", 2015, algorithms 1 and 2.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> x = 5 + 3 * torch.randn(64, 4)
    >>> layer = BatchNorm1d(4)
    >>> y = layer(x)
    >>> torch.allclose(y.mean(0), torch.zeros(4), atol=1e-5)
    True
    >>> torch.allclose(layer.running_mean, 0.1 * x.mean(0))
    True
    >>> layer(x[:1])
    Traceback (most recent call last):
        ...
    ValueError: BatchNorm1d(4): expected a training batch of 2 samples or more, got 1. Use a larger batch, drop the last one, or call eval() first.
    """  # noqa: E501 (the message is one line)

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.num_features = errors.check_int("BatchNorm1d", "num_features", num_features, 1)
        self.eps = _positive("eps", eps)
        self.momentum = _positive("momentum", momentum, 1)
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (N, C) to (N, C); in training, move the running values toward this batch."""
        self._check(x)
        if self.training:
            self.num_batches_tracked.add_(1)
        # weight * (x - mean) / sqrt(var + eps) + bias: with the batch's own mean and var in
        # training, when the running ones move toward them; with the running ones in evaluation
        return batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum,
            self.eps,
        )

    def _check(self, x: Tensor) -> None:
        C = self.num_features
        where = f"BatchNorm1d({C})"
        kind = self.weight.dtype
        shape = tuple(getattr(x, "shape", ()))
        if not isinstance(x, Tensor) or x.dtype != kind or shape[1:] != (C,):
            do = self._advice(shape)
            errors.check_features(where, x, C, do, kind)
            if x.ndim != 2:
                expected = f"input of shape (N, {C})"
                raise ValueError(errors.sentence(where, expected, str(shape), do))
        if self.training and len(x) < 2:
            expected = "a training batch of 2 samples or more"
            do = "Use a larger batch, drop the last one, or call eval() first."
            raise ValueError(errors.sentence(where, expected, str(len(x)), do))

    def _advice(self, shape: tuple[int, ...]) -> str:
        """Return what to do about an input of another shape than (N, C)."""
        C = self.num_features
        if shape == (C,):
            return "One sample is a batch of one: call eval(), then give it x[None]."
        if len(shape) > 2:
            places = len(shape) - 2
            if math.prod(shape[1:]) == C:
                return "Flatten each sample first: x.flatten(1)."
            if shape[1] == C and places <= 3:
                return f"For channels use torch.nn.BatchNorm{places}d({C})."
            if shape[-1] == C:
                return "Give one row for each place: x.flatten(0, -2)."
        return "Make num_features equal to the last dimension of the input."

    def extra_repr(self) -> str:
        """Return what stands between the brackets when the layer is printed."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


def _positive(name: str, value: float, high: float = math.inf) -> float:
    value = errors.check_number("BatchNorm1d", name, value, 0, high)
    if value == 0:
        do = f"Choose {name} above 0."
        raise ValueError(errors.sentence("BatchNorm1d", f"{name} above 0", "0", do))
    return value
