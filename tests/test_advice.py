"""The advice of an error mends it: the code that a sentence names is run, and the case works."""

import os
import re
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest
import torch
from torch import nn

import refnet
from refnet import init, plots


class Table:
    """As much of a data frame as a net meets: it is no array, and knows how to become one."""

    def to_numpy(self):
        return np.ones((3, 4))


class Pair(nn.Module):
    """A layer that returns more than a tensor, as torch's own LSTM does."""

    def forward(self, x):
        return x, x


class First(nn.Module):
    """The layer of one's own that the sentence asks for."""

    def forward(self, pair):
        return pair[0]


NAMES = {"torch": torch, "nn": nn, "np": np, "refnet": refnet, "init": init, "First": First}


def follow(call, code, mended, **values):
    """Run ``call``, find ``code`` in its error, put it into ``mended``, and return what that is."""
    names = NAMES | values
    with pytest.raises((TypeError, ValueError, ImportError)) as caught:
        eval(call, names)
    assert code in str(caught.value)
    return eval(mended.format(code), names)


@pytest.mark.parametrize(
    ("x", "code"),
    [
        (torch.rand(3, 4).double(), "x.to(torch.float32)"),
        (torch.ones(3, 4, dtype=torch.uint8), "x.float()"),
        (np.ones((3, 4)), "torch.as_tensor(x, dtype=torch.float32)"),
        ([[1, 2, 3, 4]] * 3, "torch.as_tensor(x, dtype=torch.float32)"),
        (Table(), "torch.as_tensor(x.to_numpy(), dtype=torch.float32)"),
        ((torch.rand(3, 4), torch.zeros(3)), "x[0]"),
        ([torch.rand(4)] * 3, "torch.stack(x)"),
        ({"image": torch.rand(3, 4)}, "x['image']"),
    ],
    ids=["float64", "uint8", "array", "numbers", "table", "batch", "list", "named"],
)
@pytest.mark.parametrize(
    "net",
    [
        "refnet.Linear(4, 4)",
        "refnet.BatchNorm1d(4)",
        "refnet.Sequential(nn.Flatten(), refnet.Linear(4, 4))",
    ],
)
def test_what_is_no_tensor_of_the_right_kind_becomes_one(net, x, code):
    assert follow(f"{net}(x)", code, f"{net}({{}})", x=x).shape == (3, 4)


def test_whole_numbers_become_those_of_a_net_in_double_precision():
    net = refnet.Linear(4, 4).double()
    for x in (torch.ones(3, 4, dtype=torch.int64), np.ones((3, 4), np.float32)):
        code = "x.to(torch.float64)" if isinstance(x, torch.Tensor) else "dtype=torch.float64"
        mended = "net({})" if isinstance(x, torch.Tensor) else "net(torch.as_tensor(x, {}))"
        assert follow("net(x)", code, mended, net=net, x=x).dtype == torch.float64


@pytest.mark.parametrize(
    ("layer", "shape", "code", "expected"),
    [
        ("refnet.mlp()", (28, 28), "x[None]", (1, 10)),
        ("refnet.linear_classifier()", (28, 28), "x[None]", (1, 10)),
        (
            "refnet.Sequential(nn.Flatten(), nn.ReLU(), refnet.Linear(784, 2))",
            (28, 28),
            "x[None]",
            (1, 2),
        ),
        ("refnet.Linear(784, 2)", (28, 28), "x[None].flatten(1)", (1, 2)),
        ("refnet.Linear(784, 2)", (5, 28, 28), "x.flatten(1)", (5, 2)),
        ("refnet.Linear(784, 2)", (5, 1, 28, 28), "x.flatten(1)", (5, 2)),
        ("refnet.Linear(3072, 2)", (3, 32, 32), "x[None].flatten(1)", (1, 2)),
        ("refnet.BatchNorm1d(784)", (5, 28, 28), "x.flatten(1)", (5, 784)),
        ("refnet.BatchNorm1d(4)", (5, 6, 4), "x.flatten(0, -2)", (30, 4)),
        ("refnet.BatchNorm1d(4).eval()", (4,), "x[None]", (1, 4)),
    ],
)
def test_an_input_of_another_shape_is_made_to_fit(layer, shape, code, expected):
    x = torch.rand(shape)
    assert follow(f"{layer}(x)", code, f"{layer}({{}})", x=x).shape == expected


@pytest.mark.parametrize(
    ("shape", "code"),
    [
        ((5, 4, 6), "torch.nn.BatchNorm1d(4)"),
        ((5, 4, 6, 6), "torch.nn.BatchNorm2d(4)"),
        ((5, 4, 6, 6, 6), "torch.nn.BatchNorm3d(4)"),
    ],
)
def test_channels_are_normalized_by_the_layer_that_is_named(shape, code):
    x = torch.rand(shape)
    assert follow("refnet.BatchNorm1d(4)(x)", code, "{}(x)", x=x).shape == shape


def test_a_layer_of_another_width_is_given_that_of_the_input():
    x = torch.rand(3, 5)
    assert follow(
        "refnet.Linear(4, 2)(x)", "in_features", "refnet.Linear({}=5, out_features=2)(x)", x=x
    ).shape == (3, 2)
    assert follow(
        "refnet.BatchNorm1d(4)(x)", "num_features", "refnet.BatchNorm1d({}=5)(x)", x=x
    ).shape == (3, 5)


def test_one_sample_passes_batch_norm_in_evaluation():
    net = refnet.BatchNorm1d(4)
    assert follow("net(x)", "eval()", "net.{}(x)", net=net, x=torch.rand(1, 4)).shape == (1, 4)


@pytest.mark.parametrize(
    ("layers", "code", "mended"),
    [
        ([nn.ReLU], "ReLU()", "nn.{}"),
        ([refnet.Linear], "Linear(in_features, out_features)", "refnet.{}"),
        (["relu"], "refnet.activation('relu')", "{}"),
        (["ReLU"], "refnet.activation('relu')", "{}"),
        (["gelu"], "torch.nn.GELU()", "{}"),
        ([[nn.ReLU()]], "Sequential(*layers)", "refnet.{}"),
        ([nn.ModuleList([nn.ReLU()])], "Sequential(*layers)", "refnet.{}"),
        ([iter([nn.ReLU()])], "Sequential(*layers)", "refnet.{}"),
        ([{"f": nn.ReLU()}], "Sequential(*layers.values())", "refnet.{}"),
        ([nn.ModuleDict({"f": nn.ReLU()})], "Sequential(*layers.values())", "refnet.{}"),
    ],
)
def test_what_is_no_layer_becomes_one(layers, code, mended):
    names = {"given": layers, "layers": layers[0], "in_features": 4, "out_features": 4}
    layer = follow("refnet.Sequential(*given)", code, mended, **names)
    assert refnet.Sequential(layer)(torch.rand(3, 4)).shape == (3, 4)


def test_a_layer_of_ones_own_takes_the_tensor_out_of_a_pair():
    net = refnet.Sequential(Pair(), refnet.Linear(4, 2))
    mended = "refnet.Sequential(net[0], First(), net[1])(x)"
    x = torch.rand(3, 4)
    assert follow("net(x)", "Layer 0 returned it", mended, net=net, x=x).shape == (3, 2)


@pytest.mark.parametrize("name", ["gelu", "SiLU", "leaky_relu", "LeakyReLU", "softplus"])
def test_an_activation_that_only_torch_has_goes_into_a_chain(name):
    kind = name.lower().replace("_", "")
    code = {"gelu": "GELU", "silu": "SiLU", "leakyrelu": "LeakyReLU", "softplus": "Softplus"}[kind]
    for call in ("refnet.activation(name)", "refnet.fully_connected(4, 4, name)"):
        layer = follow(call, f"torch.nn.{code}()", "{}", name=name)
        assert refnet.Sequential(refnet.Linear(4, 4), layer)(torch.rand(3, 4)).shape == (3, 4)


@pytest.mark.parametrize(
    ("name", "near"), [("rleu", "relu"), ("sigmod", "sigmoid"), ("TanH", "tanh")]
)
def test_the_nearest_name_is_one_that_works(name, near):
    layer = follow("refnet.activation(name)", repr(near), "refnet.activation({})", name=name)
    assert isinstance(layer, nn.Module)


@pytest.mark.parametrize("name", ["he_normal_", "xavier_uniform_", "zeros_"])
def test_a_layer_in_place_of_its_weight(name):
    layer = refnet.Linear(4, 3)
    fill = getattr(init, name)
    assert follow("fill(layer)", "layer.weight", "fill({})", fill=fill, layer=layer).shape == (3, 4)


def test_a_bias_is_filled_with_zeros():
    bias = torch.ones(4)
    assert follow("init.he_normal_(bias)", "zeros_", "init.{}(bias)", bias=bias).sum() == 0


def test_a_weight_of_whole_numbers_is_made_of_floats():
    call = "init.he_normal_(torch.zeros(4, 3, dtype=torch.int64))"
    mended = "init.he_normal_(torch.zeros(4, 3, {}))"
    assert follow(call, "dtype=torch.float32", mended).dtype == torch.float32


# Plots


CLASSES = torch.tensor([0, 1, 1])


@pytest.mark.parametrize(
    ("call", "code", "mended", "x"),
    [
        ("samples(x, y)", "images.reshape(-1, 28, 28)", "samples({}, y)", torch.rand(3, 784)),
        ("samples(x, y)", "images[:, :3]", "samples({}, y)", torch.rand(3, 4, 9, 9)),
        ("samples(x, y)", "images[..., :3]", "samples({}, y)", torch.rand(3, 9, 9, 4)),
        ("samples(x, y[:1])", "images[None]", "samples({}, y[:1])", torch.rand(9, 8)),
        ("samples(x[:1], y[0])", "labels[None]", "samples(x[:1], {})", torch.rand(3, 9, 9)),
        ("scatter(x, y)", "x[:, :2]", "scatter({}, y)", torch.rand(3, 5)),
        ("scatter(x, y[:1])", "x[None]", "scatter({}, y[:1])", torch.rand(2)),
        (
            "confusion_matrix(y, x)",
            "predictions.argmax(1)",
            "confusion_matrix(y, {})",
            torch.rand(3, 2),
        ),
        (
            "confusion_matrix(y, x)",
            "predictions.squeeze(1)",
            "confusion_matrix(y, {})",
            torch.ones(3, 1),
        ),
        ("activation_curves([x])", '{"relu": torch.relu}', "activation_curves({})", torch.relu),
    ],
)
def test_what_a_plot_cannot_draw_is_made_into_what_it_can(call, code, mended, x):
    names = {"x": x, "y": CLASSES, "images": x, "labels": CLASSES[0], "predictions": x}
    figure = follow(f"plots.{call}", code, f"plots.{mended}", plots=plots, **names)
    assert plots.to_picture(figure).size > 0


def test_a_net_of_one_logit_has_a_boundary_once_0_is_the_other():
    net = nn.Linear(2, 1)
    x = torch.rand(3, 2)
    code = "torch.nn.Sequential(model, torch.nn.ZeroPad1d((1, 0)))"
    names = {"plots": plots, "model": net, "x": x, "y": CLASSES}
    call = "plots.decision_boundary(model, x, y)"
    figure = follow(call, code, "plots.decision_boundary({}, x, y)", **names)
    surface = figure.axes[0].collections[0].get_array()
    assert surface[0, 0] == pytest.approx(net(x.min(0).values - 0.5).sigmoid().item(), rel=1e-5)


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (plots.activation_curves(), "plots.to_picture(figure)"),
        ([[0, 255], [255, 0]], "numpy.asarray(picture, dtype='uint8')"),
        (torch.rand(4, 6), "(255 * picture).byte()"),
        (torch.rand(4, 6) > 0.5, "(255 * picture).byte()"),
        (255 * torch.rand(4, 6), "picture.byte()"),
        (np.random.rand(4, 6), "(255 * picture).astype('uint8')"),
        (np.arange(24).reshape(4, 6), "picture.astype('uint8')"),
        (
            np.random.randn(4, 6) - 9,
            "(255 * (picture - picture.min()) / (picture.max() - picture.min())).astype('uint8')",
        ),
        (torch.zeros(4, 6, 1, dtype=torch.uint8), "picture[..., 0]"),
        (torch.zeros(4, 6, 4, dtype=torch.uint8), "picture[..., :3]"),
        (torch.zeros(3, 4, 6, dtype=torch.uint8), "picture.swapaxes(0, 1).swapaxes(1, 2)"),
        (np.zeros((3, 4, 6), np.uint8), "picture.swapaxes(0, 1).swapaxes(1, 2)"),
        (np.zeros((9, 4, 6), np.uint8), "picture[0]"),
        (np.zeros((9, 4, 6, 3), np.uint8), "picture[0]"),
        (np.zeros(24, np.uint8), "picture.reshape(H, W)"),
    ],
)
def test_what_is_no_picture_becomes_one(tmp_path, picture, code):
    names = {"plots": plots, "numpy": np, "picture": picture, "figure": picture, "H": 4, "W": 6}
    names["path"] = tmp_path / "a.png"
    call = "plots.write_png(picture, path)"
    assert follow(call, code, "plots.write_png({}, path)", **names).stat().st_size > 0


def test_a_film_is_named_as_it_should_be_and_its_frames_cut_to_one_size(tmp_path):
    frames = [np.zeros((4, 6), np.uint8), np.zeros((5, 5), np.uint8)]
    names = {"plots": plots, "frames": frames, "folder": tmp_path}
    call = "plots.write_film(frames[:1], folder / 'film.mp4')"
    path = follow(call, "film.webm", "plots.write_film(frames[:1], folder / '{}')", **names)
    assert path.stat().st_size > 0
    call = "plots.write_film(frames, folder / 'b.webm')"
    mended = "plots.write_film([{} for frame in frames], folder / 'b.webm')"
    assert follow(call, "frame[:4, :5]", mended, **names).stat().st_size > 0


def test_axes_have_a_figure_that_becomes_a_picture():
    axes = plots.activation_curves().axes[0]
    names = {"plots": plots, "axes": axes}
    assert follow("plots.to_picture(axes)", "axes.figure", "plots.to_picture({})", **names).size


def test_names_for_every_class_are_drawn():
    with pytest.raises(ValueError, match="Name every class"):
        plots.confusion_matrix(CLASSES, CLASSES, ["one"])
    plots.confusion_matrix(CLASSES, CLASSES, ["one", "two"])
    with pytest.raises(ValueError, match="Count the classes from 0"):
        plots.confusion_matrix(CLASSES - 1, CLASSES)
    plots.confusion_matrix(CLASSES - CLASSES.min(), CLASSES)


# ------------------------------------------------------------------ plain arguments


DATA = "refnet.ArrayDataset(torch.rand(8, 4), torch.zeros(8).long())"


@pytest.mark.parametrize(
    ("wrong", "advice", "right"),
    [
        (f"refnet.Loader({DATA}, '8')", "Pass a plain int for batch_size", "int('8')"),
        (f"refnet.Loader({DATA}, 8.0)", "Pass a plain int for batch_size", "int(8.0)"),
        (f"refnet.Loader({DATA}, True)", "Pass a plain int for batch_size", "int(True)"),
        (f"refnet.Loader({DATA}, 0)", "Choose batch_size >= 1", "1"),
        ("refnet.BatchNorm1d(4, momentum='0.1')", "Pass an int or a float for momentum", "0.1"),
        ("refnet.BatchNorm1d(4, momentum=2)", r"in \[0, 1\].*Choose another momentum", "0.5"),
        ("refnet.BatchNorm1d(4, momentum=np.nan)", "Choose another momentum", "0.5"),
    ],
)
def test_a_number_of_the_kind_and_size_that_is_named_is_taken(wrong, advice, right):
    with pytest.raises((TypeError, ValueError), match=advice):
        eval(wrong, NAMES)
    begin, comma, _ = wrong.rpartition(", ")
    name = "momentum=" if "momentum" in wrong else ""
    eval(f"{begin}{comma}{name}{right})", NAMES)


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        (5, "Pass a str or a pathlib.Path"),
        (b"net.pt", "Pass a str or a pathlib.Path"),
        ("", "Name a file or folder"),
        ("net\0.pt", "Name a file or folder"),
        ("~nobody-of-this-name/net.pt", "Write the whole path for path, from / on"),
    ],
)
def test_a_path_as_the_sentence_says_is_taken(tmp_path, wrong, advice):
    net = nn.Linear(2, 2)
    with pytest.raises((TypeError, ValueError), match=advice):
        refnet.save_checkpoint(wrong, net)
    assert refnet.save_checkpoint(str(tmp_path / "net.pt"), net).is_absolute()
    assert refnet.save_checkpoint(tmp_path / "net.pt", net).exists()


# ------------------------------------------------------------------ OpenCV


NO_OPENCV = "import sys; sys.modules['cv2'] = None\n"  # as Python itself marks what is not there
CALLS = {
    "draw_text": "import refnet; print(refnet.draw_text('A', 30, 30).shape)",
    "film": "import numpy as np; from refnet import plots\n"
    "print(plots.write_film([np.zeros((60, 80, 3), np.uint8)] * 3, 'film.webm'))",
}


def python(code, folder, **settings):
    environment = os.environ | settings
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=240
    )


@pytest.mark.parametrize("call", CALLS)
def test_without_opencv_the_package_that_brings_it_is_named(tmp_path, call):
    code = CALLS[call]
    done = python(NO_OPENCV + code, tmp_path)
    assert done.returncode == 1
    package = re.search(r"Run: pip install (\S+)\.$", done.stderr.strip())[1]
    builds = {package, "opencv-python"}  # the other one does as well
    assert builds & set(metadata.packages_distributions()["cv2"])
    assert python(code, tmp_path).returncode == 0


def test_where_opencv_lacks_vp9_the_package_that_has_it_is_named(tmp_path):
    code = CALLS["film"]
    done = python(code, tmp_path, OPENCV_VIDEOIO_PRIORITY_FFMPEG="0")
    assert "expected an OpenCV that writes VP9" in done.stderr
    assert done.stderr.strip().endswith("pip install opencv-python-headless.")
    assert not (tmp_path / "film.webm").exists()
    assert python(code, tmp_path).returncode == 0
    assert (tmp_path / "film.webm").stat().st_size > 100
