"""The commands ``python -m refnet data`` and ``doctor``: the data sets, and all else it needs."""

import argparse
import contextlib
import importlib
import importlib.metadata
import json
import platform
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from refnet.data.datasets import MNIST, FashionMNIST
from refnet.data.fetch import cache_folder, find_file, ways_out
from refnet.data.idx import SHA256, SHAPES, check_file
from refnet.devices import all_devices, choose_device, describe
from refnet.errors import DataError, RefnetError, check_path, first_line, sentence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or 1 where something is wrong, 2 on misuse.

    Examples
    --------
    >>> main(["data", "--root", "no/such/folder"])  # doctest: +ELLIPSIS
    fashion-mnist: 0 of 4 files in no/such/folder. Get it: python -m refnet data --fetch --root ...
    mnist: 0 of 4 files in no/such/folder. Get it: python -m refnet data --fetch --root ...
    0
    """
    called = Path(sys.argv[0]).name
    parser = argparse.ArgumentParser(prog="refnet" if called == "refnet" else "python -m refnet")
    commands = parser.add_subparsers(required=True)
    add_data(commands)
    add_doctor(commands)
    options = vars(parser.parse_args(arguments))
    command = options.pop("command")
    try:
        return int(command(**options))
    except (RefnetError, ValueError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2


def add_data(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the sub-command ``data``."""
    parser = commands.add_parser("data", help="list the data sets; fetch and verify them")
    parser.add_argument("--root", help="the only folder to look in and to fetch into")
    parser.add_argument("--fetch", action="store_true", help="fetch what is missing")
    parser.add_argument("--verify", action="store_true", help="read and check every file found")
    parser.set_defaults(command=data)


def data(root: str | None = None, fetch: bool = False, verify: bool = False) -> int:
    """Print where each set was found, and with ``verify`` what each file is; 1 if one is wrong."""
    folder = None if root is None else check_path("--root", "root", root)
    wrong = 0
    for kind in SHA256:
        failed = _fetch(kind, folder) if fetch else 0
        found = {name: find_file(kind, name, folder) for name in SHAPES}
        lines = _verify(kind, found) if verify else []
        bad = sum(line.startswith("WRONG") for line in lines)
        wrong += failed + bad
        places = ", ".join(sorted({str(path.parent) for path in found.values() if path}))
        count = len(SHAPES) - list(found.values()).count(None)
        if count == len(SHAPES):
            state = "checked" if verify or fetch else "not checked (--verify does that)"
            state = f"{bad} wrong" if bad else state  # a set is read as it is fetched
            print(f"{kind}: found in {places}, {state}")
        else:
            where = f" in {places or root}" if places or root else ""
            do = "" if failed else f" Get it: {_command(root)}. {ways_out(kind, folder)}"
            print(f"{kind}: {count} of {len(SHAPES)} files{where}.{do}")
        for line in lines:
            print(f"  {line}")
    return int(wrong > 0)


def _command(root: str | None) -> str:
    """Return the command that fetches what is missing."""
    folder = "" if root is None else f" --root {shlex.quote(root)}"
    return f"python -m refnet data --fetch{folder}"


def _fetch(kind: str, root: Path | None) -> int:
    """Fetch the missing files of a set; return 1, with the reason printed, if that fails."""
    dataset = FashionMNIST if kind == "fashion-mnist" else MNIST
    try:
        for train in (True, False):
            dataset(root, train)
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _verify(kind: str, found: dict[str, Path | None]) -> list[str]:
    """Return one line for each file found, which begins with WRONG where it is."""
    lines = []
    for name, path in found.items():
        if path is None:
            continue
        try:
            how = check_file(kind, name, path)[1]
        except DataError as error:
            lines.append(f"WRONG: {error}")
            continue
        by = "sha256" if how == "sha256" else "structure alone: not the published bytes"
        lines.append(f"{path}: right, by {by}")
    return lines


MODULES = {  # what is needed, and the name under which it is imported
    "numpy": "numpy",
    "torch": "torch",
    "opencv-python-headless": "cv2",
    "matplotlib": "matplotlib.figure",
    "tqdm": "tqdm",
    "filelock": "filelock",
    "platformdirs": "platformdirs",
    "pillow": "PIL.Image",
}
EXTRAS = {
    "tensorboard": "History.to_tensorboard",
    "onnx": "deploy.to_onnx",
    "onnxscript": "deploy.to_onnx",
    "onnxruntime": "deploy.check_parity",
}
ONE_OPENCV = (  # the build with windows wants libGL
    "pip uninstall opencv-python, then pip install --force-reinstall opencv-python-headless"
)


def add_doctor(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the sub-command ``doctor``."""
    parser = commands.add_parser("doctor", help="say what is there, and what to do about the rest")
    parser.add_argument("--json", dest="as_json", action="store_true", help="print JSON")
    parser.set_defaults(command=doctor)


def doctor(as_json: bool = False) -> int:
    """Print versions, devices, data and free disk, then what to do; 1 if training cannot work."""
    broken: list[str] = []
    todo: list[str] = []
    report: dict[str, object] = {
        "python": platform.python_version(),
        "system": platform.platform(),
        **_packages(broken, todo),
        "device": _device(broken),
        "devices": [describe(each) for each in all_devices()],
        "threads": torch.get_num_threads(),
        **_data_sets(broken, todo),
        "free disk": _free_disk(),
        "broken": broken,
        "to do": todo,
    }
    if as_json:
        print(json.dumps(report, indent=1))
    else:
        _print_report(report)
    return int(bool(broken))


def _print_report(report: dict[str, object]) -> None:
    for name, value in report.items():
        lines = value if isinstance(value, list) else [value]
        print(f"{name + ':':<26}{lines[0] if lines else 'nothing'}")
        for line in lines[1:]:
            print(f"{'':<26}{line}")


def _packages(broken: list[str], todo: list[str]) -> dict[str, str]:
    """Return the version of each package; say which is missing or broken."""
    rows = {}
    for name in ("refnet", *MODULES, *EXTRAS):
        version = _version(name)
        rows[f"version of {name.removesuffix('-python-headless')}"] = version or "missing"
        if version is None and name in EXTRAS:
            todo.append(f"pip install {name}  (for {EXTRAS[name]})")
        elif version is None:
            broken.append(f"pip install {name}")
        elif name in MODULES:
            broken += _faults(name)
    with_windows = _installed("opencv-python")
    without = _installed("opencv-python-headless")
    if with_windows and without:
        got = f"opencv-python {with_windows} beside opencv-python-headless {without}"
        do = f"They share the folder cv2: {ONE_OPENCV}"
        todo.append(sentence("OpenCV", "one of its builds", got, do))
    return rows


def _faults(name: str) -> list[str]:
    """Return what is wrong with a needed package that is installed: one sentence, or none."""
    try:
        importlib.import_module(MODULES[name])
    except Exception as error:  # a broken package raises what it will
        do = f"pip install --force-reinstall {name}"
        if name == "opencv-python-headless":
            do = ONE_OPENCV
        return [sentence(name, "a package that can be imported", first_line(error), do)]
    return []


def _version(name: str) -> str | None:
    """Return the version of a package; of OpenCV either build will do: with windows or without."""
    return _installed(name) or _installed(name.removesuffix("-headless"))


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device(broken: list[str]) -> str:
    try:
        return str(choose_device())
    except ValueError as error:  # of REFNET_DEVICE
        broken.append(str(error))
        return "none"


def _data_sets(broken: list[str], todo: list[str]) -> dict[str, str]:
    """Return how many files of each set are found; say what to do about the rest."""
    rows = {}
    for kind in SHA256:
        try:
            found = [name for name in SHAPES if find_file(kind, name, None)]
        except (ValueError, OSError, RuntimeError) as error:  # of REFNET_DATA, or of the home
            rows[f"files of {kind}"] = "unknown"
            if str(error) not in broken:
                broken.append(str(error))
            continue
        rows[f"files of {kind}"] = f"{len(found)} of {len(SHAPES)}"
        if len(found) < len(SHAPES):
            todo.append(f"{kind}: {ways_out(kind)}")
    return rows


def _free_disk() -> str:
    """Return how much room there is where refnet keeps what it fetches."""
    cache = cache_folder()
    if cache is None:
        return "unknown: this user has no home folder; REFNET_DATA can name one for the data"
    for folder in (cache, *cache.parents):
        with contextlib.suppress(OSError):  # not made yet, or not to be read
            return f"{shutil.disk_usage(folder).free / 2**30:.1f} GiB at {folder}"
    return f"unknown: {cache} cannot be read"


if __name__ == "__main__":
    sys.exit(main())
