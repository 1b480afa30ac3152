"""Plots: figures show the numbers they are given, films play, and none needs a display."""

import os
import subprocess
import sys
import warnings

import cv2
import nbformat
import numpy as np
import pytest
import torch
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from nbclient import NotebookClient
from torch import nn

import refnet
from refnet import History, plots
from refnet.training.record import Row

ROWS = [Row(e, 10 * e, 1.0 - e / 10, e / 10, None, e / 8 if e % 2 else None, 0.0) for e in range(4)]


def test_curves_draw_each_column_that_was_measured():
    loss, accuracy = plots.curves(History(ROWS)).axes
    assert [line.get_label() for line in loss.lines] == ["train_loss"]
    assert [line.get_label() for line in accuracy.lines] == ["train_acc", "val_acc"]
    assert accuracy.lines[1].get_xydata().tolist() == [[1, 1 / 8], [3, 3 / 8]]
    assert loss.get_xlabel() == "epoch"


def test_curves_of_a_run_over_steps_go_by_the_step():
    figure = plots.curves(History([Row(None, 2000, 1.0, 0.5, None, None, 0.0)]))
    assert figure.axes[0].get_xlabel() == "step"
    assert figure.axes[0].lines[0].get_xdata().tolist() == [2000]


def test_curves_of_a_run_without_accuracies_are_those_of_the_loss_alone():
    figure = plots.curves(History([Row(0, 10, 1.0, None, 0.5, None, 0.0)]))
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss"]
    assert [line.get_label() for line in figure.axes[0].lines] == ["train_loss", "val_loss"]
    plots.to_picture(figure)


def test_the_confusion_matrix_counts_true_rows_and_predicted_columns():
    labels, predictions = torch.tensor([0, 0, 1, 2, 2, 2]), torch.tensor([0, 1, 1, 0, 0, 2])
    axes = plots.confusion_matrix(labels, predictions, ["a", "b", "c"]).axes[0]
    counts = [int(text.get_text()) for text in axes.texts]
    assert counts == [1, 1, 0, 0, 1, 0, 2, 0, 1]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b", "c"]


@pytest.mark.parametrize(("labels", "predictions"), [([0, 1], [2, 1]), ([3, 1], [0, 0])])
def test_an_index_without_a_class_is_named(labels, predictions):
    got = max(labels + predictions)
    words = f"expected indices of the 2 classes, got {got}. Name every class"
    with pytest.raises(ValueError, match=words):
        plots.confusion_matrix(torch.tensor(labels), torch.tensor(predictions), ("a", "b"))


def test_samples_mark_what_was_taken_for_something_else():
    images, labels = torch.rand(3, 1, 8, 8), torch.tensor([0, 1, 0])
    figure = plots.samples(images, labels, torch.tensor([0, 0, 0]), ("shoe", "bag"), columns=2)
    assert [axes.get_title() for axes in figure.axes] == ["shoe", "bag → shoe", "shoe"]
    assert [axes.title.get_color() for axes in figure.axes] == ["black", "firebrick", "black"]


def shown(figure):
    """Return what the axes of a grid of samples show: arrays, as matplotlib was given them."""
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes]


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (torch.tensor([[[0, 255, 51]]], dtype=torch.uint8), [0, 1, 0.2]),
        (torch.tensor([[[10, 20, 51]]]), [10 / 255, 20 / 255, 0.2]),
        (torch.tensor([[[0.0, 255.0, 51.0]]]), [0, 1, 0.2]),
        (torch.tensor([[[0.0, 0.5, 1.0]]]), [0, 0.5, 1]),
        (torch.tensor([[[0.2, 0.2, 0.2]]]), [0.2, 0.2, 0.2]),
        (torch.tensor([[[-1.0, 0.0, 3.0]]]), [0, 0.25, 1]),
        (torch.tensor([[[False, True, True]]]), [0, 1, 1]),
    ],
    ids=["bytes", "integers", "floats", "shares", "even", "normalised", "bool"],
)
def test_samples_are_black_at_0_and_white_at_255(images, expected):
    figure = plots.samples(images, torch.tensor([0]))
    image = figure.axes[0].images[0]
    assert image.get_cmap().name == "gray"
    assert image.get_clim() == (0, 1)
    np.testing.assert_allclose(shown(figure)[0], [expected], rtol=1e-6)  # float32 values


def test_the_border_of_a_picture_of_fashion_mnist_is_drawn_black():
    data = refnet.FashionMNIST(sample=True)
    figure = plots.samples(data.images[:1], data.labels[:1])
    picture = plots.to_picture(figure)
    bounds = figure.axes[0].get_window_extent()
    left, bottom = int(bounds.x0), int(bounds.y0)
    corner = picture[picture.shape[0] - bottom - 4, left + 4]
    assert corner.tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", ["(N, 3, H, W)", "(N, H, W, 3)", "bytes", "array"])
def test_samples_in_colour_are_drawn_in_colour(kind):
    colours = torch.rand(2, 3, 5, 4)
    given = {
        "(N, 3, H, W)": colours,
        "(N, H, W, 3)": colours.permute(0, 2, 3, 1),
        "bytes": (255 * colours).round().byte(),
        "array": colours.numpy(),
    }[kind]
    figure = plots.samples(given, torch.tensor([0, 1]))
    expected = colours.permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(shown(figure), expected, rtol=0, atol=0.5 / 255)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((3, 784), r"got \(3, 784\)\. .*: images.reshape\(-1, 28, 28\)"),
        ((3, 5), r"got \(3, 5\)\. "),
        ((3, 4, 5, 5), r"got \(3, 4, 5, 5\)\. .*: images\[:, :3\]"),
        ((3, 5, 5, 4), r"got \(3, 5, 5, 4\)\. .*: images\[\.\.\., :3\]"),
        ((3, 1, 3, 5, 5), r"got \(3, 1, 3, 5, 5\)\. "),
    ],
)
def test_images_of_another_shape_are_refused_in_a_sentence(shape, words):
    expected = r"plots.samples: expected images of shape \(N, H, W\), \(N, 3, H, W\) or .*, "
    with pytest.raises(ValueError, match=expected + words):
        plots.samples(torch.zeros(shape), torch.zeros(3, dtype=torch.int64))


NAMES = ["a", "b $5 to $6", "c"]


@pytest.mark.parametrize(
    "classes",
    [NAMES, tuple(NAMES), dict(enumerate(NAMES)), {name: i for i, name in enumerate(NAMES)}],
    ids=["list", "tuple", "by index", "by name"],
)
def test_names_of_classes_come_as_a_list_or_a_mapping_and_a_dollar_is_a_dollar(classes):
    labels = torch.tensor([0, 1, 2])
    matrix = plots.confusion_matrix(labels, labels, classes)
    grid = plots.samples(torch.zeros(3, 5, 5), labels, classes=classes)
    axes = matrix.axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == NAMES
    assert [each.get_title() for each in grid.axes] == NAMES
    texts = [*axes.get_xticklabels(), *axes.get_yticklabels(), *(a.title for a in grid.axes)]
    assert not any(text.get_parse_math() for text in texts)
    for figure in (matrix, grid):
        plots.to_picture(figure)  # as mathematics "$5 to $" would be, and "$_$" could not be drawn


@pytest.mark.parametrize("classes", [{0: "a", 2: "c"}, {1: "a", 2: "b", 3: "c"}])
def test_a_mapping_with_holes_is_refused(classes):
    labels = torch.tensor([0, 1])
    with pytest.raises(ValueError, match=r"a name for each of the \d indices from 0, got "):
        plots.confusion_matrix(labels, labels, classes)


def test_small_types_of_labels_do_not_overflow():
    labels = torch.arange(20, dtype=torch.uint8)
    counts = plots.confusion_matrix(labels, labels).axes[0].texts
    assert sum(int(text.get_text()) for text in counts[::21]) == 20  # the diagonal


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (torch.rand(3, 10), r"of shape \(N,\), got \(3, 10\)\. .*: labels.argmax\(1\)"),
        (torch.ones(3, 1), r"got \(3, 1\)\. .*: labels.squeeze\(1\)"),
        (torch.tensor(1), r"got \(\)\. .*: labels\[None\]"),
        (torch.tensor([0.5, 1, 2]), r"got 0.5\. Count the classes from 0"),
        (torch.tensor([-1, 1, 2]), r"got -1\. Count the classes from 0"),
    ],
)
def test_what_is_no_class_index_is_refused(labels, words):
    with pytest.raises(ValueError, match="labels to be class indices .*" + words):
        plots.samples(torch.zeros(3, 5, 5), labels)
    with pytest.raises(ValueError, match="labels to be class indices .*" + words):
        plots.confusion_matrix(labels, torch.tensor([0, 1, 2]))


# The sign \U000F1234 belongs to no script: no font has it, but for the one that is made here
def test_a_font_is_looked_for_in_the_folders_of_the_system(tmp_path):
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 1000), (1000, 1000), (1000, 0)):
        pen.lineTo(corner)
    pen.closePath()
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder([".notdef", "square"])
    font.setupCharacterMap({0xF1234: "square"})
    font.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "square": pen.glyph()})
    font.setupHorizontalMetrics({".notdef": (1000, 0), "square": (1000, 0)})
    font.setupHorizontalHeader(ascent=1000, descent=0)
    font.setupNameTable({"familyName": "Square", "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    (tmp_path / "fonts").mkdir()
    font.save(tmp_path / "fonts" / "square.ttf")
    program = (
        "import torch, refnet.plots as p; y = torch.tensor([0, 1]); "
        "figure = p.confusion_matrix(y, y, ['a', '\U000f1234']); p.to_picture(figure); "
        "print(figure.axes[0].get_yticklabels()[1].get_fontfamily()[-1])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=os.environ | {"XDG_DATA_HOME": str(tmp_path), "MPLCONFIGDIR": str(tmp_path / "mpl")},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "Square\n", done.stderr


def test_without_a_font_one_sentence_says_what_to_install():
    labels = torch.tensor([0, 1])
    names = ["\U000f1234", "\U000f1234\U000f1235"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure = plots.confusion_matrix(labels, labels, names)
        plots.to_picture(figure)
    assert len(caught) == 1
    assert "apt-get install fonts-noto-cjk" in str(caught[0].message)
    assert "a font for \U000f1234\U000f1235, got none" in str(caught[0].message)
    assert caught[0].filename == __file__


def test_names_that_the_usual_font_has_look_for_no_other():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        axes = plots.samples(torch.zeros(1, 5, 5), torch.tensor([0]), classes=["Stiefel é →"]).axes
    assert axes[0].title.get_fontfamily() == ["sans-serif"]


@pytest.mark.parametrize("first", ["", "%matplotlib inline\n"])
def test_a_figure_at_the_end_of_a_cell_shows_as_one_picture(first):
    cells = [
        "from refnet import plots\n" + first + "plots.activation_curves()",
        "import sys\n'matplotlib.pyplot' in sys.modules",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120).execute()
    pictures = [output for output in notebook.cells[0].outputs if "image/png" in output.data]
    assert len(pictures) == 1
    assert len(notebook.cells[0].outputs) == 1
    if not first:
        assert notebook.cells[1].outputs[0].data["text/plain"] == "False"


def test_scatter_puts_x_to_the_right_and_y_upwards():
    points = torch.tensor([[1.0, 5.0], [2.0, 7.0]])  # (y, x)
    axes = plots.scatter(points, torch.tensor([0, 1])).axes[0]
    assert axes.collections[0].get_offsets().tolist() == [[5, 1], [7, 2]]


def test_the_decision_boundary_lies_where_the_net_is_undecided():
    model = nn.Linear(2, 2)
    with torch.no_grad():  # class 1 where x_1 > 0.25
        model.weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
        model.bias.copy_(torch.tensor([0.0, -0.25]))
    x = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    figure = plots.decision_boundary(model, x, torch.tensor([0, 1]))
    line = figure.axes[0].collections[1].get_paths()[0].vertices
    assert line[:, 0] == pytest.approx(0.25, abs=0.01)  # half a cell of the 100 x 100 grid
    assert line[:, 1].min() == pytest.approx(-0.5)
    assert line[:, 1].max() == pytest.approx(1.5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("given", [torch.float64, torch.int64, torch.float32])
def test_the_grid_of_a_boundary_has_the_type_of_the_net(dtype, given):
    x = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=given)
    net = nn.Linear(2, 2).to(dtype)
    figure = plots.decision_boundary(net, x, torch.tensor([0, 1, 1, 0]))
    points = figure.axes[0].collections[-1].get_offsets()
    assert points.tolist() == x.tolist()


def test_a_boundary_needs_two_inputs_and_two_logits():
    y = torch.tensor([0, 1])
    with pytest.raises(ValueError, match=r"points of shape \(N, 2\), got \(2, 3\)"):
        plots.decision_boundary(nn.Linear(3, 2), torch.rand(2, 3), y)
    with pytest.raises(ValueError, match=r"two logits or more, got one that gives \(10000, 1\)"):
        plots.decision_boundary(nn.Linear(2, 1), torch.rand(2, 2), y)


def test_a_net_that_says_one_class_everywhere_has_no_boundary():
    model = nn.Linear(2, 2)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    figure = plots.decision_boundary(model, torch.rand(4, 2), torch.tensor([0, 1, 1, 0]))
    assert len(figure.axes[0].collections) == 2  # the surface and the samples


def test_activation_curves_show_the_function_and_its_derivative():
    axes = plots.activation_curves({"cube": lambda x: x**3}).axes[0]
    x = axes.lines[0].get_xdata()
    np.testing.assert_allclose(axes.lines[0].get_ydata(), x**3, rtol=1e-5)  # float32
    np.testing.assert_allclose(axes.lines[1].get_ydata(), 3 * x**2, rtol=1e-5)
    titles = [axes.get_title() for axes in plots.activation_curves().axes]
    assert titles == ["relu", "sigmoid", "tanh", "cos"]


def test_the_prediction_picture_is_the_probability_of_class_1_and_leaves_the_mode():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[0.0, 0.0], [0.0, 50.0]]))
        model[0].bias.zero_()
    grid = torch.cartesian_prod(torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 0.0, 1.0]))
    assert plots.prediction_picture(model, grid, 2, 3).tolist() == [[0, 128, 255]] * 2
    assert model.training
    with pytest.raises(ValueError, match=r"3 \* 3 coordinates, got 6"):
        plots.prediction_picture(model, grid, 3, 3)


def test_a_figure_becomes_a_picture():
    picture = plots.to_picture(plots.activation_curves())
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[2] == 3
    assert picture.min() < 50
    assert picture.max() == 255


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_a_png_holds_the_very_pixels(tmp_path, shape):
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = plots.write_png(torch.from_numpy(picture), tmp_path / "new" / "图 a.png")
    data = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(data if data.ndim == 2 else data[..., ::-1], picture)


@pytest.mark.parametrize("shape", [(30, 100), (31, 99), (30, 100, 3)])
def test_a_film_plays_all_its_frames_in_vp9_and_writes_nothing_to_the_screen(
    tmp_path, shape, capfd
):
    frames = [np.full(shape, 20 * n, np.uint8) for n in range(12)]
    path = plots.write_film(frames, tmp_path / "new" / "film.webm", fps=5)
    assert capfd.readouterr() == ("", "")
    assert b"webm" in path.read_bytes()[:64]
    assert b"V_VP9" in path.read_bytes()
    film = cv2.VideoCapture(str(path))
    seen = []
    while (pair := film.read())[0]:
        seen.append(pair[1])
    assert len(seen) == 12
    assert seen[0].shape == (30 + shape[0] % 2 * 2, 100, 3)
    for n, frame in enumerate(seen):
        assert abs(float(frame.mean()) - 20 * n) < 4  # VP9 keeps brightness in 220 levels


@pytest.mark.parametrize(
    ("frames", "error", "words"),
    [
        ([], ValueError, "frames of one size, got no frames"),
        (
            [np.zeros((4, 4), np.uint8), np.zeros((4, 6), np.uint8)],
            ValueError,
            r"\(4, 4\), \(4, 6\)",
        ),
        ([np.zeros((4, 4))], TypeError, "an array of uint8, got float64"),
        ([torch.zeros(4, 4)], TypeError, "an array of uint8, got float32"),
        ([[0]], TypeError, "an array of uint8, got list"),
        ([plots.activation_curves()], TypeError, r"got a figure\. .*plots.to_picture\(figure\)"),
        ([np.zeros((4, 4, 4), np.uint8)], ValueError, r"shape \(H, W\) or \(H, W, 3\), got"),
        ([np.zeros((0, 4), np.uint8)], ValueError, r"shape \(H, W\) or \(H, W, 3\), got"),
    ],
)
def test_wrong_frames_are_named(tmp_path, frames, error, words):
    with pytest.raises(error, match=words):
        plots.write_film(frames, tmp_path / "film.webm")
    assert not list(tmp_path.iterdir())


def test_wrong_paths_and_speeds_are_named(tmp_path):
    frames = [np.zeros((4, 4), np.uint8)]
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"a path ending in \.webm, got film\.mp4"):
        plots.write_film(frames, "film.mp4")
    with pytest.raises(ValueError, match=r"a file that can be written, got .*file"):
        plots.write_film(frames, tmp_path / "file" / "film.webm")
    with pytest.raises(ValueError, match=r"a file that can be written, got .*file"):
        plots.write_png(frames[0], tmp_path / "file" / "a.png")
    with pytest.raises(ValueError, match="expected fps to be a finite number"):
        plots.write_film(frames, tmp_path / "film.webm", fps=0)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.scatter(torch.rand(3, 2), torch.zeros(2)),
        lambda: plots.confusion_matrix(torch.zeros(3), torch.zeros(2)),
        lambda: plots.samples(torch.zeros(3, 8, 8), torch.zeros(2)),
        lambda: plots.decision_boundary(nn.Linear(2, 2), torch.rand(3, 2), torch.zeros(2)),
    ],
)
def test_different_lengths_are_named(draw):
    with pytest.raises(ValueError, match="as many labels as samples, got 3 and 2"):
        draw()


def test_an_empty_history_is_named():
    with pytest.raises(ValueError, match="a history with rows, got none"):
        plots.curves(History())
    with pytest.raises(TypeError, match=r"a History, got Linear\. Pass what fit"):
        plots.curves(nn.Linear(1, 1))


def test_missing_opencv_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)  # an import of it fails
    with pytest.raises(
        ImportError, match=r"expected OpenCV, got .*pip install opencv-python-headless"
    ):
        plots.write_png(np.zeros((4, 4), np.uint8), tmp_path / "a.png")


def test_nothing_here_loads_pyplot():
    program = "import sys, refnet.plots as p; p.activation_curves(); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "matplotlib.figure" in result.stdout.split()
    assert "matplotlib.pyplot" not in result.stdout.split()
