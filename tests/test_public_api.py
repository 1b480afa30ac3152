"""The names that others rely on: all there, all documented, with the parameters they had."""

import inspect
import re
import subprocess
import sys

import pytest

import refnet

SIGNATURES = {
    "XOR": "()",
    "ArrayDataset": "(x, y)",
    "FashionMNIST": "(root=None, train=True, *, download=True, sample=False, or_sample=False)",
    "MNIST": "(root=None, train=True, *, download=True, sample=False, or_sample=False)",
    "read_idx": "(path)",
    "draw_text": "(text='OVERFIT', height=300, width=1000)",
    "ImagePixels": "(image)",
    "SequentialSampler": "(n, batch_size)",
    "RandomSampler": "(n, batch_size, seed=0, drop_last=False)",
    "Normalize": "(mean, std)",
    "Rescale": "(size, low=-1.0, high=1.0)",
    "Loader": "(dataset, sampler, transform=None, device=None)",
    "Linear": "(in_features, out_features, bias=True)",
    "BatchNorm1d": "(num_features, eps=1e-05, momentum=0.1)",
    "Sequential": "(*layers)",
    "Cos": "()",
    "fully_connected": "(in_features, out_features, activation='relu', batch_norm=False)",
    "linear_classifier": "()",
    "mlp": "(hidden=256)",
    "xor_net": "(hidden=4, activation='tanh')",
    "overfit_net": "(activation='relu', batch_norm=False)",
    "LeNet": "()",
    "choose_device": "(name='auto')",
    "all_devices": "()",
    "seed_everything": "(seed)",
}


def without_types(signature):
    """Return a signature with its type hints and its ``self`` left out."""
    parameters = [
        p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()
    ]
    return str(inspect.Signature(parameters))


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_signature_is_the_promised_one(name):
    if name == "Cos":  # inherits its constructor from nn.Module
        refnet.Cos()
        return
    assert without_types(inspect.signature(getattr(refnet, name))) == SIGNATURES[name]


def test_the_trainer_takes_model_optimizer_loss_and_device():
    names = list(inspect.signature(refnet.Trainer).parameters)
    assert names[:4] == ["model", "optimizer", "loss", "device"]
    fit = inspect.signature(refnet.Trainer.fit).parameters
    expected = ["train", "validation", "epochs", "checkpoint", "resume", "callback"]
    assert list(fit)[1:] == expected
    assert fit["epochs"].default == 5
    steps = inspect.signature(refnet.Trainer.fit_steps).parameters
    assert list(steps)[1:5] == ["batches", "steps", "validation", "every"]
    assert steps["every"].default == 2000


@pytest.mark.parametrize("name", refnet.__all__)
def test_a_public_name_is_documented(name):
    text = inspect.getdoc(getattr(refnet, name)) or ""
    assert re.match(r"[A-Z].*\.", text, re.DOTALL), f"{name}: no sentence"


SHOWN_WITH = {"load_checkpoint": "save_checkpoint", "latest_checkpoint": "save_checkpoint"}
NO_EXAMPLE = {"by_hand", "init", "run_script"} | {
    name for name in refnet.__all__ if name.endswith("Error")
}


@pytest.mark.parametrize("name", sorted(set(refnet.__all__) - NO_EXAMPLE))
def test_a_public_name_has_an_example_that_runs(name):
    text = inspect.getdoc(getattr(refnet, SHOWN_WITH.get(name, name)))
    assert re.search(rf"^(>>>|\.\.\.) .*\b{name}\b", text, re.MULTILINE)


def test_import_prints_nothing_and_loads_neither_opencv_nor_matplotlib():
    program = "import refnet, sys; print(sorted({'cv2', 'matplotlib', 'PIL'} & set(sys.modules)))"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (process.stdout, process.stderr) == ("[]\n", "")
