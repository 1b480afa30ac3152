"""A site is built with the live parts where there is a compiler, and without them where not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
SETTINGS = f"""
import sys
sys.path.insert(0, {str(DOCS / "_ext")!r})
import live
import kernels
if {{lacking}}:
    kernels.compiler = lambda: None
extensions = ["myst_parser", "live"]
templates_path = [{str(DOCS / "_templates")!r}]
html_theme = "pydata_sphinx_theme"
html_context = {{{{"languages": [], "reading_order": [], "synonyms": {{{{}}}}, "questions": []}}}}
html_context["topics"] = []
"""
PAGE = "# A page\n\n```{live} overfit\n```\n"


def build(folder, page=PAGE, lacking=False, **environment):
    (folder / "index.md").write_text(page, encoding="utf-8")
    (folder / "conf.py").write_text(SETTINGS.format(lacking=lacking), encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", folder, folder / "site"]
    settings = {k: v for k, v in os.environ.items() if k != "REFNET_REQUIRE_LIVE"}
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", timeout=280, env=settings | environment
    )


def test_with_the_compiler_the_page_has_its_part(tmp_path):
    done = build(tmp_path, REFNET_REQUIRE_LIVE="1")
    assert done.returncode == 0, done.stderr
    assert 'data-live="overfit"' in (tmp_path / "site" / "index.html").read_text("utf-8")
    assert (tmp_path / "site" / "_static" / "live" / "engine.js").exists()


def test_without_the_compiler_the_site_is_built_and_says_what_is_left_out(tmp_path):
    done = build(tmp_path, lacking=True)
    assert done.returncode == 0, done.stderr
    assert "expected the compiler of the package ziglang, got none" in done.stdout
    page = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert "data-live" not in page
    assert "_static/live" not in page


@pytest.mark.parametrize(
    ("page", "lacking", "environment", "sentence"),
    [
        (PAGE, True, {"REFNET_REQUIRE_LIVE": "1"}, "pip install ziglang"),
        (PAGE.replace("overfit", "overfitting"), True, {}, "live: expected one of overfit, xor"),
    ],
)
def test_a_build_says_what_it_does_not_have(tmp_path, page, lacking, environment, sentence):
    done = build(tmp_path, page, lacking, **environment)
    assert done.returncode != 0
    assert sentence in " ".join(done.stderr.split())
