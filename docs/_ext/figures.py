"""Draw docs/figures/*.py as part of the build: one SVG each, and no picture is committed.

`draw()` of each script returns a matplotlib figure; it lands in docs/_generated/figures/<name>.svg,
where the pages of both languages show it. A script that raises, warns, or needs a glyph that the
font lacks fails the build. A figure is drawn again when its script, a results file that the script
names, this file, refnet, matplotlib or torch changed.
"""

import hashlib
import importlib.util
import runpy
import warnings
from importlib.metadata import version
from pathlib import Path

from sphinx.errors import ExtensionError
from sphinx.util import logging

STYLE = {
    "font.family": "DejaVu Sans",  # matplotlib's own; drawn as outlines, the same everywhere
    "font.size": 11,
    "figure.figsize": (6.4, 3.6),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "svg.fonttype": "path",
}


def key_of(script, package):
    """Return the hash of everything that the figure is made from."""
    digest = hashlib.sha256(f"{version('matplotlib')} {version('torch')} {STYLE}".encode())
    results = sorted(script.parent.with_name("results").glob("*.json"))
    named = [path for path in results if path.name in script.read_text(encoding="utf-8")]
    for path in [Path(__file__), script, *named, *sorted(package.rglob("*.py"))]:
        digest.update(path.read_bytes())
    return f"<!-- {digest.hexdigest()} -->\n"


def draw(script, target):
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
        figure.savefig(target, metadata={"Date": None}, bbox_inches="tight", transparent=True)
        plt.close("all")


def draw_all(app):
    scripts = sorted(Path(app.srcdir, "figures").glob("*.py"))
    folder = Path(app.srcdir, "_generated", "figures")
    folder.mkdir(parents=True, exist_ok=True)
    refnet = importlib.util.find_spec("refnet")
    if refnet is None:
        raise ExtensionError(
            "docs/figures: expected refnet to be installed. Run `pip install -e .`"
        )
    for script in scripts:
        target = folder / f"{script.stem}.svg"
        key = key_of(script, Path(refnet.origin).parent)
        words_alone = app.builder.name == "gettext"  # for these an old picture will do
        if target.exists() and (words_alone or target.read_text(encoding="utf-8").endswith(key)):
            continue
        logging.getLogger(__name__).info("drawing figures/%s", script.name)
        partial = target.with_suffix(".part.svg")
        try:
            draw(script, partial)
        except Exception as error:
            message = f"docs/figures/{script.name}: {type(error).__name__}: {error}"
            raise ExtensionError(message, error) from error
        partial.write_text(partial.read_text(encoding="utf-8") + key, encoding="utf-8")
        partial.replace(target)
    for old in set(folder.glob("*.svg")) - {folder / f"{s.stem}.svg" for s in scripts}:
        old.unlink()


def setup(app):
    app.connect("builder-inited", draw_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
