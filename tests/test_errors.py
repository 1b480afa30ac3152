"""The checks turn a wrong argument into where, expected, got and what to do."""

import argparse
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from refnet import History, deploy, errors, plots


def test_the_classes_are_caught_by_what_they_derive_from():
    assert issubclass(errors.DataError, ValueError)
    assert issubclass(errors.MissingDataError, errors.DataError)
    assert issubclass(errors.CheckpointError, ValueError)
    assert issubclass(errors.DivergedError, ArithmeticError)
    own = (errors.DataError, errors.CheckpointError, errors.DivergedError)
    assert all(issubclass(kind, errors.RefnetError) for kind in own)


def test_a_sentence_has_four_parts_and_no_blank_at_its_end():
    assert errors.sentence("f", "2", "3", "Pass 2.") == "f: expected 2, got 3. Pass 2."
    assert errors.sentence("f", "2", "3", "") == "f: expected 2, got 3."


@pytest.mark.parametrize("value", [0, 7, np.int64(7)])
def test_a_whole_number_passes_as_a_plain_int(value):
    assert type(errors.check_int("f", "n", value, 0)) is int


@pytest.mark.parametrize("value", [True, 1.0, 1.5, "8", None, float("nan")])
def test_what_is_no_int_is_a_type_error(value):
    with pytest.raises(TypeError) as caught:
        errors.check_int("f", "n", value, 0)
    assert str(caught.value).startswith("f: expected n to be a whole number, 0 or more, got ")
    assert repr(value) in str(caught.value)


def test_an_int_below_the_minimum_is_a_value_error():
    with pytest.raises(ValueError, match=r"got 0\. Choose n >= 1\."):
        errors.check_int("f", "n", 0, 1)


@pytest.mark.parametrize("value", [0, 1, 0.5, np.float32(0.5)])
def test_a_number_in_the_interval_passes_as_a_plain_float(value):
    assert type(errors.check_number("f", "p", value, 0, 1)) is float


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf"), -float("inf")])
def test_a_number_outside_the_interval_is_a_value_error(value):
    with pytest.raises(ValueError, match=r"f: expected p to be a finite number in \[0, 1\], got "):
        errors.check_number("f", "p", value, 0, 1)


@pytest.mark.parametrize("value", [True, "0.1", None, 1j])
def test_what_is_no_number_is_a_type_error(value):
    with pytest.raises(TypeError, match="p to be a finite number"):
        errors.check_number("f", "p", value)


def test_an_unknown_name_is_answered_with_the_nearest():
    assert errors.check_choice("f", "kind", "relu", ["relu", "cos"]) == "relu"
    with pytest.raises(ValueError, match="Did you mean 'relu'"):
        errors.check_choice("f", "kind", "ReLU", ["relu", "cos"])
    with pytest.raises(ValueError, match="Choose one of them"):
        errors.check_choice("f", "kind", "qqq", ["relu", "cos"])
    with pytest.raises(TypeError, match="got 3"):
        errors.check_choice("f", "kind", 3, ["relu"])


def test_a_path_is_a_str_or_a_path_with_home_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert errors.check_path("f", "root", "~/data") == tmp_path / "data"
    assert errors.check_path("f", "root", Path("a")) == Path("a")


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (History([]).to_csv, "a.csv"),
        (History([]).to_json, "a.json"),
        (History([]).to_tensorboard, "events"),
        (lambda path: plots.write_png(np.zeros((4, 4), np.uint8), path), "a.png"),
        (lambda path: plots.write_film([np.zeros((4, 4), np.uint8)], path), "a.webm"),
        (lambda path: deploy.export(nn.Linear(2, 2), torch.zeros(1, 2), path), "a.pt2"),
    ],
    ids=["csv", "json", "tensorboard", "png", "film", "export"],
)
def test_every_path_may_begin_with_the_home_folder(tmp_path, monkeypatch, write, name):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write(f"~/new/{name}")
    assert (tmp_path / "new" / name).exists()
    assert not (tmp_path / "~").exists()


def test_a_history_is_read_from_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    History([]).to_json(tmp_path / "a.json")
    assert History.from_json("~/a.json") == History([])


@pytest.mark.parametrize(
    ("value", "kind"), [(3, TypeError), (b"a", TypeError), ("", ValueError), ("a\0b", ValueError)]
)
def test_what_is_no_path_is_refused(value, kind):
    with pytest.raises(kind, match="f: expected root to be a path, got "):
        errors.check_path("f", "root", value)


@pytest.mark.parametrize(
    ("x", "kind", "words"),
    [
        (np.zeros((2, 3)), TypeError, ["torch.Tensor", "ndarray", "torch.as_tensor"]),
        (torch.zeros(2, 3, dtype=torch.uint8), TypeError, ["floating-point", "uint8", ".float()"]),
        (torch.zeros(2, 3, dtype=torch.float64), TypeError, ["torch.float32", "torch.float64"]),
        (torch.zeros(2, 4), ValueError, ["(..., 3)", "(2, 4)", "the hint"]),
        (torch.tensor(1.0), ValueError, ["(..., 3)", "()"]),
    ],
)
def test_features_of_the_wrong_kind_or_shape_are_named(x, kind, words):
    with pytest.raises(kind) as caught:
        errors.check_features("f", x, 3, "the hint", torch.float32)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    "error",
    [ValueError("v"), TypeError("t"), errors.DataError("d"), OSError("o"), ImportError("i")],
)
def test_a_script_that_fails_prints_one_line_and_exits_with_2(error, monkeypatch, capsys):
    def main(n):
        raise error

    parser = argparse.ArgumentParser(prog="a.py")
    parser.add_argument("--n", type=int, default=1)
    monkeypatch.setattr("sys.argv", ["a.py"])
    with pytest.raises(SystemExit) as stop:
        errors.run_script(main, parser)
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"a.py: {error}\n"


def test_a_script_interrupted_exits_with_130(monkeypatch):
    def main():
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.argv", ["a.py"])
    with pytest.raises(SystemExit) as stop:
        errors.run_script(main, argparse.ArgumentParser())
    assert stop.value.code == 130


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch):
    def main():
        raise RuntimeError("a fault")

    monkeypatch.setattr("sys.argv", ["a.py"])
    with pytest.raises(RuntimeError, match="a fault"):
        errors.run_script(main, argparse.ArgumentParser())


# --- a file written whole


def test_a_file_is_there_at_the_end_and_its_folder_is_made(tmp_path):
    path = tmp_path / "new" / "folder" / "词.txt"
    with errors.written_whole("f", path) as part:
        part.write_text("one")
        assert part.suffix == ".txt"
        assert not path.exists()
    assert path.read_text() == "one"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt()])
def test_a_write_that_is_broken_off_leaves_what_was_there(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("before")
    write = errors.written_whole("f", path)
    write.__enter__().write_text("half")
    assert not write.__exit__(type(error), error, None)  # it goes on its way
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_the_mode_of_a_file_and_a_link_to_it_stay(tmp_path):
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_text("before")
    path.chmod(0o640)
    link.symlink_to(path)
    with errors.written_whole("f", link) as part:
        part.write_text("after")
    assert link.is_symlink()
    assert path.read_text() == "after"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with errors.written_whole("f", path) as part:
        part.write_text("through")
    assert os.read(handle, 100) == b"through"
    os.close(handle)
    assert path.is_fifo()


def test_a_folder_and_a_file_in_place_of_a_folder_are_named(tmp_path):
    (tmp_path / "file").touch()
    for path, words in ((tmp_path, "Is a directory"), (tmp_path / "file" / "x", "File exists")):
        expected = f"^f: expected a file that can be written, got {path} .{words}.. Choose"
        with pytest.raises(errors.DataError, match=expected):
            errors.written_whole("f", path, errors.DataError).__enter__()
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_named_and_leaves_what_was_there(small_disk):
    path = small_disk / "file"
    path.write_bytes(bytes(100_000))
    full = pytest.raises(ValueError, match=r"got .*file \(a full disk\)\. Choose another path")
    with full, errors.written_whole("f", path) as part:
        part.write_bytes(bytes(400_000))
    assert path.read_bytes() == bytes(100_000)
    assert list(small_disk.iterdir()) == [path]
