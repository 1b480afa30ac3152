"""Every page of the site in a real browser, both languages, at three widths, light and dark."""

from pathlib import Path

import axe_playwright_python
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path.relative_to(ROOT / "docs").with_suffix("").as_posix()
    for pattern in ("*.md", "*.rst")
    for path in (ROOT / "docs").rglob(pattern)
)
PAGES += ["404", "search"]
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
WCAG = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
NARROW_AND_DARK = {
    "type": "rule",
    "values": ["color-contrast", "target-size", "scrollable-region-focusable"],
}
WIDTHS = (1280, 768, 360)
FIRST_VIEW = 1_500_000  # bytes, without films
# Code has thousands of spans in a dozen colours: axe sees each colour once, the rest as plain text
KEEP_EACH_COLOUR_ONCE = """() => {
  const seen = new Set();
  for (const span of document.querySelectorAll("pre span")) {
    if (seen.has(span.className) && !span.children.length) span.replaceWith(span.textContent);
    seen.add(span.className);
  }
  document.body.normalize();
}"""
RUN_AXE = """async (what) => {
  const options = {runOnly: what, resultTypes: ["violations"], preload: false};
  const found = await axe.run(document, options);
  return found.violations.map(v => v.id + ": " + v.help + "\\n" +
    v.nodes.map(n => "    " + n.target.join(" ") + "  " + n.html.slice(0, 120)).join("\\n"));
}"""


def too_wide(page):
    """Return what makes a page scroll sideways; nothing if it does not."""
    return page.evaluate(
        """() => {
      const width = document.documentElement.clientWidth;
      const boxes = [document.documentElement, document.querySelector(".bd-article-container")];
      if (boxes.every(box => box.scrollWidth <= box.clientWidth)) return [];
      const wide = [...document.querySelectorAll("body *")]
        .filter(e => e.getBoundingClientRect().right > width + 1);
      return ["scrolls sideways: " + wide.slice(-5).map(e => e.outerHTML.slice(0, 120)).join("; ")];
    }"""
    )


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_sound_light_and_accessible_at_every_width(visit, language, name):
    one = visit(color_scheme="light")
    page = one.open(f"{language}/{name}.html")
    films = sum(size for url, size in one.bytes.items() if url.endswith(".webm"))
    assert sum(one.bytes.values()) - films <= FIRST_VIEW, one.bytes
    problems = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        problems += [f"{width} px: {problem}" for problem in too_wide(page)]
    page.evaluate(AXE)
    page.evaluate(KEEP_EACH_COLOUR_ONCE)
    page.add_style_tag(content="* { transition: none !important }")  # colours change at once
    page.set_viewport_size({"width": 1280, "height": 900})
    problems += page.evaluate(RUN_AXE, WCAG)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    page.set_viewport_size({"width": 360, "height": 800})
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    problems += [f"dark: {problem}" for problem in page.evaluate(RUN_AXE, NARROW_AND_DARK)]
    assert problems + one.complaints == [], "\n".join(problems + one.complaints)
