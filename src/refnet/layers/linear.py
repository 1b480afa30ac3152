"""Fully connected layer: every output is a weighted sum of every input.

Twin in NumPy: by_hand.linear.
"""

import math

import torch
from torch import Tensor, nn

from refnet import errors


class Linear(nn.Module):
    r"""Weighted sum of the inputs plus a bias.

    .. math:: y = x W^{\top} + b

    Parameters
    ----------
    in_features, out_features : int, at least 1
        Size of the last dimension of the input and of the output.
    bias : bool
        Whether to add the vector :math:`b`.

    Attributes
    ----------
    weight : Parameter, shape (out_features, in_features), float32
        Start values drawn from :math:`U(-k, k)` with :math:`k = 1/\sqrt{\text{in\_features}}`,
        a variance of ``1 / (3 * in_features)``.
    bias : Parameter, shape (out_features,), float32, or None
        Start values drawn from the same range.

    Raises
    ------
    TypeError
        If a size is not a whole number, or the input is no tensor or of another dtype than weight.
    ValueError
        If a size is below 1, or the last dimension of the input is not ``in_features``.

    Notes
    -----
    Same names, shapes and start values as :class:`torch.nn.Linear`, so the two load each other's
    ``state_dict``. The difference: start values and product are written out here, and an input
    that does not fit is named by its own shape. A batch of 0 samples gives 0 outputs; nan and inf
    pass through, and it is the trainer that stops at them.

    References
    ----------
    LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, section 4.6.

    Examples
    --------
    >>> layer = Linear(784, 10)
    >>> images = torch.zeros(32, 1, 28, 28)
    >>> layer(images.flatten(1)).shape
    torch.Size([32, 10])
    >>> layer(images)
    Traceback (most recent call last):
        ...
    ValueError: Linear(784 -> 10): expected input of shape (..., 784), got (32, 1, 28, 28). Flatten each sample first: x.flatten(1).
    """  # noqa: E501 (the message is one line)

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.in_features = errors.check_int("Linear", "in_features", in_features, 1)
        self.out_features = errors.check_int("Linear", "out_features", out_features, 1)
        k = 1 / math.sqrt(in_features)
        weight = torch.empty(out_features, in_features)
        self.weight = nn.Parameter(weight.uniform_(-k, k))
        self.bias = None
        if bias:
            self.bias = nn.Parameter(torch.empty(out_features).uniform_(-k, k))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x``, shape (..., in_features), to shape (..., out_features)."""
        W = self.weight
        b = self.bias
        try:
            if b is not None and x.ndim == 2:
                return torch.addmm(b, x, W.t())  # b + (N, D) @ (D, O) -> (N, O), in one pass
            y = x @ W.t()  # (..., D) @ (D, O) -> (..., O)
            if b is None:
                return y
            return y + b
        except (RuntimeError, TypeError, AttributeError):
            self._refuse(x)  # says what is wrong with x, if it is x
            raise

    def _refuse(self, x: Tensor) -> None:
        where = f"Linear({self.in_features} -> {self.out_features})"
        shape = getattr(x, "shape", ())
        do = "Make in_features equal to the last dimension of the input."
        if len(shape) > 2 and math.prod(shape[1:]) == self.in_features:
            do = "Flatten each sample first: x.flatten(1)."
        elif math.prod(shape) == self.in_features:
            do = (
                "One sample is a batch of one: give the whole net x[None], "
                "or this layer x[None].flatten(1)."
            )
        errors.check_features(where, x, self.in_features, do, self.weight.dtype)

    def extra_repr(self) -> str:
        """Return what stands between the brackets when the layer is printed."""
        bias = self.bias is not None
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={bias}"
