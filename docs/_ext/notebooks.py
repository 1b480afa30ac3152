"""A page as a Jupyter notebook that a learner can use without the site.

The first cell installs refnet where it is missing, and does nothing where it is there. The page's
pictures come along: a figure that the page's own code draws is shown by that code, others are
attached. An answer is folded behind an empty cell, the reader's own.
"""

import ast
import base64
import re

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from page_parts import Picture, Prompts, code, shown

COMMENT = "Installs refnet where it is missing; where it is there, this cell does nothing."
WHOLE = (
    "The next cells take the whole of Fashion-MNIST, 70,000 pictures. Where it cannot be had, they "
    "take the few thousand pictures that refnet carries, with a warning; the numbers then differ."
)
WORDS = (COMMENT, WHOLE)  # docs/_templates/downloads.html lists them for the translators

INSTALL = """\
# {comment}
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("refnet") is None:
    source = "{source}"
    command = [sys.executable, "-m", "pip", "install", "--quiet", source]
    pip = subprocess.run(command, capture_output=True, text=True)
    if pip.returncode:
        got = (pip.stderr.strip() or "no reason").splitlines()[-1]
        do = "Check the network, and Python (3.11 or newer), and run this cell again."
        raise SystemExit(f"refnet: expected pip to install {{source}}, got: {{got}}. {{do}}")"""
FIGURES = """

# a figure shows itself as the last line of a cell
from IPython.core.pylabtools import select_figure_formats

select_figure_formats(get_ipython(), {"png"})"""
MEDIA = {".png": "image/png", ".svg": "image/svg+xml"}


class Cells:
    """The cells of a notebook as it is written, from the first to the last."""

    def __init__(self, install):
        self.cells = [new_code_cell(install)]
        self.sources = []  # of the prompts so far
        self.apart = False  # whether the last cell takes no more prose

    def add_prose(self, text, pictures=(), apart=False):
        """Add Markdown with its pictures, to the cell before where that is prose too."""
        if apart or self.apart or self.cells[-1].cell_type == "code":
            self.cells.append(new_markdown_cell(text))
        else:
            self.cells[-1].source += f"\n\n{text}"
        self.apart = False
        for picture in pictures:
            found = self.cells[-1].setdefault("attachments", {})
            found[picture.path.name] = attachment(picture.path)

    def add_code(self, prompts):
        """Add code; a cell ends where a prompt prints something."""
        lines = []
        for example in prompts.examples:
            source, text = code(example, prompts.needs_data), shown(example)
            self.sources.append(source)
            lines.append(source)
            if example.want or example.exc_msg or example is prompts.examples[-1]:
                outputs = [new_output("stream", text=text)] if text else []
                self.cells.append(new_code_cell("\n".join(lines), outputs=outputs))
                lines = []

    def add_picture(self, picture):
        """Show a figure of the page's own by its name, and attach any other picture."""
        if not picture.drawn:
            self.add_prose(as_text(picture), [picture])
        elif not by_pyplot(picture.drawn, self.sources):
            self.cells.append(new_code_cell(picture.drawn))

    def add_answer(self, answer):
        """Add an empty cell, and below it the answer, folded; its code is there to be copied."""
        self.cells.append(new_code_cell(""))
        if answer.title:
            inside = "\n\n".join(filter(None, map(as_text, answer.parts)))
            text = f"<details>\n<summary>{answer.title}</summary>\n\n{inside}\n\n</details>"
            pictures = [part for part in answer.parts if isinstance(part, Picture)]
            self.add_prose(text, pictures, apart=True)
            self.apart = True


def as_text(part):
    """Return a part of a page as Markdown, code and what it prints in fences."""
    if isinstance(part, Picture):
        return f"![{part.alt}](attachment:{part.path.name})"
    if isinstance(part, Prompts):
        lines = []
        for example in part.examples:
            text = shown(example).rstrip()
            lines.append(code(example, part.needs_data))
            lines += [f"# {line}".rstrip() for line in text.splitlines()]
        return "\n".join(["```python", *lines, "```"])
    return part


def attachment(path):
    """Return the content of a picture by its kind; a drawing gets a white ground."""
    content = path.read_bytes()
    if path.suffix == ".svg":
        content = content.replace(b"<svg ", b'<svg style="background: white" ', 1)
    return {MEDIA[path.suffix]: base64.b64encode(content).decode()}


def by_pyplot(name, sources):
    """Return whether pyplot made the figure of a name: it shows that itself, where it is made."""
    statements = [node for source in sources for node in ast.parse(source).body]
    functions = {n.name: ast.unparse(n) for n in statements if isinstance(n, ast.FunctionDef)}
    others = [node for node in statements if not isinstance(node, ast.FunctionDef)]
    made = ast.unparse(next(node for node in reversed(others) if name in bound_by(node)))
    called = [text for other, text in functions.items() if re.search(rf"\b{other}\(", made)]
    return any("plt." in text for text in [made, *called])


def bound_by(statement):
    """Return the names that a statement gives a value."""
    names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
    return {name.id for name in names if isinstance(name.ctx, ast.Store)}


def notebook(head, parts, source, words):
    """Return the page as a notebook, whose refnet pip installs from ``source``."""
    install = INSTALL.format(comment=words[COMMENT], source=source)
    if any(isinstance(part, Picture) and part.drawn for part in parts):
        install += FIGURES
    made = Cells(install)
    told = False
    for part in parts:
        if isinstance(part, Prompts):
            if part.needs_data and not told:
                made.add_prose(words[WHOLE])
                told = True
            made.add_code(part)
        elif isinstance(part, Picture):
            made.add_picture(part)
        elif not isinstance(part, str):
            made.add_answer(part)
        elif part:
            made.add_prose(part)
    for number, cell in enumerate(made.cells):
        cell.id = f"cell-{number}"  # the same page gives the same bytes
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}, "refnet": head}
    return nbformat.writes(new_notebook(cells=made.cells, metadata=metadata), version=4) + "\n"
