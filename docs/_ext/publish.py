"""What the site has beside its pages: 404 page, list for search engines and for language models,
zip file for reading offline. build.py calls `publish` when the pages are there."""

import re
import zipfile
from urllib.parse import urljoin, urlsplit

from bs4 import BeautifulSoup

NOT_PAGES = {"404", "search", "genindex"}
UNUSED = ["_static/scripts/fontawesome.js*", "_static/**/*.map", "_static/webpack-macros.html"]
ARCHIVE = "refnet-site.zip"


def pages_of(site, language):
    """Return the addresses of a language's pages, relative to its folder, the first page first."""
    folder = site / language
    found = [path.relative_to(folder) for path in folder.rglob("*.html")]
    names = [p.as_posix() for p in found if "_static" not in p.parts and p.stem not in NOT_PAGES]
    return sorted(names, key=lambda name: (name != "index.html", name))


def drop_unused(folder):
    """Delete what the theme brings and no page loads: half of the site's bytes."""
    for pattern in UNUSED:
        for path in folder.glob(pattern):
            path.unlink()


def name_roles(folder):
    """Give the list of sources the roles of a list: docutils writes one that ARIA has dropped."""
    for path in folder.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        if (old := 'role="doc-biblioentry"') in text:
            path.write_text(text.replace(old, 'role="listitem"'), encoding="utf-8")


def write_404(site, language, address):
    """Copy the 404 page of a language to the root, where web servers look, with links from there.

    The server shows it in place of any address, however deep: its links start at the site's root.
    """
    root = f"{urlsplit(address).path.rstrip('/')}/"
    page = (site / language / "404.html").read_text(encoding="utf-8")
    page = re.sub(
        r'\b(href|src|action|data-content_root)="(?!#)([^"]*)"',
        lambda match: f'{match[1]}="{urljoin(f"{root}{language}/404.html", match[2])}"',
        page,
    )
    chinese = f'location.pathname.startsWith("{root}zh_CN/")'
    script = f'<script>if ({chinese}) location.replace("{root}zh_CN/404.html");</script>\n'
    page = page.replace("</head>", f"{script}</head>", 1)
    (site / "404.html").write_text(page, encoding="utf-8")


def write_sitemap(site, languages, address):
    """List each page for search engines, beside the same page in the other languages."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append('<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"')
    lines.append('        xmlns:xhtml="http://www.w3.org/1999/xhtml">')
    for language in languages:
        for page in pages_of(site, language):
            lines.append(f"<url><loc>{address}/{language}/{page}</loc>")
            for other in languages:
                link = f'rel="alternate" hreflang="{other.replace("_", "-")}"'
                lines.append(f'<xhtml:link {link} href="{address}/{other}/{page}"/>')
            lines.append("</url>")
    (site / "sitemap.xml").write_text("\n".join([*lines, "</urlset>", ""]), encoding="utf-8")


def write_llms(site, languages, address):
    """List each page with its first sentences, in the form that llmstxt.org proposes."""
    lines = ["# refnet", ""]
    lines.append("> A neural-network course in which every line runs and every number is checked,")
    lines.append("> in English and in Chinese, with a small PyTorch package to go with it.")
    for language in languages:
        lines += ["", f"## {language}", ""]
        for page in pages_of(site, language):
            text = (site / language / page).read_text(encoding="utf-8")
            head = BeautifulSoup(text.partition("</head>")[0], "html.parser")
            title = head.find("meta", property="og:title")["content"]
            about = head.find("meta", attrs={"name": "description"})
            link = f"{address}/{language}/{page}" if address else f"{language}/{page}"
            lines.append(f"- [{title}]({link})" + (f": {about['content']}" if about else ""))
    (site / "llms.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")


def write_archive(site, languages):
    """Pack the pages for reading offline; the same pages give the same bytes."""
    files = [site / "index.html"]
    files += [p for code in languages for p in sorted((site / code).rglob("*")) if p.is_file()]
    with zipfile.ZipFile(site / ARCHIVE, "w") as archive:
        for path in files:
            if path.name != ".buildinfo":  # Sphinx's memory of its settings
                entry = zipfile.ZipInfo(f"refnet-site/{path.relative_to(site).as_posix()}")
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def publish(site, languages, address):
    """Complete the built site; ``address`` is where it will stand, or empty."""
    for language in languages:
        drop_unused(site / language)
        name_roles(site / language)
    write_404(site, languages[0], address)
    write_llms(site, languages, address)
    if address:
        write_sitemap(site, languages, address)
        (site / "robots.txt").write_text(f"Sitemap: {address}/sitemap.xml\n", encoding="utf-8")
    else:
        for name in ("sitemap.xml", "robots.txt"):
            (site / name).unlink(missing_ok=True)
    write_archive(site, languages)
