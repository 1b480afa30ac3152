"""Chinese full-text search without a dictionary: every two neighbouring characters are one word.

The index (here) and the search page (the JavaScript below) cut text in the same way; runs of Latin
letters and digits stay whole, so that a page finds code names too.
"""

import re

from sphinx.search.en import SearchEnglish

RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+|[A-Za-z0-9_]+")


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
        return words

    def word_filter(self, word):
        if word and is_chinese(word):
            return len(word) > 1
        return super().word_filter(word)


def setup(app):
    app.add_search_language(ChineseBigrams)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
