"""How much do the tests of the layers see? Break its files one place at a time, and count.

    python tests/mutants.py [--files by_hand linear ...] [--seconds 900] [--jobs 1]

A mutant is a file with one change in its syntax tree: a term dropped, a sign, operator, comparison
or constant changed, a keyword left out, a statement removed. It is caught if the file's own
tests/test_<file>.py fails on it. The files are copied to a temporary folder and broken there, and
each mutant runs in a forked process (Linux, macOS), so that torch is imported once. Not part of
the test command. Exit code 1 if less than 95 % are caught, or if a survivor is not in EQUIVALENT.
"""

import argparse
import ast
import copy
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "refnet"
FILES = ["by_hand", "init", "linear", "batchnorm", "activations", "sequential", "models"]
BAR = 0.95
SECONDS_PER_MUTANT = 60
OPTIONS = "-x -q --tb=no --noconftest -p no:cacheprovider -p pytest_timeout"

# What cannot be seen from outside, with the reason: "file: before -> after"
SPEED = "the order in which einsum contracts: speed alone"
RIGHT = "a matrix with the right number of columns is not refused for its shape"
SAME = "the three lists have one entry for each layer, by construction"
EQUIVALENT = {
    "by_hand: x >= 0 -> x > 0": "at x = 0 both branches are 1 / 2",
    "by_hand: optimize=True -> optimize=False": SPEED,
    "by_hand: np.einsum('ncijuv,ocuv->noij', windows, W, optimize=True)"
    " -> np.einsum('ncijuv,ocuv->noij', windows, W)": SPEED,
    "by_hand: np.einsum('noij,ncijuv->ocuv', dy, windows, optimize=True)"
    " -> np.einsum('noij,ncijuv->ocuv', dy, windows)": SPEED,
    "linear: len(shape) > 2 -> len(shape) >= 2": RIGHT,
    "batchnorm: len(shape) > 2 -> len(shape) >= 2": RIGHT,
    "batchnorm: self.weight -> self.bias": "both have the same dtype",
    "sequential: strict=True -> strict=False": SAME,
    "sequential: zip(_padded(names), _padded(shapes), _right_aligned(counts), strict=True)"
    " -> zip(_padded(names), _padded(shapes), _right_aligned(counts))": SAME,
    "models: self.conv1.weight -> self.conv1.bias": "both have the same dtype",
    "models: '' -> '?'": "the advice on the shape, which was checked before: never printed",
}

OPERATORS: dict[type[ast.operator], list[type[ast.operator]]] = {
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Div, ast.Add],
    ast.Div: [ast.Mult],
    ast.FloorDiv: [ast.Mult],
    ast.Pow: [ast.Mult],
    ast.BitOr: [],
}
COMPARISONS: dict[type[ast.cmpop], list[type[ast.cmpop]]] = {
    ast.Lt: [ast.LtE, ast.Gt],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.Lt],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
}
NAMES = {
    "max": "min",
    "maximum": "minimum",
    "argmax": "argmin",
    "sum": "mean",
    "mean": "sum",
    "exp": "log",
    "log": "exp",
    "sin": "cos",
    "cos": "sin",
    "sqrt": "square",
    "ones": "zeros",
    "zeros": "ones",
    "abs": "sign",
    "weight": "bias",
    "in_features": "out_features",
    "relu": "tanh",
}


def variants(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that may stand in place of ``node``."""
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            if isinstance(op, ast.Add | ast.Sub | ast.Mult | ast.Div):
                yield left
            if isinstance(op, ast.Add | ast.Mult):
                yield right
            for other in OPERATORS.get(type(op), []):
                yield ast.BinOp(left, other(), right)
            if isinstance(op, ast.MatMult):
                yield left
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            yield operand
        case ast.Compare(left=left, ops=[op], comparators=right):
            for comparison in COMPARISONS[type(op)]:
                yield ast.Compare(left, [comparison()], right)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            for i in range(len(values)):
                rest = values[:i] + values[i + 1 :]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
        case ast.IfExp(body=body, orelse=orelse):
            yield body
            yield orelse
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=float(value)):
            yield ast.Constant(2 * value + 0.1)
        case ast.Constant(value=str(value)):
            yield ast.Constant(value + "?")
        case ast.Call(func=function, args=arguments, keywords=keywords):
            for i in range(len(keywords)):
                yield ast.Call(function, arguments, keywords[:i] + keywords[i + 1 :])
        case ast.Name(id=name) if name in NAMES:
            yield ast.Name(NAMES[name], node.ctx)
        case ast.Attribute(value=value, attr=name) if name in NAMES:
            yield ast.Attribute(value, NAMES[name], node.ctx)
        case ast.Return(value=value) if value is not None:
            yield ast.Return(None)
        case ast.Expr() | ast.AugAssign() | ast.Raise():
            yield ast.Pass()
        case ast.If(test=test, body=body, orelse=orelse):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)


def places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Yield where a node hangs: its parent, the field, and the index if the field is a list."""
    for name, field in ast.iter_fields(tree):
        if name in ("annotation", "returns", "names", "decorator_list"):
            continue  # types and imports
        children = list(enumerate(field)) if isinstance(field, list) else [(None, field)]
        for i, child in children:
            if not isinstance(child, ast.AST) or is_docstring(child):
                continue
            if isinstance(child, ast.Import | ast.ImportFrom) or is_type_alias(child):
                continue
            if not (isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store)):
                yield tree, name, i
            yield from places(child)


def is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def is_type_alias(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node).startswith("Array = ")


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Yield each mutant of ``source`` as its label ("line: before -> after") and its code."""
    tree = ast.parse(source)
    for parent, name, i in list(places(tree)):
        before = getattr(parent, name) if i is None else getattr(parent, name)[i]
        for after in variants(before):
            put(parent, name, i, after)
            code = ast.unparse(ast.fix_missing_locations(copy.deepcopy(tree)))
            put(parent, name, i, before)
            option = f"{parent.arg}=" if isinstance(parent, ast.keyword) else ""
            yield f"{before.lineno}: {option}{short(before)} -> {option}{short(after)}", code


def put(parent: ast.AST, name: str, i: int | None, node: ast.AST) -> None:
    if i is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[i] = node


def short(node: ast.AST) -> str:
    text = ast.unparse(node).replace("\n", " ")
    return text if len(text) <= 90 else text[:87] + "..."


def where(file: str) -> Path:
    """Return the path of a file of refnet, from the package's folder."""
    return next(SRC.rglob(f"{file}.py")).relative_to(SRC)


def tests_of(file: str) -> Path:
    """Return the file of its tests: the tests mirror the wings."""
    return ROOT / "tests" / where(file).with_name(f"test_{file}.py")


def start(file: str, code: str, folder: Path) -> int:
    """Fork a process that tests ``code`` in place of ``file``; return its id."""
    process = os.fork()
    if process:
        return process
    try:
        os.setsid()
        signal.alarm(SECONDS_PER_MUTANT)  # ends an endless loop: not 0, so caught
        package = folder / str(os.getpid()) / "refnet"
        shutil.copytree(folder / "refnet", package)
        (package / where(file)).write_text(code, encoding="utf-8")
        sys.path.insert(0, str(package.parent))
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        import pytest

        code_of_exit = int(pytest.main([*OPTIONS.split(), "-m", "not data", str(tests_of(file))]))
        shutil.rmtree(package.parent)
    except BaseException:
        code_of_exit = 99
    os._exit(code_of_exit)


def run(file: str, deadline: float, jobs: int, folder: Path) -> tuple[int, list[str], int]:
    """Test the mutants of one file; return how many ran, the survivors, how many there are."""
    source = (SRC / where(file)).read_text(encoding="utf-8")
    start(file, source, folder)
    if os.wait()[1] != 0:
        sys.exit(f"{tests_of(file)} fails as it is: mend that first")
    every = list(mutants(source))
    waiting = random.Random(0).sample(every, len(every))  # if time runs out: a fair sample
    running: dict[int, str] = {}
    ran, survivors = 0, []
    while running or (waiting and time.monotonic() < deadline):
        while waiting and len(running) < jobs and time.monotonic() < deadline:
            label, code = waiting.pop()
            running[start(file, code, folder)] = label
        process, status = os.wait()
        label = running.pop(process)
        ran += 1
        if status == 0:
            survivors.append(label)
    return ran, sorted(survivors, key=lambda text: int(text.split(":")[0])), len(every)


def main(files: list[str], seconds: float, jobs: int) -> int:
    """Print the table and the survivors; return the exit code."""
    os.chdir(ROOT)
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: a fork keeps no thread pool
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # these tests need none but the timeout
    import pytest  # noqa: F401 (imported here once, for all the forked processes)
    import torch._dynamo  # noqa: F401 (torch.optim and torch.func load it on their first use)

    total = caught = unexplained = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(SRC / "layers", folder / "refnet" / "layers")
        (folder / "refnet" / "__init__.py").touch()
        for file in ("by_hand", "errors"):
            shutil.copy(SRC / f"{file}.py", folder / "refnet")
        deadline = time.monotonic() + seconds
        for file in files:
            ran, survivors, there = run(file, deadline, jobs, folder)
            total, caught = total + ran, caught + ran - len(survivors)
            print(f"{file}: {ran - len(survivors)} of {ran} caught, {there} possible", flush=True)
            for label in survivors:
                reason = EQUIVALENT.get(f"{file}: {label.split(': ', 1)[1]}")
                unexplained += reason is None
                print(f"  {file}.py:{label}\n      {reason or 'NOT EXPLAINED'}", flush=True)
    print(f"{caught} of {total} caught: {100 * caught / max(total, 1):.1f} %")
    return int(caught < BAR * total or unexplained > 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", nargs="+", default=FILES, choices=FILES)
    parser.add_argument("--seconds", type=float, default=900, help="stop after this long (900)")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time (1)")
    sys.exit(main(**vars(parser.parse_args())))
