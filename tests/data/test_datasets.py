"""Data sets: arrays of one's own, XOR, MNIST and Fashion-MNIST wherever their files lie."""

import gzip
import hashlib
import os
import socket
import struct
import subprocess
import sys

import make_sample
import numpy as np
import pytest
import torch

import refnet
from refnet import MNIST, XOR, ArrayDataset, DataError, FashionMNIST, MissingDataError
from refnet.data import fetch
from refnet.data.fetch import find_file
from refnet.data.idx import KNOWN, SHAPES

FASHION = "fashion-mnist"
# Debian took name and time out of the gz headers; with them back the files are the published ones
PUBLISHED = {
    "train-images-idx3-ubyte": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
PACKED_AT = {"train": 1504176606, "t10k-": 1504176627}  # 2017-08-31, seconds since 1970


def idx(array):
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.astype(np.uint8).tobytes()


@pytest.fixture
def real():
    """The packed bytes of the four real files."""
    return {name: find_file(FASHION, name, None).read_bytes() for name in SHAPES}


@pytest.fixture(scope="module")
def digits():
    """The packed bytes of four files in the form of MNIST's."""
    rng = np.random.default_rng(0)
    tile = rng.integers(0, 256, (100, 28, 28), dtype=np.uint8)
    files = {}
    for name, shape in SHAPES.items():
        array = np.resize(tile, shape) if len(shape) == 3 else np.arange(shape[0]) % 10
        files[name] = gzip.compress(idx(array), 1)
    return files


@pytest.fixture(autouse=True)
def no_outside(tmp_path, monkeypatch):
    """Neither the network nor the user's own folders: each test says what there is."""
    for name in ("REFNET_DATA", "REFNET_MIRROR", "REFNET_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def no_debian(monkeypatch, tmp_path):
    monkeypatch.setattr(fetch, "DEBIAN", tmp_path / "no-debian")


@pytest.fixture
def no_socket(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def put(folder, files, suffix=".gz"):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        content = content if suffix == ".gz" else gzip.decompress(content)
        (folder / f"{name}{suffix}").write_bytes(content)
    return folder


# --- ArrayDataset and XOR


def test_xor_is_the_four_points_in_order():
    data = XOR()
    assert data.x.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert data.y.tolist() == [0, 1, 1, 0]
    assert (data.x.dtype, data.y.dtype, len(data)) == (torch.float32, torch.int64, 4)
    point, label = data[1]
    assert (point.tolist(), label) == ([0, 1], 1)


@pytest.mark.parametrize("kind", ["numpy", "torch", "big-endian", "backwards", "read-only"])
def test_arrays_of_any_kind_become_tensors_of_the_same_numbers(kind):
    x = np.arange(12, dtype=np.float64).reshape(4, 3)
    y = np.array([0, 1, 2, 1])
    given = {
        "numpy": x,
        "torch": torch.tensor(x),
        "big-endian": x.astype(">f8"),
        "backwards": x[::-1][::-1].copy()[::-1],
        "read-only": x.copy(),
    }[kind]
    if kind == "backwards":
        x = x[::-1]
    if kind == "read-only":
        given.setflags(write=False)
    data = ArrayDataset(given, y)
    assert data.x.dtype == torch.float64
    np.testing.assert_array_equal(data.x.numpy(), x)
    assert data.y.tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint16", "int64", "uint64"])
def test_labels_of_any_whole_number_type_become_int64(dtype):
    data = ArrayDataset(np.zeros((3, 2)), np.array([0, 2, 1], dtype=dtype))
    assert (data.y.dtype, data.y.tolist()) == (torch.int64, [0, 2, 1])


@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "uint16", "uint32", "float16", "float32", "bool"]
)
def test_samples_of_any_real_type_are_kept(dtype):
    x = np.array([[0, 1], [1, 0]], dtype=dtype)
    assert ArrayDataset(x, np.array([0, 1])).x.tolist() == x.tolist()


def test_memory_is_shared_and_a_memmap_is_not_read(tmp_path):
    x = np.zeros((4, 2), np.float32)
    assert ArrayDataset(x, np.zeros(4, int)).x.data_ptr() == x.ctypes.data
    file = np.memmap(tmp_path / "x", np.float32, "w+", shape=(4, 2))
    data = ArrayDataset(file, np.zeros(4, int))
    assert data.on_disk
    assert data.x.data_ptr() == file.ctypes.data


@pytest.mark.parametrize(("dtype", "becomes"), [(">f4", "float32"), ("uint16", "int64")])
def test_a_memmap_of_numbers_that_torch_lacks_is_copied(tmp_path, dtype, becomes):
    file = np.memmap(tmp_path / "x", dtype, "w+", shape=(4, 2))
    file[:] = 1
    data = ArrayDataset(file, np.zeros(4, int))
    assert data.x.data_ptr() != file.ctypes.data
    assert (data.x.dtype, int(data.x.sum())) == (getattr(torch, becomes), 8)


X = np.zeros((4, 2), np.float32)
Y = np.array([0, 1, 2, 1])


@pytest.mark.parametrize(
    ("x", "y", "error", "words"),
    [
        (X, Y.astype(float), TypeError, "whole-number type, got torch.float64. For class indices"),
        (X, Y > 0, TypeError, "whole-number type, got torch.bool"),
        (X, Y + 0.37, TypeError, "got torch.float64. .* have the shape of the model's output"),
        (X, Y[:, None], ValueError, r"shape \(4,\), got \(4, 1\). Flatten"),
        (X, np.eye(4, dtype=int), ValueError, r"shape \(4,\), got \(4, 4\).*one-hot"),
        (X, np.full((4, 1), np.nan), ValueError, "finite numbers in y, got nan or inf"),
        (X, Y[:3], ValueError, r"shape \(4,\), got \(3,\)"),
        (X, Y - 1, ValueError, "labels of 0 or more, got -1. Number the classes"),
        (X, Y * -100, ValueError, "labels of 0 or more, got -200"),
        (X[:0], Y[:0], ValueError, r"one sample or more, got x of shape \(0, 2\)"),
        (np.float32(3), Y, TypeError, "x to be an array of numbers or a tensor, got float32"),
        (torch.tensor(3.0), Y, ValueError, r"one sample or more, got x of shape \(\)"),
        (X.tolist(), Y, TypeError, "x to be an array .* got list. Convert it first"),
        (X, Y.tolist(), TypeError, "y to be an array .* got list"),
        (np.array(["a", "b"]), Y[:2], TypeError, "got an array of <U1"),
        (np.array([None] * 4), Y, TypeError, "got an array of object"),
        (X.astype(np.longdouble), Y, TypeError, "got an array of float128"),
        (X.astype(complex), Y, TypeError, "got an array of complex128"),
        (torch.tensor(X) * 1j, Y, TypeError, "got a tensor of torch.complex64"),
        (np.where(X == 0, np.nan, X), Y, ValueError, "finite real numbers in x, got nan or inf"),
        (torch.full((4, 2), torch.inf), Y, ValueError, "got nan or inf. Clean the data"),
    ],
)
def test_wrong_arrays_say_expected_got_and_what_to_do(x, y, error, words):
    with pytest.raises(error, match=f"^ArrayDataset: expected .*{words}"):
        ArrayDataset(x, y)


def test_large_finite_numbers_whose_sum_overflows_are_no_inf():
    assert len(ArrayDataset(np.full((4, 2), 3e38, np.float32), Y)) == 4


def test_a_nan_beside_an_inf_is_found():
    x = X.copy()
    x[0, 0], x[1, 1] = np.inf, -np.inf
    with pytest.raises(ValueError, match="nan or inf"):
        ArrayDataset(x, Y)


@pytest.mark.parametrize("i", [4, -5, 100])
def test_an_index_outside_the_set_is_an_index_error(i):
    with pytest.raises(IndexError, match=f"XOR: expected an index below 4, got {i}"):
        XOR()[i]


def test_a_data_set_can_be_iterated_over():
    assert [label for _, label in XOR()] == [0, 1, 1, 0]
    assert XOR()[np.int64(-1)][1] == 0


# --- the embedded sample


@pytest.mark.parametrize("dataset", [MNIST, FashionMNIST])
def test_a_sample_is_balanced_and_small(dataset):
    for train, count in ((True, 300), (False, 100)):
        data = dataset(train=train, sample=True)
        assert data.images.shape == (10 * count, 28, 28)
        assert data.labels.bincount().tolist() == [count] * 10
        assert (data.images.dtype, data.labels.dtype) == (torch.uint8, torch.int64)
        assert data.checked == "sample"
    files = [path for path in make_sample.SAMPLES.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 3_000_000


@pytest.mark.parametrize(
    ("name", "words"), [("fashion-mnist", "Zalando SE"), ("mnist", "Attribution-Share\nAlike 3.0")]
)
def test_the_licence_of_a_sample_lies_beside_it(name, words):
    text = (make_sample.SAMPLES / f"LICENSE-{name}").read_text(encoding="utf-8")
    assert words in text
    assert f"folder {name} beside this one" in text


@pytest.mark.data
@pytest.mark.parametrize("part", ["train", "t10k"])
def test_the_sample_of_fashion_mnist_is_what_its_script_makes(part):
    images, labels = make_sample.fashion(part)
    sample = FashionMNIST(train=part == "train", sample=True)
    assert torch.equal(sample.images, images)
    assert torch.equal(sample.labels, labels.long())


def test_no_digit_of_the_test_sample_is_in_the_training_sample():
    train, test = MNIST(sample=True), MNIST(train=False, sample=True)
    seen = {image.numpy().tobytes() for image in train.images}
    assert len(seen) == 3000
    assert not seen & {image.numpy().tobytes() for image in test.images}


def test_the_digits_look_like_their_labels():
    # the mean picture of each digit in one half of the sample is nearest to that in the other half
    pictures, labels = MNIST(sample=True).images.flatten(1).float(), MNIST(sample=True).labels
    halves = [
        torch.stack([pictures[part::2][labels[part::2] == digit].mean(0) for digit in range(10)])
        for part in (0, 1)
    ]
    assert torch.cdist(*halves).argmin(1).tolist() == list(range(10))
    corner = pictures.reshape(-1, 28, 28)[:, :2, :2]
    assert corner.max() == 0  # the border is black
    assert pictures.max() == 255


@pytest.mark.parametrize("dataset", [MNIST, FashionMNIST])
def test_the_sample_stands_in_where_asked_for_and_says_so_once_in_two_lines(
    tmp_path, no_socket, dataset
):
    for train in (True, False):
        with pytest.warns(UserWarning, match="embedded sample") as said:
            data = dataset(tmp_path, train, download=False, or_sample=True)
        assert torch.equal(data.images, dataset(train=train, sample=True).images)
    text = str(said[0].message)
    assert text.startswith("NOT the full set")
    assert text.count("\n") == 1
    assert text.endswith(f"python -m refnet data --fetch --root {tmp_path}")


def test_both_notes_of_a_program_are_one(tmp_path):
    code = (
        "import refnet, sys\n"
        "for train in (True, False):\n"
        "    print(len(refnet.FashionMNIST(sys.argv[1], train, or_sample=True)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path],
        env={**os.environ, "REFNET_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.stdout == "3000\n1000\n"
    first, second = done.stderr.splitlines()
    assert "UserWarning: NOT the full set" in first
    assert second.startswith("What is missing")


def test_a_damaged_file_is_no_reason_for_the_sample(tmp_path, digits):
    put(tmp_path, digits)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(b"<html>")
    with pytest.raises(DataError, match="a web page"):
        MNIST(tmp_path, train=False, or_sample=True)


# --- where the files are found


@pytest.mark.data
def test_the_set_is_what_it_should_be(no_socket):
    train, test = FashionMNIST(), FashionMNIST(train=False)
    assert (train.images.shape, test.images.shape) == ((60000, 28, 28), (10000, 28, 28))
    assert (train.images.dtype, train.labels.dtype) == (torch.uint8, torch.int64)
    assert train.labels.bincount().tolist() == [6000] * 10
    assert train.checked == "sha256"
    image, label = train[0]
    assert (image.shape, train.classes[label]) == ((28, 28), "Ankle boot")


@pytest.mark.data
def test_any_packing_gives_the_same_tensors(tmp_path, real):
    published = {}
    for name, data in real.items():
        time_and_system = struct.pack("<I", PACKED_AT[name[:5]]) + data[8:10]
        published[name] = data[:3] + b"\x08" + time_and_system + name.encode() + b"\0" + data[10:]
        assert hashlib.sha256(published[name]).hexdigest() == PUBLISHED[name]
    folders = [
        put(tmp_path / "debian", real),
        put(tmp_path / "published", published),
        put(tmp_path / "raw", real, ""),
    ]
    sets = [FashionMNIST(folder, train=False, download=False) for folder in folders]
    for other in sets[1:]:
        assert torch.equal(sets[0].images, other.images)
        assert torch.equal(sets[0].labels, other.labels)
        assert other.checked == "sha256"


@pytest.mark.parametrize("place", ["root", "root/mnist", "$REFNET_DATA", "$REFNET_DATA/mnist"])
@pytest.mark.parametrize("suffix", [".gz", ""])
def test_the_folders_of_ones_own_are_looked_in(
    tmp_path, monkeypatch, no_socket, digits, place, suffix
):
    files = {name: data for name, data in digits.items() if name.startswith("t10k")}
    folder = tmp_path / "数据 folder"
    put(folder / "mnist" if place.endswith("mnist") else folder, files, suffix)
    if "$" in place:
        monkeypatch.setenv("REFNET_DATA", str(folder))
    data = MNIST(None if "$" in place else folder, train=False)
    assert data.labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert data.classes == tuple("0123456789")
    assert data.checked == "structure"


@pytest.mark.parametrize("known", ["images-idx3", "labels-idx1"])
def test_a_set_is_checked_as_well_as_the_weaker_of_its_two_files(
    tmp_path, monkeypatch, digits, known
):
    name = f"t10k-{known}-ubyte"
    sha = hashlib.sha256(gzip.decompress(digits[name])).hexdigest()
    monkeypatch.setitem(KNOWN, sha, ("mnist", name))
    put(tmp_path, digits)
    assert MNIST(tmp_path, train=False).checked == "structure"


def test_file_names_with_a_dot_are_found(tmp_path, no_socket, digits):
    put(tmp_path, {k.replace("-idx", ".idx"): v for k, v in digits.items()}, "")
    assert len(MNIST(tmp_path, train=False)) == 10000


def test_the_order_is_root_then_data_folder_then_debian_then_cache(
    tmp_path, monkeypatch, no_socket, digits
):
    name = "t10k-labels-idx1-ubyte"
    folders = {
        "root": tmp_path / "root",
        "data": tmp_path / "data" / "mnist",
        "debian": tmp_path / "debian" / "mnist",
        "cache": tmp_path / "cache" / "refnet" / "mnist",
    }
    for folder in folders.values():
        put(folder, {name: digits[name]})
    monkeypatch.setenv("REFNET_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(fetch, "DEBIAN", tmp_path / "debian")
    for place, folder in folders.items():
        root = folders["root"] if place == "root" else None
        assert find_file("mnist", name, root) == folder / f"{name}.gz"
        (folder / f"{name}.gz").unlink()
    assert find_file("mnist", name, None) is None


@pytest.mark.usefixtures("no_debian", "no_socket")
@pytest.mark.parametrize("how", ["download=False", "REFNET_OFFLINE"])
@pytest.mark.parametrize("dataset", [MNIST, FashionMNIST])
def test_offline_opens_no_socket_and_names_the_places_and_the_ways_out(
    tmp_path, monkeypatch, how, dataset
):
    if how == "REFNET_OFFLINE":
        monkeypatch.setenv("REFNET_OFFLINE", "1")
    monkeypatch.setenv("REFNET_DATA", str(tmp_path / "mine"))
    with pytest.raises(MissingDataError) as caught:
        dataset(download=how != "download=False")
    text = str(caught.value)
    places = ["mine", "no-debian", "cache/refnet"]
    assert [str(tmp_path / place) in text for place in places] == [True] * 3
    assert how in text
    assert "train-images-idx3-ubyte" in text
    assert "REFNET_MIRROR" in text
    assert ("apt-get install dataset-fashion-mnist" in text) == (dataset is FashionMNIST)


def test_an_explicit_root_is_the_only_place(tmp_path, no_socket):
    with pytest.raises(MissingDataError, match=r"none in .*here/fashion-mnist, .*here, and no"):
        FashionMNIST(tmp_path / "here", download=False)


@pytest.mark.parametrize("dataset", [MNIST, FashionMNIST])
def test_with_an_explicit_root_the_ways_out_lead_out_of_it(tmp_path, no_socket, dataset):
    # neither Debian's folder nor REFNET_DATA is looked at while a folder is given
    with pytest.raises(MissingDataError, match=r"Ways out: leave the folder out, so that .*, and "):
        dataset(tmp_path, download=False)


@pytest.mark.parametrize("root", [3, b"folder", sys.stdin])
def test_a_root_that_is_no_path_is_a_type_error(root):
    with pytest.raises(TypeError, match="FashionMNIST: expected root to be a path"):
        FashionMNIST(root)


@pytest.mark.parametrize("name", ["train", "download", "sample"])
def test_a_switch_that_is_no_bool_is_a_type_error(name):
    with pytest.raises(TypeError, match=f"FashionMNIST: expected {name} to be a bool, got 'test'"):
        FashionMNIST(**{name: "test"})


def test_a_mirror_of_another_kind_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("REFNET_MIRROR", "file:///srv/data")
    with pytest.raises(ValueError, match=r"REFNET_MIRROR: expected an address http\(s\)"):
        MNIST(tmp_path)


# --- wrong bytes


@pytest.mark.data
@pytest.mark.parametrize("where", ["header", "middle"])
@pytest.mark.parametrize("name", [n for n in SHAPES if n.startswith("t10k")])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_flipped_bit_never_trains_and_the_users_file_stays(
    tmp_path, real, no_socket, where, name, suffix
):
    put(tmp_path, {n: real[n] for n in real if n.startswith("t10k")}, suffix)
    path = tmp_path / f"{name}{suffix}"
    content = bytearray(path.read_bytes())
    content[2 if where == "header" else len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path.name}: expected "):
        FashionMNIST(tmp_path, train=False)
    assert path.read_bytes() == content


def test_files_of_mnists_form_in_the_folder_of_fashion_mnist_are_named(tmp_path, digits):
    put(tmp_path / FASHION, digits)
    with pytest.raises(DataError, match=r"in the same form.*MNIST has files of the same"):
        FashionMNIST(tmp_path, train=False)


@pytest.mark.data
def test_the_files_of_fashion_mnist_in_the_folder_of_mnist_are_named(tmp_path, real):
    put(tmp_path / "mnist", real)
    with pytest.raises(DataError, match="of mnist, got t10k-images-idx3-ubyte of fashion-mnist"):
        MNIST(tmp_path, train=False)


def test_59999_labels_for_60000_images_are_refused(tmp_path, digits):
    put(tmp_path, digits)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(idx(np.zeros(59999)))
    with pytest.raises(DataError, match=r"shape \(59999,\), not \(60000,\)"):
        MNIST(tmp_path)


@pytest.mark.usefixtures("no_debian")
@pytest.mark.parametrize("how", ["network", "download=False", "REFNET_OFFLINE"])
def test_a_damaged_file_in_the_own_cache_is_fetched_again_once_with_a_warning_unless_offline(
    tmp_path, monkeypatch, request, digits, how
):
    # MNIST's form alone is not enough in the cache: what came over the network must be the real one
    folder = put(tmp_path / "cache" / "refnet" / "mnist", digits)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setitem(fetch.MIRRORS, "mnist", ("http://127.0.0.1:9/",))  # nobody listens there
    if how == "network":
        with (
            pytest.warns(UserWarning, match="refnet's own cache: fetching it again"),
            pytest.raises(MissingDataError, match=r"127\.0\.0\.1:9/train-images"),
        ):
            MNIST()
    else:
        request.getfixturevalue("no_socket")
        monkeypatch.setenv("REFNET_OFFLINE", str(int(how == "REFNET_OFFLINE")))
        with pytest.raises(DataError, match="other bytes in the same form"):
            MNIST(download=how != "download=False")
    after = {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix == ".gz"}
    assert after == before


# --- numbers


@pytest.mark.data
@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is Unix's")
def test_loading_the_training_set_peaks_below_three_times_its_size():
    code = (
        "import resource, refnet\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak(); data = refnet.FashionMNIST(download=False); print(peak() - before)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(done.stdout) * unit < 3 * 47_040_016


def test_the_names_of_the_classes_are_ten():
    assert refnet.FashionMNIST(sample=True).classes[0] == "T-shirt/top"
    assert len(set(FashionMNIST(sample=True).classes)) == 10
