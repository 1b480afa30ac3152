"""The site's machinery: the two builds agree, nothing is fetched, and what is broken is named."""

import codeop
import doctest
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
CATALOGS = DOCS / "locales" / "zh_CN" / "LC_MESSAGES"
SOURCES = [*DOCS.rglob("*.md"), *DOCS.rglob("*.rst")]
PAGES = sorted(p.relative_to(DOCS).with_suffix("").as_posix() for p in SOURCES)
LANGUAGES = {"en": "en", "zh_CN": "zh-CN"}
CHINESE = re.compile(r"[\u3400-\u9fff]")


def run(*command, cwd=ROOT, **environment):
    """Run Python and return its exit code and all that it printed."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=240,
    )
    return done.returncode, done.stdout


def load(path):
    """Import one of the build's own files, which are in no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def soup(site):
    """Parse a built page once: soup(language, page)."""
    parsed = {}

    def parse(language, page):
        path = site / language / f"{page}.html"
        if path not in parsed:
            parsed[path] = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        return parsed[path]

    return parse


@pytest.fixture
def small(tmp_path):
    """A project with the same machinery, one page of its own and no figure: quick to build."""
    kept = ("conf.py", "build.py", "conftest.py", "check_po.py", "redirect-index.html")
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in kept:
        shutil.copy(DOCS / name, docs)
    for name in ("_ext", "_templates", "_static", "live"):
        shutil.copytree(DOCS / name, docs / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (docs / "locales" / "zh_CN" / "LC_MESSAGES").mkdir(parents=True)
    (docs / "references.bib").touch()
    (docs / "index.md").write_text("# A small page\n", encoding="utf-8")
    (docs / "prompts.json").write_text("{}", encoding="utf-8")
    return docs


# ------------------------------------------------------------------ the built site


def html_files(folder):
    """Return the pages of a built site; the theme's own templates lie in _static."""
    return [path for path in folder.rglob("*.html") if "_static" not in path.parts]


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_show_the_same_code(soup, page):
    english, chinese = (
        [block.get_text() for block in soup(language, page).find_all("pre")]
        for language in LANGUAGES
    )
    assert english == chinese


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_show_the_same_formulas_and_pictures(soup, page):
    def content(language):
        article = soup(language, page).find("article")
        formulas = [f.get_text() for f in article.find_all(class_="math")]
        # inline formulas of one paragraph may change places: languages differ in word order
        # a picture with words has a second file, with the words of that language
        pictures = [re.sub(r"\.zh_CN(?=\.svg$)", "", p["src"]) for p in article.find_all("img")]
        return sorted(formulas), pictures

    assert content("en") == content("zh_CN")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_the_same_headings_in_both_languages(soup, page):
    def targets(language):
        links = soup(language, page).find("article").select("a.reference.internal[href*='.html#']")
        return sorted(link["href"] for link in links)

    assert targets("en") == targets("zh_CN")


@pytest.mark.parametrize("page", PAGES)
def test_headings_keep_their_ids_in_both_languages(soup, page):
    english, chinese = (
        [s["id"] for s in soup(language, page).find("article").find_all("section")]
        for language in LANGUAGES
    )
    assert english
    assert english == chinese


@pytest.mark.parametrize("page", sorted(set(PAGES) - {"reference/glossary"}))  # both, on purpose
def test_no_page_mixes_the_languages(soup, page):
    for text in soup("en", page).find("article").find_all(string=CHINESE):
        assert text.find_parent(class_=["footnote", "citation", "highlight"]), text  # a title, code
    for paragraph in soup("zh_CN", page).find("article").find_all(["p", "h1", "figcaption"]):
        words = re.findall(r"\b[a-z]{3,}\b", re.sub(r"\\[(\[].*?\\[)\]]", "", paragraph.get_text()))
        in_source = paragraph.find_parent(class_=["footnote", "citation"]) or paragraph.find("code")
        assert CHINESE.search(paragraph.get_text()) or len(words) < 3 or in_source, paragraph


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_leads_to_itself_in_the_other_language(site, language):
    pages = html_files(site / language)
    assert len(pages) >= len(PAGES)
    for path in pages:
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        assert page.html["lang"] == LANGUAGES[language]
        (link,) = {a["href"] for nav in page.select(".lang-switch") for a in nav.find_all("a")}
        other = (path.parent / link).resolve()
        assert other.exists()
        assert other.relative_to(site).parts[0] in LANGUAGES.keys() - {language}
        assert other.relative_to(site).parts[1:] == path.relative_to(site).parts[1:]


def test_no_request_leaves_the_site(site):
    outside = re.compile(r"^(https?:)?//")
    for path in html_files(site):
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        loaded = [tag.get("src") for tag in page.find_all(src=True)]
        loaded += [tag["poster"] for tag in page.find_all(poster=True)]
        loaded += [
            link["href"]
            for link in page.find_all("link")
            if not {"canonical", "alternate"} & set(link.get("rel", []))
        ]
        assert [url for url in loaded if outside.match(url)] == [], path
        for url in loaded:
            if not url.startswith(("data:", "#")):
                target = url.split("?")[0].split("#")[0]
                start = site if target.startswith("/") else path.parent
                assert (start / target.lstrip("/")).exists(), f"{path}: {url}"
    for path in site.rglob("*.css"):
        found = re.findall(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')]+)", path.read_text())
        assert found == [], path


def test_the_tutorials_name_every_script():
    text = (DOCS / "tutorials" / "index.md").read_text(encoding="utf-8")
    named = sorted(re.findall(r"^- `(\w+\.py)`: ", text, re.MULTILINE))
    assert named == sorted(path.name for path in (ROOT / "examples").glob("*.py"))


def test_the_root_leads_to_both_languages(site):
    page = BeautifulSoup((site / "index.html").read_text(encoding="utf-8"), "html.parser")
    links = {a["href"]: a["lang"] for a in page.find_all("a")}
    assert links == {f"{folder}/index.html": tag for folder, tag in LANGUAGES.items()}
    assert all((site / link).exists() for link in links)


def test_the_address_of_the_site_gives_canonical_and_language_links(small):
    site, address = small.parent / "site", "https://course.example"
    code, output = run(
        small / "build.py",
        *("--site", site, "--work", small.parent / "work"),
        REFNET_SITE_URL=address,
        REFNET_REPO_URL="https://forge.example/people/refnet",
    )
    assert code == 0, output
    for language in LANGUAGES:
        page = BeautifulSoup((site / language / "index.html").read_text("utf-8"), "html.parser")
        canonical = page.find("link", rel="canonical")["href"]
        assert canonical == f"{address}/{language}/index.html"
        others = {a["hreflang"]: a["href"] for a in page.find_all("link", rel="alternate")}
        assert others["zh-CN"] == f"{address}/zh_CN/index.html"
        assert others["x-default"] == f"{address}/en/index.html"
        card = {tag["property"]: tag["content"] for tag in page.find_all("meta", property=True)}
        assert card["og:url"] == canonical
        assert all(card[f"og:{part}"] for part in ("title", "site_name", "image:alt"))
        picture = card["og:image"].removeprefix(f"{address}/")
        assert (site / picture).stat().st_size > 0
        edit = "https://forge.example/people/refnet/edit/main/docs/index.md"
        assert page.find("a", href=edit)
    root = (site / "index.html").read_text(encoding="utf-8")
    assert f'hreflang="zh-CN" href="{address}/zh_CN/"' in root


# Signs of a Chinese that is spoken, not translated: how often they may stand, or must, in a page's
# 1,000 characters. English says "it" and ";" where Chinese takes the noun, or a new sentence
VOICE = {"它": (0, 4), "；": (0, 3), "我们": (2, 1000)}


def out_of_voice(catalog):
    """Return the words of VOICE that a Chinese catalog has too often or too seldom, in 1,000."""
    prose = "".join(entry.msgstr for entry in catalog)
    prose = re.sub(r"`[^`]*`|\$[^$]*\$", "", prose)
    thousands = len(CHINESE.findall(prose)) / 1000
    counts = {word: prose.count(word) / thousands for word in VOICE}
    return {
        word: round(counts[word], 1)
        for word, (least, most) in VOICE.items()
        if not least <= counts[word] <= most
    }


@pytest.mark.parametrize(
    "path", sorted((CATALOGS / "tutorials").glob("*.po")), ids=lambda path: path.stem
)
def test_the_tutorials_speak_chinese_as_it_is_spoken(path):
    assert out_of_voice(polib.pofile(str(path))) == {}, path.name


def test_a_translated_sentence_is_out_of_voice():
    stiff = polib.POFile()
    stiff.append(polib.POEntry(msgid="a", msgstr="它返回它的输出；它的输入不变。"))
    assert out_of_voice(stiff).keys() == {"它", "；", "我们"}
    stiff[0].msgstr = "我们看看输出，`它；` 是代码，输入不变。"
    assert out_of_voice(stiff) == {}


def test_chinese_is_searched_by_pairs_of_characters():
    search = load(DOCS / "_ext" / "zh_search.py").ChineseBigrams({})
    assert search.split("全连接层 Linear 层") == ["全连", "连接", "接层", "层", "Linear", "层"]
    assert search.word_filter("连接")
    assert not search.word_filter("的")


def test_a_warning_fails_the_build_every_time(small):
    (small / "index.md").write_text("# A page\n\n```{nowhere}\n```\n", encoding="utf-8")
    command = [small / "build.py", "--site", small.parent / "site", "--work", small.parent / "work"]
    for _ in ("first", "second: Sphinx would take the page from its memory, without the warning"):
        code, output = run(*command)
        assert code != 0
        assert re.search(r"index\.md:3:.*nowhere", output), output
        assert "the site in en has errors" in output


def test_a_formula_that_cannot_be_drawn_fails_the_build_with_its_place(small):
    (small / "index.md").write_text("# A page\n\n$\\fraction{1}{2}$\n", encoding="utf-8")
    command = [small / "build.py", "--site", small.parent / "site", "--work", small.parent / "work"]
    code, output = run(*command)
    assert code != 0
    assert re.search(r"index\.md:3:.*formula: expected LaTeX.*fraction", output), output


def test_one_language_can_be_built_alone_and_by_a_python_that_optimizes(small):
    site, work = small.parent / "site", small.parent / "work"
    code, output = run(
        "-OO", small / "build.py", "--language", "en", "--site", site, "--work", work
    )
    assert code == 0, output
    assert "zh_CN is not built" in output
    assert (site / "en" / "index.html").exists()
    assert not (site / "zh_CN").exists()
    assert "url=en/index.html" in (site / "index.html").read_text(encoding="utf-8")

    code, output = run(small / "build.py", "--language", "zh_CN", "--site", site, "--work", work)
    assert code == 0, output
    assert "not built" not in output
    assert 'href="zh_CN/index.html"' in (site / "index.html").read_text(encoding="utf-8")
    for script in ("build.py", "check_po.py", "serve.py"):
        assert run("-OO", DOCS / script, "--help")[0] == 0


def test_a_deleted_page_leaves_the_site(small):
    extra = small / "extra.md"
    extra.write_text("---\norphan: true\n---\n# Extra\n", encoding="utf-8")
    command = [small / "build.py", "--site", small.parent / "site", "--work", small.parent / "work"]
    assert run(*command)[0] == 0
    assert (small.parent / "site" / "en" / "extra.html").exists()
    extra.unlink()
    assert run(*command)[0] == 0
    assert not (small.parent / "site" / "en" / "extra.html").exists()


# ------------------------------------------------------------------ figures


@pytest.fixture
def draw(small):
    """Write a figure script, run the step of the build that draws, return code and output."""
    (small / "figures").mkdir()
    trees = small.parent / "trees"

    def build(body):
        script = (
            "import matplotlib.pyplot as plt\n\ndef draw():\n    figure, axis = plt.subplots()\n"
        )
        script += f"    {body}\n    return figure\n"
        (small / "figures" / "one.py").write_text(script, encoding="utf-8")
        os.utime(small / "figures" / "one.py", (0, 0))  # only the bytes tell that it changed
        return run("-m", "sphinx", "-q", "-b", "dummy", "-d", trees, small, small.parent / "pot")

    build.result = small / "_generated" / "figures" / "one.svg"
    return build


def test_a_figure_is_drawn_again_only_when_its_script_changes(draw):
    code, output = draw("axis.plot([0, 1])")
    assert code == 0, output
    first = draw.result.read_bytes()
    os.utime(draw.result, (0, 0))
    draw("axis.plot([0, 1])")
    assert draw.result.stat().st_mtime == 0
    draw("axis.plot([1, 0])")
    assert draw.result.read_bytes() != first
    draw("axis.plot([0, 1])")
    assert draw.result.read_bytes() == first


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise ValueError('no such curve')", "ValueError: no such curve"),
        ("axis.set_title('误差')", "Glyph .* missing"),
    ],
)
def test_a_figure_that_cannot_be_drawn_fails_the_build(draw, body, reason):
    code, output = draw(body)
    assert code != 0
    assert re.search(rf"docs/figures/one\.py: .*{reason}", output), output
    assert not draw.result.exists()


def test_a_figure_has_its_words_in_each_language_that_has_them(draw, small):
    words = small / "locales" / "zh_CN" / "figures.po"
    shown = small / "_generated" / "figures" / "one.zh_CN.svg"
    words.write_text('msgid "loss"\nmsgstr "损失"\n', encoding="utf-8")
    code, output = draw("axis.set(title='loss 0.25', xlabel='$t$', ylabel='val_loss')")
    assert code == 0, output
    assert re.findall(r"<text[^>]*>([^<]*)<", shown.read_text(encoding="utf-8")) == ["损失 0.25"]
    assert "<text" not in draw.result.read_text(encoding="utf-8")

    words.write_text('msgid "loss"\nmsgstr "代价"\n', encoding="utf-8")
    draw("axis.set(title='loss 0.25', xlabel='$t$', ylabel='val_loss')")
    assert "代价 0.25" in shown.read_text(encoding="utf-8")

    assert draw("axis.set(title='$E$')")[0] == 0  # symbols need no second picture
    assert not shown.exists()


def test_a_picture_leaves_room_for_chinese_as_wide_as_it_is(small, tmp_path):
    code = "import sys; sys.path.insert(0, sys.argv[1]); import matplotlib; matplotlib.use('svg')\n"
    code += "import pictures, matplotlib.pyplot as plt\n"
    code += "from matplotlib.backends.backend_svg import FigureCanvasSVG\n"
    code += "words = pictures.Words(__import__('pathlib').Path('none'))\n"
    code += "words.words, words.pattern = {'ab': '汉' * 10}, __import__('re').compile('ab')\n"
    code += "with plt.rc_context(pictures.STYLE):\n"
    code += "    figure = plt.figure(dpi=72)\n"
    code += "    text = figure.text(0.1, 0.5, 'ab', fontsize=20)\n"
    code += "    with pictures.speaking(figure, words):\n"
    code += "        print(round(text.get_window_extent().width))\n"
    code += "    print(text.get_text())\n"
    assert run("-c", code, DOCS / "_ext") == (0, "200\nab\n")


# ------------------------------------------------------------------ pictures of a page's own code

DRAWN = """# P

```python
>>> from matplotlib.figure import Figure
>>> figure = Figure()
>>> _ = figure.subplots().set_xlabel("step")
>>> 1 / 0
Traceback (most recent call last):
    ...
ZeroDivisionError: division by zero
```

```{drawn} figure
:alt: An empty chart.

Nothing yet.
```

```python
>>> _ = figure.axes[0].plot([0, 1])
```

:::{dropdown} More
```{drawn} figure
:alt: A line.
```
:::
"""


@pytest.fixture
def picture_page(small):
    """Write a page, build the languages asked for, return code and output."""
    words = small / "locales" / "zh_CN" / "figures.po"
    words.write_text('msgid "step"\nmsgstr "步"\n', encoding="utf-8")
    site, work = small.parent / "site", small.parent / "work"

    def build(text, *options, **environment):
        (small / "index.md").write_text(text, encoding="utf-8")
        command = [small / "build.py", "--site", site, "--work", work, *options]
        return run(*command, **environment)

    build.pictures = small / "_generated" / "drawn" / "index"
    build.site = site
    return build


def test_a_page_shows_the_figures_that_its_prompts_made_at_that_place(picture_page):
    code, output = picture_page(DRAWN)
    assert code == 0, output
    for language, ending in (("en", "svg"), ("zh_CN", "zh_CN.svg")):
        text = (picture_page.site / language / "index.html").read_text(encoding="utf-8")
        pictures = BeautifulSoup(text, "html.parser").find("article").find_all("img")
        names = [f"_images/index-figure.{ending}", f"_images/index-figure-2.{ending}"]
        assert [picture["src"] for picture in pictures] == names
        assert [picture["alt"] for picture in pictures] == ["An empty chart.", "A line."]
        first, second = ((picture_page.site / language / n).read_text("utf-8") for n in names)
        assert ("步" in first) == (language == "zh_CN")
        assert "line2d_" in second
        assert second.count('id="line2d_') == first.count('id="line2d_') + 1


def test_pictures_are_drawn_again_only_when_the_prompts_or_the_words_change(picture_page, small):
    assert picture_page(DRAWN, "--language", "en")[0] == 0
    first = picture_page.pictures / "index-figure.svg"
    os.utime(first, (0, 0))
    assert picture_page(DRAWN.replace("Nothing yet.", "Not yet."), "--language", "en")[0] == 0
    assert first.stat().st_mtime == 0
    assert picture_page(DRAWN.replace('"step"', '"$t$"'), "--language", "en")[0] == 0
    assert first.stat().st_mtime != 0
    assert not first.with_name("index-figure.zh_CN.svg").exists()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("{drawn} figure\n:alt: An", "{drawn} chart\n:alt: An", r"md:13: .*'chart'.* got none"),
        (">>> figure = Figure()", ">>> figure = 1", r"md:6: AttributeError"),
        ("1 / 0\nT", "1 / nought\n2\nT", r"md:7: NameError: name 'nought'"),
        (":alt: A line.", "", r"index\.md.*drawn: expected `:alt:`"),
        ('"step"', '"误差"', r"md:13: drawn: .*Glyph .* missing"),
        ("{drawn} figure\n:alt: A l", "{drawn} Figure\n:alt: A l", r"md:24: .* got type"),
    ],
)
def test_a_picture_that_is_not_there_fails_the_build_with_its_place(
    picture_page, old, new, problem
):
    assert old in DRAWN
    code, output = picture_page(DRAWN.replace(old, new, 1), "--language", "en")
    assert code != 0
    assert re.search(problem, output), output


def test_a_word_without_chinese_fails_the_chinese_build_alone(picture_page):
    page = DRAWN.replace('"step"', '"epoch"')
    assert picture_page(page, "--language", "en")[0] == 0
    code, output = picture_page(page, "--language", "zh_CN")
    assert code != 0
    assert re.search(r"index\.md.*zh_CN/figures\.po.*'epoch'", output), output


def test_a_picture_of_data_that_is_missing_is_left_out_with_a_sentence(picture_page, small):
    page = DRAWN.replace("# P\n\n", "# P\n\n% needs-data\n", 1)
    # The system's folder of the data is a setting of refnet: point it at an empty one
    nowhere = small.parent / "nowhere"
    nowhere.mkdir()
    (nowhere / "sitecustomize.py").write_text(
        "import pathlib, refnet.data.fetch as f\nf.DEBIAN = pathlib.Path('none')\n"
    )
    paths = os.pathsep.join([str(nowhere), os.environ.get("PYTHONPATH", "")])
    none = {name: str(small.parent / "none") for name in ("XDG_CACHE_HOME", "REFNET_DATA")}
    code, output = picture_page(
        page, "--language", "en", **none, REFNET_OFFLINE="1", PYTHONPATH=paths
    )
    assert code != 0  # the second fence changes a figure that is not there
    page = page.replace(
        "```python\n>>> _ = figure.axes", "% needs-data\n```python\n>>> _ = figure.axes"
    )
    code, output = picture_page(
        page, "--language", "en", **none, REFNET_OFFLINE="1", PYTHONPATH=paths
    )
    assert code == 0, output
    text = (picture_page.site / "en" / "index.html").read_text(encoding="utf-8")
    assert len(re.findall(r"<p[^>]*>This picture is drawn from", text)) == 2


# ------------------------------------------------------------------ numbers of results in sentences


@pytest.fixture
def sentence(small):
    (small / "results").mkdir()
    content = {"seeds": [0, 4], "summary": {"a net": {"lr 0.1": {"mean": 0.8351, "min": 0.8}}}}
    (small / "results" / "one.json").write_text(json.dumps(content), encoding="utf-8")
    site, work = small.parent / "site", small.parent / "work"

    def build(role):
        (small / "index.md").write_text(f"# P\n\nRight: {role}.\n", encoding="utf-8")
        code, output = run(
            small / "build.py", *("--language", "en"), "--site", site, "--work", work
        )
        page = site / "en" / "index.html"
        text = page.read_text(encoding="utf-8") if page.exists() else ""
        found = BeautifulSoup(text, "html.parser").find("article")
        return code, output, found.p.get_text() if found else ""

    return build


def test_a_sentence_takes_numbers_from_a_results_file(sentence):
    roles = [
        ("{result}`one:a net.lr 0.1`", "0.835"),
        ("{result}`one:a net.lr 0.1|.1%`", "83.5%"),
        ("{result}`one:summary.a net.lr 0.1.min|.2f`", "0.80"),
        ("{result}`one:seeds`", "2"),
        ("{result}`one:seeds.1`", "4"),
    ]
    code, output, text = sentence(" ".join(role for role, _ in roles))
    assert code == 0, output
    assert text == f"Right: {' '.join(number for _, number in roles)}."


@pytest.mark.parametrize(
    ("role", "problem"),
    [
        ("{result}`two:a`", "expected a file .*two.json"),
        ("{result}`one:a net.lr 1`", "expected one of lr 0.1, got 'lr 1'"),
        ("{result}`one:a net`", "expected the keys of a number"),
        ("{result}`one:a net.lr 0.1.min.x`", "expected nothing after 'min'"),
        ("{result}`one:seeds|.1q`", "expected a format such as"),
    ],
)
def test_a_number_that_no_file_has_fails_the_build_with_its_place(sentence, role, problem):
    code, output, _ = sentence(role)
    assert code != 0
    assert re.search(rf"index\.md:3:.*{problem}", output), output


# ------------------------------------------------------------------ translation gate


@pytest.fixture(scope="session")
def gate():
    return load(DOCS / "check_po.py")


def test_every_message_is_translated(gate):
    assert gate.main(DOCS) == 0


def test_a_deleted_translation_fails_the_gate_which_names_its_place(small):
    (small / "index.md").write_text("# A page\n\nOne sentence.\n", encoding="utf-8")
    folder = small / "locales" / "zh_CN" / "LC_MESSAGES"
    shutil.copy(DOCS / "locales/zh_CN/LC_MESSAGES/sphinx.po", folder)
    text = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
    text += 'msgid "A page"\nmsgstr "一页"\n\nmsgid "One sentence."\nmsgstr "一句话。"\n'
    (folder / "index.po").write_text(text, encoding="utf-8")
    assert run(small / "check_po.py") == (0, "translation gate: 0 problems\n")

    (folder / "index.po").write_text(text.replace("一句话。", ""), encoding="utf-8")
    code, output = run(small / "check_po.py")
    assert code == 1
    place = f"{folder / 'index.po'}:7: not translated: 'One sentence.' ({small / 'index.md'}:3)"
    assert place in output


ENGLISH = "Use **`step`** with {ref}`the loss <eq-loss>`, $x^2$ and [this](page.md)."
CHINESE_TEXT = "用 **`step`** 配合 {ref}`损失 <eq-loss>`、$x^2$ 和[这里](page.md)。"


@pytest.mark.parametrize(
    ("english", "chinese", "problem"),
    [
        (ENGLISH, CHINESE_TEXT, None),
        (ENGLISH, CHINESE_TEXT.replace("`step`", "`stop`"), "lost [`step`], new [`stop`]"),
        (ENGLISH, CHINESE_TEXT.replace("$x^2$", "x²"), "lost [$x^2$]"),
        (ENGLISH, CHINESE_TEXT.replace("(page.md)", "(pages.md)"), "lost [link to page.md]"),
        (ENGLISH, CHINESE_TEXT.replace("<eq-loss>", "<eq>"), "lost [{ref}`eq-loss`]"),
        ("**Scaling.** Then go.", "**缩放。**然后继续。", "new [literal ** literal **]"),
        ("**Scaling.** Then go.", "**缩放。** 然后继续。", None),
        ("A source {cite:p}`he2015` here.", "这里有出处。", "lost [{cite:p}`he2015`]"),
        ("What a net cannot do.", "What a net cannot do.", "left in English"),
        ("Fashion-MNIST", "Fashion-MNIST", None),
    ],
)
def test_a_translation_keeps_code_maths_roles_and_links(gate, english, chinese, problem):
    entry = polib.POEntry(msgid=english, msgstr=chinese)
    found = list(gate.problems_of(entry, is_rst=False))
    assert len(found) == (problem is not None), found
    assert problem is None or problem in found[0]


@pytest.fixture
def chinese_problems(gate, tmp_path):
    """Return what the gate says of a Chinese message, with one term in the table."""
    table = tmp_path / "terms.toml"
    table.write_text('[[term]]\nuse = "顺序块"\nnever = ["串联块"]\n', encoding="utf-8")
    terms = gate.chinese.read_terms(table)
    return lambda text: list(gate.chinese.problems_of(text, terms))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("见《{doc}`xor`》。", None),
        ("《{doc}`xor`》和《{doc}`start`》里都有。", None),
        ("{doc}`xor`", None),
        ("{doc}`xor`：四个样本", None),
        ("**{doc}`xor`**：四个样本", None),
        ("见{doc}`异或 <xor>`。", None),
        ("写作 `` {doc}`../tutorials/xor` ``", None),
        ("见{doc}`xor`。", "a title in a sentence without 《》: {doc}`xor`"),
        ("《{doc}`xor`》和{doc}`start`里都有。", "without 《》: {doc}`start`"),
        ("一个顺序块。", None),
        ("一个串联块。", "'串联块' is called '顺序块' here"),
        ("代码 `串联块` 不算。", None),
        ("损失,轮数", "punctuation of half width: '损失,轮数'"),
        ("损失: 小", "punctuation of half width"),
        ("损失(小)", "brackets of half width"),
        ("用GPU训练", "no space between Chinese and Latin: '用GPU训练'"),
        ("用 GPU 训练，3 轮，`a`、$x$、{ref}`b`（c）", None),
        ("训练 ，三轮", "a space beside punctuation of full width"),
        ("**x** （*张量*）", None),
    ],
)
def test_a_chinese_message_keeps_to_titles_terms_and_punctuation(chinese_problems, text, problem):
    found = chinese_problems(text)
    assert (problem or "") in " ".join(found)
    assert bool(found) == bool(problem), found


def test_the_gate_names_a_forbidden_term_with_its_place_and_the_glossary_may_have_it(
    gate, tmp_path
):
    pots, pos = tmp_path / "pot", tmp_path / "zh_CN" / "po"
    table = '[[term]]\nuse = "顺序块"\nnever = ["串联块"]\n'
    pos.mkdir(parents=True)
    (pos.parent / "terms.toml").write_text(table, encoding="utf-8")
    for name in ("page", "glossary"):
        for folder, msgstr, ending in ((pots, "", "pot"), (pos, "串联块", "po")):
            folder.mkdir(exist_ok=True)
            catalog = polib.POFile()
            catalog.metadata = {"Content-Type": "text/plain; charset=utf-8"}
            entry = polib.POEntry(msgid="chain", msgstr=msgstr, occurrences=[("a.md", "1")])
            catalog.append(entry)
            catalog.save(str(folder / f"{name}.{ending}"))
    (found,) = gate.check(pots, pos)
    assert found.startswith(f"{pos / 'page.po'}:5: '串联块' is called '顺序块' here")


@pytest.mark.parametrize(
    ("english", "chinese", "problem"),
    [
        ("Copy 40 pictures.", "复制 3,000 张图片。", "lost [40], new [3,000]"),
        ("Copy 40 pictures.", "复制图片。", "lost [40], new []"),
        ("It is 0.835 now.", "现在是 0.853。", "lost [0.835], new [0.853]"),
        ("Of 32 labels none is right.", "32 个标签里，这 32 个全错。", None),
        ("60,000 pictures", "6 万张图片", None),
        ("60,000 pictures", "六万张图片", None),
        ("60,000 pictures", "60000 张图片", None),
        ("60,000 pictures", "6 千张图片", "lost [60,000], new [6]"),
        ("48 million bytes, 1.9 billion", "4,800 万字节，19 亿", None),
        ("100 billion a second", "每秒一千亿次", None),
        ("4% are left", "还剩百分之四", None),
        ("all of 100 percent", "百分之百", None),
        ("ten classes, six hundred times", "10 个类，600 次", None),
        ("ten classes", "11 个类", "lost [], new [11]"),
        ("the first 12", "前十二个", None),
        ("the first 25", "前二十五个", None),
        ("105 of 1,020", "一千零二十个中有一百零五个", None),
        ("File {0} has {1} lines.", "共 {1} 行，见文件 {0}。", None),
        ("File {0} has {1} lines.", "共 {1} 行，见文件 {1}。", "lost [0], new []"),
    ],
)
def test_a_translation_keeps_the_numbers(gate, english, chinese, problem):
    found = list(gate.problems_of(polib.POEntry(msgid=english, msgstr=chinese), is_rst=False))
    assert found == ([f"not the same numbers: {problem}"] if problem else [])


@pytest.mark.parametrize(
    ("chinese", "problem"),
    [
        ("**x** （*张量*）-- 宽度为 :math:`D`，见 :class:`~torch.Tensor` 与 ``len``。", None),
        (
            "**x** （*张量*）-- 宽度为 :math:`O`，见 :class:`~torch.Tensor` 与 ``len``。",
            "lost [:math:`D`]",
        ),
        (
            "**x** （*张量*）-- 宽度为 :math:`D`，见 :class:`~torch.Tensor` 与 len。",
            "lost [``len``]",
        ),
        (
            "**x**张量，宽度为 :math:`D`，见 :class:`~torch.Tensor` 与 ``len``。",
            "lost [emphasis emphasis]",
        ),
    ],
)
def test_a_translated_docstring_keeps_its_code_and_roles(gate, chinese, problem):
    english = "**x** (*tensor*) -- The width is :math:`D`, see :class:`~torch.Tensor` and ``len``."
    found = list(gate.problems_of(polib.POEntry(msgid=english, msgstr=chinese), is_rst=True))
    assert len(found) == (problem is not None), found
    assert problem is None or problem in found[0]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda po: po[0].flags.append("fuzzy"), "index.po:5: fuzzy: 'A page'"),
        (lambda po: setattr(po[0], "obsolete", True), "obsolete: 'A page'"),
        (lambda po: setattr(po[0], "msgid", "Another page"), "stale: 'Another page'"),
        (lambda po: po.remove(po[0]), "index.po:1: missing: 'A page'"),
    ],
)
def test_an_entry_that_does_not_fit_the_page_fails_the_gate(gate, tmp_path, damage, problem):
    pots, pos = tmp_path / "pot", tmp_path / "po"
    for folder, msgstr, name in ((pots, "", "index.pot"), (pos, "一页", "index.po")):
        folder.mkdir()
        catalog = polib.POFile()
        catalog.metadata = {"Content-Type": "text/plain; charset=utf-8"}
        catalog.append(polib.POEntry(msgid="A page", msgstr=msgstr, occurrences=[("a.md", "1")]))
        catalog.save(str(folder / name))
    assert gate.check(pots, pos) == []

    catalog = polib.pofile(str(pos / "index.po"))
    damage(catalog)
    catalog.save()
    assert problem in "\n".join(gate.check(pots, pos))


def test_a_page_without_catalog_and_a_catalog_without_page_fail_the_gate(gate, tmp_path):
    for name in ("pot/new.pot", "po/old.po"):
        (tmp_path / name).parent.mkdir()
        polib.POFile().save(str(tmp_path / name))
    found = "\n".join(gate.check(tmp_path / "pot", tmp_path / "po"))
    assert "new.po:1: missing: no translation of this page" in found
    assert "old.po:1: stale: no page has this name" in found


# ------------------------------------------------------------------ prompts


def pytest_pages(docs, *options, **environment):
    # importing hypothesis takes twice the time of the rest, and no page uses it
    command = ("-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    return run(*command, *options, docs, cwd=docs.parent, **environment)


def page_of(docs, text, count=None):
    (docs / "page.md").write_text(text, encoding="utf-8")
    if count is not None:
        (docs / "prompts.json").write_text(json.dumps({"page.md": count}), encoding="utf-8")


def test_every_prompt_is_an_item_with_its_line(small):
    page_of(small, "# P\n\n- in a list:\n\n  ```pycon\n  >>> a = 1\n  >>> a\n  1\n  ```\n", count=2)
    code, output = pytest_pages(small, "-v")
    assert code == 0, output
    assert "page.md::line:6,column:1 PASSED" in output
    assert "page.md::line:7,column:1 PASSED" in output
    assert "     2  page.md" in output


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("0.33", "0.34"), ("0.33", "0.32"), ("3", "4"), ("[0.333, 1]", "[0.333, 2]")],
)
def test_a_changed_number_fails_and_is_named_by_page_and_line(small, right, wrong):
    prompt = {"3": "1 + 2", "0.33": "1 / 3"}.get(right, "[1 / 3, 1]")
    page = f"# P\n\n```python\n>>> import math\n>>> {prompt}\n{right}\n```\n"
    page_of(small, page, count=2)
    assert pytest_pages(small)[0] == 0
    page_of(small, page.replace(right, wrong))
    code, output = pytest_pages(small)
    assert code == 1
    assert "page.md:5:" in output
    assert wrong in output


def test_a_tolerance_is_written_above_the_fence(small):
    page = (
        "# P\n\n% tolerance 0.02: processors round differently\n```python\n>>> 0.7123\n0.70\n```\n"
    )
    page_of(small, page, count=1)
    assert pytest_pages(small)[0] == 0
    page_of(small, page.replace("0.70", "0.68"))
    assert pytest_pages(small)[0] == 1


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("# P\n\n    >>> 1\n    1\n", r"page\.md:3: code without a fence"),
        ("# P\n\n```text\n>>> 1\n1\n```\n", r"prompts that would not run:\n.*page\.md:4"),
        ("# P\n\n>>> 1\n1\n", r"prompts that would not run:\n.*page\.md:3"),
        ("# P\n\n<pre>\n&gt;&gt;&gt; 1\n</pre>\n", r"prompts that would not run:\n.*page\.md:4"),
        ("# P\n\n```python\n>>> # a comment\n>>> 1\n1\n```\n", r"would not run:\n.*page\.md:4"),
        ("# P\n\n```python\nx = 1\n```\n", r"page\.md:3: Python code without a `>>>` prompt"),
        ("# P\n\n```py\nx = 1\n```\n", r"page\.md:3: Python code without a `>>>` prompt"),
        ("# P\n\n~~~Python\nx = 1\n~~~\n", r"page\.md:3: Python code without a `>>>` prompt"),
        ("# P\n\n- a\n\n  ```python3 lines\n  x = 1\n  ```\n", r"page\.md:5: Python code without"),
        ("# P\n\n> ```pycon\n> x = 1\n> ```\n", r"page\.md:3: Python code without"),
        ("# P\n\n```{code} python\nx = 1\n```\n", r"page\.md:3: Python code without"),
        ("# P\n\n:::{code-block} py\nx = 1\n:::\n", r"page\.md:3: Python code without"),
        ("# P\n\n:::{note}\n```python\nx = 1\n```\n:::\n", r"page\.md:4: Python code without"),
        ("# P\n\n```{code-block}\nx = 1\n```\n", r"page\.md:3: `{code-block}` names no language"),
        ("# P\n\n```{python}\n>>> 1\n1\n```\n", r"page\.md:3: `{python}` would not run"),
        ("# P\n\n```{.python}\nx = 1\n```\n", r"page\.md:3: `{python}` would not run"),
        ("# P\n\n```{eval-rst}\n.. code::\n```\n", r"page\.md:3: `{eval-rst}` would not run"),
        ("# P\n\n```python\nx = 1\n>>> 1\n1\n```\n", r"page\.md:3: code without .*'x = 1'"),
        ("# P\n\n```python\n>>>a\n```\n", r"page\.md:4: .*lacks blank after >>>"),
        ("# P\n\n```python\n>>> 1\n1\n", r"page\.md:3: this fence is not closed"),
        ("# P\n\n- ```python\n  >>> 1\n  1\n\nB\n", r"page\.md:3: this fence is not closed"),
        ("# P\n\n````python\n>>> 1\n1\n```\n", r"page\.md:3: this fence is not closed"),
        ("# P\n\n<div>\n```text\n1\n```\n</div>\n", r"page\.md:3: HTML swallows a fence"),
        (
            "# P\n\n% need-data\n```python\n>>> 1\n1\n```\n",
            r"page\.md:3: unknown mark '% need-data'",
        ),
        (
            "# P\n\n% needs-data\n\n```python\n>>> 1\n1\n```\n",
            r"page\.md:3: expected a fence of prompts directly below '% needs-data'",
        ),
        ("# P\n\n% tolerance 0.1\nText.\n", r"page\.md:3: expected a fence of prompts"),
        ("# P\n\n```python\n>>> 1\n1\n```\n", r"page\.md: expected 2 prompts, got 1.*record"),
        ("# P\n\n```python\n>>> 1\n1\n>>> 2\n2\n>>> 3\n3\n```\n", r"md: expected 2 prompts, got 3"),
        (
            "# P\n\n% needs-data\n```python\n>>> n = 1\n```\n\n```python\n>>> n\n1\n```\n",
            r"page\.md:8: 'n' comes from a fence marked needs-data",
        ),
    ],
)
def test_no_prompt_is_left_out_in_silence(small, page, reason):
    page_of(small, page, count=2)
    code, output = pytest_pages(small)
    assert code != 0
    assert re.search(reason, output), output


@pytest.mark.parametrize(
    ("page", "line"),
    [
        ("```py\n>>> 1 + 1\n2\n```\n", 2),
        ("~~~ Python\n>>> 1 + 1\n2\n~~~\n", 2),
        ("`````python3\n>>> 1 + 1\n2\n`````\n", 2),
        ("> - ```pycon\n>   >>> 1 + 1\n>   2\n>   ```\n", 2),
        ("```{code-block} python\n:caption: Sum\n\n>>> 1 + 1\n2\n```\n", 4),
        ("```{code} Python\n>>> 1 + 1\n2\n```\n", 2),
        ("::::{note}\n:class: tip\n\n:::{code} py\n>>> 1 + 1\n2\n:::\n::::\n", 5),
        ("````markdown\n```python\n>>> 1 + 1\n2\n```\n````\n", 3),
    ],
)
def test_every_spelling_of_a_fence_runs(small, page, line):
    page_of(small, page, count=1)
    code, output = pytest_pages(small, "-v")
    assert code == 0, output
    assert f"page.md::line:{line},column:1 PASSED" in output
    page_of(small, page.replace("2\n", "3\n"))
    assert pytest_pages(small)[0] == 1


def test_several_processes_take_whole_pages_and_count_them(small):
    for name in ("a", "b"):
        text = "# P\n\n```python\n>>> n = 1\n>>> n\n1\n```\n"
        (small / f"{name}.md").write_text(text, encoding="utf-8")
    for counts, expected in (({"a.md": 2, "b.md": 2}, 0), ({"a.md": 2, "b.md": 1}, 4)):
        (small / "prompts.json").write_text(json.dumps(counts), encoding="utf-8")
        code, output = pytest_pages(small, "-n", "2", "--dist", "loadfile")
        assert code == expected, output
        assert "     2  b.md" in output
    assert "b.md: expected 1 prompts, got 2" in output
    code, output = pytest_pages(small, "-n", "2", "--dist", "load")
    assert code == 4
    assert "Add `--dist loadfile`" in output


def errors_at_the_prompt(text, copied):
    """Yield the line and the error of prompts that Python's own prompt would not take one by one.

    There a block ends at the first empty line, so one is typed after each, and the copy button puts
    one there. It leaves out a bare ``...``, which a reader types as an empty line.
    """
    for example in doctest.DocTestParser().get_examples(text):
        lines = [line for line in example.source.splitlines() if line or not copied]
        waiting = []
        try:
            for line in [*lines, ""] if len(lines) > 1 else lines:
                waiting.append(line)
                if codeop.compile_command("\n".join(waiting)) is not None:
                    waiting = []
        except SyntaxError as error:
            yield f"{example.lineno + 1}: {error.msg}"
        else:
            if waiting:
                yield f"{example.lineno + 1}: not complete"


WITH_PROMPTS = [
    path for path in [*SOURCES, *(ROOT / "src").rglob("*.py")] if ">>> " in path.read_text("utf-8")
]


@pytest.mark.parametrize("copied", [False, True], ids=["typed", "copied"])
@pytest.mark.parametrize("path", WITH_PROMPTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_prompts_can_be_given_to_python_line_by_line(path, copied):
    assert list(errors_at_the_prompt(path.read_text("utf-8"), copied)) == []


@pytest.mark.parametrize(
    ("text", "typed", "copied"),
    [
        (">>> for i in 'ab':\n...     i\n'a'\n'b'\n>>> i\n", [], []),
        (">>> a = [\n...     1,\n... ]\n>>> a\n", [], []),
        (
            ">>> class A:\n...     a = 1\n...\n...     def f(self):\n...         return 2\n",
            ["1: unexpected indent"],
            [],
        ),
        (">>> for i in 'ab': i\n>>> i\n", ["1: not complete"], ["1: not complete"]),
    ],
)
def test_a_block_that_python_would_end_too_soon_or_not_at_all_is_found(text, typed, copied):
    assert list(errors_at_the_prompt(text, copied=False)) == typed
    assert list(errors_at_the_prompt(text, copied=True)) == copied


def test_without_the_data_its_prompts_are_skipped_with_the_reason_or_fail_on_demand(small):
    page_of(small, "# P\n\n% needs-data\n```python\n>>> 1\n2\n```\n", count=1)
    # The system's folder of the data is a setting of refnet.data.fetch: point it at an empty one
    start = "import sys, pathlib, pytest, refnet.data.fetch as d; d.DEBIAN = pathlib.Path('none');"
    start += "sys.exit(pytest.main(['-p', 'no:cacheprovider', '-ra', 'docs']))"
    nowhere = {name: str(small.parent / "none") for name in ("XDG_CACHE_HOME", "REFNET_DATA")}
    nowhere |= {"REFNET_OFFLINE": "1", "REFNET_REQUIRE_DATA": ""}

    code, output = run("-c", start, cwd=small.parent, **nowhere)
    assert code == 0, output
    assert "1 skipped" in output
    assert re.search(r"the real Fashion-MNIST is not on this machine: apt-get install", output)

    code, output = run("-c", start, cwd=small.parent, **nowhere | {"REFNET_REQUIRE_DATA": "1"})
    assert code == 1
    assert "REFNET_REQUIRE_DATA=1, but the real Fashion-MNIST is not on this machine" in output


def test_a_page_runs_on_the_device_asked_for_in_a_folder_of_its_own(small):
    page = "# P\n\n```python\n>>> import os\n>>> os.environ['REFNET_DEVICE']\n'cpu'\n"
    page += (
        ">>> os.listdir()\n[]\n>>> print(\"tensor([1.], device='cuda:0')\")\ntensor([1.])\n```\n"
    )
    page_of(small, page, count=4)
    code, output = pytest_pages(small, REFNET_DEVICE="cpu")
    assert code == 0, output
    page_of(small, page.replace("'cpu'", "'cuda'"))
    code, output = pytest_pages(small, REFNET_DEVICE="cuda")
    assert code == 0, output
