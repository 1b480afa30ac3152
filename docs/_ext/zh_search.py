"""Chinese full-text search without a dictionary: every two neighbouring characters are one word.

The index (here) and the search page (the JavaScript below) cut text in the same way; runs of Latin
letters and digits stay whole, so that a page finds code names too. Terms of the glossary that are a
single character are words as well. The other names (又称) that the glossary gives a term lead to
its pages too, and words of a reader's question lead to the page that answers it (searches.toml,
for English as well); docs/_static/search.js looks for both.
"""

import re
import tomllib
from pathlib import Path

import polib
from sphinx.search.en import SearchEnglish

DOCS = Path(__file__).resolve().parents[1]
ROW = re.compile(r"^\| \[[^\]]*\]\{#term-[\w-]+\} \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
OTHER_NAMES = re.compile(r"又(?:称|叫)([^；。]+)")
RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+|[A-Za-z0-9_]+")


def glossary(docs=DOCS):
    """Return each Chinese term of the glossary with what is said of it there in Chinese."""
    page = docs / "reference" / "glossary.md"
    catalog = docs / "locales" / "zh_CN" / "LC_MESSAGES" / "reference" / "glossary.po"
    if not (page.exists() and catalog.exists()):
        return {}
    chinese = {entry.msgid: entry.msgstr for entry in polib.pofile(str(catalog))}
    rows = ROW.findall(page.read_text(encoding="utf-8"))
    return {term: chinese.get(meaning, "") for term, meaning in rows}


def searches(folder):
    """Return what a folder's searches.toml says, nothing where there is none."""
    path = folder / "searches.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def topics(language, docs=DOCS):
    """Return pairs of words and the page that they lead to; English ones hold in each language."""
    pages = [searches(docs)]
    pages.append(searches(docs / "locales" / language).get("pages", {}))
    named = [pair for table in pages for pair in table.items()]
    return [(words, page) for page, all_words in named for words in all_words]


def questions(language, docs=DOCS):
    """Return the words that a search passes over, longest first, so that a part waits its turn."""
    words = searches(docs / "locales" / language).get("questions", [])
    return sorted(words, key=lambda word: -len(word))


def synonyms(docs=DOCS):
    """Return pairs of another name and the term, longest first, so that a part waits its turn."""
    terms = glossary(docs)
    found = {}
    for term, meaning in terms.items():
        for names in OTHER_NAMES.findall(meaning):
            for name in re.split(r"[、，]|（[^）]*）", names):
                if re.fullmatch(r"[\u4e00-\u9fff]{2,6}", name) and name not in terms:
                    found[name] = term.partition("（")[0]
    found |= searches(docs / "locales" / "zh_CN").get("synonyms", {})
    return sorted(found.items(), key=lambda pair: -len(pair[0]))


SINGLE = {term for term in glossary() if len(term) == 1}


def is_chinese(word):
    return "\u3400" <= word[0] <= "\u9fff"


class ChineseBigrams(SearchEnglish):
    """Search words of Chinese text; English words in it are stemmed as in the English site."""

    lang = "zh"  # language_name stays English: Sphinx names the JavaScript stemmer after it
    js_splitter_code = r"""
function splitQuery(query) {
  const words = [];
  for (const run of query.match(/[\u3400-\u4dbf\u4e00-\u9fff]+|[A-Za-z0-9_]+/g) || []) {
    if (/^[A-Za-z0-9_]/.test(run) || run.length === 1) words.push(run);
    else for (let i = 0; i + 1 < run.length; i++) words.push(run.slice(i, i + 2));
  }
  return words;
}
"""

    def split(self, text):
        words = []
        for run in RUN.findall(text):
            pairs = [run[i : i + 2] for i in range(len(run) - 1)]
            words += pairs if pairs and is_chinese(run) else [run]
            if pairs and is_chinese(run):
                words += [character for character in run if character in SINGLE]
        return words

    def word_filter(self, word):
        if word and is_chinese(word):
            return len(word) > 1 or word in SINGLE
        return super().word_filter(word)


def setup(app):
    app.add_search_language(ChineseBigrams)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
