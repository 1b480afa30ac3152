"""Films that play inside a page, and a slider through the training of several nets.

`{film} picture.png` is a figure whose picture plays the film of the same name, .webm, beside it.
`{slider} frames.json` shows the frames that examples/overfit_six.py wrote. It holds one paragraph,
what to do without JavaScript, and one list: the name of the control, then one name for each net.
All data stand in the page and all words in its text, so both work from the file system and both
are translated as any other text.
"""

import json
import shutil
from html import escape
from pathlib import Path
from posixpath import join

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.directives.patches import Figure
from sphinx.util.docutils import SphinxDirective


class film(nodes.image):  # noqa: N801 - docutils names nodes in lower case
    """A film; being a picture too, its poster is copied and its description translated."""


class slider(nodes.container):  # noqa: N801
    """The frames of several nets; its children are a paragraph and a list."""


class Film(Figure):
    option_spec = Figure.option_spec | {"alt": directives.unchanged_required}

    def run(self):
        figure, *messages = super().run()
        for picture in figure.findall(nodes.image):
            picture.replace_self(film("", **picture.attributes))
        return [figure, *messages]


class Slider(SphinxDirective):
    required_arguments = 1
    has_content = True

    def run(self):
        relative, path = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        parts = self.parse_content_to_nodes()
        nets = len(content["configurations"])
        if len(parts) != 2 or len(list(parts[1].findall(nodes.list_item))) != nets + 1:
            raise self.error(
                f"slider: expected a paragraph and a list of {nets + 1} lines, the control and "
                f"{nets} nets of {self.arguments[0]}, got {len(parts)} parts. Write one for each."
            )
        return [slider("", *parts, frames=content, folder=str(Path(path).parent))]


def visit_film(translator, node):
    poster = Path(translator.builder.srcdir, node["uri"])
    copy(translator.builder, poster.with_suffix(".webm"))
    folder, alt = translator.builder.imgpath, escape(node["alt"])
    picture = escape(join(folder, translator.builder.images[node["uri"]]))
    source = escape(join(folder, poster.with_suffix(".webm").name))
    translator.body.append(
        f'<video controls loop muted playsinline preload="none" poster="{picture}" '
        f'aria-label="{alt}"><source src="{source}" type="video/webm">'
        f'<a href="{source}"><img src="{picture}" alt="{alt}"></a></video>\n'
    )
    raise nodes.SkipNode


def visit_slider(translator, node):
    hint, (control, *names) = node[0], node[1].children
    frames, steps = node["frames"], node["frames"]["steps"]
    last = len(steps) - 1
    parts = [
        f'<div class="training" data-steps="{escape(json.dumps(steps))}">',
        f"<noscript><p>{escape(hint.astext())}</p></noscript>",
        '<div class="training-control" hidden>',
        f'<label for="training-step">{escape(control.astext())}</label>',
        f'<input id="training-step" type="range" min="0" max="{last}" value="{last}" '
        'autocomplete="off">',
        f'<output for="training-step">{steps[-1]}</output></div>',
        '<ul class="training-nets" aria-live="polite">',
    ]
    for net, name in zip(frames["configurations"], names, strict=True):
        sheet = Path(node["folder"], net["file"])
        copy(translator.builder, sheet)
        source = escape(join(translator.builder.imgpath, sheet.name))
        overlaps, title = frames["iou"][net["key"]], escape(name.astext())
        parts.append(
            f'<li><div class="training-frame" role="img" aria-label="{title}" '
            f"style=\"background-image: url('{source}'); "
            f"aspect-ratio: {net['width']} / {net['height']}; "
            f'background-size: 100% {100 * net["frames"]}%"></div>'
            f"<span>{title}</span> "
            f'<span data-iou="{escape(json.dumps(overlaps))}">IoU {overlaps[-1]:.2f}</span></li>'
        )
    translator.body.append("\n".join([*parts, "</ul></div>\n"]))
    raise nodes.SkipNode


def copy(builder, path):
    """Put a file beside the pictures of the site."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a file. Run examples/overfit_six.py.")
    folder = Path(builder.outdir, builder.imagedir)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, folder / path.name)


def add_files(app, pagename, templatename, context, doctree):
    """Give pages with a slider its script; pages with either, the look of both."""
    found = {type(node) for node in doctree.findall()} if doctree else set()
    if found & {film, slider}:
        app.add_css_file("films.css")
    if slider in found:
        app.add_js_file("slider.js", loading_method="defer")


def setup(app):
    app.add_node(film, html=(visit_film, None))
    app.add_node(slider, html=(visit_slider, None))
    app.add_directive("film", Film)
    app.add_directive("slider", Slider)
    app.connect("html-page-context", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
