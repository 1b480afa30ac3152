"""Every page with prompts, to download as a script and as a notebook, in the page's language.

The build walks over the finished page, so what it writes is translated already: prose becomes
comments or Markdown cells, prompts become code, and what they print stays below them. A prompt that
is meant to fail is wrapped so that it prints its error and the rest still runs.
"""

import doctest
import re
import textwrap
from pathlib import Path
from urllib.parse import urljoin

import nbformat
from docutils import nodes
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sphinx import addnodes

BOLD = ("dropdown_title", "sd_tab_label")
LEFT_OUT = (nodes.Invisible, nodes.raw, nodes.topic, addnodes.toctree, addnodes.desc)
WIDTH = 88  # of a comment, in columns; a Chinese character takes two
WIDE = re.compile(r"[\u2e80-\uffff]")
UNIT = re.compile(  # what no line is cut in: code, a formula, a word, a character of Chinese
    r"\s*[(\[*“（《]*(?:`[^`]*`|\$[^$]+\$|[^\s`$\u2e80-\uffff]+|\S)[^\s`$\u2e80-\uffff，。；：、！？）》”]*"
    r"[，。；：、！？）》”*]*"
)


# ------------------------------------------------------------------ from a page to Markdown


def inline(node, url):
    """Return the Markdown of running text; links inside the site need the site's address."""
    if isinstance(node, nodes.Text):
        return str(node).replace("\n", " ")
    if isinstance(node, nodes.math):
        return f"${node.astext()}$"
    if isinstance(node, nodes.literal):
        return f"`{node.astext()}`"
    if isinstance(node, nodes.footnote_reference):
        return f"[{node.astext()}]"
    if isinstance(node, nodes.image):
        return f"[{node['alt']}]" if node.get("alt") else ""
    if isinstance(node, LEFT_OUT):
        return ""
    text = "".join(inline(child, url) for child in node.children)
    if isinstance(node, nodes.strong):
        return f"**{text}**"
    if isinstance(node, nodes.emphasis):
        return f"*{text}*"
    if isinstance(node, nodes.reference):
        target = urljoin(url, node.get("refuri", "#" + node.get("refid", "")))
        return f"[{text}]({target})" if re.match(r"https?://", target) else text
    return text


def formula(node):
    """Return a displayed formula as Markdown knows it."""
    text = node.astext().strip()
    if text.startswith(r"\begin{") and node.get("no-wrap", node.get("nowrap")):
        return text
    if r"\\" in text and not text.startswith(r"\begin{"):
        text = f"\\begin{{aligned}}\n{text}\n\\end{{aligned}}"
    return f"$$\n{text}\n$$"


def table(node, url):
    """Return a table, its first row above the line."""
    rows = [
        [" ".join(inline(entry, url).split()).replace("|", r"\|") for entry in row.children]
        for row in node.findall(nodes.row)
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def walk(node, url, depth=0):
    """Yield the parts of a page in their order: Markdown as str, a fence of prompts as list."""
    for child in node.children:
        kind = type(child).__name__
        if isinstance(child, LEFT_OUT):
            continue
        elif isinstance(child, nodes.literal_block):
            text = child.astext()
            if text.lstrip().startswith(">>> "):
                yield doctest.DocTestParser().get_examples(text)
            elif "source" not in child:  # a whole file of the repository stays there
                yield f"```{child.get('language', '')}\n{text.rstrip()}\n```"
        elif isinstance(child, nodes.section):
            yield from walk(child, url, depth + 1)
        elif isinstance(child, nodes.title) and isinstance(node, nodes.section):
            yield f"{'#' * depth} {inline(child, url)}"
        elif isinstance(child, nodes.title | nodes.term) or kind in BOLD:
            yield f"**{inline(child, url).strip()}**"
        elif isinstance(child, nodes.math_block):
            yield formula(child)
        elif isinstance(child, nodes.table):
            yield table(child, url)
        elif isinstance(child, nodes.bullet_list | nodes.enumerated_list):
            yield from items(child, url, depth)
        elif isinstance(child, nodes.footnote):
            note = " ".join(inline(part, url) for part in child.children[1:])
            yield f"[{child.children[0].astext()}] {note}"
        elif isinstance(child, nodes.TextElement | nodes.image):
            yield inline(child, url).strip()
        else:
            yield from walk(child, url, depth)


def items(node, url, depth):
    """Yield a list: one piece of Markdown, cut only where prompts stand in an item."""
    lines = []
    for number, item in enumerate(node.children, node.get("start", 1)):
        sign = "- " if isinstance(node, nodes.bullet_list) else f"{number}. "
        for part in walk(item, url, depth):
            if not isinstance(part, str):
                yield "\n".join(lines)
                yield part
                lines = []
            elif part:
                lines.append(sign + part.replace("\n", "\n" + " " * len(sign)))
                sign = " " * len(sign)
    yield "\n".join(lines)


# ------------------------------------------------------------------ from parts to files


def code(example):
    """Return the code of a prompt; one that is meant to fail prints its error."""
    if example.exc_msg is None:
        return example.source.rstrip("\n")
    attempt = textwrap.indent(example.source.rstrip("\n"), "    ")
    says = 'print(f"{type(raised).__name__}: {raised}")'
    return f"try:\n{attempt}\nexcept Exception as raised:\n    {says}"


def shown(example):
    """Return what the page says that a prompt prints."""
    if example.exc_msg is not None:
        return re.sub(r"^[\w.]*\.(?=\w+:)", "", example.exc_msg)
    return example.want.replace("<BLANKLINE>", "")


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


def script(head, parts):
    """Return the page as Python in cells, ``# %%``, as editors know them."""
    lines, prose = [f"# {head}"], False
    for part in parts:
        if isinstance(part, str):
            lines += ["#"] if prose else ["", "# %% [markdown]"]
            lines.append(comment(part))
        else:
            lines += ["", "# %%"]
            for example in part:
                lines.append(code(example))
                lines += [f"# {line}".rstrip() for line in shown(example).splitlines()]
        prose = isinstance(part, str)
    return "\n".join([*lines, ""])


def notebook(head, parts):
    """Return the page as a notebook; a code cell ends where a prompt prints something."""
    cells = []
    for part in parts:
        if isinstance(part, str):
            if not cells or cells[-1].cell_type == "code":
                cells.append(new_markdown_cell(part))
            else:
                cells[-1].source += "\n\n" + part
            continue
        lines = []
        for example in part:
            lines.append(code(example))
            text = shown(example)
            if text or example is part[-1]:
                outputs = [new_output("stream", text=text)] if text else []
                cells.append(new_code_cell("\n".join(lines), outputs=outputs))
                lines = []
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # the same page gives the same bytes
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}, "refnet": head}
    return nbformat.writes(new_notebook(cells=cells, metadata=metadata), version=4) + "\n"


def write_downloads(app, pagename, templatename, context, doctree):
    """Write both files beside the page, and tell its template."""
    if doctree is None:
        return
    url = f"{app.config.html_baseurl}{pagename}.html" if app.config.html_baseurl else ""
    parts = [part for part in walk(doctree, url) if part]
    if all(isinstance(part, str) for part in parts):
        return
    head = f"{app.config.project} {app.config.release} · {pagename} · MIT"
    folder, name = Path(app.outdir, pagename).parent, pagename.rpartition("/")[2]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(script(head, parts), encoding="utf-8")
    (folder / f"{name}.ipynb").write_text(notebook(head, parts), encoding="utf-8")
    context["downloads"] = name


def setup(app):
    app.connect("html-page-context", write_downloads)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
