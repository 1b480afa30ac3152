"""Fill tables and sentences of a page with the numbers of docs/results/<name>.json.

The page holds the words, which are translated; the file holds the numbers and how they were made:

    ```{results} fashion
    :rows: linear | hidden
    :columns: test_accuracy | train_loss
    :format: .3f

    | net | test accuracy | training loss |
    |---|---|---|
    | linear model | | |
    | one hidden layer | | |

    What else there is to say about the table.
    ```

The empty cells get the mean over the seeds, or the median of the rounds of lab/bench/, and below it
the least and the greatest number; `:mean-only:` leaves these out. Rows are labels of the file and
columns its measures. Below the table stand command, seeds, versions, device and date.

In a sentence, a role writes one number, in Python's own format (.3f, a whole number as it is):

    {result}`fashion:linear.test_accuracy|.1%` of the pictures
    the worst of {result}`fashion:seeds` seeds had {result}`fashion:linear.test_accuracy.min`

Behind the colon stand keys of the file, those of its ``summary`` first; a measure is its mean or
median, or what follows it: ``.min``, ``.max``, ``.std``. A list is its length, or with ``.0`` its
first number.
"""

import json
import re
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective, SphinxRole


def keys(text):
    """Return the names in "one | two"."""
    return [key.strip() for key in text.split("|")]


def in_short(seeds):
    """Return "0, 4, 7", or "0–99" where none between is left out."""
    whole = seeds == list(range(seeds[0], seeds[-1] + 1)) and len(seeds) > 2
    return f"{seeds[0]}–{seeds[-1]}" if whole else ", ".join(map(str, seeds))


class Results(SphinxDirective):
    required_arguments = 1
    has_content = True
    option_spec = {  # noqa: RUF012 (docutils' way to declare options)
        "rows": directives.unchanged_required,
        "columns": directives.unchanged_required,
        "format": directives.unchanged_required,
        "mean-only": directives.flag,
    }

    def run(self):
        path = Path(self.env.srcdir, "results", f"{self.arguments[0]}.json")
        self.env.note_dependency(str(path))
        if not path.exists():
            raise self.error(f"results: expected a file {path}. Run lab/results.py or lab/bench/.")
        content = json.loads(path.read_text(encoding="utf-8"))
        parsed = self.parse_content_to_nodes()
        if not parsed or not isinstance(parsed[0], nodes.table):
            raise self.error("results: expected a table. Write one, with empty cells.")
        self.fill(parsed[0], content["summary"])
        return [*parsed, self.facts(content)]

    def fill(self, table, summary):
        """Write the numbers into the empty cells; make the first column one of headers."""
        rows, columns = (keys(self.options.get(name, "")) for name in ("rows", "columns"))
        body = next(iter(table.findall(nodes.tbody))).children
        shape = (len(body), {len(row.children) - 1 for row in body})
        if shape != (len(rows), {len(columns)}):
            raise self.error(f"results: {rows} and {columns} do not fit a table of {shape}.")
        for row, label in zip(body, rows, strict=True):
            for cell, measure in zip(row.children[1:], columns, strict=True):
                if cell.astext():
                    raise self.error(f"results: expected an empty cell, got {cell.astext()!r}.")
                if measure not in summary.get(label, {}):
                    raise self.error(f"results: the file has no {label!r}, {measure!r}.")
                cell.children = []
                cell += self.number(summary[label][measure])
        next(table.findall(nodes.colspec))["stub"] = 1
        table["classes"] += ["results"]

    def number(self, numbers):
        """Return mean or median, and the ends, of some numbers."""
        style = self.options.get("format", ".3f")
        names = "median" if "median" in numbers else "mean", "min", "max"
        middle, least, greatest = (format(numbers[key], style) for key in names)
        paragraph = nodes.paragraph("", middle, translatable=False)
        if "mean-only" not in self.options and least != greatest:
            ends = f"{least}–{greatest}"
            paragraph += [nodes.Text(" "), nodes.inline("", ends, classes=["ends"])]
        return paragraph

    def facts(self, content):
        """Return how the numbers were made: translated words, each with what the file says."""
        bench = "rounds" in content  # lab/bench/ counts rounds, lab/results.py seeds
        facts = {"Command": nodes.literal("", content["command"])}
        if bench:
            facts["Rounds"] = nodes.Text(str(content["rounds"]))
        else:
            holds = re.findall(r"\d+", content["holds"])
            facts["Seeds"] = nodes.Text(in_short(content["seeds"]))
            facts["Claim holds"] = nodes.Text("{} / {}".format(*holds))
        facts |= {
            "Software": nodes.Text(f"torch {content['torch']}, Python {content['python']}"),
            "Device": nodes.Text(content["device"].split(",")[0]),
            "Threads": nodes.Text(str(content["threads"])),
        }
        if not bench:
            facts["Seconds"] = nodes.Text(f"{content['seconds']:.0f}")
        facts["Date"] = nodes.Text(content["date"])
        found = nodes.definition_list(classes=["results-facts"])
        for word, fact in facts.items():
            term = nodes.term(word, word)
            self.set_source_info(term)
            definition = nodes.definition("", nodes.paragraph("", "", fact, translatable=False))
            found += nodes.definition_list_item("", term, definition)
        return found


class Result(SphinxRole):
    """One number of a results file."""

    def run(self):
        name, _, wanted = self.text.partition(":")
        keys, _, style = wanted.partition("|")
        path = Path(self.env.srcdir, "results", f"{name}.json")
        try:
            if not path.exists():
                raise ValueError(f"expected a file {path}. Run lab/results.py or lab/bench/.")
            self.env.note_dependency(str(path))
            content = json.loads(path.read_text(encoding="utf-8"))
            text = in_style(find({**content, **content.get("summary", {})}, keys), style)
        except ValueError as error:
            message = self.inliner.reporter.error(
                f"result: {self.text!r}: {error}", line=self.lineno
            )
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]
        return [nodes.inline(self.rawtext, text, classes=["result"])], []


def find(content, keys):
    """Return the number at keys joined by dots; a key may hold dots itself."""
    while keys:
        names = list(map(str, range(len(content)))) if isinstance(content, list) else list(content)
        fits = [name for name in names if keys == name or keys.startswith(f"{name}.")]
        if not fits:
            raise ValueError(f"expected one of {', '.join(names)}, got {keys!r}.")
        name = max(fits, key=len)
        content = content[int(name)] if isinstance(content, list) else content[name]
        keys = keys[len(name) + 1 :]
        if keys and not isinstance(content, dict | list):
            raise ValueError(f"expected nothing after {name!r}, got {keys!r}.")
    if isinstance(content, list):
        return len(content)
    if isinstance(content, dict):
        content = content.get("median", content.get("mean", content))
    if isinstance(content, bool) or not isinstance(content, int | float):
        raise ValueError(f"expected the keys of a number, got {content!r:.60}.")
    return content


def in_style(number, style):
    """Return a number in a format of Python's."""
    try:
        return format(number, style or ("d" if isinstance(number, int) else ".3f"))
    except ValueError as error:
        raise ValueError(f"expected a format such as .3f or .1%, got {style!r}: {error}") from error


def setup(app):
    app.add_directive("results", Results)
    app.add_role("result", Result())
    app.add_css_file("results.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
