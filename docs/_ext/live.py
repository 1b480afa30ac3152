"""Nets that train in the reader's browser: `{live} overfit` puts one into a page.

What they compute comes from docs/live: functions of refnet.by_hand, traced into lists of array
operations, and the kernels that run them, compiled here from C. Their words stand in the templates
docs/_templates/live, so they are translated as the rest of the site is. Without the compiler, the
package ziglang, the pages are built without live parts; REFNET_REQUIRE_LIVE=1 makes that an error.
"""

import base64
import json
import os
import sys
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

LIVE = Path(__file__).resolve().parents[1] / "live"
sys.path.insert(0, str(LIVE))

PARTS = ("overfit", "xor", "descent", "filter", "digits", "graph")
VARIANTS = {"pair": ["first", "second"]}  # two boxes, of which the first leads
WORKER = ("random.js", "runtime.js", "net.js")  # what every task needs, before it
WITHOUT = "live parts: expected the compiler of the package ziglang, got none. "
WITHOUT += "They are left out; `python -m pip install ziglang` brings them."


class live(nodes.General, nodes.Element):  # noqa: N801 - docutils names nodes in lower case
    """One live part of a page."""


class Live(SphinxDirective):
    required_arguments = 1
    option_spec: ClassVar = {"variant": directives.unchanged}

    def run(self):
        part = self.arguments[0]
        if part not in PARTS:
            raise self.error(f"live: expected one of {', '.join(PARTS)}, got {part}.")
        return [live("", part=part, variant=self.options.get("variant", ""))]


def read(name):
    return (LIVE / name).read_text(encoding="utf-8")


def assign(name, value):
    return f"{name} = {json.dumps(value, ensure_ascii=False, separators=(',', ':'))};\n"


def enclosed(*scripts):
    """Return scripts as one function: the names of each file stay its own."""
    return "(() => {\n" + "".join(scripts) + "})();\n"


def engine(kernels):
    """Return the script that every page with a live part loads first."""
    worker = "".join(map(read, WORKER)) + "/* task */\n" + read("worker.js")
    values = {"parts": {}, "worker": worker, "wasm": base64.b64encode(kernels).decode()}
    return assign("const REFNET_LIVE", values) + enclosed(read("box.js"))


def part_script(name, programs, data):
    """Return the script of one part: its programs, its task in the worker, and its page."""
    values = {"task": read(f"{name}.task.js"), "programs": programs, "data": data}
    return assign(f"REFNET_LIVE.parts.{name}", values) + enclosed(read(f"{name}.js"))


def scripts():
    """Return all scripts of the live parts by their file names."""
    from kernels import kernels
    from programs import contents, samples

    found = {"engine.js": engine(kernels())}
    for name, content in contents().items():
        found[f"{name}.js"] = part_script(name, **content)
    for name, sample in samples().items():
        begin = "REFNET_LIVE.samples ??= {};\n"
        found[f"samples-{name}.js"] = begin + assign(f"REFNET_LIVE.samples.{name}", sample)
    return found


def write_scripts(app):
    """Put the scripts beside the other files of the site, where there is a compiler."""
    if app.builder.format != "html":
        return
    app.live_parts = False
    if not LIVE.exists():  # a copy of the extensions without the parts
        return
    from kernels import compiler

    app.live_parts = compiler() is not None
    if not app.live_parts:
        if os.environ.get("REFNET_REQUIRE_LIVE") == "1":
            raise ExtensionError(WITHOUT)
        print(WITHOUT)
        return
    folder = Path(app.outdir, "_static", "live")
    folder.mkdir(parents=True, exist_ok=True)
    from programs import graph, overfit, sentences

    step = overfit("cos", batch_norm=False)["step"]
    app.live_graph = {"step": sentences(step), "net": sentences(graph()[0])}
    app.live_samples = {}  # from the name of a set to the size of its script
    for name, text in scripts().items():
        (folder / name).write_text(text, encoding="utf-8")
        if name.startswith("samples-"):
            app.live_samples[name.removeprefix("samples-").removesuffix(".js")] = len(text)
    (folder / "live.css").write_text(read("live.css"), encoding="utf-8")


def visit_live(translator, node):
    builder = translator.builder
    if builder.app.live_parts:
        template = f"live/{node['part']}.html"
        page = builder.current_docname
        root = builder.get_relative_uri(page, "index").rpartition("/")[0]
        folder = f"{root}/_static/live" if root else "_static/live"
        sizes = builder.app.live_samples
        values = {
            "graph": builder.app.live_graph,
            "samples": {name: f"{folder}/samples-{name}.js" for name in sizes},
            "samples_size": f"{max(sizes.values()) / 1e6:.1f}",
        }
        variants = VARIANTS.get(node["variant"], [node["variant"]])
        boxes = [builder.templates.render(template, values | {"variant": v}) for v in variants]
        around = '<div class="live-pair">{}</div>' if len(boxes) > 1 else "{}"
        translator.body.append(around.format("\n".join(boxes)))
    raise nodes.SkipNode


def add_files(app, pagename, templatename, context, doctree):
    """Give a page the scripts of its live parts."""
    found = {node["part"] for node in doctree.findall(live)} if doctree else set()
    if found and app.live_parts:
        app.add_css_file("live/live.css")
        for name in ("engine", *sorted(found)):
            app.add_js_file(f"live/{name}.js", loading_method="defer")


def setup(app):
    app.add_node(live, html=(visit_live, None))
    app.add_directive("live", Live)
    app.connect("builder-inited", write_scripts)
    app.connect("html-page-context", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
