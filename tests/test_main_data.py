"""`python -m refnet data`: one line a set, and what is wrong with which file."""

import gzip
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest

from refnet.__main__ import main
from refnet.data import fetch
from refnet.data.fetch import find_file
from refnet.data.idx import SHAPES

REAL = {
    name: find_file("fashion-mnist", name, None) for name in SHAPES
}  # before `nowhere` hides it


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """Hide the machine's own data and network."""
    for name in ("REFNET_DATA", "REFNET_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REFNET_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "DEBIAN", tmp_path / "no-debian")


@pytest.fixture
def digits(tmp_path):
    """A folder with four files in MNIST's form."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name, shape in SHAPES.items():
        head = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
        packed = gzip.compress(head + np.zeros(shape, np.uint8).tobytes(), 1)
        (folder / f"{name}.gz").write_bytes(packed)
    return folder


@pytest.fixture
def real(tmp_path):
    """A copy of the real files."""
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    return {name: shutil.copy(path, folder / f"{name}.gz") for name, path in REAL.items()}


def test_without_data_each_set_has_a_line_with_the_ways_out(capsys):
    assert main(["data"]) == 0
    fashion, mnist = capsys.readouterr().out.splitlines()
    assert fashion.startswith("fashion-mnist: 0 of 4 files. Get it: python -m refnet data --fetch.")
    assert "apt-get install dataset-fashion-mnist" in fashion
    assert mnist.startswith("mnist: 0 of 4 files. Get it: ")


@pytest.mark.data
def test_a_set_found_is_named_with_its_folder(tmp_path, capsys, real):
    assert main(["data", "--root", str(tmp_path)]) == 0
    fashion, mnist = capsys.readouterr().out.splitlines()
    expected = f"fashion-mnist: found in {tmp_path / 'fashion-mnist'}, not checked"
    assert fashion == f"{expected} (--verify does that)"
    assert mnist.startswith(f"mnist: 0 of 4 files in {tmp_path}. Get it: ")


@pytest.mark.data
def test_verify_names_each_file_and_how_it_was_checked(tmp_path, capsys, real):
    assert main(["data", "--verify", "--root", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"fashion-mnist: found in {tmp_path / 'fashion-mnist'}, checked"
    assert lines[1:5] == [f"  {path}: right, by sha256" for path in real.values()]


@pytest.mark.data
@pytest.mark.parametrize("name", SHAPES)
def test_verify_names_a_flipped_bit_in_a_copy_of_the_real_files(tmp_path, capsys, real, name):
    content = bytearray(real[name].read_bytes())
    content[len(content) // 3] ^= 16
    real[name].write_bytes(content)

    assert main(["data", "--verify", "--root", str(tmp_path)]) == 1

    out = capsys.readouterr().out
    assert "fashion-mnist: found in" in out
    assert ", 1 wrong\n" in out
    wrong = [line for line in out.splitlines() if "WRONG" in line]
    assert len(wrong) == 1
    assert wrong[0].startswith(f"  WRONG: {real[name]}: expected ")


def test_verify_says_of_mnists_form_that_it_is_no_proof(tmp_path, capsys, digits):
    assert main(["data", "--verify", "--root", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.count("right, by structure alone: not the published bytes") == 4


def test_a_missing_file_is_counted(tmp_path, capsys, digits):
    (digits / "t10k-labels-idx1-ubyte.gz").unlink()
    assert main(["data", "--root", str(tmp_path)]) == 0
    assert f"mnist: 3 of 4 files in {digits}. Get it" in capsys.readouterr().out


def test_fetch_without_a_network_fails_with_the_reason(capsys):
    assert main(["data", "--fetch"]) == 1
    err = capsys.readouterr().err
    assert "fashion-mnist data: expected a file train-images-idx3-ubyte[.gz], got none in" in err
    assert "mnist data: expected" in err


def test_after_a_failed_fetch_nothing_is_said_twice(capsys):
    assert main(["data", "--fetch"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == ["fashion-mnist: 0 of 4 files.", "mnist: 0 of 4 files."]
    assert err.count("Ways out") == 2  # once a set


def test_the_command_to_get_a_set_has_the_folder_asked_for(tmp_path, capsys):
    root = tmp_path / "my data"
    assert main(["data", "--root", str(root)]) == 0
    fashion, mnist = capsys.readouterr().out.splitlines()
    command = f"files in {root}. Get it: python -m refnet data --fetch --root '{root}'. Ways out: "
    assert fashion == f"fashion-mnist: 0 of 4 {command}" + fashion.partition("Ways out: ")[2]
    assert mnist.startswith(f"mnist: 0 of 4 {command}leave the folder out")


def test_a_wrong_mirror_is_told_where_the_set_in_question_is_asked_for(monkeypatch):
    monkeypatch.setenv("REFNET_MIRROR", "foo")
    with pytest.raises(ValueError, match=r"asked for at <REFNET_MIRROR>/mnist/<file>\.gz"):
        fetch.addresses("mnist", "train-images-idx3-ubyte")


def test_a_wrong_setting_is_one_sentence_and_exit_code_2(capsys, monkeypatch):
    monkeypatch.setenv("REFNET_OFFLINE", "0")
    monkeypatch.setenv("REFNET_MIRROR", "ftp://old")
    assert main(["data", "--fetch"]) == 2
    assert capsys.readouterr().err == (
        "python -m refnet: REFNET_MIRROR: expected an address http(s)://..., got 'ftp://old'. "
        "The file is asked for at <REFNET_MIRROR>/fashion-mnist/<file>.gz.\n"
    )


def test_the_command_runs_as_a_module():
    command = [sys.executable, "-m", "refnet", "data"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["fashion-mnist", "mnist"]
    no = subprocess.run([*command[:3], "dta"], capture_output=True, text=True, timeout=60)
    assert no.returncode == 2
    assert "invalid choice: 'dta'" in no.stderr
