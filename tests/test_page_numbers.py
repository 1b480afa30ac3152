"""What a page says in numbers can be seen on it: printed, taken from a file, or of a known source.

A number of two or more digits in the prose of a page stands in its prompts or in what they print,
rounded there or as a percentage, comes from a results file through the role ``{result}``, or is a
fact of the world with its source in docs/facts.toml; what a table of results was measured with
stands in its file. And a page shows its numbers: few of its outputs are a mere True or False. Pages
that are not yet so are listed here; a list only shrinks.
"""

import json
import math  # noqa: F401 - facts are computed with it
import re
import sys
import tomllib
from decimal import Decimal
from pathlib import Path

import polib
import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS / "_ext"))

from fences import PARSER, Fence, read  # noqa: E402 - it lies beside the extensions

PAGES = [path for path in sorted(DOCS.rglob("*.md")) if "_generated" not in path.parts]
NAMES = [path.relative_to(DOCS).with_suffix("").as_posix() for path in PAGES]
with open(DOCS / "facts.toml", "rb") as file:
    FACTS = tomllib.load(file)["fact"]

NUMBERS_NOT_YET: set[str] = set()
BOOLEANS_NOT_YET: set[str] = set()
MOST_ON_A_PAGE = 0.35
MOST_IN_ALL = 0.20

BOTH = list(zip(PAGES, NAMES, strict=True))
SCALES = {"%": Decimal("0.01"), "percent": Decimal("0.01"), "of 100": Decimal("0.01")}
SCALES |= {"million": 10**6, "billion": 10**9, "万": 10**4, "亿": 10**8}

NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.#/-])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e-?\d+)?(?![A-Za-z0-9_]|[.,]\d)"
    r"( ?%| percent| of 100\b| million| billion| ?[万亿])?"
)
IN_CODE = re.compile(r"(?<![A-Za-z_])\d[\d_,]*(?:\.\d+)?(?:e[+-]?\d+)?|(?<=[A-Za-z_])\d{2,}")
TABLE = re.compile(r"^```\{results\} (\S+)\n((?::[\w-]+:.*\n)+)", re.MULTILINE)
YES_OR_NO = re.compile(r"[\s(\[{,]*(?:(?:True|False)[\s,)\]}]*)+")


def prose(text):
    """Yield the line and the text of what is written on a page: no code, formula, role, address."""

    def walk(text, start):
        for token in PARSER.parse(text):
            if token.type == "inline":
                words = " ".join(
                    t.content for t in token.children if t.type in ("text", "softbreak")
                )
                yield start + token.map[0] + 1, words
            elif token.type in ("fence", "colon_fence") and is_markdown(token.info):
                content = re.sub(r"^(:[\w-]+:) .*", r"\1", token.content, flags=re.MULTILINE)
                for option in re.finditer(r"^:alt: (.*)", token.content, re.MULTILINE):
                    yield start + token.map[0] + 1, option[1]
                yield from walk(content, start + token.map[0] + 1)

    yield from walk(text, 0)


def is_markdown(info):
    """Return whether a fence holds text of the page rather than code."""
    directive = re.match(r"\{([\w-]+)\}", info.strip())
    return bool(directive) and directive[1] not in ("code", "code-block", "math", "literalinclude")


def value_of(match):
    """Return the value of a number in prose, and by how much a rounded one may differ."""
    digits = match[0].removesuffix(match[1] or "").replace(",", "")
    unit = SCALES.get((match[1] or "").strip(), 1)
    places = Decimal(digits).as_tuple().exponent
    if unit > 1:  # 4,800 万 is no more exact than 48 million
        places = Decimal(digits).normalize().as_tuple().exponent
    return Decimal(digits) * unit, Decimal(10) ** places * unit / 2


def long_numbers(text):
    """Yield the numbers of two digits or more."""
    for match in NUMBER.finditer(text):
        if len(re.sub(r"\D|^0\.0*", "", match[0])) > 1:
            yield match


def in_tables(text):
    """Return the values in the settings of the files that a page's tables come from.

    A table names the file and the rows and columns it takes; the file says how it was measured.
    """
    found = set()
    for name, options in TABLE.findall(text):
        content = json.loads((DOCS / "results" / f"{name}.json").read_text(encoding="utf-8"))
        made = {key: content.get(key) for key in ("claim", "settings", "images")}
        words = f"{options} {json.dumps(made)}".replace(",", " ")
        found.update(Decimal(number) for number in re.findall(r"\d+(?:\.\d+)?", words))
    return found


def shown_on(path, text):
    """Return the values that a page prints, those that its prompts are made of, and its tables'."""
    found = in_tables(text)
    for fence in read(text, str(path)):
        if isinstance(fence, Fence):
            for prompt in fence.prompts:
                for number in IN_CODE.findall(prompt.source + prompt.want):
                    digits = number.replace("_", "").rstrip(",")
                    found.update(map(Decimal, [digits.replace(",", ""), *digits.split(",")]))
    return found


def facts_of(name):
    """Return the values of the facts that a page may state."""
    return {value_of(NUMBER.match(fact["number"]))[0] for fact in FACTS if name in fact["pages"]}


def is_seen(match, number):
    """Return whether a number in prose is one that is shown, or what that one rounds to."""
    value, half = value_of(match)
    whole = "." not in match[0] and match[1] is None
    if whole and number == number.to_integral_value():
        return value == number
    return abs(value - number) <= half


def unseen_numbers(path, name, texts):
    """Return the numbers in texts of a page that it does not show, each with its place."""
    shown = shown_on(path, path.read_text(encoding="utf-8")) | facts_of(name)
    return [
        f"{place}: {match[0]}"
        for place, words in texts
        for match in long_numbers(words)
        if not any(is_seen(match, number) for number in shown)
    ]


def english(path):
    """Return the prose of a page, each piece with its place."""
    text = path.read_text(encoding="utf-8")
    return [(f"{path.relative_to(ROOT)}:{line}", words) for line, words in prose(text)]


def chinese(name):
    """Return the prose of the Chinese catalog of a page, each piece with its place."""
    path = DOCS / "locales" / "zh_CN" / "LC_MESSAGES" / f"{name}.po"
    return [
        (f"{path.relative_to(ROOT)}:{entry.linenum}", words)
        for entry in polib.pofile(str(path))
        for _, words in prose(entry.msgstr)
    ]


@pytest.mark.parametrize(("path", "name"), BOTH, ids=NAMES)
def test_a_number_in_prose_is_shown_on_the_page_or_has_a_source(path, name):
    unseen = unseen_numbers(path, name, [*english(path), *chinese(name)])
    if name in NUMBERS_NOT_YET:
        assert unseen, f"{name} is in line: take it off NUMBERS_NOT_YET"
    else:
        assert unseen == [], "print them, take them from a results file, or see docs/facts.toml"


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{fact['number']} {fact['what']}")
def test_a_fact_is_so_and_is_needed(fact):
    value = value_of(NUMBER.match(fact["number"]))[0]
    assert ("source" in fact) + ("file" in fact) + ("computed" in fact) == 1
    if "file" in fact:
        text = (ROOT / fact["file"]).read_text(encoding="utf-8")
        assert str(value) in {number.replace("_", "") for number in re.findall(r"[\d_.]+", text)}
    if "computed" in fact:
        assert is_seen(NUMBER.match(fact["number"]), Decimal(eval(fact["computed"])))
    for name in fact["pages"]:
        path = DOCS / f"{name}.md"
        texts = [*english(path), *chinese(name)]
        stated = {value_of(match)[0] for _, words in texts for match in long_numbers(words)}
        shown = shown_on(path, path.read_text(encoding="utf-8"))
        assert value in stated - shown, f"{name} needs this fact no longer"


def answers(path):
    """Return what the prompts of a page print."""
    fences = [part for part in read(path.read_text("utf-8"), str(path)) if isinstance(part, Fence)]
    return [prompt.want for fence in fences for prompt in fence.prompts if prompt.want.strip()]


def yes_or_no(path):
    """Return how many outputs are a mere True or False, and how many there are."""
    printed = answers(path)
    return sum(YES_OR_NO.fullmatch(text) is not None for text in printed), len(printed)


@pytest.mark.parametrize(("path", "name"), BOTH, ids=NAMES)
def test_a_page_prints_numbers_rather_than_true(path, name):
    mere, printed = yes_or_no(path)
    if name in BOOLEANS_NOT_YET:
        assert mere > MOST_ON_A_PAGE * printed, f"{name} is in line: take it off BOOLEANS_NOT_YET"
    else:
        assert mere <= MOST_ON_A_PAGE * printed, f"{mere} of {printed} outputs: print the numbers"


def test_the_pages_together_print_numbers_rather_than_true():
    counts = [yes_or_no(path) for path in PAGES]
    share = sum(mere for mere, _ in counts) / sum(printed for _, printed in counts)
    assert share <= MOST_IN_ALL, "the share of True and False has grown"


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        ("It is 0.83 now.", True),
        ("It is 0.84 now.", False),
        ("It is 83% now.", True),
        ("83 of 100", True),
        ("83.4 percent", True),
        ("83.5 percent", False),
        ("all 784 pixels", True),
        ("all 7,840 weights", False),
        ("48 million", True),
        ("about 41 times", True),
        ("in 3 steps of `99`, $x^{77}$, float64 and {doc}`page-55`", True),
        ("- a list of 66", False),
        (":::{note}\nOf 66 things.\n:::", False),
        ("| 66 |\n|---|\n| a |", False),
    ],
)
def test_a_number_is_seen_as_the_page_rounds_it(tmp_path, words, seen):
    page = tmp_path / "page.md"
    prompts = ">>> n = 784\n>>> a, 47_520_000, 41.3\n(0.8341, 47520000, 41.3)\n"
    page.write_text(f"# P\n\n{words}\n\n```python\n{prompts}```\n", encoding="utf-8")
    texts = list(prose(page.read_text(encoding="utf-8")))
    assert (unseen_numbers(page, "page", texts) == []) == seen
