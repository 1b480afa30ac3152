"""What stands on a finished page, in its order, for those who write it into a file.

Prose becomes Markdown as str, a fence of prompts, a picture and the answer to an exercise have a
class each; with what a prompt becomes where nobody types it in.
"""

import doctest
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from docutils import nodes
from sphinx import addnodes

BOLD = ("dropdown_title", "sd_tab_label")
LEFT_OUT = (nodes.Invisible, nodes.raw, nodes.topic, addnodes.toctree, addnodes.desc)
EXERCISES = {"exercises", "your-turn"}  # sections, whose addresses are the same in each language
WHOLE_SET = re.compile(r"\bFashionMNIST\(([^()]*)\)")


@dataclass
class Prompts:
    """A fence of prompts."""

    examples: list[doctest.Example]
    needs_data: bool = False


@dataclass
class Picture:
    """A picture: a file, and the name of the figure where the page's own prompts have made it."""

    path: Path
    alt: str
    drawn: str = ""


@dataclass
class Answer:
    """The answer to an exercise, or the place of one that is left out."""

    title: str
    parts: list


class answer_left_out(nodes.Element):  # noqa: N801 - docutils names nodes in lower case
    """Where an answer stood."""


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


def for_a_file(text):
    """Return a paragraph without the sentences about prompts: a file has none."""
    if "`>>>`" not in text:
        return text
    return "".join(part for part in re.split(r"(?<=\. )|(?<=。)", text) if "`>>>`" not in part)


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


def walk(node, url, docs, depth=0):
    """Yield the parts of a page in their order; Markdown as str."""
    marks = ""
    for child in node.children:
        kind = type(child).__name__
        if isinstance(child, nodes.comment):
            marks = child.astext()
            continue
        if isinstance(child, LEFT_OUT):
            continue
        elif isinstance(child, answer_left_out) or is_answer(child):
            title, *rest = child.children or [nodes.Text("")]
            yield Answer(
                inline(title, url).strip(), list(walk(nodes.Element("", *rest), url, docs))
            )
        elif isinstance(child, nodes.literal_block):
            yield from block(child, marks)
        elif isinstance(child, nodes.section):
            yield from walk(child, url, docs, depth + 1)
        elif isinstance(child, nodes.title) and isinstance(node, nodes.section):
            yield f"{'#' * depth} {inline(child, url)}"
        elif isinstance(child, nodes.title | nodes.term) or kind in BOLD:
            yield f"**{inline(child, url).strip()}**"
        elif isinstance(child, nodes.math_block):
            yield formula(child)
        elif isinstance(child, nodes.table):
            yield table(child, url)
        elif isinstance(child, nodes.bullet_list | nodes.enumerated_list):
            yield from items(child, url, docs, depth)
        elif isinstance(child, nodes.footnote):
            note = " ".join(inline(part, url) for part in child.children[1:])
            yield f"[{child.children[0].astext()}] {note}"
        elif isinstance(child, nodes.image):
            yield picture(child, docs)
        elif isinstance(child, nodes.caption):
            yield f"*{inline(child, url).strip()}*"
        elif isinstance(child, nodes.TextElement):
            yield for_a_file(inline(child, url)).strip()
        else:
            yield from walk(child, url, docs, depth)
        marks = ""


def block(node, marks):
    """Yield a fence: prompts, or other code as Markdown; a file of the repository stays there."""
    text = node.astext()
    if text.lstrip().startswith(">>> "):
        needs_data = "needs-data" in marks.split()
        yield Prompts(doctest.DocTestParser().get_examples(text), needs_data)
    elif "source" not in node:
        yield f"```{node.get('language', '')}\n{text.rstrip()}\n```"


def picture(node, docs):
    """Return a picture; the build has named the file of one that the page draws after it."""
    path = Path(docs, node["candidates"]["*"])  # the writer has put another into "uri"
    name = path.name.partition(".")[0].removeprefix(f"{path.parent.name}-")
    drawn = re.sub(r"-\d+$", "", name) if "drawn" in node["classes"] else ""
    return Picture(path, node.get("alt", ""), drawn)


def is_answer(node):
    """Return whether a node folds out and stands among the exercises."""
    if type(node).__name__ != "dropdown_main":  # of sphinx-design
        return False
    section = node.parent
    while section is not None and not EXERCISES & set(section["ids"]):
        section = section.parent
    return section is not None


def items(node, url, docs, depth):
    """Yield a list: one piece of Markdown, cut only where prompts stand in an item."""
    lines = []
    for number, item in enumerate(node.children, node.get("start", 1)):
        sign = "- " if isinstance(node, nodes.bullet_list) else f"{number}. "
        for part in walk(item, url, docs, depth):
            if not isinstance(part, str):
                yield "\n".join(lines)
                yield part
                lines = []
            elif part:
                lines.append(sign + part.replace("\n", "\n" + " " * len(sign)))
                sign = " " * len(sign)
    yield "\n".join(lines)


# ------------------------------------------------------------------ from a prompt to code


def code(example, needs_data=False):
    """Return the code of a prompt; one that is meant to fail prints its error.

    What needs the whole of Fashion-MNIST takes the embedded sample where it cannot be had.
    """
    source = example.source.rstrip("\n")
    if needs_data:
        source = WHOLE_SET.sub(or_sample, source)
    if example.exc_msg is None:
        return source
    attempt = textwrap.indent(source, "    ")
    says = 'print(f"{type(raised).__name__}: {raised}")'
    return f"try:\n{attempt}\nexcept Exception as raised:\n    {says}"


def or_sample(match):
    arguments = f"{match[1]}, " if match[1] else ""
    return f"FashionMNIST({arguments}or_sample=True)"


def shown(example):
    """Return what the page says that a prompt prints; nothing where the page leaves out a part."""
    if example.exc_msg is not None:
        text = re.sub(r"^[\w.]*\.(?=\w+:)", "", example.exc_msg)
    else:
        text = example.want.replace("<BLANKLINE>", "")
    return "" if "..." in text else text
