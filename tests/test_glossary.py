"""The glossary: each term once, in both languages, with one line; the pages lead to its rows."""

import re
from pathlib import Path

import polib
import pytest

DOCS = Path(__file__).parents[1] / "docs"
CATALOGS = DOCS / "locales" / "zh_CN" / "LC_MESSAGES"
TERMS = (DOCS / "reference" / "glossary.md").read_text(encoding="utf-8").split("## Terms\n")[1]
GROUPS = [
    [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in group.splitlines()
        if line.startswith("| [")
    ]
    for group in TERMS.split("\n## ")[0].split("### ")[1:]
]
ROWS = [row for group in GROUPS for row in group]
ANCHORED = re.compile(r"\[(?P<term>[^]]+)\]\{#(?P<anchor>term-[a-z-]+)\}")
LINK = re.compile(r"\]\(#(term-[^)]*)\)")
HAN = re.compile(r"[\u4e00-\u9fff]")
LINKS = {  # the terms that a page leads to
    path.relative_to(DOCS).as_posix(): LINK.findall(path.read_text(encoding="utf-8"))
    for path in sorted(DOCS.rglob("*.md"))
}
CODE = re.compile(
    r"^(?P<fence>[ \t]*`{3,}).*?^(?P=fence)[ \t]*$|`[^`\n]+`", re.MULTILINE | re.DOTALL
)
BOLD = re.compile(r"\*\*([^*\n]+)\*\*(?:\]\(#(term-[a-z-]+)\))?")
TUTORIALS = [page for page in LINKS if re.fullmatch(r"tutorials/(?!index).*", page)]


def catalog(page):
    """Return the translations of a page: English message to Chinese message."""
    path = CATALOGS / Path(page).with_suffix(".po")
    return {entry.msgid: entry.msgstr for entry in polib.pofile(str(path))}


@pytest.fixture(scope="module")
def anchors():
    return {ANCHORED.fullmatch(row[0])["anchor"] for row in ROWS}


@pytest.fixture(scope="module")
def chinese():
    return catalog("reference/glossary.md")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].split("]")[0].strip("["))
def test_a_row_has_the_term_in_both_languages_one_line_and_an_anchor(row, chinese):
    term, translation, meaning = row
    english = ANCHORED.fullmatch(term)
    assert english["anchor"] == "term-" + english["term"].lower().replace(" ", "-")
    assert HAN.search(translation)
    assert len(meaning) > 15
    assert not meaning.endswith(".")
    # On the Chinese page the two names change places; the anchor stays
    assert chinese[term] == f"[{translation}]{{#{english['anchor']}}}"
    assert chinese[translation] == english["term"]
    assert HAN.search(chinese[meaning])


def test_terms_stand_in_alphabetical_order_within_their_group():
    assert len(GROUPS) > 1
    for group in GROUPS:
        names = [ANCHORED.fullmatch(row[0])["term"].lower() for row in group]
        assert names == sorted(names)


def test_a_term_stands_in_one_group_only():
    names = [ANCHORED.fullmatch(row[0])["term"].lower() for row in ROWS]
    assert len(names) == len(set(names))


def test_a_chinese_name_stands_for_one_term():
    names = [row[1] for row in ROWS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("page", [page for page, links in LINKS.items() if links])
def test_links_to_terms_find_their_rows_in_both_languages(page, anchors):
    assert set(LINKS[page]) <= anchors
    for english, translated in catalog(page).items():
        assert sorted(LINK.findall(translated)) == sorted(LINK.findall(english)), english


@pytest.mark.parametrize("page", TUTORIALS)
def test_a_tutorial_leads_to_three_terms_or_more_each_once(page):
    assert len(LINKS[page]) >= 3
    assert len(LINKS[page]) == len(set(LINKS[page]))


def unlinked_terms(text):
    """Return the terms of the glossary whose first bold use on a page is no link to their row."""
    rows = [ANCHORED.fullmatch(row[0]) for row in ROWS]
    names = {row["term"].lower() + s: row["anchor"] for row in rows for s in ("", "s", "es")}
    first = {}
    for words, link in BOLD.findall(CODE.sub("", text)):
        if anchor := names.get(words.lower()):
            first.setdefault(anchor, (words, link))
    return [words for anchor, (words, link) in first.items() if link != anchor]


@pytest.mark.parametrize("page", LINKS)
def test_a_term_in_bold_leads_to_its_row(page):
    assert unlinked_terms((DOCS / page).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "unlinked"),
    [
        ("The **Weights** and the **bias**.", ["Weights", "bias"]),
        ("The [**weights**](#term-weight), again **weights**.", []),
        ("The [**weights**](#term-bias).", ["weights"]),
        ("**Step 1.** It is *weights*, `**bias**`.\n\n```python\n>>> a**loss**b\n```\n", []),
    ],
)
def test_a_bold_term_without_its_link_is_found(text, unlinked):
    assert unlinked_terms(text) == unlinked
