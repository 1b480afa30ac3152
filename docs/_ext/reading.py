"""The role `{minutes}`: how long a page takes to read, counted from its source.

`` {minutes}`tutorials/xor` `` becomes a number of minutes, rounded to five. Words of prose are read
at the pace of someone who learns, and each prompt takes the time to look at what it prints. The
time for what a reader tries himself is not in it.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxRole

WORDS_A_MINUTE = 180
PROMPTS_A_MINUTE = 10
FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1", re.MULTILINE | re.DOTALL)


def minutes(source):
    """Return the minutes that the text of a page takes, rounded to five, at least five."""
    prompts = len(re.findall(r"^>>> ", source, re.MULTILINE))
    words = len(FENCE.sub("", source).split())
    exact = words / WORDS_A_MINUTE + prompts / PROMPTS_A_MINUTE
    return max(5, 5 * round(exact / 5))


class Minutes(SphinxRole):
    def run(self):
        path = Path(self.env.srcdir, f"{self.text}.md")
        if not path.exists():
            message = f"minutes: expected the name of a page, got {self.text!r}"
            error = self.inliner.reporter.error(message, line=self.lineno)
            return [], [error]
        self.env.note_dependency(str(path))
        text = str(minutes(path.read_text(encoding="utf-8")))
        return [nodes.Text(text)], []


def setup(app):
    app.add_role("minutes", Minutes())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
