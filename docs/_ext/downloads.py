"""Every page with prompts, to download as a script and as a notebook, in the page's language.

The build walks over the finished page, so what it writes is translated already: prose becomes
comments or Markdown cells, prompts become code. A prompt that is meant to fail is wrapped so that
it prints its error and the rest still runs. The script prints what the page shows; the notebook
(docs/_ext/notebooks.py) has the page's pictures, and folds its answers.

`downloads: false` at the head of a page leaves both out. `without_answers` (docs/build.py
--without-answers) leaves the answers of all exercises out of the site, and so out of both.
"""

import ast
import re
from pathlib import Path

from docutils import nodes
from notebooks import WORDS, notebook
from page_parts import Answer, Picture, Prompts, answer_left_out, code, is_answer, shown, walk
from sphinx.locale import _ as translate

WIDTH = 88  # of a comment, in columns; a Chinese character takes two
WIDE = re.compile(r"[\u2e80-\uffff]")
UNIT = re.compile(  # what no line is cut in: code, a formula, a word, a character of Chinese
    r"\s*[(\[*“（《]*(?:`[^`]*`|\$[^$]+\$|[^\s`$\u2e80-\uffff]+|\S)[^\s`$\u2e80-\uffff，。；：、！？）》”]*"
    r"[，。；：、！？）》”*]*"
)
OFF = (False, "False")  # as MyST reads `downloads: false`, or hands it on
SHOW = "from sys import displayhook as show  # prints a value as Python's prompt does"


# ------------------------------------------------------------------ a script


def loud(example, needs_data=False):
    """Return the code of a prompt for a script, where a value is only printed if one says so."""
    source = code(example, needs_data)
    if example.exc_msg is not None or not example.want:
        return source
    (*_, last) = ast.parse(source).body
    if not isinstance(last, ast.Expr) or prints(last.value):
        return source
    value = ast.get_source_segment(source, last)
    before, _, after = source.rpartition(value)
    shows = f"show({value})"
    if len(ast.parse(shows).body[0].value.args) != 1:  # a tuple without brackets
        shows = f"show(({value}))"
    return f"{before}{shows}{after}"


def prints(value):
    return isinstance(value, ast.Call) and getattr(value.func, "id", "") == "print"


def wrap(line):
    """Cut a line of Markdown; code, formulas and words stay whole, Chinese is cut anywhere."""
    indent = " " * len(re.match(r" *(?:- |\d+\. )?", line)[0])
    lines, used = [""], 0
    for unit in UNIT.findall(line):
        width = sum(2 if WIDE.match(character) else 1 for character in unit)
        if used + width > WIDTH and lines[-1].strip():
            lines.append(indent)
            unit, used = unit.lstrip(), len(indent)
        lines[-1] += unit
        used += width
    return lines


def comment(text):
    """Return Markdown as comments, paragraphs cut into lines of a readable length."""
    lines, fenced = [], False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith(("```", "$$"))
        lines += [line] if fenced or line.startswith("|") else wrap(line)
    return "\n".join(f"# {line}".rstrip() for line in lines)


def script(head, page, parts):
    """Return the page as Python in cells, ``# %%``, as editors know them."""
    lines, prose, pictures = [f"# {head}"], False, 0
    if any(loud(e) != code(e) for part in flat(parts) for e in getattr(part, "examples", [])):
        lines += ["", "# %%", SHOW]
    for part in flat(parts):
        if isinstance(part, Picture) and part.drawn:
            pictures += 1
            lines += ["", "# %%", f'{part.drawn}.savefig("{page}-{pictures}.png")']
        if isinstance(part, Picture):
            part = f"[{part.alt}]" if part.alt else ""
        if isinstance(part, str):
            lines += ["#"] if prose else ["", "# %% [markdown]"]
            lines.append(comment(part))
        else:
            lines += ["", "# %%"]
            for example in part.examples:
                lines.append(loud(example, part.needs_data))
                lines += [f"# {line}".rstrip() for line in shown(example).splitlines()]
        prose = isinstance(part, str)
    return "\n".join([*lines, ""])


def flat(parts):
    """Yield the parts of a page, with the answers unfolded; a part without text is left out."""
    for part in parts:
        if isinstance(part, Answer):
            title = [f"**{part.title}**"] if part.title else []
            yield from [*title, *flat(part.parts)]
        elif part != "":
            yield part


# ------------------------------------------------------------------ in the build


def drop_answers(app, doctree, docname):
    """Leave the answers out of a page, where that is asked for."""
    if app.config.without_answers:
        for node in [node for node in doctree.findall(nodes.Element) if is_answer(node)]:
            node.replace_self(answer_left_out())


def write_downloads(app, pagename, templatename, context, doctree):
    """Write both files beside the page, and tell its template."""
    if doctree is None or app.env.metadata[pagename].get("downloads") in OFF:
        return
    url = f"{app.config.html_baseurl}{pagename}.html" if app.config.html_baseurl else ""
    parts = list(walk(doctree, url, app.srcdir))
    if not any(isinstance(part, Prompts) for part in flat(parts)):
        return
    head = f"{app.config.project} {app.config.release} · {pagename} · MIT"
    folder, name = Path(app.outdir, pagename).parent, pagename.rpartition("/")[2]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(script(head, name, parts), encoding="utf-8")
    words = {text: translate(text) for text in WORDS}
    cells = notebook(head, parts, app.config.install_from, words)
    (folder / f"{name}.ipynb").write_text(cells, encoding="utf-8")
    context["downloads"] = name
    if app.config.hosted_notebooks:
        context["hosted"] = f"{app.config.hosted_notebooks}/{app.config.language}/{pagename}.ipynb"


def setup(app):
    app.add_config_value("without_answers", False, "html")
    app.add_config_value("install_from", "", "html")  # what pip installs where refnet is missing
    app.add_config_value("hosted_notebooks", "", "html")  # where the notebooks can be opened
    app.add_node(answer_left_out, html=(skip, None))
    app.connect("doctree-resolved", drop_answers)
    app.connect("html-page-context", write_downloads)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def skip(translator, node):
    raise nodes.SkipNode
