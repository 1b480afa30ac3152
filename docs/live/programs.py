"""The programs of the live parts: the course's own nets, put together from refnet.by_hand.

A net is read layer by layer; ``train_step`` and ``predict`` say in by_hand's words what a step of
training and a prediction are, and tracing.py records what that comes to.
"""

import base64
import gzip
import math
from collections import OrderedDict
from contextlib import suppress
from functools import partial
from itertools import product

import numpy as np
import torch
from torch import nn
from tracing import execute, program

import refnet
from refnet import by_hand

FORWARD = {
    nn.ReLU: by_hand.relu,
    nn.Sigmoid: by_hand.sigmoid,
    nn.Tanh: by_hand.tanh,
    refnet.Cos: by_hand.cos,
}
BACKWARD = {
    nn.ReLU: by_hand.relu_backward,
    nn.Sigmoid: by_hand.sigmoid_backward,
    nn.Tanh: by_hand.tanh_backward,
    refnet.Cos: by_hand.cos_backward,
}
LINEAR = (nn.Linear, refnet.Linear)


class Waves(nn.Module):
    """Fourier features, as the OVERFIT page has them: sines and cosines of the coordinates."""

    SPREAD = (6.0, 20.0)  # of the frequencies along y and along x

    def __init__(self):
        super().__init__()
        frequencies = torch.randn(2, 64) * torch.tensor(self.SPREAD)[:, None]
        self.register_buffer("frequencies", frequencies)

    def forward(self, x):
        angles = x @ self.frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)


def waves(x, frequencies):
    """Return what Waves does to points (N, 2): (N, 128)."""
    angles = x @ frequencies
    return np.hstack([np.sin(angles), np.cos(angles)])


def layers(model, prefix=""):
    """Yield name and layer of each step that a model takes, first to last."""
    for name, layer in model.named_children():
        if isinstance(layer, (refnet.Sequential, nn.Sequential)):
            yield from layers(layer, f"{prefix}{name}.")
        elif not isinstance(layer, nn.Flatten):  # the programs take rows of numbers
            yield f"{prefix}{name}", layer


def start(model):
    """Return how each value of the state_dict starts: drawn from U(-k, k), or all the same."""
    kinds = {}
    for name, layer in layers(model):
        if isinstance(layer, LINEAR):
            k = 1 / math.sqrt(layer.in_features)
            kinds[f"{name}.weight"] = {"uniform": k}
            kinds[f"{name}.bias"] = {"uniform": k}
        elif isinstance(layer, refnet.BatchNorm1d):
            kinds[f"{name}.weight"] = {"fill": 1}
            kinds[f"{name}.bias"] = {"fill": 0}
            kinds[f"{name}.running_mean"] = {"fill": 0}
            kinds[f"{name}.running_var"] = {"fill": 1}
        elif isinstance(layer, Waves):
            kinds[f"{name}.frequencies"] = {"normal": Waves.SPREAD}
    return kinds


def shapes(model):
    """Return the shapes of parameters and of running values, by their names in the state_dict."""
    parameters = {name: tuple(p.shape) for name, p in model.named_parameters()}
    running = {name: tuple(b.shape) for name, b in model.named_buffers() if b.ndim > 0}
    return parameters, running


def train_step(model, inputs, batch, optimizer, momentum=0.0):
    """Return the program of one step of training on a batch of rows x with their labels."""
    parameters, running = shapes(model)

    def step(a):
        results = {}
        back = []  # the way back: from the gradient behind a layer to that before it
        x = a["x"]
        for name, layer in layers(model):
            x = _forward(name, layer, x, a, results, back)
        results["loss"] = by_hand.softmax_cross_entropy(x, a["labels"])
        gradients = {}
        dy = by_hand.softmax_cross_entropy_backward(x, a["labels"])
        for backward in reversed(back):
            dy = backward(dy, gradients)
        for name in parameters:
            w, dw, m = a[name], gradients[name], a[f"m.{name}"]
            if optimizer == "adam":
                w, m, v = by_hand.adam_step(w, dw, m, a[f"v.{name}"], a["t"], a["lr"])
                results[f"v.{name}"] = v
            else:
                w, m = by_hand.sgd_step(w, dw, m, a["lr"], momentum)
            results[name], results[f"m.{name}"] = w, m
        return results

    moments = ("m.", "v.") if optimizer == "adam" else ("m.",)
    values = {"x": (batch, inputs), "labels": (batch,), "lr": ()}
    if optimizer == "adam":
        values["t"] = ()
    values |= parameters | running
    for moment in moments:
        values |= {moment + name: shape for name, shape in parameters.items()}
    return program(step, values)


def _forward(name, layer, x, a, results, back):
    """Return the layer's output for x; add what changes to results, and its way back to back."""
    if isinstance(layer, LINEAR):
        W = a[f"{name}.weight"]

        def linear(dy, gradients):
            dx, dW, db = by_hand.linear_backward(x, W, dy)
            gradients[f"{name}.weight"], gradients[f"{name}.bias"] = dW, db
            return dx

        back.append(linear)
        return by_hand.linear(x, W, a[f"{name}.bias"])
    if isinstance(layer, refnet.BatchNorm1d):
        gamma = a[f"{name}.weight"]

        def batch_norm(dy, gradients):
            dx, dgamma, dbeta = by_hand.batch_norm_backward(x, gamma, dy)
            gradients[f"{name}.weight"], gradients[f"{name}.bias"] = dgamma, dbeta
            return dx

        back.append(batch_norm)
        mean, var = a[f"{name}.running_mean"], a[f"{name}.running_var"]
        mean, var = by_hand.batch_norm_running(x, mean, var)
        results[f"{name}.running_mean"], results[f"{name}.running_var"] = mean, var
        return by_hand.batch_norm(x, gamma, a[f"{name}.bias"])
    if isinstance(layer, Waves):  # the first step: nothing before it learns
        return waves(x, a[f"{name}.frequencies"])
    back.append(lambda dy, gradients: BACKWARD[type(layer)](x, dy))
    return FORWARD[type(layer)](x)


def predict(model, inputs, batch):
    """Return the program of the probabilities p (batch, classes) of rows x."""
    parameters, running = shapes(model)

    def probabilities(a):
        x = a["x"]
        for name, layer in layers(model):
            values = [a.get(f"{name}.{kind}") for kind in ("weight", "bias")]
            if isinstance(layer, LINEAR):
                x = by_hand.linear(x, *values)
            elif isinstance(layer, refnet.BatchNorm1d):
                running = [a[f"{name}.running_mean"], a[f"{name}.running_var"]]
                x = by_hand.batch_norm_evaluation(x, *values, *running)
            elif isinstance(layer, Waves):
                x = waves(x, a[f"{name}.frequencies"])
            else:
                x = FORWARD[type(layer)](x)
        return {"p": by_hand.softmax(x)}

    return program(probabilities, {"x": (batch, inputs)} | parameters | running)


def net(model, inputs, batch, rows, optimizer, momentum=0.0):
    """Return all that the page needs of one net."""
    return {
        "start": start(model),
        "step": train_step(model, inputs, batch, optimizer, momentum),
        "predict": predict(model, inputs, rows),
    }


def overfit_model(activation, batch_norm, fourier=False):
    """Return the model of the OVERFIT page, with Fourier features of the points if asked."""
    if not fourier:
        return refnet.overfit_net(activation, batch_norm)
    block = partial(refnet.fully_connected, activation=activation, batch_norm=batch_norm)
    steps = [Waves(), block(128, 64), block(64, 256), block(256, 64), refnet.Linear(64, 2)]
    names = ["waves", "0", "1", "2", "3"]  # those of the net without
    return nn.Sequential(OrderedDict(zip(names, steps, strict=True)))


def overfit(activation, batch_norm, fourier=False):
    """Return the net of the OVERFIT page."""
    return net(overfit_model(activation, batch_norm, fourier), 2, 256, 1000, "adam")


def numbered_from_the_end(program):
    """Return a program with other names: where two end alike, they are then packed as one."""
    many = len(program["steps"])
    names = {step[1]: f"v{many - i}" for i, step in enumerate(program["steps"])}

    def renamed(argument):
        return names.get(argument, argument)

    return {
        "inputs": program["inputs"],
        "shapes": {renamed(name): shape for name, shape in program["shapes"].items()},
        "steps": [[step[0], *map(renamed, step[1:])] for step in program["steps"]],
        "outputs": {name: renamed(value) for name, value in program["outputs"].items()},
    }


def overfit_nets():
    """Return all nets of the OVERFIT page, by their activation function and additions."""
    nets = {}
    for batch_norm, fourier in product((False, True), repeat=2):  # alike ones near each other
        for activation in ("relu", "tanh", "cos"):
            key = activation + "-bn" * batch_norm + "-fourier" * fourier
            found = overfit(activation, batch_norm, fourier)
            for name in ("step", "predict"):
                found[name] = numbered_from_the_end(found[name])
            nets[key] = found
    return nets


def xor(hidden, activation):
    """Return a net of the XOR page; without hidden units it is the linear model."""
    linear = refnet.Sequential(refnet.Linear(2, 2))
    model = refnet.xor_net(hidden, activation) if hidden else linear
    return net(model, 2, 4, 4 + 48 * 48, "sgd", momentum=0.9)


def xor_nets():
    """Return all nets of the XOR page, by activation function and number of hidden units."""
    nets = {"linear": xor(0, "tanh")}
    for activation in ("tanh", "relu", "sigmoid", "cos"):
        for hidden in (1, 2, 3, 4, 8):
            nets[f"{activation}-{hidden}"] = xor(hidden, activation)
    return nets


def descent():
    """Return the program of one step down the loss of a line y = w x, for four points."""

    def step(a):
        y = by_hand.linear(a["x"], a["W"], a["b"])
        dy = by_hand.mean_squared_error_backward(y, a["target"])
        _, dW, _ = by_hand.linear_backward(a["x"], a["W"], dy)
        W, _ = by_hand.sgd_step(a["W"], dW, 0, a["lr"])
        return {"loss": by_hand.mean_squared_error(y, a["target"]), "W": W}

    return program(step, {"x": (4, 1), "target": (4, 1), "W": (1, 1), "b": (1,), "lr": ()})


# Mean square 1: the loss is (w - 1)^2 + 0.05, and steps of w longer than 1 climb out of it
DESCENT = {"x": [-1.0, 1.0, -1.0, 1.0], "target": [-1.3, 0.9, -0.7, 1.1]}


def convolution():
    """Return the program of one filter of 3 x 3 on a picture of 28 x 28."""
    shapes = {"x": (1, 1, 28, 28), "W": (1, 1, 3, 3), "b": (1,)}
    return program(lambda a: {"y": by_hand.conv2d(a["x"], a["W"], a["b"])}, shapes)


CLOTHES = (9, 8, 2, 1)  # ankle boot, bag, pullover, trousers


def graph():
    """Return a trained net of the XOR page, its program for one input, and each value in it."""
    trained = xor(4, "tanh")
    names = trained["step"]["inputs"]
    values = {name: np.zeros(trained["step"]["shapes"][name]) for name in names}
    refnet.seed_everything(0)
    model = refnet.xor_net(4, "tanh")
    values |= {name: value.numpy() for name, value in model.state_dict().items()}
    xor_data = refnet.XOR()
    values |= {"x": xor_data.x.numpy(), "labels": xor_data.y.numpy(), "lr": 0.5}
    for _ in range(500):
        results = execute(trained["step"], values)
        values |= {name: value for name, value in results.items() if name in values}
    asked = predict(model, 2, 1)
    asked["outputs"] = {step[1]: step[1] for step in asked["steps"]}  # nothing is overwritten
    weights = {name: np.ravel(values[name]).tolist() for name in model.state_dict()}
    return asked, weights


def sentences(program):
    """Return each step of a program as a line of text."""
    lines = []
    for operation, result, *arguments in program["steps"]:
        shape = " x ".join(map(str, program["shapes"][result])) or "number"
        lines.append(f"{result} = {operation}({', '.join(map(str, arguments))})  # {shape}")
    return lines


def picture_nets():
    """Return the linear model and the MLP of the course, for pictures of ten classes."""
    models = {"linear": refnet.linear_classifier(), "mlp": refnet.mlp()}
    return {name: net(model, 784, 64, 100, "sgd") for name, model in models.items()}


def samples():
    """Return the embedded pictures by the name of their set: bytes, mean and spread."""
    found = {"clothes": packed(refnet.FashionMNIST)}
    with suppress(TypeError):  # a refnet whose MNIST has no sample
        found["digits"] = packed(refnet.MNIST)
    return found


def packed(kind):
    """Return the embedded sample of a data set as the page unpacks it."""
    train = kind(sample=True)
    values = train.images.float()
    halves = {"mean": values.mean().item(), "std": values.std().item()}
    for name, part in (("train", train), ("test", kind(train=False, sample=True))):
        labels = part.labels.numpy().astype(np.uint8).tobytes()
        images = part.images.numpy().tobytes()
        halves[name] = {"images": zipped(images), "labels": zipped(labels)}
    return halves


def zipped(data):
    return text(gzip.compress(data, mtime=0))


def contents():
    """Return programs and data of each live part, by its name."""
    picture = refnet.draw_text("OVERFIT", height=60, width=200)
    bits = np.packbits(picture > 128).tobytes()
    clothes = refnet.FashionMNIST(sample=True)
    asked, weights = graph()
    first = [clothes.images[clothes.labels == c][0].numpy().tobytes() for c in CLOTHES]
    return {
        "overfit": {"programs": overfit_nets(), "data": {"overfit": text(bits)}},
        "xor": {"programs": xor_nets(), "data": {}},
        "descent": {"programs": {"step": descent()}, "data": DESCENT},
        "graph": {"programs": {"predict": asked}, "data": {"weights": weights}},
        "digits": {"programs": picture_nets(), "data": {}},
        "filter": {
            "programs": {"convolve": convolution()},
            "data": {"pictures": text(b"".join(first))},
        },
    }


def text(data):
    """Return bytes as letters that a script can hold."""
    return base64.b64encode(data).decode()
