"""The exported net is the net: same answers, any batch, in a process that knows no torch."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import refnet
from refnet import deploy


@pytest.fixture(scope="module")
def model():
    refnet.seed_everything(0)
    model = refnet.mlp(32)
    model.train()
    return model


@pytest.fixture(scope="module")
def files(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("deploy") / "new"
    example = torch.rand(1, 784)
    return (
        deploy.export(model, example, folder / "mlp.pt2"),
        deploy.to_onnx(model, example, folder / "mlp.onnx"),
    )


@pytest.mark.parametrize("n", [1, 3, 64])
@pytest.mark.parametrize("kind", [0, 1], ids=["pt2", "onnx"])
def test_any_batch_size_gives_the_logits_of_the_model(model, files, kind, n):
    assert deploy.check_parity(model, files[kind], torch.rand(n, 784)) < 1e-5


def test_the_model_stays_in_its_mode(model, files):
    assert all(module.training for module in model.modules())


def test_onnx_is_one_file(files):
    assert sorted(path.name for path in files[1].parent.iterdir()) == ["mlp.onnx", "mlp.pt2"]


WITHOUT_TORCH = """
import sys

sys.modules["torch"] = sys.modules["refnet"] = None  # an import of these fails from here on
import numpy as np
import onnxruntime

try:
    import torch
except ImportError:
    session = onnxruntime.InferenceSession(sys.argv[1])
    np.save(sys.argv[3], session.run(None, {"x": np.load(sys.argv[2])})[0])
"""
WITHOUT_REFNET = """
import sys
import numpy as np
import torch

sys.modules["refnet"] = None
run = torch.export.load(sys.argv[1]).module()
with torch.no_grad():
    np.save(sys.argv[3], run(torch.from_numpy(np.load(sys.argv[2]))).numpy())
"""


def answers(program, *arguments):
    command = [sys.executable, "-c", program, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert result.returncode == 0, result.stderr
    return torch.from_numpy(np.load(arguments[-1]))


# Promise 16
@pytest.mark.data
@pytest.mark.parametrize(("kind", "program"), [(0, WITHOUT_REFNET), (1, WITHOUT_TORCH)])
def test_a_new_process_gives_10000_test_images_the_same_class(
    model, files, tmp_path, kind, program
):
    images = refnet.FashionMNIST(train=False, download=False).images.flatten(1) / 255
    np.save(tmp_path / "x.npy", images.numpy())
    got = answers(program, files[kind], tmp_path / "x.npy", tmp_path / "logits.npy")
    model.eval()
    with torch.no_grad():
        expected = model(images)
    model.train()
    assert got.shape == (10_000, 10)
    assert torch.equal(got.argmax(1), expected.argmax(1))
    assert float((got - expected).abs().max()) < 1e-5  # float32, other kernels


def test_convolutions_are_exported_too(tmp_path):
    lenet = refnet.LeNet()
    path = deploy.export(lenet, torch.rand(2, 1, 32, 32), tmp_path / "lenet.pt2")
    deploy.check_parity(lenet, path, torch.rand(3, 1, 32, 32))


@pytest.mark.parametrize(("write", "name"), [(deploy.export, "a.pt2"), (deploy.to_onnx, "a.onnx")])
def test_batch_norm_goes_out_as_in_evaluation_with_what_it_has_learnt(tmp_path, write, name):
    torch.manual_seed(0)
    net = refnet.overfit_net("cos", batch_norm=True)
    for _ in range(20):
        net(3 + torch.rand(64, 2))  # moves the running mean and variance
    path = write(net, torch.rand(2, 2), tmp_path / name)
    deploy.check_parity(net, path, 3 + torch.rand(3, 2))


class Choice(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(("write", "name"), [(deploy.export, "a.pt2"), (deploy.to_onnx, "a.onnx")])
def test_a_choice_that_depends_on_values_is_refused(tmp_path, write, name):
    with pytest.raises(ValueError, match=r"the same for all values, got .*Write choices as torch"):
        write(Choice(), torch.ones(2, 3), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("write", "name"), [(deploy.export, "a.pt2"), (deploy.to_onnx, "a.onnx")])
@pytest.mark.parametrize(
    ("example", "error", "words"),
    [
        (
            torch.zeros(1, 100),
            ValueError,
            r"expected input of shape \(\.\.\., 784\), got \(2, 100\)",
        ),
        (torch.zeros(1, 784).double(), TypeError, "expected input of dtype torch.float32, .* got"),
    ],
    ids=["width", "dtype"],
)
def test_an_example_that_does_not_fit_is_named_by_the_model(
    tmp_path, model, write, name, example, error, words
):
    with pytest.raises(error, match=words):
        write(model, example, tmp_path / name)
    assert not list(tmp_path.iterdir())


class Eigenvalues(nn.Module):
    def forward(self, x):
        return torch.linalg.eigvals(x @ x.T).real[:, None]


def test_an_operator_that_onnx_lacks_is_named_and_leaves_no_file(tmp_path):
    words = r"to_onnx: expected operators that ONNX has, got .*linalg_eig.*\. Write that part"
    with pytest.raises(ValueError, match=words) as caught:
        deploy.to_onnx(Eigenvalues(), torch.rand(2, 3), tmp_path / "a.onnx")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_parity_finds_another_model(files):
    torch.manual_seed(1)
    with pytest.raises(ValueError, match=r"differences up to 1e-05, got .* in another class"):
        deploy.check_parity(refnet.mlp(32), files[0], torch.rand(50, 784))


@pytest.mark.parametrize(("write", "suffix"), [(deploy.export, ".pt2"), (deploy.to_onnx, ".onnx")])
def test_wrong_paths_and_examples_are_named(tmp_path, write, suffix):
    net, x = nn.Linear(3, 2), torch.ones(2, 3)
    with pytest.raises(ValueError, match=rf"a path ending in \{suffix}, got a\.bin"):
        write(net, x, "a.bin")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"a file that can be written, got .*file"):
        write(net, x, tmp_path / "file" / f"a{suffix}")
    with pytest.raises(TypeError, match=r"an example batch, .* got \(3,\)"):
        write(net, x[0], tmp_path / f"a{suffix}")
    with pytest.raises(TypeError, match=r"an example batch, .* got ndarray"):
        write(net, x.numpy(), tmp_path / f"a{suffix}")


def test_missing_packages_say_what_to_install(tmp_path, files, model, monkeypatch):
    for name in ("onnx", "onnxscript", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)  # an import of it fails
    with pytest.raises(
        ImportError,
        match=r'onnx and onnxscript, got .*repository: python -m pip install "\.\[deploy\]"',
    ):
        deploy.to_onnx(nn.Linear(3, 2), torch.ones(2, 3), tmp_path / "a.onnx")
    with pytest.raises(ImportError, match=r'onnxruntime, got .*pip install "\.\[deploy\]"'):
        deploy.check_parity(model, files[1], torch.rand(1, 784))
