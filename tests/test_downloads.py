"""The downloads of the pages: each script runs, each notebook has its code, in both languages."""

import ast
import doctest
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbclient import NotebookClient

DOCS = Path(__file__).resolve().parents[1] / "docs"
SOURCES = {
    path.relative_to(DOCS).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(DOCS.rglob("*.md"))
}
PAGES = [page for page, text in SOURCES.items() if re.search(r"^[ \t]*>>> ", text, re.MULTILINE)]
EXECUTED = [
    pytest.param(page, marks=pytest.mark.data if "% needs-data" in SOURCES[page] else ())
    for page in PAGES
]
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

```{dropdown} Answer
Hidden.
```
"""
SCRIPT = r"""# small 1.0 · page · MIT

# %% [markdown]
# # A page
#
# Text with *stress*, `code`, $x^2$ and First.

# %%
n = 2
n + 1
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
# **Answer**
#
# Hidden.
"""


def build_small(folder, **settings):
    """Build the page above, with nothing but what it needs, and return the site's folder."""
    (folder / "index.md").write_text("# First\n\n```{toctree}\npage\n```\n", encoding="utf-8")
    (folder / "page.md").write_text(PAGE, encoding="utf-8")
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


def test_a_code_cell_ends_where_something_is_printed(tmp_path):
    notebook = nbformat.read(build_small(tmp_path) / "page.ipynb", as_version=4)
    cells = [c for c in notebook.cells if c.cell_type == "code"]
    assert [c.source.splitlines()[-1] for c in cells[:2]] == ["n + 1", "    print(i / 4)"]
    assert [c.outputs[0].text for c in cells[:2]] == ["3\n", "0.0\n0.25\n"]


def test_links_inside_the_site_lead_to_its_address_where_it_has_one(tmp_path):
    site = build_small(tmp_path, html_baseurl="https://course.example/en/")
    text = (site / "page.py").read_text(encoding="utf-8")
    assert "[First](https://course.example/en/index.html)" in text


# ------------------------------------------------------------------ the pages of the course


@pytest.mark.parametrize("page", EXECUTED)
def test_the_script_of_a_page_runs_in_an_empty_folder(site, tmp_path, page):
    settings = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "REFNET_DEVICE": "cpu"}
    done = subprocess.run(
        [sys.executable, site / "en" / f"{page}.py"],
        cwd=tmp_path,
        env=settings | os.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=560,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_a_script_holds_every_prompt_of_its_page_in_order(site, page):
    script = (site / "en" / f"{page}.py").read_text(encoding="utf-8")
    rest = (line.strip() for line in script.splitlines())
    text = re.sub(r"^````.*?^````$", "", SOURCES[page], flags=re.MULTILINE | re.DOTALL)
    prompts = "".join(example.source for example in doctest.DocTestParser().get_examples(text))
    assert [line for line in prompts.splitlines() if line.strip() not in rest] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_notebook_is_valid_and_has_the_code_of_the_script(site, page):
    for language in ("en", "zh_CN"):
        path = site / language / f"{page}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        cells = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
        script = path.with_suffix(".py").read_text(encoding="utf-8")
        assert ast.dump(ast.parse(cells)) == ast.dump(ast.parse(script))


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_download_the_same_code_with_prose_of_their_own(site, page):
    english, chinese = (
        nbformat.read(site / language / f"{page}.ipynb", as_version=4).cells
        for language in ("en", "zh_CN")
    )
    codes = [[c for c in cells if c.cell_type == "code"] for cells in (english, chinese)]
    assert [(c.source, c.outputs) for c in codes[0]] == [(c.source, c.outputs) for c in codes[1]]
    assert re.match(r"# [ -~]+\n", english[0].source)
    assert re.search(r"[\u4e00-\u9fff]", chinese[0].source)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_leads_to_its_downloads(site, page):
    for language, words in (("en", "Download this page"), ("zh_CN", "下载本页")):
        path = site / language / f"{page}.html"
        block = BeautifulSoup(path.read_bytes(), "html.parser").select_one(".page-downloads")
        assert words in block.get_text()
        links = [a["href"] for a in block.find_all("a", download=True)]
        assert [link.rpartition(".")[2] for link in links] == ["py", "ipynb"]
        assert all((path.parent / link).exists() for link in links)


LAST_BITS = 1e-9  # of gradients by differences, which other threads add up in another order


@pytest.mark.parametrize("page", ["start", "tutorials/backpropagation"])
def test_a_notebook_prints_what_it_shows(site, tmp_path, monkeypatch, page):
    monkeypatch.setenv("REFNET_DEVICE", "cpu")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    spec = importlib.util.spec_from_file_location("page_prompts", DOCS / "conftest.py")
    prompts = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(prompts)
    notebook = nbformat.read(site / "zh_CN" / f"{page}.ipynb", as_version=4)
    wanted = ["".join(o.text for o in c.get("outputs", ())) for c in notebook.cells]
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": tmp_path}}).execute()
    compared = 0
    for cell, want in zip(notebook.cells, wanted, strict=True):
        if want:
            texts = [
                o.text if o.output_type == "stream" else o.data["text/plain"] + "\n"
                for o in cell.outputs
                if o.get("name") != "stderr"
            ]
            check = prompts.Rounding(LAST_BITS).check_output
            assert check(want, "".join(texts), prompts.FLAGS), (cell.source, want, texts)
            compared += 1
    assert compared > 1
