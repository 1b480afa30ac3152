"""Who imports whom: three wings on one ground, which meet in the caller's hands alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "refnet"
GROUND = {"errors", "devices", "processes"}
WINGS = {"data", "layers", "training"}
NAMES = "__init__"  # the list of names imports all that it names
FILES = sorted(path for path in SRC.rglob("*.py") if path != SRC / "__init__.py")


def room(path: Path) -> str:
    """Return the wing of a file, or its own name if it stands in none."""
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> Iterator[str]:
    """Yield the rooms of refnet that a file imports, at any depth of its code."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == "refnet" and rest:
                yield rest.split(".")[0]


def test_the_files_are_found():
    assert {room(path) for path in FILES} >= GROUND | WINGS | {"by_hand", "plots", "__main__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_a_wing_stands_on_the_ground_and_imports_no_other_wing(path):
    allowed = {"__main__": {*GROUND, *WINGS, "plots", "deploy"}}
    for name in GROUND:
        allowed[name] = GROUND
    for name in WINGS:
        allowed[name] = GROUND | {name}
    for name in ("plots", "deploy"):
        allowed[name] = GROUND | WINGS | {name}
    beyond = set(imported_rooms(path)) - allowed.get(room(path), set())
    assert not beyond, f"{path.relative_to(SRC)} imports {', '.join(sorted(beyond))}"


def test_the_witness_imports_numpy_alone():
    source = (SRC / "by_hand.py").read_text(encoding="utf-8")
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(str(node.module).split(".")[0])
    assert modules == {"numpy"}
