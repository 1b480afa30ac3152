"""A figure that a notebook shows by itself, and the names of classes on it in any script."""

import contextlib
import io
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from matplotlib import font_manager, rcParams
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from refnet.errors import sentence

# Where several fonts have the signs: those made for simplified Chinese first
CHINESE = ("CJK SC", "Han Sans SC", "YaHei", "PingFang", "WenQuanYi", "SimHei", "CJK")


class Chart(Figure):
    """A figure without pyplot; as the last line of a notebook's cell it shows as a picture."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()

    def draw(self, renderer: Any) -> None:
        """Draw on ``renderer``; for signs without a font one sentence has been said already."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            super().draw(renderer)


def chart(width: float, height: float) -> Chart:
    """Return an empty figure of that many inches, whose parts make room for each other."""
    return Chart((width, height), layout="constrained")


def style_of_names(names: Iterable[str]) -> dict[str, Any]:
    """Return how matplotlib is to write these names: in fonts that have them, a $ as a $."""
    families = list(rcParams["font.family"])
    usual = font_manager.findfont(font_manager.FontProperties())
    signs = set("".join(names))
    lacking = signs - _written_by(FT2Font(usual), signs)
    for family, font in _fonts() if lacking else ():
        found = _written_by(font, lacking)
        if found:
            families.append(family)
            lacking -= found
        if not lacking:
            break
    if lacking:
        first = "".join(sorted(lacking)[:8])
        do = "Install one that has them, for Chinese e.g.: apt-get install fonts-noto-cjk."
        text = sentence("plots", f"a font for {first}", "none on this machine", do)
        warnings.warn(text, stacklevel=3)
    return {"fontfamily": families, "parse_math": False}


def _written_by(font: FT2Font, signs: set[str]) -> set[str]:
    return {sign for sign in signs if font.get_char_index(ord(sign))}


def _fonts() -> Iterator[tuple[str, FT2Font]]:
    """Yield the upright fonts of this machine and their families, as matplotlib finds them."""
    manager = font_manager.fontManager
    listed = {entry.fname for entry in manager.ttflist}
    there = set(font_manager.findSystemFonts())
    for path in there - listed:  # installed after matplotlib wrote its list
        with contextlib.suppress(Exception):  # each kind of broken font has an error of its own
            manager.addfont(path)
    by_preference = sorted(manager.ttflist, key=_preference)
    for entry in by_preference:
        if entry.style != "normal" or entry.name.startswith("Last Resort"):
            continue  # the latter, matplotlib's own, has a frame for every sign
        with contextlib.suppress(OSError, RuntimeError):  # a font that is gone, or damaged
            yield entry.name, FT2Font(entry.fname)


def _preference(entry: font_manager.FontEntry) -> int:
    ranks = [rank for rank, name in enumerate(CHINESE) if name in entry.name]
    return min(ranks, default=len(CHINESE))
