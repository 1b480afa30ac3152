"""The nets of the course, put together from its layers. All return logits, never probabilities.

The losses take the softmax, in one stable step
with the logarithm; a softmax in the net as well would flatten every gradient.
"""

import math

import torch
from torch import Tensor, nn

from refnet import errors
from refnet.layers.activations import activation as activation_layer
from refnet.layers.linear import Linear
from refnet.layers.sequential import Sequential, fully_connected


def linear_classifier() -> Sequential:
    """Return the linear model of ten classes: 784 pixels to 10 logits, 7,850 parameters.

    It takes float32 images of shape (N, 28, 28), (N, 1, 28, 28) or (N, 784) and gives logits
    (N, 10).

    References
    ----------
    Bishop, "Pattern Recognition and Machine Learning", 2006, section 4.3.4.

    Examples
    --------
    >>> linear_classifier()(torch.zeros(64, 28, 28)).shape
    torch.Size([64, 10])
    """
    return Sequential(nn.Flatten(), Linear(784, 10))


def mlp(hidden: int = 256) -> Sequential:
    """Return the net of one hidden layer: 784 pixels, ReLU units, 10 logits.

    It takes float32 images of shape (N, 28, 28), (N, 1, 28, 28) or (N, 784), gives logits
    (N, 10), and has ``795 * hidden + 10`` parameters: 203,530 with 256 units.

    Parameters
    ----------
    hidden : int, at least 1
        Number of hidden units.

    References
    ----------
    Goodfellow, Bengio and Courville, "Deep Learning", 2016, chapter 6.

    Examples
    --------
    >>> mlp()(torch.zeros(64, 28, 28)).shape
    torch.Size([64, 10])
    """
    hidden = errors.check_int("mlp", "hidden", hidden, 1)
    return Sequential(
        nn.Flatten(),
        Linear(784, hidden),
        nn.ReLU(),
        Linear(hidden, 10),
    )


def xor_net(hidden: int = 4, activation: str = "tanh") -> Sequential:
    """Return a net for XOR: 2 inputs, a few hidden units, 2 logits for cross-entropy.

    It takes float32 inputs (N, 2), gives logits (N, 2), and has ``5 * hidden + 2`` parameters:
    22 with 4 units.

    Parameters
    ----------
    hidden : int, at least 1
        Number of hidden units. Two are enough to hold a solution, four find one more often.
    activation : str
        "relu", "sigmoid", "tanh" or "cos".

    References
    ----------
    Rumelhart, Hinton and Williams, "Learning Internal Representations by Error
    Propagation", 1986, section "The XOR Problem".

    Examples
    --------
    >>> xor_net()(torch.zeros(4, 2)).shape
    torch.Size([4, 2])
    """
    hidden = errors.check_int("xor_net", "hidden", hidden, 1)
    return Sequential(
        Linear(2, hidden),
        activation_layer(activation),
        Linear(hidden, 2),
    )


def overfit_net(activation: str = "relu", batch_norm: bool = False) -> Sequential:
    """Return the net that learns a picture by heart: 2 coordinates, 64-256-64 units, 2 logits.

    It takes float32 coordinates (N, 2), gives logits (N, 2) for background and letter, and has
    33,410 parameters, 34,178 with ``batch_norm``.

    Parameters
    ----------
    activation : str
        "relu", "sigmoid", "tanh" or "cos".
    batch_norm : bool
        Whether each hidden layer normalizes its sums.

    References
    ----------
    Tancik and others, "Fourier Features Let Networks Learn High Frequency Functions in Low
    Dimensional Domains", 2020, section 4 (why ReLU alone learns a picture's detail so slowly).

    Examples
    --------
    >>> overfit_net("cos", batch_norm=True)(torch.zeros(1024, 2)).shape
    torch.Size([1024, 2])
    """
    return Sequential(
        fully_connected(2, 64, activation, batch_norm),
        fully_connected(64, 256, activation, batch_norm),
        fully_connected(256, 64, activation, batch_norm),
        Linear(64, 2),
    )


class LeNet(nn.Module):
    """Convolutional net for 32 × 32 images: 10 logits, 61,706 parameters.

    Two rounds of convolution, ReLU and 2 × 2 maximum pooling find ever larger patterns; three
    fully connected layers judge them. It takes images (N, 1, 32, 32) and gives logits (N, 10).

    Attributes
    ----------
    conv1, conv2 : torch.nn.Conv2d
        6 and 16 filters of 5 × 5.
    fc1, fc2, fc3 : Linear
        400 to 120, to 84, to 10.

    Raises
    ------
    TypeError
        If the input is no tensor or of another dtype than the weights.
    ValueError
        If the input is not of shape (N, 1, 32, 32).

    Notes
    -----
    The paper's net of 1998 has sigmoid-like units, trainable averages for pooling, and a second
    convolution that sees only some of the first one's maps. This is its simplified form of today.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document
    Recognition", 1998, section II.B.

    Examples
    --------
    >>> from torch.nn.functional import pad
    >>> images = torch.zeros(64, 28, 28)
    >>> LeNet()(pad(images.unsqueeze(1), (2, 2, 2, 2))).shape
    torch.Size([64, 10])
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = Linear(16 * 5 * 5, 120)
        self.fc2 = Linear(120, 84)
        self.fc3 = Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, 1, 32, 32) to logits (N, 10)."""
        self._check(x)
        x = torch.relu(self.conv1(x))  # (N, 6, 28, 28)
        x = torch.max_pool2d(x, 2)  # (N, 6, 14, 14)
        x = torch.relu(self.conv2(x))  # (N, 16, 10, 10)
        x = torch.max_pool2d(x, 2)  # (N, 16, 5, 5)
        x = x.flatten(1)  # (N, 400)
        x = torch.relu(self.fc1(x))  # (N, 120)
        x = torch.relu(self.fc2(x))  # (N, 84)
        logits: Tensor = self.fc3(x)  # (N, 10)
        return logits

    def _check(self, x: Tensor) -> None:
        if isinstance(x, Tensor) and x.shape[1:] != (1, 32, 32):
            shape = tuple(x.shape)
            do = _how_to_make_it_fit(*shape)
            expected = "images of shape (N, 1, 32, 32)"
            raise ValueError(errors.sentence("LeNet", expected, str(shape), do))
        errors.check_features("LeNet", x, 32, "", self.conv1.weight.dtype)


def _how_to_make_it_fit(*shape: int) -> str:
    """Return code that makes images of this shape fit LeNet, as advice."""
    do = "Make it one channel of 32 x 32."
    images = "x"
    size = shape[-2:]
    if len(shape) in (1, 2) and shape[-1] in (784, 1024):
        side = math.isqrt(shape[-1])
        size = (side, side)
        images = f"x.reshape(-1, 1, {side}, {side})"
        do = f"Make images of the rows: {images}."
    elif len(shape) == 2:
        images = "x[None, None]"
        do = f"One image is a batch of one: {images}."
    elif len(shape) == 3:
        images = "x.unsqueeze(1)"
        do = f"Add the channel: {images}."
    elif len(shape) == 4 and shape[-1] in (1, 3):
        size = shape[1:3]
        images = "x.mean(-1).unsqueeze(1)"
        do = f"Make one grey channel of the colours: {images}."
    elif len(shape) == 4 and shape[1] != 1:
        images = "x.mean(1, keepdim=True)"
        do = f"Make one grey channel of the colours: {images}."
    if size == (28, 28):
        return f"Pad 28 x 28 images by 2: torch.nn.functional.pad({images}, (2, 2, 2, 2))."
    if size != (32, 32) and 2 <= len(shape) <= 4:
        return f"Scale them: torch.nn.functional.interpolate({images}, (32, 32))."
    return do
