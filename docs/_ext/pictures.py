"""A matplotlib figure as SVG, once in English and once for each catalog of words in pictures.

The words of docs/locales/<language>/figures.po take the place of the English ones: whole texts, or
words in a text ("Shirt 0.83"). A text with Chinese in it stays text in the SVG, which the reader's
own fonts draw; so that room is left for it here, where no such font need be, a font of empty
squares as wide as Chinese characters is made on the way. All other text becomes outlines, the same
everywhere.
"""

import functools
import hashlib
import json
import re
import tempfile
import warnings
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import polib
from filelock import FileLock

STYLE = {
    "font.family": "DejaVu Sans",  # matplotlib's own
    "font.size": 11,
    "figure.figsize": (6.4, 3.6),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "svg.fonttype": "path",
}
HAN = re.compile(r"[\u2e80-\u9fff\uff00-\uffef]")
WORD = re.compile(r"[A-Za-z]{2,}")
NAME = re.compile(r"\b\w+(?:[._]\w+)+\b")  # of the code: val_loss, 0.weight
FORMULA = re.compile(r"\$[^$]*\$")
SQUARES = "Squares as wide as Chinese"
MANY = 1000  # points of a scatter: more are one picture of dots inside the SVG
DOTS_PER_INCH = 150


def digest_of(package, *parts):
    """Return a hash of what every picture is made from, and of some parts more."""
    digest = hashlib.sha256(f"{version('matplotlib')} {version('torch')} {STYLE}".encode())
    folder = Path(__file__).parent
    files = [
        Path(__file__),
        folder / "figures.py",
        folder / "drawn.py",
        *sorted(package.rglob("*.py")),
    ]
    for path in files:
        digest.update(path.read_bytes())
    for part in parts:
        digest.update(part if isinstance(part, bytes) else str(part).encode())
    return digest.hexdigest()


class Words:
    """The words of one language; what was asked for, and what was not there, is kept."""

    def __init__(self, path):
        catalog = polib.pofile(str(path)) if path.exists() else []
        self.words = {entry.msgid: entry.msgstr for entry in catalog if entry.msgstr}
        longest_first = sorted(self.words, key=len, reverse=True)
        pattern = "|".join(map(re.escape, longest_first)) or r"(?!)"
        self.pattern = re.compile(rf"(?<![A-Za-z_])(?:{pattern})(?![A-Za-z_])")
        self.used, self.missing = {}, set()

    def translate(self, text):
        """Return a text in this language; formulas stay."""
        if text in self.words:
            found = self.words[text]
        else:
            parts = re.split(f"({FORMULA.pattern})", text)
            found = "".join(part if part[:1] == "$" else self.piecewise(part) for part in parts)
        if found != text:
            self.used[text] = found
        return found

    def piecewise(self, text):
        """Return a text with each word that the catalog has in its place; note the others."""
        rest = self.pattern.sub("", NAME.sub("", text))
        self.missing.update(WORD.findall(rest))
        return self.pattern.sub(lambda match: self.words[match[0]], text)


@contextmanager
def alone(docs):
    """Let one build draw at a time: the other language's then finds what this one has drawn."""
    folder = Path(docs, "_generated")
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "drawing.lock"):
        yield


def languages(docs):
    """Return the words of each language that has a folder in docs/locales."""
    folders = sorted(Path(docs, "locales").glob("*/"))
    return {folder.name: Words(folder / "figures.po") for folder in folders}


@functools.cache
def load_squares():
    """Make and load a font in which every Chinese character is an empty square."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen
    from matplotlib.font_manager import fontManager

    ranges = [range(0x2E80, 0xA000), range(0xFF00, 0xFFF0)]
    points = [point for part in ranges for point in part]
    names = {point: f"u{point:04X}" for point in points}
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder([".notdef", *names.values()])
    font.setupCharacterMap(names)
    empty = TTGlyphPen(None).glyph()
    font.setupGlyf(dict.fromkeys([".notdef", *names.values()], empty))
    font.setupHorizontalMetrics(dict.fromkeys([".notdef", *names.values()], (1000, 0)))
    font.setupHorizontalHeader(ascent=880, descent=-120)
    font.setupNameTable({"familyName": SQUARES, "styleName": "Regular"})
    font.setupOS2(sTypoAscender=880, sTypoDescender=-120)
    font.setupPost()
    path = Path(tempfile.mkdtemp(), "squares.ttf")
    font.save(path)
    fontManager.addfont(path)


@contextmanager
def speaking(figure, words):
    """Have a figure speak a language while it is saved; it is as before afterwards."""
    import matplotlib
    from matplotlib.backends.backend_svg import RendererSVG
    from matplotlib.text import Text

    load_squares()
    figure.draw_without_rendering()  # the labels of the ticks are there now
    before = [(text, text.get_text(), text.get_fontfamily()) for text in figure.findobj(Text)]
    set_text, draw_text = Text.set_text, RendererSVG.draw_text

    def set_words(text, content):
        set_text(text, words.translate(str(content)))
        if HAN.search(text.get_text()):
            text.set_fontfamily([matplotlib.rcParams["font.family"][0], SQUARES, "sans-serif"])

    def draw_words(renderer, gc, x, y, content, *arguments, **options):
        kind = "none" if HAN.search(content) else "path"
        with matplotlib.rc_context({"svg.fonttype": kind}):
            draw_text(renderer, gc, x, y, content, *arguments, **options)

    Text.set_text, RendererSVG.draw_text = set_words, draw_words
    try:
        for text, content, _ in before:
            text.set_text(content)
        yield
    finally:
        Text.set_text, RendererSVG.draw_text = set_text, draw_text
        for text, content, family in before:
            text.set_text(content)
            text.set_fontfamily(family)


def save(figure, target, translations):
    """Write ``target``, an SVG, and beside it one for each language whose words differ."""
    from matplotlib.collections import PathCollection, QuadMesh

    heavy = figure.findobj(QuadMesh)
    heavy += [dots for dots in figure.findobj(PathCollection) if len(dots.get_offsets()) > MANY]
    for artist in heavy:
        artist.set_rasterized(True)
    write(figure, target)
    for code, words in translations.items():
        path = target.with_name(f"{target.stem}.{code}.svg")
        with speaking(figure, words):
            write(figure, path)
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("<svg ", f'<svg xml:lang="{code[:2]}" ', 1), encoding="utf-8")
        if not words.used:  # symbols alone: one picture is enough
            path.unlink()


def write(figure, path):
    """Write one SVG; a warning, such as a glyph that no font has, is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # numpy 2 asks torch for an argument that torch does not know yet; the array is the same
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        options = {"bbox_inches": "tight", "transparent": True, "dpi": DOTS_PER_INCH}
        figure.savefig(path, format="svg", metadata={"Date": None}, **options)


def record(path, key, translations):
    """Write down what pictures were made from, and which words they show or lack."""
    content = {
        "key": key,
        "words": {code: words.used for code, words in translations.items()},
        "missing": {code: sorted(words.missing) for code, words in translations.items()},
        "catalogs": {code: words.words for code, words in translations.items() if words.missing},
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def is_current(path, key, translations):
    """Return whether pictures were made from the same things and would show the same words."""
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"key": None}
    if content["key"] != key or content["words"].keys() != translations.keys():
        return False
    for code, words in translations.items():
        used = content["words"][code]
        if any(words.translate(text) != found for text, found in used.items()):
            return False
        if words.words != content["catalogs"].get(code, words.words):
            return False
    return True


def refuse_missing(path, where, language):
    """Refuse pictures with English words on a page of another language."""
    missing = json.loads(path.read_text(encoding="utf-8"))["missing"].get(language, [])
    if missing:
        raise ValueError(
            f"{where}: expected the words of its pictures in docs/locales/{language}/figures.po, "
            f"got none for {', '.join(map(repr, missing))}. "
            "Add each, or the whole text it stands in."
        )
