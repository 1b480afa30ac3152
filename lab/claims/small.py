"""Claims that take seconds: how often XOR is learnt, and what 20 layers do to the variance."""

import functools
import runpy
from pathlib import Path

import refnet

EXAMPLES = Path(__file__).parents[2] / "examples"
WIDTHS = (1, 2, 3, 4, 8)
STARTS = ("N(0, 1)", "std 0.01", "torch", "Xavier", "He")


@functools.cache
def script(name):
    return runpy.run_path(str(EXAMPLES / name))


def xor(seeds, device, activation, widths, **settings):
    """Tell for each width and seed whether that net learns XOR: 1 or 0."""
    train_all, measured = script("xor.py")["train_all"], {}
    for width in widths:
        solved = train_all(width, activation, seeds, device=device, **settings)
        measured[f"width {width}"] = [int(right) for right in solved]
    return measured


def variance(seeds, device, start, activations, layers, width, batch_size):
    """Measure by what factor a layer multiplies the variance of signals and of gradients."""
    parts, measured = script("initialization.py"), {}
    factor = functools.partial(parts["factor"], steps=layers - 1)
    for activation in activations:
        forward, backward = [], []
        for seed in seeds:
            refnet.seed_everything(seed)
            sums, gradients = parts["through"](
                parts["STARTS"][start], activation, layers, width, batch_size, device
            )
            forward.append(factor(sums[0], sums[-1]))
            backward.append(factor(gradients[-1], gradients[0]))
        measured |= {f"{activation} forward": forward, f"{activation} backward": backward}
    return measured


def four_tanh_and_one_cosine_learn(at, i):
    return at("tanh", "width 4")[i] == at("cos", "width 1")[i] == 1


def he_alone_keeps_the_variance_of_relu(at, i):
    factors = [
        (start, at(start, f"relu {way}")[i]) for start in STARTS for way in ("forward", "backward")
    ]
    return all((0.9 < factor < 1.1) == (start == "He") for start, factor in factors)


XOR = {"widths": WIDTHS, "steps": 300, "lr": 0.5, "momentum": 0.9}
LAYERS = {"activations": ("relu", "tanh"), "layers": 20, "width": 512, "batch_size": 256}

CLAIMS = {
    "xor": {
        "claim": "Four tanh neurons nearly always learn XOR, and so does one cosine neuron.",
        "run": xor,
        "settings": {f: {"activation": f, **XOR} for f in ("relu", "sigmoid", "tanh", "cos")},
        "seeds": range(100),
        "holds": four_tanh_and_one_cosine_learn,
    },
    "variance": {
        "claim": "Of five starts He's alone keeps the variance of signals and gradients through "
        "20 layers of ReLU: within a tenth, layer for layer.",
        "run": variance,
        "settings": {start: {"start": start, **LAYERS} for start in STARTS},
        "seeds": range(3),
        "holds": he_alone_keeps_the_variance_of_relu,
    },
}
