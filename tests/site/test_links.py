"""What can be checked without a browser: links, anchors, ids, and the files beside the pages."""

import subprocess
import sys
import zipfile
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup

ADDRESS = "https://course.example/refnet"


def test_every_link_and_anchor_of_the_site_leads_somewhere(site, soups):
    ids = {
        page: {tag["id"] for tag in soup.find_all(id=True)} | {""} for page, soup in soups.items()
    }
    broken = []
    for page, soup in soups.items():
        for tag in soup.find_all(href=True) + soup.find_all(src=True):
            link = tag.get("href") or tag.get("src")
            if urlsplit(link).scheme:
                continue
            path, anchor = urldefrag(urljoin(page, link))
            path = unquote(path).partition("?")[0] or page
            if not (site / path).is_file():
                broken.append(f"{page}: {link}: no such file")
            elif path in ids and unquote(anchor) not in ids[path]:
                broken.append(f"{page}: {link}: no such anchor")
    assert broken == []


def test_no_id_stands_twice_on_a_page(soups):
    for page, soup in soups.items():
        ids = [tag["id"] for tag in soup.find_all(id=True)]
        assert {one for one in ids if ids.count(one) > 1} == set(), page


def test_every_formula_is_mathml_and_every_picture_has_text(soups):
    formulas = 0
    for page, soup in soups.items():
        for formula in soup.find_all(class_="math"):
            assert formula.find("math"), f"{page}: {formula}"
            assert not formula.find("merror"), f"{page}: {formula}"
            formulas += 1
        for picture in soup.find_all("img"):
            assert picture.get("alt"), f"{page}: {picture}"
        for table in soup.find_all("table"):
            assert table.find("th") or "docutils" not in table.get("class", []), page
    assert formulas > 500


def test_the_archive_holds_the_pages_and_is_the_same_each_time(site, soups, load):
    path = site / "refnet-site.zip"
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    assert {f"refnet-site/{page}" for page in soups} <= names
    before = path.read_bytes()
    load("_ext/publish.py").write_archive(site, ["en", "zh_CN"])
    assert path.read_bytes() == before


@pytest.fixture
def small(tmp_path, load):
    """A site of two pages in each language, completed for the address where it will stand."""
    for language in ("en", "zh_CN"):
        for page in ("index", "tutorials/xor", "search"):
            path = tmp_path / language / f"{page}.html"
            path.parent.mkdir(parents=True, exist_ok=True)
            head = f'<meta property="og:title" content="{page} in {language}">'
            head += '<meta name="description" content="About it.">'
            path.write_text(f"<html><head>{head}</head></html>", encoding="utf-8")
        links = '<a href="index.html">.</a><a href="../zh_CN/404.html">.</a><a href="#top">.</a>'
        page = f'<html data-content_root="./"><head></head><body>{links}</body></html>'
        (tmp_path / language / "404.html").write_text(page, encoding="utf-8")
    (tmp_path / "index.html").touch()
    load("_ext/publish.py").publish(tmp_path, ["en", "zh_CN"], ADDRESS)
    return tmp_path


def test_the_sitemap_lists_each_page_beside_its_other_language(small):
    name = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
    root = ElementTree.parse(small / "sitemap.xml").getroot()
    found = {url.findtext(f"{name}loc"): url for url in root}
    pages = [f"{ADDRESS}/{c}/{n}.html" for c in ("en", "zh_CN") for n in ("index", "tutorials/xor")]
    assert list(found) == pages
    links = found[pages[1]].findall("{http://www.w3.org/1999/xhtml}link")
    assert {x.get("hreflang"): x.get("href") for x in links} == {"en": pages[1], "zh-CN": pages[3]}
    assert (small / "robots.txt").read_text() == f"Sitemap: {ADDRESS}/sitemap.xml\n"


def test_the_list_for_language_models_names_each_page_once(small):
    lines = (small / "llms.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# refnet"
    entries = [line for line in lines if line.startswith("- ")]
    assert f"- [tutorials/xor in en]({ADDRESS}/en/tutorials/xor.html): About it." in entries
    assert len(entries) == len(set(entries)) == 4


def test_the_links_of_the_404_page_start_at_the_root(small):
    text = (small / "404.html").read_text(encoding="utf-8")
    page = BeautifulSoup(text, "html.parser")
    links = [link["href"] for link in page.find_all("a")]
    assert links == ["/refnet/en/index.html", "/refnet/zh_CN/404.html", "#top"]
    assert page.html["data-content_root"] == "/refnet/en/"


def test_a_site_without_an_address_has_no_sitemap(small, load):
    load("_ext/publish.py").publish(small, ["en", "zh_CN"], "")
    assert not (small / "sitemap.xml").exists()
    assert "](en/tutorials/xor.html)" in (small / "llms.txt").read_text(encoding="utf-8")


def test_a_server_without_a_site_says_what_to_build(tmp_path, load):
    command = [sys.executable, load("serve.py").__file__, "--site", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "expected a built site. Run `python docs/build.py` first." in done.stderr
