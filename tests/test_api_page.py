"""The pages of the programming interface, as built: every public name once, in both languages."""

import importlib
import re
from collections import Counter

import pytest
from bs4 import BeautifulSoup

import refnet

LANGUAGES = ("en", "zh_CN")
ON_DEMAND = ("refnet.plots", "refnet.deploy")  # not loaded by `import refnet`
MODULES = ("refnet.by_hand", "refnet.init", *ON_DEMAND)


def public_names():
    """Return the names of refnet.__all__, and those of the modules with names of their own."""
    names = {f"refnet.{name}" for name in refnet.__all__} | set(ON_DEMAND)
    for path in MODULES:
        module = importlib.import_module(path)
        inside = module.__name__
        here = [n for n, f in vars(module).items() if getattr(f, "__module__", None) == inside]
        own = getattr(module, "__all__", [name for name in here if name[0] != "_"])
        names |= {f"{path}.{name}" for name in own}
    return sorted(names)


@pytest.fixture(scope="module")
def pages(site):
    """Return the parsed pages of a language by their path: pages(language)."""
    parsed = {
        language: {
            path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").find("article")
            for path in sorted((site / language / "reference" / "api").glob("*.html"))
        }
        for language in LANGUAGES
    }
    return parsed.__getitem__


@pytest.fixture(scope="module")
def anchors(pages):
    """Return how often each name is described in a language: anchors(language)."""
    found = {}
    for language in LANGUAGES:
        tags = [tag for page in pages(language).values() for tag in page.select("[id*=refnet]")]
        found[language] = Counter(tag["id"].removeprefix("module-") for tag in tags)
    return found.__getitem__


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", public_names())
def test_a_public_name_is_described_once(anchors, language, name):
    assert anchors(language)[name] == 1


def test_nothing_is_described_twice_and_both_languages_describe_the_same(anchors):
    assert set(anchors("en").values()) == {1}
    assert anchors("en") == anchors("zh_CN")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_list_of_parameters_is_that_of_the_signature(pages, language):
    checked = 0
    for page in pages(language).values():
        for entry in page.select("dl.py.class, dl.py.function, dl.py.method"):
            given = {
                tag.find(class_="n").get_text() for tag in entry.dt.select("em.sig-param:has(.n)")
            }
            fields = entry.dd.find("dl", class_="field-list", recursive=False)
            names = fields.dt.get_text() if fields else ""
            if not re.match("Parameters|参数", names):
                continue
            described = [tag.get_text() for tag in fields.dd.select("strong")]
            assert {part for text in described for part in text.lstrip("*").split(", ")} == given
            checked += 1
    assert checked > 20


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_link_of_the_pages_leads_somewhere(pages, language):
    known = pages(language)
    links = [(path, a["href"]) for path, page in known.items() for a in page.select("a.internal")]
    assert len(links) > 30
    for path, link in links:
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        if target in known and anchor:
            assert known[target].find(id=anchor), f"{path}: {link}"


def test_the_chinese_pages_have_no_english_heading(pages):
    headings = [
        tag.get_text()
        for page in pages("zh_CN").values()
        for tag in page.select("h1, h2, h3, p.rubric, dl.field-list > dt, th")
    ]
    assert len(headings) > 100
    assert [text for text in headings if not re.search(r"[\u4e00-\u9fff]", text)] == []


def test_no_docstring_says_to_the_reader_which_floor_it_is_on(pages):
    assert not any(re.search(r"Floor \d", page.get_text()) for page in pages("en").values())


def test_names_of_torch_and_numpy_lead_to_their_documentation(pages):
    outside = {a["href"] for page in pages("en").values() for a in page.select("a.external")}
    hosts = {re.match(r"https://([\w.]+)/", address)[1] for address in outside}
    assert hosts == {"docs.pytorch.org", "numpy.org"}
