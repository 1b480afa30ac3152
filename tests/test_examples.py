"""The scripts of examples/: their numbers on real input, and what they say to wrong input."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(path.name for path in (ROOT / "examples").glob("*.py"))


def main_of(script):
    return runpy.run_path(str(ROOT / "examples" / script))["main"]


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a script in this process as the command line would; return exit code, stdout, stderr."""

    def run(script, *arguments):
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        code = 0
        try:
            runpy.run_path(str(ROOT / "examples" / script), run_name="__main__")
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_says_what_the_script_does(script, run):
    code, out, err = run(script, "--help")
    assert code == 0
    assert err == ""
    assert "--seed" in out
    assert "--device" in out


def test_xor_is_solved_by_the_net_and_not_by_the_linear_model():
    numbers = main_of("xor.py")()
    assert numbers["net_correct"] == 4
    assert numbers["linear_correct"] <= 3  # no straight line gets more than three of the four
    assert numbers["linear_loss"] > 0.69  # ln 2 = 0.693 is the best that a linear model can do


@pytest.mark.data
def test_linear_classifier_reaches_0_825_on_the_full_test_set():
    numbers = main_of("linear_classification_fashion.py")()
    assert (numbers["train_samples"], numbers["test_samples"]) == (60_000, 10_000)
    assert numbers["test_accuracy"] >= 0.825  # 0.833 to 0.835 over three seeds


@pytest.mark.data
def test_neural_network_reaches_0_84_on_the_full_test_set_and_prints_its_epochs(capsys):
    numbers = main_of("neural_network.py")()
    assert (numbers["train_samples"], numbers["test_samples"]) == (60_000, 10_000)
    assert numbers["test_accuracy"] >= 0.84  # 0.848 to 0.851 over three seeds
    line = r"Epoch = \d, train_loss = 0\.\d{3}, train_acc = 0\.\d{3}, val_acc = 0\.\d{3}"
    assert len(re.findall(f"^{line}$", capsys.readouterr().out, re.MULTILINE)) == 5


def test_without_data_the_sample_is_used_only_where_asked_for_and_loudly(
    run, tmp_path, monkeypatch, recwarn
):
    monkeypatch.setenv("REFNET_OFFLINE", "1")
    script, where = "neural_network.py", ("--data", tmp_path, "--epochs", 1)

    code, _, err = run(script, *where)
    assert code == 2
    assert "dataset-fashion-mnist" in err  # says how to get the data

    with pytest.warns(UserWarning, match="embedded sample"):
        code, out, err = run(script, *where, "--or-sample")
    assert (code, err) == (0, "")
    assert "Epoch = 0" in out


def test_overfit_draws_the_word_and_films_it(tmp_path):
    numbers = main_of("overfit.py")(steps=300, every=100, out=tmp_path)
    assert numbers["pixel_accuracy"] > numbers["background"]  # better than "all background"

    picture = cv2.imread(str(tmp_path / "prediction.png"), cv2.IMREAD_GRAYSCALE)
    assert picture.shape == (300, 1000)
    film = cv2.VideoCapture(str(tmp_path / "convergence.webm"))
    frames = [film.read() for _ in range(numbers["frames"])]
    assert all(good for good, _ in frames)
    assert film.read() == (False, None)  # no frame more than were kept
    last = frames[-1][1][..., 0].astype(float)
    assert np.abs(last - cv2.resize(picture, last.shape[::-1])).mean() < 12  # of 255: lossy film


@pytest.mark.filterwarnings("ignore:NOT the full set")  # where there is none
@pytest.mark.parametrize(
    ("script", "arguments", "words"),
    [
        ("xor.py", ["--epochs", 0], ["epochs", "0"]),
        ("xor.py", ["--activation", "rleu"], ["'rleu'", "'relu'"]),
        ("xor.py", ["--device", "gpu"], ["'gpu'", "'cuda'"]),
        ("xor.py", ["--hidden", 0], ["hidden", "0"]),
        ("xor.py", ["--seed", -1], ["seed", "-1"]),
        ("neural_network.py", ["--epochs", 0], ["epochs", "0"]),
        ("neural_network.py", ["--batch-size", 0], ["batch_size", "0"]),
        ("neural_network.py", ["--lr", "nan"], ["lr", "nan"]),
        ("linear_classification_fashion.py", ["--epochs", -1], ["epochs", "-1"]),
        ("overfit.py", ["--steps", 0], ["steps", "0"]),
        ("overfit.py", ["--image", "nowhere.png"], ["nowhere.png"]),
        ("overfit.py", ["--activation", "cosine"], ["'cosine'", "'cos'"]),
        ("overfit.py", ["--text", ""], ["text"]),
        ("overfit.py", ["--range", "nan"], ["nan"]),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(
    script, arguments, words, run, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    data = [] if script in ("xor.py", "overfit.py") else ["--or-sample"]
    code, _, err = run(script, *arguments, *data)
    assert code == 2
    assert err.startswith(f"{script}: ")
    assert err.count("\n") == 1
    assert all(word in err for word in words), err


def test_an_unreadable_picture_is_one_sentence_and_exit_code_2(run, tmp_path):
    path = tmp_path / "not-a-picture.png"
    path.write_text("hello")
    code, _, err = run("overfit.py", "--image", path)
    assert code == 2
    assert "not-a-picture.png" in err


def test_a_damaged_data_file_is_one_sentence_and_no_traceback(tmp_path):
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"<html>not found</html>")
    script = ROOT / "examples" / "neural_network.py"
    process = subprocess.run(
        [sys.executable, script, "--data", tmp_path, "--or-sample"], capture_output=True, text=True
    )
    assert process.returncode == 2
    assert "Traceback" not in process.stderr
    assert "train-images-idx3-ubyte.gz" in process.stderr


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_program_in_the_readme_prints_what_stands_below_it(readme, capsys):
    text = (ROOT / readme).read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (printed,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    exec(compile(program, readme, "exec"), {})
    assert capsys.readouterr().out == printed


def test_both_readmes_give_the_same_two_commands():
    commands = [
        re.findall(r"^python -m pip install tox && .*$", (ROOT / name).read_text("utf-8"), re.M)
        for name in ("README.md", "README.zh-CN.md")
    ]
    assert commands[0] == commands[1]
    assert [line.split()[-1] for line in commands[0]] == ["site", "test"]
