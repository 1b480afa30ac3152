"""What the guide for teachers promises: the message of a wrong page, and a language more."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


def test_a_wrong_answer_on_the_start_page_gives_the_message_of_the_guide(tmp_path):
    guide = (DOCS / "guides" / "teach.md").read_text(encoding="utf-8")
    (message,) = re.findall(r"```text\n(.*?)```", guide, re.DOTALL)
    docs = tmp_path / "docs"
    docs.mkdir()
    shutil.copytree(DOCS / "_ext", docs / "_ext")
    shutil.copy(DOCS / "conftest.py", docs)
    (docs / "prompts.json").write_text("{}", encoding="utf-8")
    start = (DOCS / "start.md").read_text(encoding="utf-8")
    right = ">>> trainer.evaluate(loader).correct\n4\n"
    assert right in start
    start = start.partition("## How to read the pages")[0].replace(right, right.replace("4", "3"))
    (docs / "start.md").write_text(start, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "docs/start.md"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert message in done.stdout


def test_a_folder_of_catalogs_is_a_language_more(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("conf.py", "build.py", "redirect-index.html"):
        shutil.copy(DOCS / name, docs)
    for name in ("_ext", "_templates", "_static"):
        shutil.copytree(DOCS / name, docs / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (docs / "references.bib").touch()
    (docs / "index.md").write_text("# A small page\n\nGood morning.\n", encoding="utf-8")
    catalogs = docs / "locales" / "fr" / "LC_MESSAGES"
    catalogs.mkdir(parents=True)

    def build(*options):
        command = [sys.executable, docs / "build.py", "--site", tmp_path / "site"]
        done = subprocess.run(
            [*command, "--work", tmp_path / "work", *options],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stdout + done.stderr

    build("--update-po")
    catalog = catalogs / "index.po"
    text = catalog.read_text(encoding="utf-8")
    empty = 'msgid "Good morning."\nmsgstr ""'
    assert empty in text
    catalog.write_text(text.replace(empty, empty[:-1] + 'Bonjour."'), encoding="utf-8")
    build("--language", "fr")
    page = (tmp_path / "site" / "fr" / "index.html").read_text(encoding="utf-8")
    assert "<p>Bonjour.</p>" in page
    assert '<html lang="fr"' in page
    assert '<span lang="fr" aria-current="true">Français</span>' in page
