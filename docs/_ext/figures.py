"""Draw docs/figures/*.py as part of the build: one SVG each, and no picture is committed.

`draw()` of each script returns a matplotlib figure; it lands in docs/_generated/figures/<name>.svg,
with English words, and beside it as <name>.zh_CN.svg with Chinese ones (docs/_ext/pictures.py),
which the Chinese pages show. A script that raises, warns, or needs a glyph that the font lacks
fails the build. A figure is drawn again when its script, a results file that the script names, its
words, these files, refnet, matplotlib or torch changed.
"""

import importlib.util
import runpy
import warnings
from pathlib import Path

from pictures import STYLE, alone, digest_of, is_current, languages, record, refuse_missing, save
from sphinx.errors import ExtensionError
from sphinx.util import logging


def key_of(script, package):
    """Return the hash of everything that the figure is made from."""
    results = sorted(script.parent.with_name("results").glob("*.json"))
    named = [path for path in results if path.name in script.read_text(encoding="utf-8")]
    return digest_of(package, *(path.read_bytes() for path in [script, *named]))


def draw(script, target, translations):
    """Run ``draw()`` of one script and save what it returns."""
    import matplotlib
    import torch

    torch.set_num_threads(1)  # nets as small as these learn faster so, and everywhere the same
    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    with plt.rc_context({**STYLE, "svg.hashsalt": script.stem}), warnings.catch_warnings():
        warnings.simplefilter("error")
        # numpy 2 asks torch for an argument that torch does not know yet; the array is the same
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        # run, not imported: Python's cache tells two scripts of one second and one size not apart
        figure = runpy.run_path(str(script))["draw"]()
        save(figure, target, translations)
        plt.close("all")


def draw_all(app):
    with alone(app.srcdir):
        draw_changed(app)


def draw_changed(app):
    scripts = sorted(Path(app.srcdir, "figures").glob("*.py"))
    folder = Path(app.srcdir, "_generated", "figures")
    folder.mkdir(parents=True, exist_ok=True)
    refnet = importlib.util.find_spec("refnet")
    if refnet is None:
        raise ExtensionError(
            "docs/figures: expected refnet to be installed. Run `pip install -e .`"
        )
    names = {script.stem for script in scripts}
    for old in folder.iterdir():
        if old.name.partition(".")[0] not in names:
            old.unlink()
    for script in scripts:
        key = key_of(script, Path(refnet.origin).parent)
        words_alone = app.builder.name == "gettext"  # for these an old picture will do
        if not (words_alone and (folder / f"{script.stem}.svg").exists()):
            draw_if_changed(script, folder, key, languages(app.srcdir))
        if not words_alone:
            refuse_english(script, folder, app.config.language)


def draw_if_changed(script, folder, key, translations):
    """Draw one figure, unless the one that is there was made from the same things."""
    known, target = folder / f"{script.stem}.json", folder / f"{script.stem}.svg"
    if target.exists() and is_current(known, key, translations):
        return
    logging.getLogger(__name__).info("drawing figures/%s", script.name)
    for old in folder.glob(f"{script.stem}.*"):
        old.unlink()
    partial = folder / f"{script.stem}.part.svg"
    try:
        draw(script, partial, translations)
    except Exception as error:
        message = f"docs/figures/{script.name}: {type(error).__name__}: {error}"
        raise ExtensionError(message, error) from error
    for path in folder.glob(f"{script.stem}.part.*"):
        path.replace(path.with_name(path.name.replace(".part.", ".")))
    record(known, key, translations)


def refuse_english(script, folder, language):
    """Refuse a figure with words that the language of this build does not have."""
    try:
        refuse_missing(folder / f"{script.stem}.json", f"docs/figures/{script.name}", language)
    except ValueError as error:
        raise ExtensionError(str(error)) from error


def setup(app):
    app.connect("builder-inited", draw_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
