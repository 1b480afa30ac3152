"""How the tests are shared out among processes, what a run prints as it goes, and what it left out.

`python -m tox run -e test` starts a few processes (pytest-xdist), each with one thread of
torch: threads of several processes would wait for each other. Plain `pytest` runs in one, as ever.
"""

import os
import time
from collections import Counter
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

TESTS = Path(__file__).resolve().parent / "tests"
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
SECONDS_BETWEEN_LINES = 10

# The longest first, so that no process is left alone with one at the end. The first builds the site
# while the others have work that does not wait for it.
LONGEST = (
    "tests/test_docs.py",
    "tests/training/test_distributed.py",
    "tests/test_examples_course.py",
    "tests/faults/test_processes.py",
    "tests/training/test_trainer.py",
    "tests/test_downloads.py",
    "docs/",
    "tests/site/test_features.py",
    "tests/site/test_films.py",
)
# Tests that share nothing: they go to whichever process is free, and fill the gaps at the end
SHARED_OUT = (
    "tests/test_downloads.py::test_a_notebook_runs_and_shows",
    "tests/site/test_pages.py",
)


def place(nodeid):
    """Return where a test stands in the order of a run in several processes."""
    if nodeid.startswith(SHARED_OUT):
        return len(LONGEST) + 1
    found = (i for i, start in enumerate(LONGEST) if nodeid.startswith(start))
    return next(found, len(LONGEST))


class Sharing(LoadFileScheduling):
    """Give each process whole files: the prompts of a page need each other, and their order."""

    def _split_scope(self, nodeid):
        return nodeid if nodeid.startswith(SHARED_OUT) else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config, log):
    config.option.loadscopereorder = False  # the order is that of LONGEST
    return Sharing(config, log)


def pytest_xdist_auto_num_workers(config):
    """Return the cores that this process may use; more than eight would run out of memory first.

    With the tests, half as many again: a third of their time they wait, for servers, signals,
    processes and the browser. The prompts of pages never do.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = cores or 1
    paths = [Path(argument).resolve() for argument in config.args]
    if any(path == TESTS or TESTS in path.parents for path in paths):
        cores += cores // 2
    return min(cores, 8)


def pytest_configure(config):
    if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        for name in ONE_THREAD:
            os.environ.setdefault(name, "1")  # before the processes start and import torch
        if config.option.verbose <= 0:
            config.pluginmanager.register(Progress())


def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: place(item.nodeid))


class Progress:
    """In place of a wall of dots, a line now and then: how many tests are done, and how long."""

    def __init__(self):
        self.terminal = None
        self.session = None
        self.outcomes = Counter()
        self.done = 0
        self.start = time.monotonic()
        self.last = self.start

    def pytest_sessionstart(self, session):
        self.session = session
        self.terminal = session.config.pluginmanager.getplugin("terminalreporter")

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(self):
        category, _, word = yield
        kept = word if category in ("failed", "error") else ""  # the summary names them by it
        return category, "", kept  # counted, but no dot is printed

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.outcomes["failed"] += 1
            self.terminal.write_line(f"FAILED {report.nodeid} ({report.when})", red=True)
        if report.skipped:
            self.outcomes["left out"] += 1
        if report.when == "teardown":
            self.done += 1
            self.tell()

    def tell(self):
        now = time.monotonic()
        total = self.session.testscollected
        if now - self.last < SECONDS_BETWEEN_LINES and self.done < total:
            return
        self.last = now
        rest = "".join(f", {count} {name}" for name, count in sorted(self.outcomes.items()))
        minutes, seconds = divmod(round(now - self.start), 60)
        self.terminal.write_line(f"{self.done:,} of {total:,} done{rest}, {minutes}:{seconds:02d}")
        self.terminal.flush()


def pytest_terminal_summary(terminalreporter):
    """Say what was left out and why: a line for each reason, with the number of tests."""
    reasons = Counter()
    for report in terminalreporter.getreports("skipped"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        reasons[str(reason).removeprefix("Skipped: ").removeprefix("SkipTest: ")] += 1
    if reasons:
        terminalreporter.section("left out")
        for reason, count in reasons.most_common():
            terminalreporter.line(f"{count:6,d}  {reason}")
