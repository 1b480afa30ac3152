"""What a Chinese message must keep to: titles in 《》, one word for a thing, spaces, punctuation.

docs/locales/zh_CN/terms.toml has the words: of each term the one that is used, and its twins that
are not. The glossary names twins on purpose, as what others say, and is left out there.
"""

import re
import tomllib

HAN = "[\u4e00-\u9fff]"
DOC = re.compile(r"\{doc\}`[^`<]*`")
# Code, roles, formulas and addresses: what is written in them is no Chinese
OTHER = re.compile(
    r"``.*?``|\{[\w:]+\}`[^`]*`|:[\w:]+:`[^`]*`|`[^`]*`|\$[^$]*\$|\]\([^)]*\)", re.DOTALL
)
SHOWN = re.compile(r"`` ?\{doc\}.*? ?``")  # a role that is shown, not used
PLACE = "\ufffc"
WRONG = {
    rf"{HAN}[,;!?]|{HAN}:(?![\w:])": "punctuation of half width",
    rf"{HAN}\(|\){HAN}": "brackets of half width",
    rf"{HAN}[A-Za-z0-9]|[A-Za-z0-9%]{HAN}": "no space between Chinese and Latin",
    r"[\u4e00-\u9fffA-Za-z0-9] [，。；：、！？）》]|[（《，；：、！？] [\u4e00-\u9fffA-Za-z0-9]": (
        "a space beside punctuation of full width"
    ),
}


def read_terms(path):
    """Return the twin words that are not used, each with the one that is."""
    if not path.exists():
        return {}
    with open(path, "rb") as file:
        terms = tomllib.load(file)["term"]
    return {twin: term["use"] for term in terms for twin in term["never"]}


def bare_titles(text):
    """Return the roles that write the title of a page into a sentence without 《》.

    An entry of a list may begin with a title and go on with a colon, or be one alone.
    """
    found = []
    for role in DOC.finditer(text):
        before, after = text[: role.start()].rstrip(), text[role.end() :].lstrip()
        entry = before in ("", "**") and (after in ("", "**") or after.lstrip("*")[:1] == "：")
        if not entry and not (before.endswith("《") and after.startswith("》")):
            found.append(role[0])
    return found


def problems_of(text, terms):
    """Yield what is wrong with a Chinese message."""
    for role in bare_titles(SHOWN.sub(PLACE, text)):
        yield f"a title in a sentence without 《》: {role}"
    words = OTHER.sub(PLACE, text)
    for twin, use in terms.items():
        if twin in words:
            yield f"{twin!r} is called {use!r} here, see terms.toml"
    for pattern, problem in WRONG.items():
        for match in re.finditer(pattern, words):
            piece = words[max(0, match.start() - 6) : match.end() + 6].replace(PLACE, "…")
            yield f"{problem}: {piece!r}"
