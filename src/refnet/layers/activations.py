"""Activation functions: the cosine, which torch.nn lacks, and any of the course's by its name.

Twins in NumPy: by_hand.relu, sigmoid, tanh, cos.
"""

import torch
from torch import Tensor, nn

from refnet import errors


class Cos(nn.Module):
    r"""Cosine of each element.

    .. math:: y = \cos x, \qquad \frac{dy}{dx} = -\sin x

    Notes
    -----
    Its slope never dies out: however large ``x`` is, some unit still answers to a small change of
    it. That is why a net of cosines draws fine detail where ReLU and tanh stay smooth. torch.nn
    has ReLU, Tanh and Sigmoid, which the course uses as they are, but no cosine.

    References
    ----------
    Sitzmann, Martel, Bergman, Lindell and Wetzstein, "Implicit Neural
    Representations with Periodic Activation Functions", 2020, section 3 (with the sine).

    Examples
    --------
    >>> x = torch.tensor([0.0, torch.pi / 2, torch.pi])
    >>> Cos()(x).round().tolist() == [1, 0, -1]
    True
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x``, any shape and floating-point dtype, to the cosine of each element."""
        return torch.cos(x)


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "cos": Cos,
}
TORCHS_OWN = {  # asked for by name elsewhere
    "gelu": "torch.nn.GELU()",
    "silu": "torch.nn.SiLU()",
    "swish": "torch.nn.SiLU()",
    "elu": "torch.nn.ELU()",
    "selu": "torch.nn.SELU()",
    "leakyrelu": "torch.nn.LeakyReLU()",
    "softplus": "torch.nn.Softplus()",
    "mish": "torch.nn.Mish()",
}


def activation(name: str) -> nn.Module:
    """Return a new activation layer: "relu", "sigmoid", "tanh" or "cos".

    Parameters
    ----------
    name : str
        One of the four names.

    Returns
    -------
    torch.nn.Module
        A layer without parameters that keeps the shape of its input.

    Raises
    ------
    ValueError
        If there is no activation of that name; the sentence suggests the nearest.
    TypeError
        If ``name`` is not a string.

    References
    ----------
    Goodfellow, Bengio and Courville, "Deep Learning", 2016, section 6.3.

    Examples
    --------
    >>> activation("tanh")
    Tanh()
    >>> activation("rleu")
    Traceback (most recent call last):
        ...
    ValueError: activation: expected name to be one of relu, sigmoid, tanh, cos, got 'rleu'. Did you mean 'relu'?
    """  # noqa: E501 (the message is one line)
    plain = str(name).lower().replace("_", "")
    if plain in TORCHS_OWN:
        expected = f"name to be one of {', '.join(ACTIVATIONS)}"
        do = f"Put torch's own layer into a Sequential yourself: {TORCHS_OWN[plain]}."
        raise ValueError(errors.sentence("activation", expected, repr(name), do))
    return ACTIVATIONS[errors.check_choice("activation", "name", name, ACTIVATIONS)]()
