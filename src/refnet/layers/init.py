r"""Start values for weights: each function says which variance it aims at, and why.

A weight of shape (O, D), or (O, C, k, k) in a convolution, is filled
in place and returned. fan_in = D or C k k is the number of terms in each sum, fan_out = O or
O k k the number of sums in which each input takes part.

All of them start from one line. With independent weights of mean 0 and inputs of mean square
:math:`E[x^2]`, a sum of D products has the variance

.. math:: \mathrm{Var}[y] = D \, \mathrm{Var}[w] \, E[x^2]

so a layer keeps the size of its signal if :math:`D \, \mathrm{Var}[w] = 1`, and 20 layers in
which that product is c multiply the variance by :math:`c^{20}`. Backward, the same holds with O in
place of D.
"""

import math

import torch
from torch import Generator, Tensor

from refnet import errors


def zeros_(weight: Tensor) -> Tensor:
    r"""Fill ``weight`` with 0, a variance of 0, and return it.

    Right for a bias. For the weights of a hidden layer it is a trap: all units of the layer then
    compute the same sum and receive the same gradient, so they stay equal for ever, and as long
    as the layer above is 0 too, no gradient reaches them at all.

    References
    ----------
    Goodfellow, Bengio and Courville, "Deep Learning", 2016, section 8.4.

    Examples
    --------
    >>> zeros_(torch.ones(2, 3)).count_nonzero().item()
    0
    """
    _check_weight("zeros_", weight)
    with torch.no_grad():
        return weight.zero_()


def normal_(
    weight: Tensor,
    std: float,
    generator: Generator | None = None,
) -> Tensor:
    r"""Fill ``weight`` with draws from :math:`N(0, \mathrm{std}^2)` and return it.

    The variance of each sum is multiplied by :math:`D \, \mathrm{std}^2`: with 784 inputs by 784
    for std = 1, and by 0.08 for std = 0.01.

    Parameters
    ----------
    weight : Tensor, any shape, floating-point dtype
    std : float, 0 or more
        Standard deviation, the root of the variance: 0.01 means a variance of 0.0001.
    generator : torch.Generator, optional
        Source of the draws; torch's own by default.

    References
    ----------
    LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, section 4.6.

    Examples
    --------
    >>> w = normal_(torch.empty(100, 784), 0.01, torch.Generator().manual_seed(0))
    >>> abs(w.std().item() - 0.01) < 0.0001
    True
    """
    std = errors.check_number("normal_", "std", std, 0)
    _check_weight("normal_", weight)
    with torch.no_grad():
        return weight.normal_(0, std, generator=generator)


def xavier_normal_(
    weight: Tensor,
    generator: Generator | None = None,
) -> Tensor:
    r"""Fill ``weight`` with normal draws of variance 2 / (fan_in + fan_out) and return it.

    Forward asks for a variance of 1 / fan_in, backward for 1 / fan_out. Unless the two are equal
    no value gives both; the inverse of their mean lies between. Meant for activations with slope
    1 at 0, as tanh.

    Parameters
    ----------
    weight : Tensor, shape (O, D) or (O, C, k, k), floating-point dtype
    generator : torch.Generator, optional
        Source of the draws; torch's own by default.

    References
    ----------
    Glorot and Bengio, "Understanding the Difficulty of Training Deep Feedforward Neural
    Networks", 2010, equations 10 to 12.

    Examples
    --------
    >>> w = xavier_normal_(torch.empty(300, 100), torch.Generator().manual_seed(0))
    >>> abs(w.var().item() * (300 + 100) / 2 - 1) < 0.05
    True
    """
    fan_in, fan_out = _fans("xavier_normal_", weight)
    std = math.sqrt(2 / (fan_in + fan_out))
    with torch.no_grad():
        return weight.normal_(0, std, generator=generator)


def xavier_uniform_(
    weight: Tensor,
    generator: Generator | None = None,
) -> Tensor:
    r"""Fill ``weight`` with uniform draws of variance 2 / (fan_in + fan_out) and return it.

    :math:`U(-k, k)` has the variance :math:`k^2 / 3`, hence :math:`k = \sqrt{6 / (\text{fan\_in}
    + \text{fan\_out})}`. Parameters, aim and source are those of :func:`xavier_normal_`
    (equation 16 for the uniform form).

    Examples
    --------
    >>> w = xavier_uniform_(torch.empty(300, 100), torch.Generator().manual_seed(0))
    >>> w.abs().max().item() <= (6 / 400) ** 0.5
    True
    """
    fan_in, fan_out = _fans("xavier_uniform_", weight)
    k = math.sqrt(6 / (fan_in + fan_out))
    with torch.no_grad():
        return weight.uniform_(-k, k, generator=generator)


def he_normal_(
    weight: Tensor,
    generator: Generator | None = None,
) -> Tensor:
    r"""Fill ``weight`` with normal draws of variance 2 / fan_in and return it.

    ReLU sets the negative half of a symmetric sum to 0, and with it half of the mean square that
    the next layer is fed: twice the variance makes up for it.

    Parameters
    ----------
    weight : Tensor, shape (O, D) or (O, C, k, k), floating-point dtype
    generator : torch.Generator, optional
        Source of the draws; torch's own by default.

    References
    ----------
    He, Zhang, Ren and Sun, "Delving Deep into Rectifiers: Surpassing Human-Level
    Performance on ImageNet Classification", 2015, section 2.2, equation 10.

    Examples
    --------
    >>> w = he_normal_(torch.empty(300, 100), torch.Generator().manual_seed(0))
    >>> abs(w.var().item() * 100 / 2 - 1) < 0.05
    True
    """
    fan_in, _ = _fans("he_normal_", weight)
    std = math.sqrt(2 / fan_in)
    with torch.no_grad():
        return weight.normal_(0, std, generator=generator)


def he_uniform_(
    weight: Tensor,
    generator: Generator | None = None,
) -> Tensor:
    r"""Fill ``weight`` with uniform draws of variance 2 / fan_in and return it.

    The bound is :math:`k = \sqrt{6 / \text{fan\_in}}`, since :math:`U(-k, k)` has the variance
    :math:`k^2 / 3`. Parameters, aim and source are those of :func:`he_normal_`.

    Examples
    --------
    >>> w = he_uniform_(torch.empty(300, 100), torch.Generator().manual_seed(0))
    >>> w.abs().max().item() <= (6 / 100) ** 0.5
    True
    """
    fan_in, _ = _fans("he_uniform_", weight)
    k = math.sqrt(6 / fan_in)
    with torch.no_grad():
        return weight.uniform_(-k, k, generator=generator)


def _fans(where: str, weight: Tensor) -> tuple[int, int]:
    """Return fan_in and fan_out of a weight (O, D) or (O, C, k, k)."""
    _check_weight(where, weight)
    shape = str(tuple(weight.shape))
    if weight.ndim < 2:
        do = "A bias has no fans: fill it with zeros_."
        raise ValueError(errors.sentence(where, "a weight of two dimensions or more", shape, do))
    if weight.numel() == 0:
        do = "Give the layer one input and one output or more."
        raise ValueError(errors.sentence(where, "a weight that is not empty", shape, do))
    fan_in = weight[0].numel()
    fan_out = weight[:, 0].numel()
    return fan_in, fan_out


def _check_weight(where: str, weight: Tensor) -> None:
    if not isinstance(weight, Tensor):
        kind = type(weight).__name__
        do = "Pass the weight of a layer: layer.weight."
        raise TypeError(errors.sentence(where, "a torch.Tensor", kind, do))
    if not weight.is_floating_point():
        kind = str(weight.dtype)
        do = "Make it with dtype=torch.float32."
        raise TypeError(errors.sentence(where, "a floating-point tensor", kind, do))
