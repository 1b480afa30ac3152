"""Plots: figures show the numbers they are given, films play, and none needs a display."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from torch import nn

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
