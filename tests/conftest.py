"""Shared by all tests: the seed, what to say where the real Fashion-MNIST is missing, the site."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock

import refnet

MadeOnce = Callable[[str, Callable[[Path], str]], Path]
HOW_TO_GET_IT = (
    "needs the real Fashion-MNIST: apt-get install dataset-fashion-mnist, or set REFNET_DATA to a "
    "folder with its four files"
)


@pytest.fixture(scope="session")
def have_data() -> bool:
    try:
        refnet.FashionMNIST(train=False, download=False)
    except refnet.errors.MissingDataError:
        return False
    return True


@pytest.fixture(autouse=True)
def skip_without_data(request: pytest.FixtureRequest) -> None:
    """Skip a test marked ``data`` where there is none; fail it where REFNET_REQUIRE_DATA=1."""
    if request.node.get_closest_marker("data") and not request.getfixturevalue("have_data"):
        if os.environ.get("REFNET_REQUIRE_DATA") == "1":
            pytest.fail(HOW_TO_GET_IT)
        pytest.skip(HOW_TO_GET_IT)


@pytest.fixture(autouse=True)
def same_numbers_each_time() -> None:
    """Seed torch: a test that draws numbers draws the same in every run, and in any order."""
    torch.manual_seed(0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 300 kB; that takes root's rights, or in CI sudo."""
    folder = tmp_path / "disk"
    folder.mkdir()
    sudo = ["sudo", "-n"] if os.geteuid() and os.environ.get("CI") else []
    mount = [*sudo, "mount", "-t", "tmpfs", "-o", "size=300k,mode=1777", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"needs the right to mount a tmpfs: {done.stderr.strip()}")
    yield folder
    subprocess.run([*sudo, "umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def made_once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """Make a folder once for all processes of a run: made_once(name, make).

    ``make`` fills the folder that it is given, and returns why it could not, or "".
    """
    shared = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        shared = shared.parent

    def made_once(name: str, make: Callable[[Path], str]) -> Path:
        folder = shared / name
        fault = shared / f"{name}-fault.txt"
        with FileLock(shared / f"{name}.lock"):
            if not fault.exists():
                folder.mkdir()
                fault.write_text(make(folder), encoding="utf-8")
        reason = fault.read_text(encoding="utf-8")
        assert reason == "", reason
        return folder

    return made_once


@pytest.fixture(scope="session")
def site(made_once: MadeOnce) -> Path:
    """Build both languages from nothing; REFNET_SITE names a site that is built already."""
    if built := os.environ.get("REFNET_SITE"):
        return Path(built).resolve()
    return made_once("site", build_site) / "site"


def build_site(folder: Path) -> str:
    build = Path(__file__).resolve().parents[1] / "docs" / "build.py"
    command = [sys.executable, build, "--site", folder / "site", "--work", folder / "work"]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=1200
    )
    if done.returncode == 0 and "python docs/serve.py" in done.stdout:
        return ""
    return f"docs/build.py ended with {done.returncode}:\n{done.stdout}"
