"""A run in several processes: shared out by page and file, told as it goes, summed up at last."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]
# importing hypothesis takes twice the time of the rest, and nothing here uses it
PYTEST = ("-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")
SKIPPED = """
import pytest

@pytest.mark.parametrize("n", range(3))
def test_left_out(n):
    pytest.skip("no such machine")
"""
PAGE = "# P\n\n```python\n>>> a = 1\n```\n\n```python\n>>> a + 1\n2\n```\n"


@pytest.fixture
def project(tmp_path):
    """A project with this one's conftest.py files, and no test yet."""
    (tmp_path / "docs" / "_ext").mkdir(parents=True)
    (tmp_path / "tests").mkdir()
    for name in ("conftest.py", "pyproject.toml", "docs/conftest.py", "docs/_ext/fences.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "docs" / "prompts.json").write_text("{}", encoding="utf-8")
    return tmp_path


def run(project, *options, processes=2):
    """Run pytest on the project and return its exit code and what it printed."""
    command = [sys.executable, *PYTEST, "-n", str(processes), "--dist", "loadfile"]
    done = subprocess.run(
        [*command, *options], cwd=project, capture_output=True, encoding="utf-8", timeout=300
    )
    return done.returncode, done.stdout + done.stderr


def test_what_was_left_out_is_said_in_one_line_a_reason(project):
    for name in ("one", "two"):
        (project / "tests" / f"test_{name}.py").write_text(SKIPPED)
    code, output = run(project, "tests")
    assert code == 0, output
    assert "6 of 6 done, 6 left out, " in output
    assert [line for line in output.splitlines() if "no such machine" in line] == [
        "     6  no such machine"
    ]


def test_a_failure_is_named_when_it_happens_and_counted(project):
    (project / "tests" / "test_one.py").write_text("def test_one():\n    assert 1 == 2\n")
    code, output = run(project, "tests")
    assert code == 1
    assert "FAILED tests/test_one.py::test_one (call)" in output
    assert "\nFAILED tests/test_one.py::test_one - assert 1 == 2" in output
    assert "1 of 1 done, 1 failed, " in output


def test_the_prompts_of_a_page_stay_in_one_process_and_are_counted(project):
    for name in ("one", "two", "three"):
        (project / "docs" / f"{name}.md").write_text(PAGE)
    record = '{"one.md": 2, "two.md": 2, "three.md": 2}'
    (project / "docs" / "prompts.json").write_text(record)
    code, output = run(project, "docs")
    assert code == 0, output
    assert "6 of 6 done" in output
    assert "     2  three.md" in output


def test_fewer_prompts_than_recorded_are_refused_by_several_processes_too(project):
    (project / "docs" / "one.md").write_text(PAGE)
    (project / "docs" / "prompts.json").write_text('{"one.md": 3}')
    code, output = run(project, "docs")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: one.md: expected 3 prompts, got 2." in output


def test_each_process_has_one_thread_of_torch(project):
    test = "import os\n\ndef test_threads():\n    assert os.environ['OMP_NUM_THREADS'] == '1'\n"
    (project / "tests" / "test_one.py").write_text(test)
    environment = {name: os.environ[name] for name in os.environ if "NUM_THREADS" not in name}
    command = [sys.executable, *PYTEST, "-n2", "tests", "--dist", "loadfile"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stdout


def test_tests_get_half_a_process_more_for_each_core_and_pages_one(pytestconfig):
    count = pytestconfig.hook.pytest_xdist_auto_num_workers
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = []
    for arguments in (["docs"], ["src", "docs"], ["src", "docs", "tests"], ["tests/test_run.py"]):
        paths = [str(ROOT / argument) for argument in arguments]
        found.append(count(config=SimpleNamespace(args=paths)))
    assert found == [min(cores, 8)] * 2 + [min(cores + cores // 2, 8)] * 2
