"""Each file of refnet imports only from lower floors, and stays short enough to read in one go."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "refnet"
FLOOR = {
    "errors": 0,
    "by_hand": 0,
    "transfer": 0,
    "devices": 1,
    "init": 1,
    "download": 1,
    "idx": 1,
    "transforms": 1,
    "datasets": 2,
    "images": 2,
    "samplers": 2,
    "linear": 2,
    "batchnorm": 2,
    "activations": 2,
    "loader": 3,
    "sequential": 3,
    "measures": 3,
    "models": 4,
    "batches": 4,
    "capture": 4,
    "history": 5,
    "checkpoint": 5,
    "pictures": 5,
    "trainers": 6,
    "plots": 7,
    "deploy": 7,
    "__main__": 8,
    "__init__": 9,
}
WITNESS = "by_hand"  # shares no code with the layers: tests and tutorials alone import it
DATA_TOWER = {
    "transfer",
    "download",
    "idx",
    "datasets",
    "images",
    "samplers",
    "transforms",
    "loader",
}
MODEL_TOWER = {"init", "linear", "batchnorm", "activations", "sequential", "models"}
FILES = sorted(SRC.glob("*.py"), key=lambda path: path.stem)


def refnet_imports(path: Path) -> Iterator[str]:
    """Yield the names of refnet's files that ``path`` imports, at any depth of its code."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("refnet."))
        elif isinstance(node, ast.ImportFrom) and node.module == "refnet":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("refnet."):
            yield str(node.module).split(".")[1]


def test_every_file_has_a_floor():
    assert {path.stem for path in FILES} == set(FLOOR)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_imports_go_down(path):
    for name in refnet_imports(path):
        if name in FLOOR:  # else a name of the package itself, such as __version__
            assert FLOOR[name] < FLOOR[path.stem], f"{path.name} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_witness_is_imported_by_no_file_but_the_list_of_names(path):
    assert path.stem == "__init__" or WITNESS not in set(refnet_imports(path))


def test_the_two_towers_meet_only_in_the_callers_hands():
    for path in FILES:
        names = set(refnet_imports(path))
        if path.stem in DATA_TOWER:
            assert not names & MODEL_TOWER, path.name
        if path.stem in MODEL_TOWER:
            assert not names & DATA_TOWER, path.name
        if path.stem == "trainers":
            assert not names & (DATA_TOWER | MODEL_TOWER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_file_is_longer_than_250_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 250


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_file_names_its_floor(path):
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert f"Floor {FLOOR[path.stem]}" in text
