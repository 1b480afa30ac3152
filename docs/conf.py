"""Sphinx configuration of the site: one MyST source, built once in English and once in Chinese.

`python docs/build.py` sets the language and the folders. Two environment variables add what only
a published site has: REFNET_SITE_URL (canonical and hreflang links) and REFNET_REPO_URL, or
GITHUB_REPOSITORY (link to the source, "edit this page").
"""

import os
import re
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from sphinx.locale import _ as translate

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))

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
    "sphinx.ext.mathjax",
    "sphinxcontrib.bibtex",
    "figures",  # docs/_ext/figures.py
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
MATHJAX = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static/mathjax/tex-svg-full.js"
mathjax_path = MATHJAX.name  # served with the site, glyphs inside: no request leaves it
mathjax3_config = {"options": {"enableMenu": False}}  # its parts are not in that one file
autodoc_typehints = "none"  # the types stand in the docstrings, with shape and unit
napoleon_google_docstring = False
napoleon_use_param = napoleon_use_rtype = False  # "Tensor, shape (N, D)" is text, not three links
napoleon_custom_sections = [("Attributes", "params_style")]

# Languages: the code of the build, the tag of the Web, the name in the language itself
LANGUAGES = [("en", "en", "English"), ("zh_CN", "zh-CN", "简体中文")]
language = "en"
locale_dirs = ["locales"]
gettext_compact = gettext_uuid = False  # one catalog for each page
gettext_location = False  # no line numbers: moving a paragraph changes no .po file

# Site
SITE_URL = os.environ.get("REFNET_SITE_URL", "").rstrip("/")
REPO = os.environ.get("GITHUB_REPOSITORY", "")
REPO_URL = os.environ.get("REFNET_REPO_URL", REPO and f"https://github.com/{REPO}").rstrip("/")
templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_title = "refnet"
html_static_path = ["_static", str(MATHJAX)]
html_favicon = "_static/favicon.svg"
html_css_files = ["refnet.css"]
html_show_sourcelink = html_copy_source = html_use_index = False
html_theme_options = {
    "navbar_persistent": ["lang-switch", "search-button"],
    "navbar_end": ["theme-switcher"],
    "show_toc_level": 2,
    "footer_start": ["site-footer"],
    "footer_end": [],
}
html_context = {"languages": LANGUAGES, "site_url": SITE_URL, "default_mode": "auto"}
github = re.fullmatch(r"(https://[^/]+)/([^/]+)/([^/]+)", REPO_URL)
if github:
    link = {"name": "Source", "url": REPO_URL, "icon": "fa-solid fa-code"}
    html_theme_options |= {"use_edit_page_button": True, "icon_links": [link]}
    html_theme_options["navbar_end"] += ["navbar-icon-links"]
    html_context |= {"github_url": github[1], "github_user": github[2], "github_repo": github[3]}
    html_context |= {"github_version": "main", "doc_path": "docs"}


def complete_context(app, pagename, templatename, context, doctree):
    """Tell the templates where the language switch leads, and what the search field says."""
    exists = pagename in app.env.all_docs or pagename == "search"
    context["lang_target"] = f"{pagename if exists else 'index'}.html"
    context["theme_search_bar_text"] = translate("Search")


def set_base_url(app, config):
    """Set the address of this language's site; the theme makes the canonical links of it."""
    config.html_baseurl = f"{SITE_URL}/{config.language}/" if SITE_URL else ""


def keep_formulas(app, doctree):
    """Keep displayed formulas out of the translators' messages: no language changes them."""
    for formula in doctree.findall(nodes.math_block):
        formula["translatable"] = False


def setup(app):
    app.connect("doctree-read", keep_formulas)
    app.connect("config-inited", set_base_url)
    app.connect("html-page-context", complete_context)
