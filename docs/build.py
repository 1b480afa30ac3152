"""Build the site in both languages into site/, every warning an error: `python docs/build.py`.

`--language en` builds one of them alone, beside what is there already. `--without-answers` leaves
out the answers of the exercises, for a class. `--update-po` refreshes the .po files of every folder
in docs/locales from the English pages instead: new messages come in empty, changed ones fuzzy,
dropped ones go. The gate (docs/check_po.py) then lists what to do.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / "_ext"))

from publish import publish  # noqa: E402 - it lies beside the extensions

ROOT = DOCS.parent


def sphinx(builder, target, doctrees, *options):
    """Start one Sphinx build and return its process; what it prints is kept for `finish`."""
    command = [sys.executable, "-m", "sphinx", "-q", "-b", builder, "-d", doctrees, *options]
    # Python leaves docstrings out when told to optimize, and the API pages are made of them
    environment = {**os.environ, "PYTHONOPTIMIZE": "", "PYTHONIOENCODING": "utf-8"}
    kept = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
    return subprocess.Popen([*command, DOCS, target], env=environment, **kept)


def finish(process):
    """Wait for a build, print what it had to say, and return its exit code."""
    output, _ = process.communicate()
    print(output, end="", file=sys.stderr, flush=True)
    return process.returncode


def forget_if_pages_went(work, site, languages):
    """Start from nothing when the list of pages changed: Sphinx leaves those of deleted ones."""
    pages = [*DOCS.rglob("*.md"), *DOCS.rglob("*.rst")]
    sources = "\n".join(sorted(str(page.relative_to(DOCS)) for page in pages))
    record = work / "sources.txt"
    if not record.exists() or record.read_text(encoding="utf-8") != sources:
        for folder in (work / "doctrees", *(site / code for code in languages)):
            shutil.rmtree(folder, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    record.write_text(sources, encoding="utf-8")


def write_root(site, languages, address):
    """Write the page that sends a reader of the site's root to a language."""
    page = (DOCS / "redirect-index.html").read_text(encoding="utf-8")
    if len(languages) == 1:  # there is no choice
        alone = f"{languages[0]}/index.html"
        page = "<!doctype html>\n<title>refnet</title>\n<!-- alternates -->\n"
        page += (
            f'<meta http-equiv="refresh" content="0; url={alone}"><a href="{alone}">refnet</a>\n'
        )
    links = [
        f'<link rel="alternate" hreflang="{tag}" href="{address}/{folder}">'
        for tag, folder in [*((c.replace("_", "-"), f"{c}/") for c in languages), ("x-default", "")]
    ]
    page = page.replace("<!-- alternates -->\n", "\n".join([*links, ""]) if address else "")
    (site / "index.html").write_text(page, encoding="utf-8")


def known_languages():
    """Return English and the languages of docs/locales."""
    return ["en", *sorted(folder.name for folder in (DOCS / "locales").glob("*/"))]


def build(site, work, wanted, *options):
    """Build the languages wanted, side by side, and return the exit code.

    Of the first that fails, what it says is printed: nearly always the same is wrong in both.
    """
    forget_if_pages_went(work, site, known_languages())
    trees = {code: work / "doctrees" / code for code in wanted}
    builds = {}
    for code in wanted:
        print(f"building {site / code}", flush=True)
        language = ("-W", "-D", f"language={code}")
        builds[code] = sphinx("html", site / code, trees[code], *language, *options)
    for code in wanted:
        failed = finish(builds[code])
        if failed:
            for other in builds.values():
                other.communicate()
            # Sphinx has stored the pages that it warned about: a second run would pass in silence
            for folder in trees.values():
                shutil.rmtree(folder, ignore_errors=True)
            print(f"the site in {code} has errors, see above", file=sys.stderr)
            return failed
    languages = [code for code in known_languages() if (site / code / "index.html").exists()]
    for code in set(known_languages()) - set(languages):
        print(f"{code} is not built: links to it lead nowhere until it is")
    address = os.environ.get("REFNET_SITE_URL", "").rstrip("/")
    write_root(site, languages, address)
    publish(site, languages, address)
    print(f"\nThe site is ready. Open {site / 'index.html'} in a browser, or serve it:")
    print(f"  python docs/serve.py --site {os.path.relpath(site)}")
    print("and open http://localhost:8000/")
    return 0


def update_po(work):
    """Bring the .po files up to date; only sphinx-intl writes them, so that diffs stay small."""
    shutil.rmtree(work / "gettext", ignore_errors=True)
    failed = finish(sphinx("gettext", work / "gettext", work / "doctrees" / "gettext"))
    if failed:
        return failed
    before = {path: path.read_text(encoding="utf-8") for path in (DOCS / "locales").rglob("*.po")}
    folders = ["-p", work / "gettext", "-d", DOCS / "locales"]
    codes = [part for code in known_languages()[1:] for part in ("-l", code)]
    command = ["-m", "sphinx_intl", "update", *folders, *codes, "-w", "0", "--no-obsolete"]
    failed = subprocess.run([sys.executable, *command]).returncode
    for path, text in before.items():
        keep_head(path, text)
    return failed


def keep_head(path, before):
    """Give a catalog that changed its head back, whose date would differ in each branch."""
    now = path.read_text(encoding="utf-8") if path.exists() else before
    if now != before:
        head, body = before.partition("\n\n")[0], now.partition("\n\n")[2]
        path.write_text(f"{head}\n\n{body.rstrip()}\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Build the site into site/, in both languages, every warning an error."
    )
    parser.add_argument("--site", type=Path, default=ROOT / "site", help="folder of the result")
    parser.add_argument("--work", type=Path, default=ROOT / "build/docs", help="Sphinx's memory")
    parser.add_argument(
        "--language", choices=known_languages(), help="build this one alone; both if left out"
    )
    parser.add_argument(
        "--without-answers",
        action="store_true",
        help="leave the answers of the exercises out of the pages, the notebooks and the scripts",
    )
    parser.add_argument("--update-po", action="store_true", help="refresh the .po files instead")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    if arguments.update_po:
        sys.exit(update_po(work))
    wanted = [arguments.language] if arguments.language else known_languages()
    options = ["-D", "without_answers=1"] if arguments.without_answers else []
    try:
        sys.exit(build(arguments.site.resolve(), work, wanted, *options))
    except KeyboardInterrupt:
        print("stopped: the next build takes up what is whole and makes the rest", file=sys.stderr)
        sys.exit(130)
