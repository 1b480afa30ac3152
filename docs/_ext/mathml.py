"""Formulas as MathML, made by the build: browsers draw them with no script, in the site's own font.

A formula that cannot be converted is a warning with its place, and so an error of the build.
"""

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

CONVERTER = LatexToMathML(fancy_error=False)


def convert(node, displayed):
    """Return the MathML of a formula; without an environment, its `\\\\` starts a new line."""
    source = node.astext()
    if r"\\" in source and r"\begin" not in source:
        source = rf"\begin{{aligned}}{source}\end{{aligned}}"
    try:
        return CONVERTER.convert_with_local_state(source, displaystyle=displayed)
    except LatexError as error:
        message = "formula: expected LaTeX that MathML has signs for, got %r: %s"
        logging.getLogger(__name__).warning(message, node.astext(), error, location=node)
        return ""


def visit_inline(self, node):
    self.body.append(f'<span class="math notranslate">{convert(node, False)}</span>')
    raise nodes.SkipNode


def visit_displayed(self, node):
    self.body.append(self.starttag(node, "div", CLASS="math notranslate"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append(convert(node, True) + "</div>\n")
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_displayed, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
