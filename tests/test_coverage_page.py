"""The page that shows where the course treats each heading of the documents it grew from."""

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from myst_parser.slugs import github_slugify

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "coverage.md"
MARKDOWN = MarkdownIt("commonmark").enable("table")
HEADINGS = {  # as many as each document has, boxes with a title and heads of code included
    "MegEngine implements a neural network": 24,
    "The same tutorial, translated by machine": 16,
    "Neural networks, by YanQue": 5,
    "Fit an Overfit with MegEngine": 8,
    "Multilayer perceptrons and deep learning": 40,
}


def headings_of(path):
    """Return the headings of a page, as text without marks."""
    tokens = MARKDOWN.parse(path.read_text(encoding="utf-8"))
    inlines = [tokens[i + 1] for i, token in enumerate(tokens) if token.type == "heading_open"]
    return ["".join(part.content for part in inline.children) for inline in inlines]


def rows_by_source():
    """Return for each source the rows of its table: the heading, and the links beside it."""
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    rows = {}
    for section in sections:
        tokens = MARKDOWN.parse("## " + section)
        cells = [tokens[i + 1] for i, token in enumerate(tokens) if token.type == "td_open"]
        links = [
            [part.attrs["href"] for part in cell.children if part.type == "link_open"]
            for cell in cells[1::2]
        ]
        headings = [cell.content for cell in cells[::2]]
        rows[section.splitlines()[0]] = list(zip(headings, links, strict=True))
    return rows


def is_there(link):
    """Return whether a link leads to a page, and to a heading of it where it names one."""
    name, _, anchor = link.partition("#")
    path = (PAGE.parent / name).resolve()
    if not path.is_file():
        return False
    return not anchor or anchor in {github_slugify(heading) for heading in headings_of(path)}


def test_every_document_is_on_the_page():
    assert list(rows_by_source()) == list(HEADINGS)


@pytest.mark.parametrize("source", HEADINGS)
def test_every_heading_of_a_document_has_a_place_that_exists(source):
    rows = rows_by_source()[source]
    assert len(rows) == HEADINGS[source]
    for heading, links in rows:
        assert heading, f"a row of {source} has no heading"
        assert links, f"{heading} has no place in the course"
        assert [link for link in links if not is_there(link)] == [], heading


def test_a_link_that_leads_nowhere_is_found():
    assert is_there("../tutorials/xor.md#the-perceptron")
    assert not is_there("../tutorials/xor.md#no-such-heading")
    assert not is_there("../tutorials/no-such-page.md")
