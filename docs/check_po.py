"""The translation gate: fail unless each message of each page has a complete, current translation.

`python docs/check_po.py` extracts the messages of the pages and templates, compares them with
docs/locales/zh_CN, and prints each problem with its place in the .po file and in the English page.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path

import polib
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / "_ext"))

import chinese  # noqa: E402 - it lies beside the extensions

EXTENSIONS = {"amsmath", "attrs_inline", "dollarmath"}
MARKDOWN = create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML)
# The pages of docstrings are reStructuredText: roles, code, links, citations, and emphasis where
# it may stand
RST = re.compile(r":[\w:+-]+:`[^`]*`|``.+?``|`[^`]+`__?|\[[\w#*-]+\]_")
EMPHASIS = re.compile(
    r"(?<![^\s\\(\[{<（“《，。；：、])(\*\*|\*(?!\*))(?=\S).+?(?<=\S)\1(?![^\W_])", re.DOTALL
)


def target(content):
    """Return what a role points at: a `title <target>` may have its title translated."""
    explicit = re.fullmatch(r".*<([^<>]*)>", content, re.DOTALL)
    return explicit[1] if explicit else content


def pieces(text, is_rst):
    """Count what a translation must keep: roles, maths, code, links, notes, pictures, HTML."""
    if is_rst:
        found = [re.sub(r"`.*<", "`<", piece) for piece in RST.findall(text)]
        return Counter(found + ["emphasis"] * len(EMPHASIS.findall(RST.sub("", text))))
    found = Counter()
    for block in MARKDOWN.parse(text):
        for token in [block, *(block.children or [])]:
            match token.type:
                case "myst_role":
                    found[f"{{{token.meta['name']}}}`{target(token.content)}`"] += 1
                case "math_inline" | "math_inline_double" | "math_block" | "amsmath":
                    found[f"${token.content}$"] += 1
                case "code_inline" | "fence" | "code_block":
                    found[f"`{token.content}`"] += 1
                case "link_open":
                    found[f"link to {token.attrs['href']}"] += 1
                case "image":
                    found[f"picture {token.attrs['src']}"] += 1
                case "footnote_ref":
                    found[f"[^{token.meta['label']}]"] += 1
                case "html_inline" | "html_block":
                    found[token.content] += 1
                case "text":  # emphasis that CommonMark does not close stays as asterisks
                    for sign in re.findall(r"[*`]+|\$", token.content):
                        found[f"literal {sign}"] += 1
    return found


NUMBER = re.compile(r"\d[\d,]*\d(?:\.\d+)?|\d(?:\.\d+)?")
UNITS = {"": 1, "万": 10**4, "亿": 10**8, "hundred": 100, "thousand": 1000}
UNITS |= {"million": 10**6, "billion": 10**9}
NAMES = "|".join(unit for unit in UNITS if unit)
WITH_UNIT = re.compile(rf"({NUMBER.pattern})(?:[ -]?({NAMES}))?")
DIGITS = "零一二三四五六七八九"
# What English writes in letters where Chinese may take digits; the words of one number add up
SMALL = [
    ["zero"],
    ["one", "first", "once"],
    ["two", "second", "twice", "both", "doubled"],
    ["three", "third"],
]
SMALL += [["four", "fourth"], ["five", "fifth"], ["six"], ["seven"], ["eight"], ["nine"], ["ten"]]
SMALL += [["eleven"], ["twelve", "dozen"], ["thirteen"], ["fourteen"], ["fifteen"], ["sixteen"]]
SMALL += [["seventeen"], ["eighteen"], ["nineteen"], ["twenty"]]
IN_WORDS = {word: number for number, words in enumerate(SMALL) for word in words}
IN_WORDS |= {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80}
IN_WORDS |= {"ninety": 90, "half": Decimal("0.5")}


def numbers_of(text):
    """Return the numbers of a text by their value: 60,000 and "6 万" are one."""
    found = WITH_UNIT.findall(text)
    return {Decimal(number.replace(",", "")) * UNITS[unit] for number, unit in found}


def numbers_in_english_words(text):
    """Return the values of numbers written in letters, their parts too: "six hundred" has 6."""
    found, value = set(), Decimal(0)
    for word in re.findall(r"[a-z]+|[^a-z\s-]+", text.lower()):
        if word in IN_WORDS:
            value += IN_WORDS[word]
            found.add(Decimal(IN_WORDS[word]))
        elif word in UNITS:
            value = max(value, Decimal(1)) * UNITS[word]
        elif word != "and":
            value = Decimal(0)
        found.add(value)
    return found


def in_chinese(number):
    """Return how Chinese may write a number without digits."""
    if number != number.to_integral_value():
        whole, _, part = str(number).partition(".")
        return {f"{DIGITS[int(whole[-1])]}点{''.join(DIGITS[int(digit)] for digit in part)}"}
    rest = int(number)
    for unit, word in ((10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十")):
        if rest >= unit:
            heads = in_chinese(Decimal(rest // unit)) | ({""} if rest < 20 else set())
            tails = in_chinese(Decimal(rest % unit)) if rest % unit else {""}
            zero = "零" if 0 < rest % unit < unit // 10 else ""
            return {f"{head}{word}{zero}{tail}" for head in heads for tail in tails}
    return {DIGITS[rest], *({2: ["两"], 0: ["〇"]}.get(rest, []))}


def wrong_numbers(english, chinese):
    """Return which numbers a translation lost and which are new, but for those in words."""
    want, have = numbers_of(english), numbers_of(chinese)
    words = numbers_in_english_words(english)
    lost = sorted(n for n in want - have if not any(text in chinese for text in in_chinese(n)))
    if re.search("%|百分之", chinese):  # 88 of 100, 100 percent
        lost = [number for number in lost if number != 100]
    return lost, sorted(have - want - words)


def problems_of(entry, is_rst):
    """Yield what is wrong with one entry of a .po file that the pages ask for."""
    if entry.fuzzy:
        yield "fuzzy"
    if not entry.msgstr.strip():
        yield "not translated"
        return
    words = re.findall(r"\b[a-z]{3,}\b", re.sub(r"`[^`]*`|\$[^$]*\$", "", entry.msgid))
    if entry.msgstr == entry.msgid and len(words) > 1:
        yield "left in English"
    want, have = pieces(entry.msgid, is_rst), pieces(entry.msgstr, is_rst)
    if want != have:
        lost, new = " ".join((want - have).elements()), " ".join((have - want).elements())
        yield f"not the same code, maths, roles or links: lost [{lost}], new [{new}]"
        return
    lost, new = wrong_numbers(entry.msgid, entry.msgstr)
    if lost or new:
        lost, new = (", ".join(f"{number:,f}" for number in found) for found in (lost, new))
        yield f"not the same numbers: lost [{lost}], new [{new}]"


def check(pots, pos):
    """Return one line for each problem, beginning with its place."""
    found = []
    is_chinese = pos.parent.name.startswith("zh")
    terms = chinese.read_terms(pos.parent / "terms.toml") if is_chinese else {}
    templates = {path.relative_to(pots).with_suffix(".po") for path in pots.rglob("*.pot")}
    for path in sorted(path.relative_to(pos) for path in pos.rglob("*.po")):
        if path not in templates:
            found.append(f"{pos / path}:1: stale: no page has this name")
    for name in sorted(templates):
        path, pot = pos / name, polib.pofile(str(pots / name.with_suffix(".pot")))
        wanted = {
            entry.msgid: [
                f"{Path(pots, file).resolve()}:{line}" for file, line in entry.occurrences
            ]
            for entry in pot
        }
        if not path.exists():
            found.append(f"{path}:1: missing: no translation of this page")
            continue
        for entry in polib.pofile(str(path)):
            where, what = f"{path}:{entry.linenum}", f"{entry.msgid[:60]!r}"
            if entry.obsolete or entry.msgid not in wanted:
                found.append(f"{where}: {'obsolete' if entry.obsolete else 'stale'}: {what}")
                continue
            places = wanted.pop(entry.msgid)
            is_rst = any(":docstring" in place or ".rst:" in place for place in places)
            problems = list(problems_of(entry, is_rst))
            if is_chinese and name.name != "sphinx.po":  # words, no sentences
                twins = {} if name.name == "glossary.po" else terms
                problems += chinese.problems_of(entry.msgstr, twins)
            found += [f"{where}: {problem}: {what} ({places[0]})" for problem in problems]
        found += [f"{path}:1: missing: {msg[:60]!r} ({at[0]})" for msg, at in wanted.items()]
    return found


def main(docs):
    """Extract the messages of a docs folder, check its translations, and return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        pots = Path(folder, "pot").resolve()
        options = ["-q", "-D", "gettext_location=1", "-d", Path(folder, "trees")]
        command = [sys.executable, "-m", "sphinx", "-b", "gettext", *options, docs, pots]
        failed = subprocess.run(command).returncode
        if failed:
            return failed
        found = []
        for language in sorted((docs / "locales").glob("*/")):
            found += check(pots, language / "LC_MESSAGES")
    print("\n".join([*found, f"translation gate: {len(found)} problems"]))
    return 1 if found else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Check that the Chinese catalogs are complete, current and say the same."
    )
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of the pages")
    sys.exit(main(parser.parse_args().docs.resolve()))
