"""Every prompt of every page runs: one pytest item each, with its own line number.

On a page, code is a fence ```python of `>>>` prompts (docs/_ext/fences.py reads it and refuses what
would not run); all prompts of a page share one namespace. Floats are compared by rounding: a page's
0.84 holds for all results that round to it.
Comments of MyST directly above a fence (readers do not see them) say what is special about it:

    % needs-data             needs the real Fashion-MNIST; skipped, with the reason, without it
    % tolerance 0.02: why    floats may differ by this much on top of rounding

REFNET_DEVICE names the device (cpu if unset). REFNET_REQUIRE_DATA=1 makes missing data a failure.
A run of all pages checks that each has as many prompts as prompts.json says, no fewer and no more;
REFNET_RECORD_PROMPTS=1 writes the counts of a full run (docs and src) there. Several processes
(pytest-xdist) take whole pages: `-n 2 --dist loadfile`.
"""

import ast
import doctest
import functools
import json
import os
import re
import sys
import tempfile
import unittest
from collections import Counter
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.evaluators.doctest import DocTestEvaluator
from sybil.region import Region

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / "_ext"))

from fences import Fence, PageError, read  # noqa: E402 - it lies beside the extensions

RECORD = DOCS / "prompts.json"
FOLDERS = {"docs": DOCS, "docstrings": DOCS.parent / "src"}
COUNTS = pytest.StashKey[Counter]()
WRONG = pytest.StashKey[str]()
RENEW = "python -m tox run -e record"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FLOAT = re.compile(r"[+-]?(?:\d*\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)")

# The build's own Python files hold no prompts
collect_ignore = [
    "build.py",
    "check_po.py",
    "conf.py",
    "conftest.py",
    "_ext",
    "figures",
    "live",
    "_generated",
]


class Rounding(doctest.OutputChecker):
    """Accept a float that rounds to the one on the page, give or take the fence's tolerance."""

    def __init__(self, tolerance):
        self.tolerance = tolerance

    def check_output(self, want, got, optionflags):
        got = re.sub(r", device='cuda:\d+'", "", got)  # a page reads the same on every device
        head, dots, tail = want.partition("...")  # lines left out: compare what is before and after
        before, after = FLOAT.findall(head), FLOAT.findall(tail)
        found = list(FLOAT.finditer(got))
        if dots and len(found) >= len(before) + len(after):
            found = found[: len(before)] + found[len(found) - len(after) :]
        if len(before) + len(after) == len(found):
            for text, match in reversed(list(zip(before + after, found, strict=True))):
                mantissa, _, exponent = text.lower().partition("e")
                unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
                # 1e-9 for the rounding of the subtraction itself
                if abs(float(text) - float(match[0])) <= 0.5 * unit * (1 + 1e-9) + self.tolerance:
                    got = got[: match.start()] + text + got[match.end() :]
        return super().check_output(want, got, optionflags)


class Prompts(DocTestEvaluator):
    """Run the prompts of one fence."""

    def __init__(self, fence):
        super().__init__(FLAGS)
        self.needs_data = fence.needs_data
        self.runner._checker = Rounding(fence.tolerance)

    def __call__(self, example):
        reason = missing_data() if self.needs_data else None
        if reason and os.environ.get("REFNET_REQUIRE_DATA") == "1":
            pytest.fail(f"REFNET_REQUIRE_DATA=1, but {reason}", pytrace=False)
        if reason:
            raise unittest.SkipTest(reason)
        return super().__call__(example)


@functools.cache
def missing_data():
    """Return that the real Fashion-MNIST is missing and how to get it, or None if it is here."""
    import refnet

    try:
        for train in (True, False):
            refnet.FashionMNIST(train=train, download=False)
    except refnet.MissingDataError:
        return (
            "the real Fashion-MNIST is not on this machine: apt-get install dataset-fashion-mnist, "
            "or set REFNET_DATA to a folder with its four files"
        )
    return None


def check_dependence(path, page):
    """Refuse a fence that uses a name which only a needs-data fence above it has bound."""
    bound = set()
    for fence in page:
        keep = bound.add if fence.needs_data else bound.discard
        for node in ast.walk(ast.parse("".join(prompt.source for prompt in fence.prompts))):
            name = getattr(node, "id", getattr(node, "name", None))
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                if name in bound and not fence.needs_data:
                    place = f"{path}:{fence.line}"
                    message = (
                        f"{name!r} comes from a fence marked needs-data: mark this one as well"
                    )
                    raise PageError(f"{place}: {message}")
            elif isinstance(node, ast.alias):
                keep(node.asname or node.name)
            elif isinstance(node, ast.Name | ast.FunctionDef | ast.ClassDef):
                keep(name)


def parse_page(document):
    """Yield one region for each prompt in the fences of a page."""
    starts = [0]
    for line in document.text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    try:
        page = [part for part in read(document.text, document.path) if isinstance(part, Fence)]
        check_dependence(document.path, page)
    except PageError as error:
        raise pytest.UsageError(str(error)) from None
    for fence in page:
        evaluator = Prompts(fence)
        for prompt in fence.prompts:
            end = prompt.lineno + (prompt.source + prompt.want).count("\n")
            yield Region(starts[prompt.lineno], starts[end], prompt, evaluator)


def enter_page(namespace):
    """Run the page in an empty folder, on the device that was asked for."""
    folder = tempfile.TemporaryDirectory()
    namespace["__page__"] = (folder, Path.cwd(), os.environ.get("REFNET_DEVICE"))
    os.environ.setdefault("REFNET_DEVICE", "cpu")
    os.chdir(folder.name)


def leave_page(namespace):
    folder, before, device = namespace.pop("__page__")
    os.chdir(before)
    if device is None:
        del os.environ["REFNET_DEVICE"]
    folder.cleanup()


pytest_collect_file = Sybil(
    parsers=[parse_page], pattern="*.md", setup=enter_page, teardown=leave_page
).pytest()


def is_full(config, folder):
    """Return whether this run collects the whole of a folder."""
    options = ("keyword", "markexpr", "deselect", "lf", "ignore", "ignore_glob")
    if any(getattr(config.option, name, None) for name in options):
        return False
    paths = [Path(config.invocation_params.dir, argument).resolve() for argument in config.args]
    return any(path == folder or path in folder.parents for path in paths)


def pytest_collection_modifyitems(session, config, items):
    pages = {i.name + str(i.path): i.example for i in items if hasattr(i, "example")}
    counts = Counter(str(Path(e.path).relative_to(DOCS)) for e in pages.values())
    counts["docstrings"] = sum(
        len(item.dtest.examples) for item in items if isinstance(item, pytest.DoctestItem)
    )
    config.stash[COUNTS] = counts
    if session.testsfailed:  # a file could not be collected, and that is reported already
        return
    full = [name for name, folder in FOLDERS.items() if is_full(config, folder)]
    wrong = check_counts(counts, full, record=os.environ.get("REFNET_RECORD_PROMPTS") == "1")
    if hasattr(config, "workeroutput"):  # one of several processes, which all collect the same
        config.workeroutput["prompts"] = [dict(counts), wrong]
    elif wrong:
        raise pytest.UsageError(wrong)


def check_counts(counts, full, record):
    """Return which page has another count of prompts than is recorded; or record what is there."""
    before = json.loads(RECORD.read_text(encoding="utf-8"))
    kept = {n: c for n, c in before.items() if ("docs" if n.endswith(".md") else n) not in full}
    now = {n: c for n, c in counts.items() if ("docs" if n.endswith(".md") else n) in full}
    if record:
        RECORD.write_text(json.dumps(kept | now, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return ""
    for name in sorted(now.keys() | before.keys() - kept.keys()):
        if name not in before or now.get(name, 0) != before[name]:
            return (
                f"{name}: expected {before.get(name, 'a record of its')} prompts, got "
                f"{now.get(name, 0)}. If that is meant, run `{RENEW}` and commit "
                f"docs/{RECORD.name}."
            )
    return ""


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_testnodedown(node):
    """Take the counts from a process that ran prompts."""
    counts, wrong = getattr(node, "workeroutput", {}).get("prompts", ({}, ""))
    node.config.stash[COUNTS] = Counter(counts)
    node.config.stash[WRONG] = wrong


def pytest_sessionfinish(session):
    """Fail a run in several processes that found another count of prompts than is recorded."""
    if session.config.stash.get(WRONG, ""):
        session.exitstatus = pytest.ExitCode.USAGE_ERROR


def pytest_configure(config):
    """Refuse to spread the prompts of one page over several processes."""
    if getattr(config.option, "numprocesses", None) and config.option.dist == "load":
        do = "Add `--dist loadfile`."
        raise pytest.UsageError(
            f"the prompts of a page share one namespace, expected them in one "
            f"process, got --dist load. {do}"
        )


def pytest_terminal_summary(terminalreporter, config):
    counts = config.stash.get(COUNTS, Counter())
    if counts.total():
        terminalreporter.section("prompts")
        for name, count in sorted(counts.items()):
            terminalreporter.line(f"{count:6d}  {name}")
    if config.stash.get(WRONG, ""):
        terminalreporter.line(f"ERROR: {config.stash[WRONG]}", red=True)
