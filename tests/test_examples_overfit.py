"""examples/overfit_six.py: what it measures, small runs, and the files in docs/results/overfit."""

import json
import math
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

import refnet

ROOT = Path(__file__).parents[1]
SCRIPT = str(ROOT / "examples" / "overfit_six.py")
RESULTS = ROOT / "docs" / "results"
SMALL = {"height": 60, "width": 200, "batch_size": 256, "lr": 0.003, "device": "cpu"}


@pytest.fixture(scope="module")
def six():
    return runpy.run_path(SCRIPT)


@pytest.fixture(scope="module")
def word():
    """The word as 0 and 1, shape (150, 500)."""
    return refnet.ImagePixels(refnet.draw_text("OVERFIT", 150, 500)).labels


# What is measured


@pytest.mark.parametrize("grey", [0.0, 0.3, 1.0])
def test_an_even_grey_misses_all_energy(six, word, grey):
    missing = six["missing_energy"](torch.full(word.shape, grey), word.float())
    assert missing == pytest.approx({"low": 1, "middle": 1, "high": 1}, abs=1e-5)


def test_the_true_picture_misses_no_energy(six, word):
    missing = six["missing_energy"](word.float(), word.float())
    assert missing == {"low": 0, "middle": 0, "high": 0}


@pytest.mark.parametrize(("waves", "band"), [(2, "low"), (7, "middle"), (20, "high")])
def test_a_wave_added_to_the_picture_shows_in_its_band_alone(six, word, waves, band):
    x = torch.arange(500) / 500  # the width of the picture
    wrong = word + 0.1 * torch.cos(2 * math.pi * waves * x)
    missing = six["missing_energy"](wrong, word.float())
    assert missing.pop(band) > 0.01
    assert all(share < 1e-9 for share in missing.values())


def test_the_true_answer_scores_full_and_all_background_only_its_share(six, word):
    letters = torch.stack((-20.0 * word, 20.0 * word), -1).flatten(0, 1)
    letters[:, 0] += 10
    perfect = six["measure"](letters, word)
    assert (perfect["pixel_accuracy"], perfect["iou"]) == (1, 1)
    assert perfect["true_loss"] < 1e-4

    background = torch.tensor([[1.0, 0.0]]).expand(word.numel(), 2)
    nothing = six["measure"](background, word)
    assert nothing["iou"] == 0
    assert nothing["pixel_accuracy"] == pytest.approx((word == 0).float().mean().item())


def test_the_softmax_before_cross_entropy_has_a_floor(six):
    certain = torch.tensor([[50.0, -50.0]])
    loss = six["softmax_first"](certain, torch.tensor([0])).item()
    assert loss == pytest.approx(math.log(1 + 1 / math.e))
    assert cross_entropy(certain, torch.tensor([0])) == 0


def test_megengines_starts_have_variance_1_over_fan_in_and_no_bias(six):
    refnet.seed_everything(0)
    model = refnet.overfit_net("cos")
    six["start_like_megengine"](model)
    layers = [layer for layer in model.modules() if isinstance(layer, refnet.Linear)]
    assert [layer.in_features for layer in layers] == [2, 64, 256, 64]
    for layer in layers:
        draws = layer.weight.numel()  # 128 at least: the variance of n draws is off by sqrt(2 / n)
        variance = (layer.weight.var() * layer.in_features).item()
        assert variance == pytest.approx(1, abs=4 * math.sqrt(2 / draws))
        assert not layer.bias.any()


@pytest.mark.parametrize("steps", [1, 5, 30, 1000, 4000, 100_000])
def test_a_film_looks_at_every_recorded_step_and_ever_less_often(six, steps):
    film, recorded = six["looks"](steps, True), six["looks"](steps, False)
    assert set(recorded) <= set(film)
    assert film == sorted(set(film))
    assert (film[0], film[-1]) == (recorded[0], recorded[-1]) == (0, steps)
    assert len(film) <= 50


# Small runs


def test_a_run_returns_a_number_for_each_seed_and_step_and_is_the_same_again(six):
    names = ("relu-1", "bn-relu-raw")
    first = six["run"](names, seeds=(0, 3), steps=30, **SMALL)
    assert first["steps"] == [0, 25, 30]
    assert first["seeds"] == [0, 3]
    assert tuple(first["values"]) == names
    for measures in first["values"].values():
        assert all(np.shape(rows) == (2, 3) for rows in measures.values())
    again = six["run"](names, seeds=(0, 3), steps=30, **SMALL)
    for name, measures in first["values"].items():
        (one, other), (once_more, _) = measures["true_loss"], again["values"][name]["true_loss"]
        assert one == pytest.approx(once_more, abs=1e-4)  # the same but for rounding
        assert one != pytest.approx(other, abs=1e-3)


def test_a_second_softmax_kills_relu_on_raw_coordinates(six):
    dead = six["run"](("relu-raw",), seeds=(0,), steps=100, twice=True, **SMALL)
    assert dead["values"]["relu-raw"]["iou"][0][-1] == 0


def test_the_start_values_are_megengines_where_asked_for(six):
    ours, theirs = (
        six["run"](("cos-1",), seeds=(0,), steps=1, starts=starts, **SMALL)["values"]["cos-1"]
        for starts in ("torch", "megengine")
    )
    assert ours["true_loss"][0][0] != theirs["true_loss"][0][0]


@pytest.mark.parametrize("configuration", ["relu-1", "cos-3", "bn-relu-raw"])
def test_the_first_100_steps_are_as_recorded(six, configuration):
    record = json.loads((RESULTS / "overfit.json").read_text("utf-8"))
    settings, spread = (record[part][configuration] for part in ("settings", "summary"))
    given = {key: settings[key] for key in ("batch_size", "lr")}
    run = six["run"]((configuration,), seeds=(1,), steps=100, device="cpu", **given)
    iou = dict(zip(run["steps"], run["values"][configuration]["iou"][0], strict=True))
    for step in (25, 100):
        recorded = spread[f"iou at {step}"]
        # other threads and machines round otherwise; in 100 steps that grows to far less than 0.05
        assert recorded["min"] - 0.05 <= iou[step] <= recorded["max"] + 0.05


# Files


def check_files(folder, largest):
    """Check pictures, films and frames against what frames.json says of them."""
    content = json.loads((folder / "frames.json").read_text("utf-8"))
    steps, names = content["steps"], [entry["key"] for entry in content["configurations"]]
    assert steps == sorted(set(steps))
    assert list(content["iou"]) == names
    for entry in content["configurations"]:
        overlaps = content["iou"][entry["key"]]
        assert len(overlaps) == len(steps) == entry["frames"]
        assert all(0 <= iou <= 1 for iou in overlaps)

        sheet, picture = (
            cv2.imread(str(folder / entry[file]), cv2.IMREAD_UNCHANGED)
            for file in ("file", "picture")
        )
        assert sheet.shape == (entry["frames"] * entry["height"], entry["width"])
        last = sheet[-entry["height"] :].astype(int)
        assert np.abs(last - picture[::2, ::2]).max() <= 3  # rounded to steps of 5

        film = cv2.VideoCapture(str(folder / entry["film"]))
        for _ in steps:
            good, frame = film.read()
            assert good
        assert film.read() == (False, None)
        assert frame.shape[:2] == picture.shape
        assert np.abs(frame[..., 0].astype(int) - picture).mean() < 12  # of 255: lossy film
    for file in folder.iterdir():
        assert 0 < file.stat().st_size <= largest, file.name
    return content


def test_the_script_writes_pictures_films_and_frames(six, tmp_path, capsys):
    result = six["run"](("relu-1", "cos-3"), seeds=(0, 1), steps=25, out=tmp_path, **SMALL)
    content = check_files(tmp_path, largest=50_000)
    assert content["steps"] == [0, 5, 10, 15, 20, 25]
    for name, measures in result["values"].items():
        assert content["iou"][name][-1] == pytest.approx(measures["iou"][0][-1], abs=0.001)
    assert "cos-3, seed 1: iou = " in capsys.readouterr().out


def test_the_committed_films_are_those_of_the_recorded_run(six):
    content = check_files(RESULTS / "overfit", largest=300_000)
    assert list(content["iou"]) == list(six["CONFIGURATIONS"])
    assert content["steps"] == six["looks"](4000, True)
    record = json.loads((RESULTS / "overfit.json").read_text("utf-8"))
    assert record["seeds"][0] == 0
    for name, overlaps in content["iou"].items():
        for step in (25, 100, 400, 1000, 4000):
            iou = record["values"][name][f"iou at {step}"][0]
            assert overlaps[content["steps"].index(step)] == pytest.approx(iou, abs=0.001)


# The command line


def test_main_trains_all_six_and_says_where_the_films_are(six, tmp_path, capsys):
    result = six["main"](device="cpu", steps=1, batch_size=64, out=tmp_path)
    assert list(result["values"]) == list(six["CONFIGURATIONS"])
    assert (tmp_path / "bn-relu-raw.webm").exists()
    assert str(tmp_path) in capsys.readouterr().out


def test_the_sources_settings_take_the_place_of_the_others(six, tmp_path, monkeypatch):
    assert six["SOURCES"] == {"steps": 100_000, "batch_size": 1024, "lr": 1e-4}
    main = six["main"]
    monkeypatch.setitem(main.__globals__, "SOURCES", {**six["SOURCES"], "steps": 2})  # not hours
    assert main(device="cpu", steps=9, sources=True, out=tmp_path)["steps"] == [0, 2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seeds", "0"], ["seeds", "0"]),
        (["--steps", "0"], ["steps", "0"]),
        (["--batch-size", "0"], ["batch_size", "0"]),
        (["--lr", "nan"], ["learning rate", "nan"]),
        (["--device", "gpu"], ["'gpu'", "'cuda'"]),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(
    arguments, words, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["overfit_six.py", *arguments, "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(SCRIPT, run_name="__main__")
    err = capsys.readouterr().err
    assert stop.value.code == 2
    assert err.startswith("overfit_six.py: ")
    assert err.count("\n") == 1
    assert all(word in err for word in words), err


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"configurations": ("cos3",)}, ["'cos3'", "'cos-3'"]),
        ({"starts": "mge"}, ["'mge'", "megengine"]),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(six, wrong, words):
    with pytest.raises(ValueError, match="overfit_six") as error:
        six["run"](**wrong)
    assert all(word in str(error.value) for word in words)
