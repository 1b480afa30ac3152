"""A word as a picture: OpenCV's strokes for ASCII, the system's fonts for every other script."""

import unicodedata
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from refnet.data.images import Pixels, check_size
from refnet.errors import check_int, sentence

ROOM = 15 / 16  # of the height and of the width: the rest stays free
ENOUGH = 0.85  # of the height or of the width; a word that fills less could have been larger
SMALLEST = 4.0  # pixels: below that a letter of a font is a dot
INK = 128  # of 255: what is brighter belongs to a letter
NOTHING = np.zeros((0, 0), np.uint8)  # a word without room, or without ink
EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "FULLWIDTH")
FONT = "DejaVuSans*.ttf"  # what matplotlib brings along
ELSE = "or draw a picture yourself and pass its path to ImagePixels."


def draw_text(text: str = "OVERFIT", height: int = 300, width: int = 1000) -> Pixels:
    """Return a picture of a word, white on black, in the middle and as large as fits.

    Parameters
    ----------
    text : str
        One line in any script. Letters beyond ASCII are drawn with a font of this system (and with
        those that matplotlib brings along: Latin, Greek, Cyrillic), bold where there is one.
    height, width : int, at least 16
        Size of the picture in pixels.

    Returns
    -------
    picture : ndarray, shape (height, width), uint8
        255 in the letters, 0 around them, nothing in between.

    Raises
    ------
    ValueError
        No letter to draw, a letter that no font has (the error names one to install), letters that
        are joined or written from right to left where Pillow lacks the library for it, or no room.

    Notes
    -----
    OpenCV 4 and 5 draw somewhat different letters, and so do different fonts.

    References
    ----------
    OpenCV documentation, "Drawing Functions", ``putText`` and ``getTextSize``. Pillow
    documentation, "ImageFont module", ``truetype``.

    Examples
    --------
    >>> picture = draw_text("NN", height=60, width=100)
    >>> picture.shape, np.unique(picture).tolist()
    ((60, 100), [0, 255])
    >>> draw_text("naïve Ω", height=60, width=200).shape
    (60, 200)
    """
    if not isinstance(text, str):
        raise TypeError(sentence("draw_text", "text to be a str", repr(text), "Pass a word."))
    height = check_int("draw_text", "height", height, 16)
    width = check_int("draw_text", "width", width, 16)
    check_size("draw_text", height, width)
    plain = _plain(text)
    if not plain.strip() or not plain.isprintable():
        do = "Pass one line of letters, without tabs and line ends."
        raise ValueError(sentence("draw_text", "printable letters", repr(text), do))
    word = NOTHING
    if plain.isascii():
        word = _strokes(plain, height, width)
    h, w = word.shape
    if max(h / height, w / width) < ENOUGH:
        word = _glyphs(plain, height, width)
    if word.size == 0:
        do = "Choose a larger picture or a shorter word."
        raise ValueError(sentence("draw_text", "room for the word", f"{height} x {width}", do))
    h, w = word.shape
    top = (height - h) // 2
    left = (width - w) // 2
    picture = np.zeros((height, width), np.uint8)
    picture[top : top + h, left : left + w] = np.where(word > INK, 255, 0)
    return picture


def _plain(text: str) -> str:
    """Return the text with accents joined to their letters, plain blanks, and no colour marks."""
    if text.isascii():
        return text
    joined = unicodedata.normalize("NFC", text)
    blanks = (" " if unicodedata.category(letter) == "Zs" else letter for letter in joined)
    return "".join(letter for letter in blanks if letter not in "\ufe0e\ufe0f")


def _largest(ink: Callable[[float], Pixels], scale: float, height: int, width: int) -> Pixels:
    """Return ``ink(scale)`` at the largest scale that fits into the room, or an empty array.

    The ink grows nearly as the scale does: a few steps meet the room.
    """
    best = NOTHING
    for _ in range(12):
        word = ink(scale)
        if word.size == 0:
            break
        h, w = word.shape
        fit = min(ROOM * height / h, ROOM * width / w)
        if fit >= 1 and word.size > best.size:
            best = word
        if 1 <= fit < 1.02:
            break
        scale *= 0.99 * fit
    return best


def _cropped(canvas: Pixels) -> Pixels:
    """Return the smallest part of a canvas that holds all of its ink."""
    ink = canvas > INK
    if not ink.any():
        return NOTHING
    rows = np.flatnonzero(ink.any(axis=1))
    columns = np.flatnonzero(ink.any(axis=0))
    return canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


# --- ASCII: OpenCV's strokes


def _strokes(text: str, height: int, width: int) -> Pixels:
    """Return the word drawn by OpenCV, or an empty array where it has no room."""
    try:
        import cv2  # here, since it needs libraries that a slim machine lacks
    except ImportError as error:
        do = "Run: pip install opencv-python-headless."
        raise ImportError(sentence("draw_text", "OpenCV", str(error), do)) from error
    font = cv2.FONT_HERSHEY_DUPLEX

    def ink(scale: float) -> Pixels:
        canvas = np.zeros((3 * height, 3 * width), np.uint8)
        thickness = max(1, round(3 * scale))
        cv2.putText(canvas, text, (width, 2 * height), font, scale, 255, thickness)
        return _cropped(canvas)

    (w, h), base = cv2.getTextSize(text, font, 1, 1)
    start = min(height / (h + base), width / w) / 2  # small enough, whatever the font does
    return _largest(ink, start, height, width)


# --- every script: the fonts of the system


def _glyphs(text: str, height: int, width: int) -> Pixels:
    """Return the word drawn by Pillow, or an empty array where it has no room."""
    from PIL import Image, ImageDraw, ImageFont, features

    if _needs_shaping(text) and not (features.check("raqm") and features.check("fribidi")):
        expected = "letters that stand one after the other, from left to right"
        do = f"For these Pillow needs FriBiDi (on Debian: apt-get install libfribidi0), {ELSE}"
        raise ValueError(sentence("draw_text", expected, repr(text), do))
    runs = _runs(text)

    def ink(size: float) -> Pixels:
        if size < SMALLEST:
            return NOTHING
        fonts = [ImageFont.truetype(path, size, face) for _, path, face in runs]
        lengths = [font.getlength(run) for font, (run, *_) in zip(fonts, runs, strict=True)]
        canvas = Image.new("L", (round(sum(lengths) + 4 * size), round(4 * size)))
        draw = ImageDraw.Draw(canvas)
        x = 2 * size
        for font, length, (run, *_) in zip(fonts, lengths, runs, strict=True):
            draw.text((x, 2.5 * size), run, fill=255, font=font, anchor="ls")
            x += length
        return _cropped(np.asarray(canvas))

    word = ink(64.0)
    if word.size == 0:
        return NOTHING
    h, w = word.shape
    start = 64 * min(height / h, width / w) / 2
    return _largest(ink, max(start, SMALLEST), height, width)


def _needs_shaping(text: str) -> bool:
    """Whether letters are joined, carry marks, or are written from right to left."""
    return any(
        unicodedata.bidirectional(letter) in ("R", "AL", "AN")
        or unicodedata.category(letter) in ("Mn", "Mc", "Me")
        for letter in text
    )


def _runs(text: str) -> list[tuple[str, str, int]]:
    """Return the parts of a text with the font file, and the face in it, that has their letters.

    That is the whole text with one font if there is such a one.
    """
    letters = sorted(set(text) - {" "})
    has: dict[str, Path] = {}
    for path in _fonts():
        known = _known(path, letters)
        if len(known) == len(letters):
            return [(text, str(path), _face(path))]
        for letter in known:
            has.setdefault(letter, path)
    lacking = [letter for letter in letters if letter not in has]
    if _needs_shaping(text):  # then all must come from one font
        lacking = lacking or letters
    if lacking:
        got = f"{text!r}, and no font with {', '.join(map(repr, lacking))}"
        do = f"Install one (on Debian: apt-get install {_package(lacking[0])}), {ELSE}"
        raise ValueError(sentence("draw_text", "letters that a font here has", got, do))
    has[" "] = has[letters[0]]
    runs = []
    for path, part in groupby(text, key=has.__getitem__):
        runs.append(("".join(part), str(path), _face(path)))
    return runs


def _fonts() -> list[Path]:
    """Return the font files of this system, in the order in which they are tried.

    They are found as matplotlib finds them, afresh: its own list does not know a new font.
    """
    from matplotlib import font_manager, get_data_path

    files = {Path(file) for file in font_manager.findSystemFonts()}
    files.update(Path(get_data_path(), "fonts", "ttf").glob(FONT))
    return sorted(files, key=_rank)


def _rank(path: Path) -> tuple[bool, bool, bool, str]:
    """Return what orders fonts: bold ones first, upright before slanted, sans before others."""
    name = path.stem.lower()
    bold = "bold" in name or name.endswith("bd")
    slanted = "oblique" in name or "italic" in name
    plain = "sans" in name and "mono" not in name and "condensed" not in name
    return not bold, slanted, not plain, name


def _known(path: Path, letters: list[str]) -> list[str]:
    """Return those of the letters that a font has; none if it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        font: Any = FT2Font(str(path))
    except Exception:  # bitmaps alone, or damaged
        return []
    return [letter for letter in letters if font.get_char_index(ord(letter)) > 0]


def _face(path: Path) -> int:
    """Return the face of a font file with the simplified Chinese forms, else the first."""
    from PIL import ImageFont

    if path.suffix.lower() not in (".ttc", ".otc"):
        return 0
    for face in range(10):
        try:
            family = ImageFont.truetype(str(path), 16, face).getname()[0]
        except OSError:  # no further face
            break
        if family is not None and "SC" in family.split():
            return face
    return 0


def _package(letter: str) -> str:
    """Return the Debian package of a font with this letter."""
    script = unicodedata.name(letter, "").split(" ")[0].split("-")[0]
    if script in EAST_ASIAN:
        return "fonts-noto-cjk"
    if unicodedata.category(letter) in ("So", "Sk"):
        return "fonts-symbola"
    return "fonts-noto-core"
