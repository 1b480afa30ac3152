"""The downloads of the pages: each notebook runs, each script has its code, in both languages."""

import ast
import base64
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbclient import NotebookClient

import refnet

DOCS = Path(__file__).resolve().parents[1] / "docs"
sys.path.insert(0, str(DOCS / "_ext"))

from fences import Fence, read  # noqa: E402 - it lies beside the extensions

SOURCES = {
    path.relative_to(DOCS).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(DOCS.rglob("*.md"))
}
PAGES = [
    page
    for page, text in SOURCES.items()
    if re.search(r"^[ \t]*>>> ", text, re.MULTILINE) and "\ndownloads: false\n" not in text
]
LAST_BITS = 1e-9  # of gradients by differences, which other threads add up in another order
PAGE = r"""# A page

Text with *stress*, `code`, $x^2$ and {doc}`index`.

```python
>>> n = 2
>>> n + 1
3
>>> for i in range(n):
...     print(i / 4)
0.0
0.25
```

$$a &= b \\ c &= d$$

- one
- two:

  ```python
  >>> n.missing
  Traceback (most recent call last):
      ...
  AttributeError: 'int' object has no attribute 'missing'
  ```

| left | right |
|---|---|
| 1 | `2` |

```sh
ls
```

Type `>>>` first. Then look.

```{image} dot.svg
:alt: A dot
```

## Exercises

**1.** Why?

```{dropdown} Answer
Hidden.

    >>> n / 4
    0.5
```
"""
DOT = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="4"/></svg>'
SCRIPT = r"""# small 1.0 · page · MIT

# %%
from sys import displayhook as show  # prints a value as Python's prompt does

# %% [markdown]
# # A page
#
# Text with *stress*, `code`, $x^2$ and First.

# %%
n = 2
show(n + 1)
# 3
for i in range(n):
    print(i / 4)
# 0.0
# 0.25

# %% [markdown]
# $$
# \begin{aligned}
# a &= b \\ c &= d
# \end{aligned}
# $$
#
# - one
# - two:

# %%
try:
    n.missing
except Exception as raised:
    print(f"{type(raised).__name__}: {raised}")
# AttributeError: 'int' object has no attribute 'missing'

# %% [markdown]
# | left | right |
# | --- | --- |
# | 1 | `2` |
#
# ```sh
# ls
# ```
#
# Then look.
#
# [A dot]
#
# ## Exercises
#
# **1.** Why?
#
# **Answer**
#
# Hidden.

# %%
show(n / 4)
# 0.5
"""


def build_small(folder, **settings):
    """Build the page above, with nothing but what it needs, and return the site's folder."""
    (folder / "index.md").write_text("# First\n\n```{toctree}\npage\n```\n", encoding="utf-8")
    (folder / "page.md").write_text(PAGE, encoding="utf-8")
    (folder / "dot.svg").write_text(DOT, encoding="utf-8")
    names = {"project": "small", "release": "1.0", "myst_enable_extensions": ["dollarmath"]}
    names["extensions"] = ["myst_parser", "sphinx_design", "downloads"]
    lines = [f"{name} = {value!r}\n" for name, value in (names | settings).items()]
    path = f"import sys\nsys.path.insert(0, {str(DOCS / '_ext')!r})\n"
    (folder / "conf.py").write_text(path + "".join(lines), encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", folder, folder / "site"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=240)
    assert done.returncode == 0, done.stderr
    return folder / "site"


def test_a_page_becomes_a_script_in_cells(tmp_path):
    assert (build_small(tmp_path) / "page.py").read_text(encoding="utf-8") == SCRIPT


def test_a_page_without_prompts_has_no_download(tmp_path):
    assert not (build_small(tmp_path) / "index.py").exists()


def cells_of(site, page="page"):
    return nbformat.read(site / f"{page}.ipynb", as_version=4).cells


def test_a_code_cell_ends_where_something_is_printed(tmp_path):
    cells = [c for c in cells_of(build_small(tmp_path)) if c.cell_type == "code"]
    assert [c.source.splitlines()[-1] for c in cells[1:3]] == ["n + 1", "    print(i / 4)"]
    assert [c.outputs[0].text for c in cells[1:3]] == ["3\n", "0.0\n0.25\n"]


def test_a_notebook_brings_its_pictures_and_folds_its_answers_behind_an_empty_cell(tmp_path):
    *_, page, own, answer = cells_of(build_small(tmp_path))
    assert page.source.endswith("![A dot](attachment:dot.svg)\n\n## Exercises\n\n**1.** Why?")
    (picture,) = page.attachments["dot.svg"].values()
    assert base64.b64decode(picture).endswith(b'<circle r="4"/></svg>')
    assert (own.cell_type, own.source) == ("code", "")
    assert answer.source == (
        "<details>\n<summary>Answer</summary>\n\nHidden.\n\n"
        "```python\nn / 4\n# 0.5\n```\n\n</details>"
    )


def test_a_notebook_says_nothing_of_prompts_and_stores_no_gap(tmp_path):
    text = "".join(cell.source for cell in cells_of(build_small(tmp_path)))
    assert "Then look." in text
    assert ">>>" not in text
    assert "..." not in text


def test_without_answers_neither_page_nor_downloads_have_any(tmp_path):
    site = build_small(tmp_path, without_answers=True)
    assert "Why?" in (site / "page.html").read_text(encoding="utf-8")
    for name in ("page.html", "page.py", "page.ipynb", "searchindex.js"):
        assert "hidden" not in (site / name).read_text(encoding="utf-8").lower().replace(
            'sd-d-none" hidden', ""
        ), name
    last = cells_of(site)[-1]
    assert (last.cell_type, last.source) == ("code", "")  # the reader's own


def test_a_page_may_have_no_downloads(tmp_path):
    (tmp_path / "silent.md").write_text(
        "---\ndownloads: false\norphan: true\n---\n" + PAGE, encoding="utf-8"
    )
    site = build_small(tmp_path)
    assert (site / "page.py").exists()
    assert not (site / "silent.py").exists()


@pytest.mark.parametrize("address", ["", "https://hosted.example/blob"])
def test_a_page_leads_to_its_hosted_notebook_where_there_is_one(tmp_path, address):
    templates = tmp_path / "templates"
    templates.mkdir()
    shutil.copy(DOCS / "_templates" / "downloads.html", templates)
    below = '{% block footer %}{% include "downloads.html" %}{% endblock %}'
    (templates / "layout.html").write_text('{% extends "!layout.html" %}' + below)
    site = build_small(tmp_path, templates_path=["templates"], hosted_notebooks=address)
    block = BeautifulSoup((site / "page.html").read_bytes(), "html.parser").select_one(
        ".page-downloads"
    )
    wanted = ["page.py", "page.ipynb", *([f"{address}/en/page.ipynb"] if address else [])]
    assert [link["href"] for link in block.find_all("a")] == wanted


def test_links_inside_the_site_lead_to_its_address_where_it_has_one(tmp_path):
    site = build_small(tmp_path, html_baseurl="https://course.example/en/")
    text = (site / "page.py").read_text(encoding="utf-8")
    assert "[First](https://course.example/en/index.html)" in text


# ------------------------------------------------------------------ the pages of the course


@pytest.fixture(scope="session")
def prompts():
    """The run of the pages: how it compares an output with the page."""
    spec = importlib.util.spec_from_file_location("page_prompts", DOCS / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def nowhere(tmp_path):
    """The environment of a newcomer: an empty home, and nothing set but where programs are."""
    kept = {"PATH": os.environ["PATH"]}
    if "PYTHONPATH" in os.environ:
        kept["PYTHONPATH"] = str(Path(refnet.__file__).parents[1])
    home = tmp_path / "home"
    home.mkdir()
    return kept | {"HOME": str(home), "OMP_NUM_THREADS": "1", "REFNET_OFFLINE": "1"}


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def execute(notebook, folder, environment):
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=500, resources=resources).execute(env=environment)


def printed(cell):
    return "".join(
        output.text if output.output_type == "stream" else output.data["text/plain"] + "\n"
        for output in cell.outputs
        if output.get("name") != "stderr"
    )


@pytest.mark.parametrize("page", PAGES)
def test_a_notebook_runs_and_shows_its_figures(site, tmp_path, nowhere, prompts, have_data, page):
    notebook = nbformat.read(site / "zh_CN" / f"{page}.ipynb", as_version=4)
    wanted = ["".join(o.text for o in cell.outputs) for cell in code_cells(notebook)]
    folder = tmp_path / "empty"
    folder.mkdir()
    execute(notebook, folder, nowhere)
    check = prompts.Rounding(max(LAST_BITS, *tolerances(SOURCES[page]))).check_output
    if have_data or "% needs-data" not in SOURCES[page]:
        for cell, want in zip(code_cells(notebook), wanted, strict=True):
            if want:
                got = printed(cell)
                assert check(want, got, prompts.FLAGS), (cell.source, want, got)
    pictures = [o for cell in code_cells(notebook) for o in cell.outputs if "image/png" in data(o)]
    assert len(pictures) == len(re.findall(r"^```{drawn} ", SOURCES[page], re.MULTILINE))


def data(output):
    return output.get("data", {})


def tolerances(source):
    return [0.0, *map(float, re.findall(r"^% tolerance ([\d.e-]+)", source, re.MULTILINE))]


def test_without_the_whole_set_a_notebook_takes_the_sample_and_says_so(site, tmp_path, nowhere):
    notebook = nbformat.read(site / "en" / "tutorials" / "neural-network.ipynb", as_version=4)
    reading, *_ = (cell for cell in code_cells(notebook) if "FashionMNIST(" in cell.source)
    prose = "".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert "take the few thousand pictures that refnet carries" in prose
    elsewhere = "import refnet.data.fetch as fetch, pathlib\nfetch.DEBIAN = pathlib.Path('gone')\n"
    reading.source = elsewhere + reading.source
    notebook.cells = notebook.cells[: 1 + last_of_data(notebook.cells)]
    execute(notebook, tmp_path, nowhere)
    assert "torch.Size([3000, 28, 28])" in printed(reading)
    assert "NOT the full set" in "".join(o.get("text", "") for o in reading.outputs)


def last_of_data(cells):
    """Return the place of the first cell that trains on what the cells before have read."""
    return next(number for number, cell in enumerate(cells) if "epochs=5)" in cell.source)


def saves_a_figure(statement):
    """Return whether a statement is that of a script alone: a figure is saved beside it."""
    call = getattr(statement, "value", None)
    return getattr(getattr(call, "func", None), "attr", "") == "savefig"


class Quiet(ast.NodeTransformer):
    """Take away what a script has more than the page: show(value), and figures saved."""

    def visit_Expr(self, node):
        call = node.value
        name = getattr(getattr(call, "func", None), "id", "")
        if name == "show":
            return ast.Expr(call.args[0])
        return None if saves_a_figure(node) else node

    def visit_ImportFrom(self, node):
        return None if node.module == "sys" and node.names[0].asname == "show" else node


def examples_of(page):
    """Return the prompts of a page; those in a fence of Markdown are only shown."""
    text = re.sub(r"^````.*?^````$", "", SOURCES[page], flags=re.MULTILINE | re.DOTALL)
    fences = [part for part in read(text, page) if isinstance(part, Fence)]
    return [example for fence in fences for example in fence.prompts]


@pytest.mark.parametrize("page", PAGES)
def test_a_script_holds_every_prompt_of_its_page_in_order(site, page):
    script = (site / "en" / f"{page}.py").read_text(encoding="utf-8")
    statements = [ast.dump(node) for node in Quiet().visit(ast.parse(script)).body]
    wanted = []
    for example in examples_of(page):
        for node in ast.parse(example.source.replace("or_sample=True", "")).body:
            wanted.append(ast.dump(node))
    plain = [s for s in statements if "or_sample" not in s and not s.startswith("Try(")]
    rest = iter(wanted)
    assert [s for s in plain if s not in rest] == []
    assert len(statements) == len(wanted)


@pytest.mark.parametrize("page", PAGES)
def test_a_script_says_show_where_the_page_shows_a_value(site, page):
    script = (site / "en" / f"{page}.py").read_text(encoding="utf-8")
    shows = sum(line.startswith("show(") for line in script.splitlines())
    values = [e for e in examples_of(page) if e.want and e.exc_msg is None]
    bodies = [ast.parse(e.source).body[-1] for e in values]
    calls = [b for b in bodies if isinstance(b, ast.Expr)]
    silent = [b for b in calls if getattr(getattr(b.value, "func", None), "id", "") != "print"]
    assert shows == len(silent)


BREAK = "\x1e"


@pytest.mark.parametrize("page", ["start", "tutorials/blocks-and-parameters", "tutorials/devices"])
def test_a_script_prints_what_its_page_shows(site, tmp_path, nowhere, prompts, page):
    script = (site / "zh_CN" / f"{page}.py").read_text(encoding="utf-8")
    lines = script.splitlines()
    for node in reversed([n for n in ast.parse(script).body if not saves_a_figure(n)]):
        lines.insert(node.end_lineno, f"print({BREAK!r}, end='', flush=True)")
    (tmp_path / "page.py").write_text("\n".join(lines), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "page.py"],
        cwd=tmp_path,
        env=nowhere,
        capture_output=True,
        encoding="utf-8",
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    _, *outputs = done.stdout.split(BREAK)  # the first is that of the import of show
    check = prompts.Rounding(max(LAST_BITS, *tolerances(SOURCES[page]))).check_output
    rest = iter(outputs)
    for example in examples_of(page):
        got = "".join(next(rest) for _ in ast.parse(example.source).body)
        want = re.sub(r"^[\w.]*\.(?=\w+:)", "", example.exc_msg or example.want)
        assert check(want, got, prompts.FLAGS), (example.source, want, got)


@pytest.mark.parametrize("page", PAGES)
def test_a_notebook_is_valid_and_has_all_of_the_page_in_both_languages(site, page):
    english, chinese = (
        nbformat.read(site / language / f"{page}.ipynb", as_version=4)
        for language in ("en", "zh_CN")
    )
    for notebook in (english, chinese):
        nbformat.validate(notebook)
        first, *_ = notebook.cells
        assert "import refnet" not in first.source
        assert 'find_spec("refnet")' in first.source
        prose = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
        assert ">>>" not in "".join(cell.source for cell in prose)
        for cell in prose:
            named = re.findall(r"\(attachment:([^)]+)\)", cell.source)
            assert set(named) == set(cell.get("attachments", {}))
    everything = "".join(cell.source for cell in english.cells)
    everything = re.sub(r"[(,]? ?or_sample=True", "(", everything)
    for example in examples_of(page):
        for line in example.source.splitlines():
            assert line.strip().rstrip("()") in everything or "FashionMNIST" in line


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_download_the_same_code_with_prose_of_their_own(site, page):
    english, chinese = (
        nbformat.read(site / language / f"{page}.ipynb", as_version=4).cells
        for language in ("en", "zh_CN")
    )
    codes = [[c for c in cells if c.cell_type == "code"] for cells in (english, chinese)]
    first, other = codes[0].pop(0), codes[1].pop(0)  # with a comment in its own language
    assert ast.dump(ast.parse(first.source)) == ast.dump(ast.parse(other.source))
    assert [(c.source, c.outputs) for c in codes[0]] == [(c.source, c.outputs) for c in codes[1]]
    assert re.match(r"# [ -~]+\n", english[1].source)
    assert re.search(r"[\u4e00-\u9fff]", chinese[0].source)
    assert re.search(r"[\u4e00-\u9fff]", chinese[1].source)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_leads_to_its_downloads(site, page):
    for language, words in (("en", "Download this page"), ("zh_CN", "下载本页")):
        path = site / language / f"{page}.html"
        block = BeautifulSoup(path.read_bytes(), "html.parser").select_one(".page-downloads")
        assert words in block.get_text()
        links = [a["href"] for a in block.find_all("a", download=True)]
        assert [link.rpartition(".")[2] for link in links] == ["py", "ipynb"]
        assert all((path.parent / link).exists() for link in links)
