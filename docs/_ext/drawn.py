"""Show on a page the figure that the page's own prompts have made, as the build drew it.

    ```python
    >>> figure = refnet.plots.samples(test.images[:8], test.labels[:8])
    ```

    ```{drawn} figure
    :alt: Eight pictures of clothes, each with the name of its class above.

    The first eight pictures of the test set.
    ```

The argument is the name of a matplotlib figure at that place of the page. Before it reads the
pages, the build runs the prompts of each page that has such a directive, from the top to the last
one, in a process and an empty folder of its own, and saves the figures as SVG in each language
(docs/_ext/pictures.py) in docs/_generated/drawn/<section>-<page>/. They are kept until the prompts,
refnet, torch, matplotlib or the words change. `:paper:` gives the picture a white ground that stays
white in dark mode, for pictures in colour; other options are those of `{figure}`.

A figure from a fence marked `% needs-data` is left out, with a sentence, where the data is missing.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from fences import Drawn, Fence, PageError, read
from pictures import STYLE, alone, digest_of, is_current, languages, record, refuse_missing, save
from sphinx.directives.patches import Figure
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

RECORD = "pictures.json"
NOT_HERE = "not-here.json"  # the figures that need data which this machine does not have
LEFT_OUT = (
    "This picture is drawn from the whole of Fashion-MNIST, which was missing where the site was "
    "built."
)


# ------------------------------------------------------------------ in a process of its own


def draw_page(page, folder):
    """Run the prompts of a page and save its figures; return those whose data is missing."""
    parts = up_to_the_last(read(page.read_text(encoding="utf-8"), str(page)))
    translations = languages(page_docs(page))
    namespace = {"__name__": "__test__"}  # as in the run of the pages
    have_data = data_is_here(parts)
    names, skipped, not_here = Counter(), set(), []
    for part in parts:
        if isinstance(part, Drawn):
            name = numbered(part.name, names)
            if part.name in skipped:
                not_here.append(name)
            else:
                figure = namespace.get(part.name)
                check(figure, part.name, f"{page}:{part.line}")
                target = folder / f"{folder.name}-{name}.svg"
                save_at(figure, target, translations, f"{page}:{part.line}")
        elif part.needs_data and not have_data:
            skipped |= bound_by(part)
        else:
            run(part, page, namespace)
    return not_here, translations


def up_to_the_last(parts):
    """Return the parts of a page as far as the last thing drawn."""
    last = max(index for index, part in enumerate(parts) if isinstance(part, Drawn))
    return parts[: last + 1]


def numbered(name, names):
    """Return "figure", and from the second on "figure-2", "figure-3"."""
    names[name] += 1
    return name if names[name] == 1 else f"{name}-{names[name]}"


def bound_by(fence):
    """Return the names that a fence gives a value."""
    code = compile("".join(prompt.source for prompt in fence.prompts), "<page>", "exec")
    return set(code.co_names)


def data_is_here(parts):
    """Return whether this machine has the data that some of the fences need."""
    if not any(isinstance(part, Fence) and part.needs_data for part in parts):
        return True
    import refnet

    try:
        for train in (True, False):
            refnet.FashionMNIST(train=train, download=False)
    except refnet.MissingDataError:
        return False
    return True


def run(fence, page, namespace):
    """Run the prompts of a fence; only one that says so on the page may raise."""
    for prompt in fence.prompts:
        place = f"{page}:{prompt.lineno + 1}"
        try:
            exec(compile(prompt.source, place, "single"), namespace)
        except Exception as error:
            if prompt.exc_msg is None:
                raise PageError(f"{place}: {type(error).__name__}: {error}") from error


def check(figure, name, place):
    """Refuse what is no figure."""
    from matplotlib.figure import Figure

    if not isinstance(figure, Figure):
        got = "none" if figure is None else type(figure).__name__
        raise PageError(
            f"{place}: drawn: expected {name!r} to be a matplotlib figure, got {got}. "
            f"Write a prompt above, >>> {name} = refnet.plots. ..."
        )


def save_at(figure, target, translations, place):
    try:
        save(figure, target, translations)
    except Exception as error:
        raise PageError(f"{place}: drawn: {type(error).__name__}: {error}") from error


def page_docs(page):
    """Return the folder of the pages: the one above a page that holds conf.py."""
    return next(folder for folder in page.parents if (folder / "conf.py").exists())


def main(page, folder, key):
    import matplotlib
    import torch

    torch.set_num_threads(1)
    matplotlib.use("svg")
    os.environ.setdefault("REFNET_DEVICE", "cpu")
    salt = {"svg.hashsalt": page.stem}
    before = Path.cwd()
    with (
        tempfile.TemporaryDirectory() as empty,
        matplotlib.rc_context({**STYLE, **salt}),
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        os.chdir(empty)
        try:
            not_here, translations = draw_page(page, folder)
        finally:
            os.chdir(before)
    (folder / NOT_HERE).write_text(json.dumps(not_here), encoding="utf-8")
    record(folder / RECORD, key, translations)


# ------------------------------------------------------------------ in the build


def draw_all(app):
    """Draw the pages that changed, several at a time."""
    if app.builder.name == "gettext":
        return
    with alone(app.srcdir):
        errors = draw_changed(app)
    if errors:
        raise ExtensionError("\n".join(errors))


def draw_changed(app):
    """Draw the pages that changed and return what went wrong."""
    jobs = []
    for page in sorted(Path(app.srcdir).rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if "{drawn}" in text and "_generated" not in page.parts:
            jobs += job_of(app, page, text)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [error for error in pool.map(lambda job: draw_apart(*job), jobs) if error]


def job_of(app, page, text):
    """Return page, folder and key of a page whose pictures are not current, in a list."""
    try:
        parts = read(text, str(page))
    except PageError as error:
        raise ExtensionError(str(error)) from error
    if not any(isinstance(part, Drawn) for part in parts):
        return []
    code, parts = [], up_to_the_last(parts)
    for part in parts:
        sources = [] if isinstance(part, Drawn) else [prompt.source for prompt in part.prompts]
        code.append(part.name if isinstance(part, Drawn) else (part.needs_data, sources))
    package = Path(find_spec("refnet").origin).parent
    key = digest_of(package, code, data_is_here(parts))
    folder = folder_of(app.srcdir, page.relative_to(app.srcdir).with_suffix("").as_posix())
    if is_current(folder / RECORD, key, languages(app.srcdir)):
        return []
    return [(page, folder, key)]


def folder_of(docs, docname):
    """Return the folder of a page's pictures; its name makes theirs differ from other pages'."""
    return Path(docs, "_generated", "drawn", docname.replace("/", "-"))


def draw_apart(page, folder, key):
    """Draw a page in a process of its own; return what went wrong, or nothing."""
    logging.getLogger(__name__).info("drawing the pictures of %s", page.name)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    command = [sys.executable, __file__, str(page), str(folder), key]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    return done.stderr.strip() or "drawing stopped" if done.returncode else ""


class DrawnFigure(Figure, SphinxDirective):
    """A figure whose picture the page's own prompts have made."""

    option_spec = Figure.option_spec | {"paper": directives.flag}

    def run(self):
        if not self.options.get("alt", "").strip():
            raise self.error("drawn: expected `:alt:`, got none. Say what the picture shows.")
        counts = self.env.current_document.setdefault("drawn", Counter())
        name = numbered(self.arguments[0], counts)
        docname = self.env.current_document.docname
        folder = folder_of(self.env.srcdir, docname)
        self.env.note_dependency(str(folder / RECORD))
        paper = "paper" if "paper" in self.options else "ink"
        self.options.pop("paper", None)
        if name in left_out(folder):
            return [nodes.paragraph("", words_of(self.env, LEFT_OUT), translatable=False)]
        self.arguments[0] = f"/_generated/drawn/{folder.name}/{folder.name}-{name}.svg"
        figure, *messages = super().run()
        for picture in figure.findall(nodes.image):
            picture["classes"] += ["drawn", paper]
            if self.env.app.builder.name == "gettext":  # words alone: there is no picture
                picture["uri"] = "drawn://later"
        if not messages:
            self.refuse_english(folder)
        return [figure, *messages]

    def refuse_english(self, folder):
        language = self.env.config.language
        record = folder / RECORD
        if record.exists():
            try:
                refuse_missing(record, f"{self.env.doc2path(self.env.docname)}", language)
            except ValueError as error:
                raise self.error(str(error)) from error


def left_out(folder):
    path = folder / NOT_HERE
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def words_of(env, text):
    """Return a sentence of ours in the language of the build."""
    found = languages(env.srcdir).get(env.config.language)
    return found.words.get(text, text) if found else text


def setup(app):
    app.add_directive("drawn", DrawnFigure)
    app.connect("builder-inited", draw_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    except PageError as error:
        sys.exit(str(error))
