"""Every piece of advice that an error of the data wing gives is followed, and the case then works.

Where the advice is code, the code in the sentence is what is run.
"""

import gzip
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib import recfunctions

from refnet import (
    MNIST,
    ArrayDataset,
    DataError,
    FashionMNIST,
    ImagePixels,
    Loader,
    MissingDataError,
    Normalize,
    RandomSampler,
    SequentialSampler,
    read_idx,
)
from refnet.__main__ import main

X = np.arange(8, dtype=np.float32).reshape(4, 2)
Y = np.array([0, 1, 2, 1])


def advice(action):
    """Return what the error of an action says to do."""
    with pytest.raises((ValueError, TypeError, IndexError)) as caught:
        action()
    return str(caught.value).split(", got ", 1)[1]


def code_in(text, pattern):
    """Return the code that a pattern finds in an advice."""
    found = re.search(pattern, text)
    assert found, text
    return found.group(1)


def in_short(value):
    """Name a case alike in every process: what it is, or the sentence that it is told."""
    return value if isinstance(value, str) else type(value).__name__


class Sparse:
    """A matrix of scipy's kind."""

    def toarray(self):
        return X


STRUCTURED = np.array([(0.0, 1.0), (2.0, 3.0), (4.0, 5.0), (6.0, 7.0)], "f4,f4")
NAMES = {"numpy": np, "recfunctions": recfunctions, "torch": torch}


@pytest.mark.parametrize(
    ("x", "pattern"),
    [
        (X.tolist(), r"x = (numpy.asarray\(.*\))\."),
        (X.astype(object), r"x = (numpy.asarray\(.*\))\."),
        (X.astype(np.longdouble), r"x = (numpy.asarray\(.*\))\."),
        (X.astype(str), r"x = (numpy.asarray\(.*\))\."),
        (STRUCTURED, r"Pass (numpy.*\))\."),
        (X.astype(complex), r"Pass (x\.real),"),
        (X.astype(complex), r"both parts: (.*)\.$"),
        (torch.tensor(X).to_sparse(), r"Pass (x.to_dense\(\))"),
        (torch.tensor(X) * 1j, r"complex numbers (x\.real)"),
        (Sparse(), r"array: (x\.toarray\(\))"),
        (np.ma.masked_equal(X, 3), r"places: (x\.filled\(0\))"),
        (X[0, 0] * torch.tensor(1.0), r"for one sample (x\[None\])"),
        (np.where(X == 3, np.nan, X), r"x = (numpy.nan_to_num\(x\))"),
    ],
    ids=in_short,
)
def test_samples_that_are_no_plain_numbers_are_taken_as_told(x, pattern):
    y = Y if getattr(x, "ndim", 2) else Y[:1]
    code = code_in(advice(lambda: ArrayDataset(x, y)), pattern)
    data = ArrayDataset(eval(code, NAMES, {"x": x}), y)
    assert len(data) == len(y)
    assert data.x.isfinite().all()


ONE_HOT = np.eye(3, dtype=int)[Y]
SEVERAL = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 1], [0, 0, 0]])


@pytest.mark.parametrize(
    ("y", "pattern", "wanted"),
    [
        (Y.tolist(), r"y = (numpy.asarray\(.*\))\.", Y),
        (Y.astype(float), r"write (y.astype\('int64'\))", Y),
        (torch.tensor(Y).float(), r"or (y.long\(\))", Y),
        (Y + 0.5, r"output: (y.reshape\(-1, 1\))", Y[:, None] + 0.5),
        (Y == 1, r"write (y.astype\('int64'\))", Y == 1),
        (Y[:, None], r"by (y.reshape\(-1\))", Y),
        (ONE_HOT, r"by (y.argmax\(1\))", Y),
        (SEVERAL, r"float: (y.astype\('float32'\))", SEVERAL),
        (np.array(["b", "a", "c", "a"]), r"names, y = (.*)\.$", [1, 0, 2, 0]),
        (Y - 1, r"(numpy.unique.*\[1\])", Y),
        (np.ma.masked_equal(Y, 2), r"places: (y\.filled\(0\))", [0, 1, 0, 1]),
    ],
    ids=in_short,
)
def test_labels_of_another_form_are_taken_as_told(y, pattern, wanted):
    code = code_in(advice(lambda: ArrayDataset(X, y)), pattern)
    got = eval(code, NAMES, {"y": y})
    data = ArrayDataset(X, got[1] if isinstance(got, tuple) else got)
    np.testing.assert_array_equal(data.y, wanted)
    assert data.y.dtype == (torch.int64 if data.y.ndim == 1 else torch.float32)


def test_several_labels_a_sample_are_learnt_as_numbers():
    data = ArrayDataset(X, SEVERAL.astype("float32"))
    x, y = next(iter(Loader(data, SequentialSampler(data, 4))))
    assert torch.equal(y, torch.tensor(SEVERAL).float())
    assert torch.nn.functional.binary_cross_entropy_with_logits(torch.zeros(4, 3), y) > 0
    assert data[0][1].tolist() == [1, 0, 1]
    assert (x.shape, y.dtype) == ((4, 2), torch.float32)


# --- the loader

DATA = ArrayDataset(X, Y)


@pytest.mark.parametrize(
    "given", [(X, Y), [torch.tensor(X), torch.tensor(Y)], X, torch.tensor(X), {"x": X, "y": Y}]
)
def test_arrays_in_place_of_a_data_set(given):
    code = code_in(advice(lambda: Loader(given, SequentialSampler(4, 2))), r"write (.*)\.$")
    data = eval(code, {"ArrayDataset": ArrayDataset}, {"x": X, "y": Y})
    assert len(list(Loader(data, SequentialSampler(data, 2)))) == 2


@pytest.mark.parametrize("mask", [Y == 1, torch.tensor(Y == 1), (Y == 1).tolist()])
def test_a_mask_as_one_batch(mask):
    code = code_in(advice(lambda: list(Loader(DATA, [mask]))), r"mask: (.*)\.$")
    index = eval(code, {"torch": torch}, {"mask": mask})
    assert [y.tolist() for _, y in Loader(DATA, [index])] == [[1, 1]]


def test_an_array_of_indices_or_a_mask_as_the_sampler():
    told = advice(lambda: Loader(DATA, np.arange(4)))
    code = code_in(told, r"Write (.*split\(64\));")
    sampler = eval(code, {"torch": torch}, {"indices": np.array([2, 0])})
    assert [y.tolist() for _, y in Loader(DATA, sampler)] == [[2, 0]]
    indices = eval(code_in(told, r"mask: (.*)\.$"), {}, {"mask": torch.tensor(Y == 1)})
    sampler = eval(code, {"torch": torch}, {"indices": indices})
    assert [y.tolist() for _, y in Loader(DATA, sampler)] == [[1, 1]]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "uint16", "int64"])
def test_indices_of_every_whole_number_type_are_taken(dtype):
    sampler = [np.array([3, 0], dtype)]
    assert [y.tolist() for _, y in Loader(DATA, sampler)] == [[1, 0]]
    rows = np.array([[3, 0], [1, 2]], dtype)  # the rows of an array are batches
    assert [y.tolist() for _, y in Loader(DATA, rows)] == [[1, 0], [1, 2]]


def test_single_indices_in_the_sampler():
    code = code_in(advice(lambda: list(Loader(DATA, [2, 0, 1]))), r"use (.*)\.$")
    batches = eval(code, {"torch": torch}, {"sampler": [2, 0, 1]})
    assert [y.tolist() for _, y in Loader(DATA, batches)] == [[2, 0, 1]]


class Own:
    """A data set of one's own whose label has a form of its own."""

    def __init__(self, label):
        self.label = label

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return X[i], self.label(i)


@pytest.mark.parametrize(
    ("label", "pattern", "dtype"),
    [
        (lambda i: float(Y[i]), r"Return (int\(label\)) for a class", torch.int64),
        (lambda i: Y[i] + 0.5, r"class, (\[number\]) for a number", torch.float32),
        (lambda i: bool(Y[i]), r"Return (int\(label\)) for a class", torch.int64),
        (lambda i: ONE_HOT[i], r"row (label\.argmax\(\))", torch.int64),
    ],
)
def test_labels_of_a_data_set_of_ones_own(label, pattern, dtype):
    told = advice(lambda: list(Loader(Own(label), SequentialSampler(4, 2))))
    code = code_in(told, pattern)
    mended = Own(lambda i: eval(code, {}, {"label": label(i), "number": label(i)}))
    for _, y in Loader(mended, SequentialSampler(4, 2)):
        assert y.dtype == dtype
        assert y.ndim == (1 if dtype == torch.int64 else 2)


def test_the_first_samples_alone():
    with pytest.warns(UserWarning, match="alone take") as said:
        Loader(DATA, RandomSampler(3, 2))
    code = code_in(str(said[0].message), r"take (.*)\.$")
    part = eval(code, {"ArrayDataset": ArrayDataset}, {"x": X, "y": Y})
    assert len(Loader(part, RandomSampler(3, 2))) == 2


# --- scaling

PIXELS = torch.arange(0, 256, dtype=torch.uint8).reshape(4, 1, 8, 8)


def test_numbers_for_0_to_1_meet_pixels_of_0_to_255():
    scale = Normalize((0.1307,), (0.3081,))  # as every MNIST example writes it
    with pytest.warns(UserWarning, match=r"got inputs from 0 to 255\. .*Normalize") as said:
        scale(PIXELS)
    scale(PIXELS)  # once is enough: a second warning would be an error here
    code = code_in(str(said[0].message), r"these are (.*)\.$")
    mended = eval(code, {"Normalize": Normalize})
    torch.testing.assert_close(mended(PIXELS), scale(PIXELS / 255), rtol=1e-3, atol=1e-3)


def test_numbers_for_0_to_255_meet_pixels_of_0_to_1():
    scale = Normalize(72.94, 90.02)
    with pytest.warns(UserWarning, match=r"got inputs from 0 to 1\. .*Normalize") as said:
        scale(PIXELS / 255)
    code = code_in(str(said[0].message), r"these are (.*)\.$")
    mended = eval(code, {"Normalize": Normalize})
    torch.testing.assert_close(mended(PIXELS / 255), scale(PIXELS), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("scale", "x"),
    [
        (Normalize(0.1307, 0.3081), PIXELS / 255),
        (Normalize(72.94, 90.02), PIXELS),
        (Normalize(72.94, 90.02), torch.zeros(4, 8)),  # black pictures
        (Normalize(0, 255), PIXELS),
        (Normalize(0, 1), PIXELS),
        (Normalize(0.5, 0.5), torch.randn(4, 8)),
        (Normalize(0.1307, 0.3081), torch.empty(0, 8)),
    ],
)
def test_numbers_in_the_unit_of_the_inputs_are_no_matter_for_a_warning(scale, x):
    assert scale(x).isfinite().all()  # a warning would be an error here


def test_one_number_in_brackets_is_one_number_for_every_column():
    one = Normalize((0.1307,), (0.3081,))(PIXELS / 255)
    assert torch.equal(one, Normalize(0.1307, 0.3081)(PIXELS / 255))


def test_one_number_a_channel():
    colours = torch.rand(4, 3, 8, 8)
    scale = Normalize((0.1, 0.2, 0.3), (1, 2, 3))
    code = code_in(advice(lambda: scale(colours)), r"pass (.*), and move")
    got = scale(eval(code, {}, {"x": colours})).movedim(-1, 1)
    torch.testing.assert_close(got[:, 1], (colours[:, 1] - 0.2) / 2)


# --- files


def write_idx(path, array):
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(head + array.tobytes())
    return path


@pytest.mark.parametrize("dataset", [MNIST, FashionMNIST])
@pytest.mark.parametrize("shape", [(8000, 28, 28), (10000, 20, 20), (50, 28, 28)])
def test_files_of_ones_own_of_another_size(tmp_path, dataset, shape):
    images = write_idx(tmp_path / "t10k-images-idx3-ubyte", np.zeros(shape, np.uint8))
    labels = write_idx(tmp_path / "t10k-labels-idx1-ubyte", np.zeros(shape[0], np.uint8))
    told = advice(lambda: dataset(tmp_path, train=False, download=False))
    code = code_in(told, r"taken by (.*\)\)),")
    names = {"ArrayDataset": ArrayDataset, "read_idx": read_idx}
    data = eval(code, names, {"images": images, "labels": labels})
    assert data.x.shape == shape


def as_kaggle(folder, files):
    """A folder of its own around each file, and each file beside it with a dot in its name."""
    for name, content in files.items():
        (folder / name).mkdir()
        (folder / name / name).write_bytes(content)
        (folder / name.replace("-idx", ".idx")).write_bytes(content)


def as_kaggle_without_the_copies(folder, files):
    for name, content in files.items():
        inside = folder / name.replace("-idx", ".idx")
        inside.mkdir()
        (inside / inside.name).write_bytes(content)


def as_torchvision(folder, files):
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in files.items():
        (raw / name).write_bytes(content)
        (raw / f"{name}.gz").write_bytes(gzip.compress(content, 1))


def with_a_damaged_one_beside(folder, files):
    for name, content in files.items():
        (folder / name).write_bytes(content[:-1])
        (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1))


@pytest.mark.data
@pytest.mark.parametrize(
    "layout",
    [as_kaggle, as_kaggle_without_the_copies, as_torchvision, with_a_damaged_one_beside],
)
def test_the_layouts_of_others_are_read(tmp_path, layout):
    whole = FashionMNIST(train=False)
    files = {}
    for name, array in (("images-idx3", whole.images), ("labels-idx1", whole.labels)):
        path = write_idx(tmp_path / "file", array.numpy().astype(np.uint8))
        files[f"t10k-{name}-ubyte"] = path.read_bytes()
    layout(tmp_path, files)
    data = FashionMNIST(tmp_path, train=False, download=False)
    assert data.checked == "sha256"
    assert torch.equal(data.images, whole.images)


def test_a_folder_with_the_name_of_a_file_is_no_file(tmp_path, capsys):
    (tmp_path / "t10k-images-idx3-ubyte").mkdir()
    with pytest.raises(MissingDataError, match="none in"):
        MNIST(tmp_path, train=False, download=False)
    assert main(["data", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("0 of 4 files") == 2


@pytest.mark.parametrize("bad", ["empty", "cut"])
def test_a_damaged_file_is_well_when_it_is_written_again(tmp_path, bad):
    path = write_idx(tmp_path / "file", Y.astype(np.uint8))
    content = path.read_bytes()
    path.write_bytes(b"" if bad == "empty" else content[:-1])
    assert "Fetch or write the file again." in advice(lambda: read_idx(path))
    path.write_bytes(content)
    assert read_idx(path).tolist() == Y.tolist()


# --- pictures


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_with_their_channels_first(channels):
    picture = np.full((channels, 4, 5), 255, np.uint8)
    picture[:3, 0] = 0
    told = advice(lambda: ImagePixels(picture))
    pattern = r"or (picture\[0\])" if channels == 1 else r"pass (picture\.transpose\(1, 2, 0\))"
    pixels = ImagePixels(eval(code_in(told, pattern), {}, {"picture": picture}))
    assert (pixels.height, pixels.width) == (4, 5)


@pytest.mark.parametrize(
    ("picture", "pattern"),
    [
        (np.eye(4), r"for 0\.\.1 (.*)\.$"),
        (np.eye(4) * 255, r"for 0\.\.255 write (.*),"),
        (np.eye(4, dtype=int) * 255, r"for 0\.\.255 write (.*),"),
        (np.eye(4, dtype=np.uint8)[..., None] * 255, r"Pass (.*)\.$"),
        (np.ma.masked_equal(np.eye(4, dtype=np.uint8) * 255, 0), r"places: (.*)\.$"),
    ],
    ids=["0 to 1", "0 to 255", "int64", "one channel", "masked"],
)
def test_pictures_of_other_numbers(picture, pattern):
    told = advice(lambda: ImagePixels(picture)).replace("For 0..255", "for 0..255")
    code = code_in(told, pattern)
    labels = ImagePixels(eval(code, {}, {"picture": picture})).labels
    assert torch.equal(labels, torch.eye(4, dtype=torch.int64))


def test_a_picture_that_is_dark_everywhere():
    grey = np.tile(np.arange(0, 128, 2, dtype=np.uint8), (64, 1))
    code = code_in(advice(lambda: ImagePixels(grey)), r"pass (.*)\.$")
    assert ImagePixels(eval(code, {}, {"grey": grey})).labels.float().mean() == 0.5


# --- users without a home


@pytest.fixture
def open_folder():
    """A folder that other users reach too, and one inside it that they may not read."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "closed").mkdir(mode=0o700)
    yield folder
    shutil.rmtree(folder)


def as_nobody(home, code, *arguments, **more):
    """Run code as a user id without a name."""
    start = (
        "import importlib, os, sys\n"
        "import refnet.__main__\n"
        "for module in refnet.__main__.MODULES.values():\n"
        "    importlib.import_module(module)\n"  # Python itself may lie in root's home
        "os.setgid(12345)\nos.setuid(12345)\n"
    )
    variables = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME")}
    if home:
        variables["HOME"] = str(home)
    return subprocess.run(
        [sys.executable, "-c", start + code, *map(str, arguments)],
        env={**variables, "REFNET_OFFLINE": "1", "MPLCONFIGDIR": "/tmp", **more},
        capture_output=True,
        text=True,
        timeout=120,
    )


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")


@needs_root
def test_a_named_folder_needs_no_home(open_folder):
    sample = MNIST(train=False, sample=True)
    labels = sample.labels.repeat(10).numpy().astype(np.uint8)
    write_idx(open_folder / "t10k-images-idx3-ubyte", sample.images.repeat(10, 1, 1).numpy())
    write_idx(open_folder / "t10k-labels-idx1-ubyte", labels)
    code = "import refnet; print(len(refnet.MNIST(sys.argv[1], train=False)))"
    done = as_nobody(None, code, open_folder)
    assert (done.stdout, done.stderr) == ("10000\n", "")
    done = as_nobody(
        None, "import refnet; print(len(refnet.MNIST(train=False)))", REFNET_DATA=str(open_folder)
    )
    assert (done.stdout, done.stderr) == ("10000\n", "")


@needs_root
def test_without_a_home_the_error_says_what_to_set():
    code = (
        "import refnet\n"
        "from refnet.data import fetch\n"
        "fetch.DEBIAN = fetch.Path('/nonexistent')\n"
        "try:\n    refnet.FashionMNIST()\n"
        "except refnet.MissingDataError as error:\n    print(error)"
    )
    done = as_nobody(None, code, REFNET_OFFLINE="0")
    assert "got none: this user has no home folder. Ways out" in done.stdout, done.stderr
    assert "REFNET_DATA" in done.stdout


@needs_root
@pytest.mark.parametrize("home", ["none", "closed"])
def test_doctor_prints_its_report_whatever_the_home(open_folder, home):
    code = "from refnet.__main__ import main; sys.exit(main(['doctor']))"
    done = as_nobody(None if home == "none" else open_folder / "closed", code)
    assert done.returncode == 0, done.stderr
    assert "free disk:" in done.stdout
    assert "broken:                   nothing" in done.stdout


@needs_root
def test_the_home_sign_without_a_home_is_a_sentence():
    code = (
        "import refnet\n"
        "try:\n    refnet.read_idx('~/file')\n"
        "except ValueError as error:\n    print(error)"
    )
    done = as_nobody(None, code)
    assert "got '~/file', and no such home folder. Write the whole path" in done.stdout
    with pytest.raises(DataError, match="no such file"):
        read_idx("/nonexistent/file")  # the whole path is looked at
