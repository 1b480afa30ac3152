"""Sphinx configuration of the site: one MyST source, built once in English and once in Chinese.

`python docs/build.py` sets the language and the folders. Two environment variables add what only
a published site has: REFNET_SITE_URL (canonical and hreflang links) and REFNET_REPO_URL, or
GITHUB_REPOSITORY (link to the source, "edit this page", hosted notebooks, which install the
REFNET_COMMIT of it, or else the tag of this version).
"""

import os
import re
import sys
import tomllib
from pathlib import Path

from babel import Locale
from docutils import nodes
from sphinx.locale import _ as translate
from sphinx.transforms import i18n

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))

from zh_search import questions, synonyms, topics  # noqa: E402 - it lies beside the extensions

project = "refnet"
author = copyright = "The refnet authors"  # without a year: the same source gives the same bytes
with open(DOCS.parent / "pyproject.toml", "rb") as file:
    version = release = tomllib.load(file)["project"]["version"]

extensions = [
    "myst_parser",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinxcontrib.bibtex",
    "downloads",  # docs/_ext/downloads.py
    "drawn",  # docs/_ext/drawn.py
    "figures",  # docs/_ext/figures.py
    "films",  # docs/_ext/films.py
    "live",  # docs/_ext/live.py
    "mathml",  # docs/_ext/mathml.py
    "reading",  # docs/_ext/reading.py
    "results",  # docs/_ext/results.py
    "zh_search",  # docs/_ext/zh_search.py
]
exclude_patterns = ["_generated"]
nitpicky = True  # a reference that leads nowhere is a warning, and build.py makes it an error

# Pages
myst_enable_extensions = ["amsmath", "attrs_block", "attrs_inline", "colon_fence", "deflist"]
myst_enable_extensions += ["dollarmath"]
myst_heading_anchors = 3
bibtex_bibfiles = ["references.bib"]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
html_math_renderer = "mathml"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # as in the source: cross_entropy, not <function ...>
autodoc_typehints = "none"  # the types stand in the docstrings, with shape and unit
napoleon_google_docstring = False
napoleon_use_param = napoleon_use_rtype = False  # "Tensor, shape (N, D)" is text, not three links
# "References" as a section of ours is a message of the page; napoleon's own Chinese word misleads
napoleon_custom_sections = [("Attributes", "params_style"), "References"]
toc_object_entries_show_parents = "hide"
TORCH, NUMPY = "https://docs.pytorch.org/docs/stable", "https://numpy.org/doc/stable"
OUTSIDE = {  # what the docstrings refer to; an inventory would be fetched from the network
    "numpy.memmap": f"{NUMPY}/reference/generated/numpy.memmap.html",
    "torch.nn.BatchNorm1d": f"{TORCH}/generated/torch.nn.BatchNorm1d.html",
    "torch.nn.Linear": f"{TORCH}/generated/torch.nn.Linear.html",
    "torch.nn.Sequential": f"{TORCH}/generated/torch.nn.Sequential.html",
    "torch.utils.data.DataLoader": f"{TORCH}/data.html#torch.utils.data.DataLoader",
    "torch.utils.data.DistributedSampler": (
        f"{TORCH}/data.html#torch.utils.data.distributed.DistributedSampler"
    ),
}

# Languages: the code of the build, the tag of the Web, the name in the language itself
LANGUAGES = [("en", "en", "English"), ("zh_CN", "zh-CN", "简体中文")]
for folder in sorted((DOCS / "locales").glob("*/")):  # any other one is a folder of catalogs
    if folder.name not in {code for code, *_ in LANGUAGES}:
        name = Locale.parse(folder.name).get_display_name(folder.name).capitalize()
        LANGUAGES.append((folder.name, folder.name.replace("_", "-"), name))
language = "en"
locale_dirs = ["locales"]
gettext_compact = gettext_uuid = False  # one catalog for each page
gettext_location = False  # no line numbers: moving a paragraph changes no .po file
# A translated link keeps its own heading; Sphinx gives those to one page that of the last of them
i18n.EXCLUDED_PENDING_XREF_ATTRIBUTES += ("reftargetid",)

# Site
SITE_URL = os.environ.get("REFNET_SITE_URL", "").rstrip("/")
REPO = os.environ.get("GITHUB_REPOSITORY", "")
REPO_URL = os.environ.get("REFNET_REPO_URL", REPO and f"https://github.com/{REPO}").rstrip("/")
templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_title = "refnet"
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_css_files = ["refnet.css", "api.css"]
html_js_files = ["refnet.js"]
html_search_scorer = str(DOCS / "_ext" / "search_order.js")
html_additional_pages = {"404": "404.html"}
html_show_sourcelink = html_copy_source = html_use_index = html_domain_indices = False
html_theme_options = {
    "navbar_persistent": ["lang-switch", "search-button"],
    "navbar_end": ["theme-switcher"],
    "show_toc_level": 2,
    "article_footer_items": ["downloads"],
    "footer_start": ["site-footer"],
    "footer_end": [],
}
html_context = {"languages": LANGUAGES, "site_url": SITE_URL, "default_mode": "light"}
github = re.fullmatch(r"(https://[^/]+)/([^/]+)/([^/]+)", REPO_URL)
if github:
    link = {"name": "Source", "url": REPO_URL, "icon": "fa-solid fa-code"}
    html_theme_options |= {"use_edit_page_button": True, "icon_links": [link]}
    html_theme_options["navbar_end"] += ["navbar-icon-links"]
    html_context |= {"github_url": github[1], "github_user": github[2], "github_repo": github[3]}
    html_context |= {"github_version": "main", "doc_path": "docs"}

# Notebooks: what their first cell installs, and where they can be opened without a download
commit = os.environ.get("REFNET_COMMIT", f"v{release}")
install_from = f"refnet=={release}"
hosted_notebooks = ""
if REPO_URL.startswith("https://github.com/"):
    install_from = f"refnet @ {REPO_URL}/archive/{commit}.zip"
    repository = REPO_URL.removeprefix("https://github.com/")
    # .github/workflows/site.yml keeps the notebooks of the published site in this branch
    hosted_notebooks = f"https://colab.research.google.com/github/{repository}/blob/notebooks"
elif REPO_URL:
    install_from = f"refnet @ git+{REPO_URL}@v{release}"


def complete_context(app, pagename, templatename, context, doctree):
    """Tell the templates where the language switch leads, and what page and search field say."""
    exists = pagename in app.env.all_docs or pagename in ("search", "404")
    context["lang_target"] = f"{pagename if exists else 'index'}.html"
    context["theme_search_bar_text"] = translate("Search")
    if pagename == "search":
        context["reading_order"] = list(reading_order(app.env, "index"))
        context["synonyms"] = synonyms() if app.config.language == "zh_CN" else []
        context["questions"] = questions(app.config.language)
        context["topics"] = topics(app.config.language)
        app.add_js_file("search.js", loading_method="defer")
    paragraph = doctree and next(doctree.findall(nodes.paragraph), None)
    text = " ".join(paragraph.astext().split()) if paragraph else ""
    context["description"] = text if len(text) <= 200 else f"{text[:199]}…"


def reading_order(env, page):
    """Yield a page and those below it, in the order of the tables of contents."""
    yield page
    for below in env.toctree_includes.get(page, []):
        yield from reading_order(env, below)


def set_base_url(app, config):
    """Set the address of this language's site; the theme makes the canonical links of it."""
    config.html_baseurl = f"{SITE_URL}/{config.language}/" if SITE_URL else ""


def keep_formulas(app, doctree):
    """Keep out of the translators' messages: displayed formulas, and a list of several results.

    No language changes a formula, and each result of the list is a message of its own.
    """
    for formula in doctree.findall(nodes.math_block):
        formula["translatable"] = False
    for results in doctree.findall(nodes.inline):
        if isinstance(results.next_node(), nodes.bullet_list):
            results["translatable"] = False


def keep_slugs(app, doctree):
    """Keep the page's own heading anchors: reading a translated heading puts its slug in place."""
    app.env.metadata[app.env.current_document.docname]["myst_slugs"] = {
        section["slug"]: (section.line, section["ids"][0], section[0].astext())
        for section in doctree.findall(nodes.section)
        if "slug" in section
    }


def write_chinese_colons(app, doctree):
    """Turn the dash that Sphinx writes after the name of an error into a Chinese colon."""
    if app.config.language == "zh_CN":
        for text in list(doctree.findall(nodes.Text)):
            if text == " -- ":
                text.parent.replace(text, nodes.Text("："))


def link_outside(app, env, node, content):
    """Link a name of torch or NumPy to its page in their documentation."""
    address = OUTSIDE.get(node.get("reftarget"))
    return nodes.reference("", "", content, refuri=address, internal=False) if address else None


def fetch_pictures_late(app, pagename, templatename, context, doctree):
    """Let the browser fetch a picture only when it comes near, but for the first of a page."""
    first, *rest = re.split(r'<img (?=[^>]*src="[^"]*_images/)', context.get("body") or "")
    if rest:
        context["body"] = f"{first}<img {rest[0]}" + "".join(
            f'<img loading="lazy" {part}' for part in rest[1:]
        )


def setup(app):
    app.connect("missing-reference", link_outside)
    app.connect("doctree-read", write_chinese_colons)
    app.connect("doctree-read", keep_formulas)
    app.connect("doctree-read", keep_slugs)
    app.connect("config-inited", set_base_url)
    app.connect("html-page-context", complete_context)
    app.connect("html-page-context", fetch_pictures_late)
