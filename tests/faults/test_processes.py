"""Promises 4 to 6: several processes at first use, kill -9 in a download, a read-only cache.

Each test runs one child that imports refnet and forks, so that many processes cost one import.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from server import PAGE, FaultyServer

from refnet import FashionMNIST, MissingDataError
from refnet.__main__ import main
from refnet.data import fetch
from refnet.data.fetch import find_file
from refnet.data.idx import SHA256, SHAPES, check_file

BODY = random.Random(1).randbytes(400_000)
NAMES = tuple(SHAPES)

START = """
import os, random, signal, sys, time, warnings
from pathlib import Path
from refnet.data import fetch as fetching
from refnet.data.datasets import FashionMNIST
from refnet.errors import DataError

fetching.DEBIAN = Path("/nonexistent")  # else the system's own files would be found first

def fork(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except Exception as error:
            print(type(error).__name__, error, file=sys.stderr, flush=True)
            os._exit(1)
    return pid

def codes(pids):
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]

def check(path):
    if path.read_bytes() != Path(os.environ["GOOD"]).read_bytes():
        raise DataError(f"{path}: expected the file, got other bytes. Fetch it again.")

def fetch(target):
    url = os.environ["REFNET_MIRROR"] + "/file"
    fetching.fetch_file([url], target, check, 10**6)
"""


def run(code, **env):
    return subprocess.run(
        [sys.executable, "-c", START + code],
        env={**os.environ, "OMP_NUM_THREADS": "1", **{k: str(v) for k, v in env.items()}},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good"
    path.write_bytes(BODY)
    return path


@pytest.mark.parametrize("before", ["nothing", "a damaged file", "a half file left by kill -9"])
def test_eight_processes_fetch_a_file_once(tmp_path, good, before):
    target = tmp_path / "cache" / "file"
    target.parent.mkdir()
    if before == "a damaged file":
        target.write_bytes(BODY[:-1] + b"!")
    if before == "a half file left by kill -9":
        target.with_name("file.part").write_bytes(BODY[:1000])

    with FaultyServer({"file": BODY}) as server:
        done = run(
            """
target = Path(os.environ["TARGET"])
print(codes([fork(lambda: fetch(target)) for _ in range(8)]))
""",
            REFNET_MIRROR=f"{server.url}/throttled",
            GOOD=good,
            TARGET=target,
        )
        asked = dict(server.asked)

    assert done.stdout == f"{[0] * 8}\n", done.stderr
    assert asked == {"/throttled/file": 1}
    assert target.read_bytes() == BODY
    assert sorted(p.name for p in target.parent.iterdir()) == ["file", "file.lock"]


def test_kill_9_at_20_moments_of_a_download_loses_nothing(tmp_path, good):
    target = tmp_path / "file"
    with FaultyServer({"file": BODY}) as server:
        done = run(
            """
target, random = Path(os.environ["TARGET"]), random.Random(0)
for i in range(20):
    if i % 2:  # one half of the kills happens to a first download, the other to a second
        target.unlink(missing_ok=True)
    elif not target.exists():
        target.write_bytes(b"damaged")
    before = target.exists() and target.read_bytes()
    pid = fork(lambda: fetch(target))
    time.sleep(random.uniform(0, 0.2))  # a whole download takes about 0.12 s
    os.kill(pid, signal.SIGKILL)
    codes([pid])
    after = target.exists() and target.read_bytes()
    whole = after == Path(os.environ["GOOD"]).read_bytes()
    print("whole" if whole else "as before" if after == before else "LOST")
    fetch(target)
    check(target)
""",
            REFNET_MIRROR=f"{server.url}/throttled",
            GOOD=good,
            TARGET=target,
        )
    moments = done.stdout.split("\n")[:-1]
    assert done.returncode == 0, done.stderr
    assert len(moments) == 20
    assert set(moments) <= {"whole", "as before"}
    assert "as before" in moments  # some kills did come before the end


def test_a_file_size_limit_is_named_as_a_full_disk_and_leaves_nothing(tmp_path, good):
    with FaultyServer({"file": BODY}) as server:
        done = run(
            """
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as on a full disk: write fails, nobody is killed
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    fetch(Path(os.environ["TARGET"]))
except DataError as error:
    print(error)
""",
            REFNET_MIRROR=f"{server.url}/well",
            GOOD=good,
            TARGET=tmp_path / "file",
        )
    assert "got a full disk at" in done.stdout, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix != ".lock") == ["good"]


def test_a_disk_that_is_really_full_is_named_and_leaves_nothing(small_disk):
    with FaultyServer({"file": BODY}) as server:
        urls = [f"{server.url}/well/file"]
        with pytest.raises(MissingDataError, match=f"got a full disk at {small_disk}"):
            fetch.fetch_file(urls, small_disk / "file", Path.read_bytes, 10**6)
    assert [path.name for path in small_disk.iterdir() if path.suffix != ".lock"] == []


@pytest.fixture
def shared():
    """A folder that other users reach too, unlike tmp_path."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in folder.rglob("*"):
        path.chmod(0o755)
    shutil.rmtree(folder)


NOBODY = """
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
"""


def test_a_cache_that_cannot_be_written_names_the_ways_out(shared):
    (shared / "refnet").mkdir()
    (shared / "refnet").chmod(0o555)
    with FaultyServer({}) as server:
        done = run(
            NOBODY + "try:\n    FashionMNIST()\nexcept DataError as error:\n    print(error)",
            REFNET_MIRROR=f"{server.url}/well",
            XDG_CACHE_HOME=shared,
        )
        asked = dict(server.asked)
    assert "a folder that can be written, got Permission denied" in done.stdout, done.stderr
    assert "REFNET_DATA" in done.stdout
    assert asked == {}


@pytest.mark.data
def test_a_read_only_cache_with_good_files_works(shared, real_files):
    folder = shared / "refnet" / "fashion-mnist"
    folder.mkdir(parents=True)
    for name, path in real_files.items():
        shutil.copy(path, folder / f"{name}.gz")
        (folder / f"{name}.gz").chmod(0o444)
    folder.chmod(0o555)
    done = run(
        NOBODY + "print(len(FashionMNIST()), len(FashionMNIST(train=False)))",
        XDG_CACHE_HOME=shared,
        REFNET_OFFLINE=1,
    )
    assert done.stdout == "60000 10000\n", done.stderr
    assert len(list(folder.iterdir())) == 4  # no lock, no temporary file


@pytest.fixture
def real_files():
    return {name: find_file("fashion-mnist", name, None) for name in NAMES}


@pytest.mark.data
@pytest.mark.parametrize("before", ["empty", "corrupt", "corrupt labels"])
def test_eight_processes_at_first_use_of_the_real_set_make_four_requests(
    tmp_path, real_files, before
):
    files = {f"fashion-mnist/{name}.gz": path.read_bytes() for name, path in real_files.items()}
    folder = tmp_path / "refnet" / "fashion-mnist"
    folder.mkdir(parents=True)
    bad = {"empty": [], "corrupt": NAMES, "corrupt labels": [n for n in NAMES if "labels" in n]}
    for name in NAMES if before != "empty" else []:
        content = bytearray(files[f"fashion-mnist/{name}.gz"])
        content[len(content) // 2] ^= name in bad[before]
        (folder / f"{name}.gz").write_bytes(content)

    with FaultyServer(files) as server:
        done = run(
            """
def use():
    warnings.simplefilter("ignore")
    assert (len(FashionMNIST()), len(FashionMNIST(train=False))) == (60000, 10000)

print(codes([fork(use) for _ in range(8)]))
""",
            REFNET_MIRROR=f"{server.url}/well",
            XDG_CACHE_HOME=tmp_path,
        )
        asked = dict(server.asked)

    wanted = NAMES if before == "empty" else bad[before]
    assert done.stdout == f"{[0] * 8}\n", done.stderr
    assert asked == {f"/well/fashion-mnist/{name}.gz": 1 for name in wanted}
    for name in NAMES:
        assert check_file("fashion-mnist", name, folder / f"{name}.gz", True)[1] == "sha256"


@pytest.mark.data
@pytest.mark.parametrize("damage", ["a flipped bit", "cut off", "a web page", "empty"])
def test_a_damaged_file_in_the_cache_is_fetched_again_once_with_a_warning(
    tmp_path, monkeypatch, real_files, damage
):
    files = {f"fashion-mnist/{name}.gz": path.read_bytes() for name, path in real_files.items()}
    folder = tmp_path / "refnet" / "fashion-mnist"
    folder.mkdir(parents=True)
    for name, path in real_files.items():
        shutil.copy(path, folder / f"{name}.gz")
    bad = folder / "t10k-labels-idx1-ubyte.gz"
    good = bad.read_bytes()
    flipped = good[:99] + bytes([good[99] ^ 1]) + good[100:]
    contents = {"a flipped bit": flipped, "cut off": good[:999], "a web page": PAGE, "empty": b""}
    bad.write_bytes(contents[damage])
    monkeypatch.setattr(fetch, "DEBIAN", tmp_path / "no-debian")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("REFNET_DATA", raising=False)

    with FaultyServer(files) as server:
        monkeypatch.setenv("REFNET_MIRROR", f"{server.url}/well")
        with pytest.warns(UserWarning, match="refnet's own cache: fetching it again"):
            first = FashionMNIST(train=False)
        again = FashionMNIST(train=False)  # no warning, which would be an error here
        asked = sum(server.asked.values())

    assert asked == 1
    assert torch.equal(first.labels, again.labels)
    assert first.checked == "sha256"
    assert bad.read_bytes() == good


@pytest.mark.data
def test_the_command_fetches_the_four_files_and_calls_them_checked(
    tmp_path, monkeypatch, capsys, real_files
):
    files = {f"fashion-mnist/{name}.gz": path.read_bytes() for name, path in real_files.items()}
    monkeypatch.delitem(SHA256, "mnist")  # of whose real files there is no copy here
    monkeypatch.delenv("REFNET_OFFLINE", raising=False)
    with FaultyServer(files) as server:
        monkeypatch.setenv("REFNET_MIRROR", f"{server.url}/well")
        assert main(["data", "--fetch", "--root", str(tmp_path)]) == 0
    folder = tmp_path / "fashion-mnist"
    assert capsys.readouterr().out == f"fashion-mnist: found in {folder}, checked\n"
    got = {f"fashion-mnist/{path.name}": path.read_bytes() for path in folder.glob("*.gz")}
    assert got == files
