"""`python -m refnet doctor`: what is there, what is missing, and what to do about it."""

import importlib.metadata
import json
import os
import subprocess
import sys

import pytest
import torch

import refnet
from refnet import __main__ as program
from refnet.__main__ import main


def test_doctor_names_versions_device_threads_data_and_disk(capsys, monkeypatch):
    monkeypatch.setenv("REFNET_DEVICE", "cpu")
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for words in (
        f"version of torch:         {torch.__version__}",
        "device:                   cpu",
    ):
        assert words in out
    assert f"threads:                  {torch.get_num_threads()}" in out
    assert "GiB at" in out
    assert "files of fashion-mnist:" in out
    assert "broken:                   nothing" in out


def test_doctor_prints_json(capsys, monkeypatch):
    monkeypatch.setenv("REFNET_DEVICE", "cpu")
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["version of refnet"] == refnet.__version__
    assert report["devices"][0].startswith("cpu: ")
    assert report["broken"] == []


def test_doctor_says_what_to_do_about_what_is_missing(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(program, "find_file", lambda *_: None)
    monkeypatch.setattr(program, "_version", lambda name: None if name == "onnx" else "1")
    assert main(["doctor", "--json"]) == 0
    todo = json.loads(capsys.readouterr().out)["to do"]
    assert any(line.startswith("pip install onnx  (for deploy.to_onnx)") for line in todo)
    assert any("fashion-mnist" in line and "dataset-fashion-mnist" in line for line in todo)


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_doctor_ends_with_1_where_training_cannot_work(capsys, monkeypatch, as_json):
    monkeypatch.setenv("REFNET_DEVICE", "gpu")
    monkeypatch.setattr(program, "_version", lambda name: None if name == "tqdm" else "1")
    assert main(["doctor", *as_json]) == 1
    out = capsys.readouterr().out
    assert "pip install tqdm" in out
    assert "REFNET_DEVICE: expected" in out


@pytest.mark.parametrize(
    ("module", "package", "do"),
    [("cv2", "opencv-python-headless", "pip uninstall opencv-python"), ("PIL", "pillow", "pip")],
)
def test_doctor_finds_a_package_that_is_installed_but_broken(tmp_path, module, package, do):
    text = "libGL.so.1: cannot open shared object file"
    (tmp_path / f"{module}.py").write_text(f"raise ImportError({text!r})")
    result = subprocess.run(
        [sys.executable, "-m", "refnet", "doctor", "--json"],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH')}"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    broken = json.loads(result.stdout)["broken"]
    assert result.returncode == 1
    start = f"{package}: expected a package that can be imported, got ImportError: {text}. pip"
    assert any(line.startswith(start) and do in line for line in broken), broken


def pretend_installed(monkeypatch, **versions):
    """Let the installed packages be these builds of OpenCV, and all else as it is."""
    real = importlib.metadata.version

    def version(name):
        if not name.startswith("opencv"):
            return real(name)
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)


@pytest.mark.parametrize("build", ["opencv-python", "opencv-python-headless"])
def test_doctor_takes_either_build_of_opencv(capsys, monkeypatch, build):
    pretend_installed(monkeypatch, **{build: "5.0"})
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["version of opencv"] == "5.0"
    assert not any("OpenCV" in line for line in report["to do"])


def test_doctor_tells_of_two_builds_of_opencv_in_one_place(capsys, monkeypatch):
    pretend_installed(monkeypatch, **{"opencv-python": "5.0", "opencv-python-headless": "5.1"})
    assert main(["doctor", "--json"]) == 0
    todo = json.loads(capsys.readouterr().out)["to do"]
    start = "OpenCV: expected one of its builds, got opencv-python 5.0 beside "
    start += "opencv-python-headless 5.1. They share the folder cv2: pip uninstall opencv-python"
    assert any(line.startswith(start) for line in todo), todo


def test_doctor_runs_as_a_program():
    command = [sys.executable, "-m", "refnet", "doctor"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""


def run_doctor(**environment):
    command = [sys.executable, "-m", "refnet", "doctor"]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=100
    )


def test_doctor_prints_its_report_where_the_home_folder_is_missing(tmp_path):
    for home in (tmp_path / "missing", tmp_path / "a file"):
        (tmp_path / "a file").touch()
        result = run_doctor(HOME=str(home), XDG_CACHE_HOME=str(home / "cache"))
        assert result.returncode == 0, result.stderr
        assert "free disk:" in result.stdout
        assert "to do:" in result.stdout


def test_doctor_prints_its_report_where_refnet_data_names_no_folder_that_can_be():
    result = run_doctor(REFNET_DATA="~nobody-of-this-name/data")
    assert result.returncode == 1
    assert "files of mnist:           unknown" in result.stdout
    assert "broken:                   REFNET_DATA: expected" in result.stdout
    assert result.stdout.count("REFNET_DATA: expected") == 1
