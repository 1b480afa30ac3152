"""The prompts of a page, found as MyST finds them, with the marks above them and what is drawn.

`read` walks over the tokens of the Markdown parser that builds the site, into lists, quotes and
directives. Code that a reader sees and nothing would run is refused with its place: Python without
a prompt, a prompt outside a fence of Python, a fence that is not closed or that HTML swallows, a
mark (``% needs-data``, ``% tolerance 0.1: why``) that does not stand directly above its fence.
"""

import doctest
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

EXTENSIONS = ["amsmath", "attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
PYTHON = ("python", "pycon", "py", "python3", "py3")  # the names of one language
CODE = ("code", "code-block", "sourcecode")  # directives that show code
# What would look like Python on the page, or be no page at all
NOT_HERE = ("code-cell", "doctest", "testcode", "eval-rst", "ipython", "prompt", *PYTHON)
MARK = re.compile(r"(needs-data|tolerance (?P<tolerance>\d*\.?\d+(e-\d+)?))(: .*)?$")
PROMPT = re.compile(r"[ \t>]*(>>>|&gt;&gt;&gt;)")
DIRECTIVE = re.compile(r"\{([^\s}]+)\} *(.*)")
CLOSING = re.compile(r"[\s>]*([`~:]{3,})\s*$")
PARSER = create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML)


class PageError(ValueError):
    """A page that cannot be run as it stands; the text begins with page and line."""


@dataclass
class Fence:
    """The prompts of one fence; ``lineno`` of each counts the lines of the page from 0."""

    line: int
    needs_data: bool = False
    tolerance: float = 0.0
    prompts: list[doctest.Example] = field(default_factory=list)


@dataclass
class Drawn:
    """A ``{drawn}`` directive: at this line the page shows the figure of this name."""

    line: int
    name: str


def read(text: str, path: str) -> list[Fence | Drawn]:
    """Return the fences of prompts of a page, and what it draws, in their order."""
    found = list(walk(text, path, 0, text.splitlines()))
    lines = {prompt.lineno for part in found for prompt in getattr(part, "prompts", [])}
    lost = [
        f"{path}:{number + 1}"
        for number, line in enumerate(text.splitlines())
        if PROMPT.match(line) and number not in lines
    ]
    if lost:
        raise PageError("prompts that would not run:\n" + "\n".join(lost))
    return found


def walk(text: str, path: str, start: int, page: list[str]) -> Iterator[Fence | Drawn]:
    """Yield what stands in a piece of Markdown whose first line is line ``start`` of the page."""
    marks: list[tuple[int, str]] = []
    for token in PARSER.parse(text):
        if token.map is None or token.type.endswith("_open") or token.type == "inline":
            continue
        first, last = start + token.map[0], start + token.map[1]
        if token.type == "myst_line_comment":
            refuse_marks(marks, path)
            lines = enumerate(token.content.splitlines())
            marks = [(first + offset, line.strip()) for offset, line in lines if line.strip()]
            continue
        above = marks if marks and marks[-1][0] == first - 1 else []
        if token.type == "fence" or token.type == "colon_fence":
            refuse_open_fence(token.markup, page[first:last], f"{path}:{first + 1}")
            kind, language = kind_of(token.info)
            where = f"{path}:{first + 1}"
            if kind in NOT_HERE:
                raise PageError(f"{where}: `{{{kind}}}` would not run. Write a fence ```python.")
            if kind == "drawn":
                yield Drawn(first + 1, language.strip())
            elif language.lower() in PYTHON and kind in ("", *CODE):
                yield read_fence(token.content, first, above, path)
                marks = [mark for mark in marks if mark not in above]
            elif kind in CODE and not language:
                raise PageError(
                    f"{where}: `{{{kind}}}` names no language. Write a fence ```python."
                )
            elif language in ("markdown", "md"):  # shows how a page is written: prompts run
                parts = walk(token.content, path, first + 1, page)
                yield from (part for part in parts if isinstance(part, Fence))
            elif kind not in ("", *CODE):
                yield from walk(token.content, path, first + 1, page)
        elif token.type == "code_block":
            raise PageError(f"{path}:{first + 1}: code without a fence. Write one, ```python.")
        elif token.type == "html_block":
            swallowed = re.search(r"^[ \t>]*(```|~~~|:::)", token.content, re.MULTILINE)
            if swallowed:
                raise PageError(f"{path}:{first + 1}: HTML swallows a fence. Leave a line empty.")
        refuse_marks(marks, path)
        marks = []
    refuse_marks(marks, path)


def kind_of(info: str) -> tuple[str, str]:
    """Return directive and argument of a fence, or nothing and its language."""
    directive = DIRECTIVE.match(info.strip())
    if directive:
        return directive[1].lower().lstrip("."), directive[2].partition(" ")[0]
    return "", info.strip().partition(" ")[0]


def refuse_open_fence(markup: str, lines: list[str], where: str) -> None:
    """Refuse a fence that ends with the page, or with the list or the quote it stands in."""
    closing = CLOSING.match(lines[-1]) if len(lines) > 1 else None
    if closing is None or not closing[1].startswith(markup):
        raise PageError(f"{where}: this fence is not closed. Write {markup} below it.")


def refuse_marks(marks: list[tuple[int, str]], path: str) -> None:
    """Refuse a comment that no fence took: it may be meant as a mark, and would do nothing."""
    for line, text in marks:
        raise PageError(
            f"{path}:{line + 1}: expected a fence of prompts directly below '% {text}', got none. "
            "Move it down, or delete it."
        )


def read_fence(code: str, first: int, marks: list[tuple[int, str]], path: str) -> Fence:
    """Return a fence of Python whose first line is line ``first`` of the page."""
    fence = Fence(first + 1)
    for line, text in marks:
        mark = MARK.match(text)
        if mark is None:
            raise PageError(
                f"{path}:{line + 1}: unknown mark '% {text}', expected `% needs-data` or "
                "`% tolerance 0.1: why`"
            )
        fence.needs_data = fence.needs_data or mark[1] == "needs-data"
        fence.tolerance = max(fence.tolerance, float(mark["tolerance"] or 0))
    try:
        parts = doctest.DocTestParser().parse(code, path)
    except ValueError as error:
        line = int(re.search(r"line (\d+) of", str(error))[1])
        raise PageError(f"{path}:{first + 1 + line}: {error}") from error
    fence.prompts = [part for part in parts if isinstance(part, doctest.Example)]
    if not fence.prompts:
        raise PageError(f"{path}:{first + 1}: Python code without a `>>>` prompt")
    # Text between the prompts would be shown and never run: only options of a directive may stand
    for part in parts:
        if isinstance(part, str):
            for line in part.splitlines():
                if line.strip() and not re.match(r"\s*:[\w-]+:", line):
                    raise PageError(f"{path}:{first + 1}: code without a `>>>` prompt: {line!r}")
    for prompt in fence.prompts:
        prompt.lineno += first + 1
    return fence
