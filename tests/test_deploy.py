"""The exported net is the net: same answers, any batch, in a process that knows no torch."""

import copy
import os
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`")  # torch's compiler has it
@pytest.mark.parametrize(
    "wrap",
    [
        torch.compile,
        # these two are called, and the usual backend would want the system's C++ compiler
        lambda net: nn.Sequential(torch.compile(net, backend="eager"), nn.Identity()),
        lambda net: net.compile(backend="eager") or net,
    ],
    ids=["whole", "a part", "in place"],
)
@pytest.mark.parametrize(("write", "name"), [(deploy.export, "a.pt2"), (deploy.to_onnx, "a.onnx")])
def test_of_a_compiled_model_the_model_inside_goes_out(tmp_path, wrap, write, name):
    net = refnet.mlp(8)
    twin = copy.deepcopy(net)
    path = write(wrap(net), torch.rand(2, 784), tmp_path / name)
    assert deploy.check_parity(twin, path, torch.rand(3, 784)) < 1e-5


@pytest.fixture
def alone(tmp_path):
    """Be the only process of a group."""
    store = f"file://{tmp_path}/store"
    torch.distributed.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`")  # torch's compiler has it
def test_of_a_model_that_several_processes_train_the_model_inside_goes_out(tmp_path, alone):
    net = refnet.mlp(8)
    shared = torch.compile(nn.parallel.DistributedDataParallel(net))
    path = deploy.export(shared, torch.rand(2, 784), tmp_path / "a.pt2")
    deploy.check_parity(net, path, torch.rand(3, 784))


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


class FixedBatch(nn.Module):
    def forward(self, x):
        return x.view(2, -1)


class Rows(nn.Module):
    def forward(self, x):
        return torch.stack([row * 2 for row in x])


@pytest.mark.parametrize("kind", [FixedBatch, Rows])
def test_a_batch_size_written_into_the_code_is_named(tmp_path, kind):
    words = "the same for all batch sizes, got UserError: .*Take the batch size from x.shape"
    with pytest.raises(ValueError, match=words):
        deploy.export(kind(), torch.ones(2, 3), tmp_path / "a.pt2")


class Numpy(nn.Module):
    def forward(self, x):
        return torch.from_numpy(x.numpy() * 2)


def test_numpy_inside_the_net_is_named(tmp_path):
    words = "torch's operations alone, got RuntimeError: .*numpy.*Write the line that it names"
    with pytest.raises(ValueError, match=words):
        deploy.export(Numpy(), torch.ones(2, 3), tmp_path / "a.pt2")


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


def test_parity_tells_rounding_and_nan_from_another_model(tmp_path):
    net = nn.Linear(3, 2, bias=False)
    path = deploy.export(net, torch.rand(2, 3), tmp_path / "a.pt2")
    x = torch.rand(5, 3)
    with torch.no_grad():
        net.weight *= 1 + 2**-20
    with pytest.raises(ValueError, match="this is rounding: pass tolerance=") as caught:
        deploy.check_parity(net, path, 1e6 * x)
    tolerance = float(str(caught.value).rpartition("=")[2].removesuffix("."))
    assert deploy.check_parity(net, path, 1e6 * x, tolerance) < tolerance
    with pytest.raises(ValueError, match=r"got nan, .*\. The model itself gives nan or inf"):
        deploy.check_parity(net, path, x * float("nan"))


def test_a_file_that_is_missing_damaged_or_of_other_sizes_is_named(tmp_path, files, model):
    x = torch.rand(2, 784)
    with pytest.raises(ValueError, match=r"an exported file, got none there\. Write it first"):
        deploy.check_parity(model, tmp_path / "no.pt2", x)
    for name in ("a.pt2", "a.onnx"):
        (tmp_path / name).write_bytes(b"junk")
        with pytest.raises(ValueError, match=r"a net that takes x, got .* Export the model again"):
            deploy.check_parity(model, tmp_path / name, x)
    net = nn.Conv2d(1, 1, 3)
    path = deploy.export(net, torch.rand(2, 1, 8, 8), tmp_path / "conv.pt2")
    with pytest.raises(ValueError, match="with an example of the sizes of x"):
        deploy.check_parity(net, path, torch.rand(2, 1, 9, 9))


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
    with pytest.raises(TypeError, match=r"got \(0, 3\)\. Pass one sample or more"):
        write(net, x[:0], tmp_path / f"a{suffix}")


WITHOUT_ONNX = """
import sys
import torch
from refnet import deploy

net, folder = torch.nn.Linear(3, 2), sys.argv[1]
deploy.check_parity(net, deploy.export(net, torch.ones(2, 3), folder + "/a.pt2"), torch.ones(2, 3))
open(folder + "/a.onnx", "w").close()
for act in (
    lambda: deploy.to_onnx(net, torch.ones(2, 3), folder + "/b.onnx"),
    lambda: deploy.check_parity(net, folder + "/a.onnx", torch.ones(2, 3)),
):
    try:
        act()
    except ImportError as error:
        print(error)
"""


def test_where_onnx_is_not_installed_a_sentence_says_what_to_install(tmp_path):
    packages = Path(torch.__file__).parents[1]
    (tmp_path / "packages").mkdir()
    for path in packages.iterdir():  # all that is installed here, but for three
        if not path.name.startswith("onnx"):
            (tmp_path / "packages" / path.name).symlink_to(path)
    source = Path(refnet.__file__).parents[1]
    result = subprocess.run(
        [sys.executable, "-S", "-c", WITHOUT_ONNX, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": f"{source}{os.pathsep}{tmp_path / 'packages'}"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    lines = result.stdout.splitlines()
    assert len(lines) == 2, result.stderr
    where, names = "deploy.to_onnx: expected onnx and onnxscript", "onnx onnxscript"
    assert lines[0].startswith(f"{where}, got No module named 'onnx'. Run: python -m pip install")
    assert f"pip install {names}; or in the folder of the repository: python -m pip" in lines[0]
    assert lines[0].endswith('".[deploy]".')
    assert "expected onnxruntime, got No module named 'onnxruntime'" in lines[1]
    assert "pip install onnxruntime;" in lines[1]
