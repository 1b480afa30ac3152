"""Words in any script: as large as fits, and today's pictures of ASCII to the bit."""

import builtins
import hashlib
import string
import sys

import cv2
import numpy as np
import pytest
from matplotlib import font_manager
from PIL import features

from refnet import DataError, ImagePixels, draw_text
from refnet.data import words

PICTURES = {  # sha256, begun; results of the course rest on these
    ("OVERFIT", 300, 1000): "69385952dc92300b",
    ("OVERFIT", 60, 200): "6f7b22beb3d090cc",
    ("XOR", 60, 160): "f21d2ebb469ab232",
    ("HELLO", 48, 144): "ebb3dd33a413a53d",
    ("gjpqy Q!", 100, 400): "b59bc85a3927f6bf",
}


@pytest.mark.skipif(not cv2.__version__.startswith("5."), reason="OpenCV 4 has other strokes")
@pytest.mark.parametrize(("text", "height", "width"), PICTURES)
def test_the_pictures_of_the_course_are_the_same_to_the_bit(text, height, width):
    picture = draw_text(text, height, width)
    assert hashlib.sha256(picture.tobytes()).hexdigest()[:16] == PICTURES[text, height, width]


def filled(picture):
    """Return the share of the height or width that the ink takes, whichever is larger."""
    ys, xs = np.nonzero(picture)
    return max(np.ptp(ys) + 1, 1) / picture.shape[0], max(np.ptp(xs) + 1, 1) / picture.shape[1]


@pytest.mark.parametrize(("height", "width"), [(300, 1000), (64, 64), (40, 200), (16, 16)])
def test_every_sign_of_ascii_fills_the_room(height, width):
    signs = [sign for sign in string.printable if sign.strip()]
    assert len(signs) == 94
    shares = {sign: max(filled(draw_text(sign, height, width))) for sign in signs}
    assert {sign: share for sign, share in shares.items() if share < 0.85} == {}


@pytest.mark.parametrize("text", ["naïve café", "Ångström", "Ωμέγα", "Ёлка", "e\u0301te\u0301"])
def test_scripts_that_matplotlib_brings_along_are_drawn_anywhere(monkeypatch, text):
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    picture = draw_text(text, 120, 400)
    assert (picture.shape, picture.dtype) == ((120, 400), np.uint8)
    assert np.unique(picture).tolist() == [0, 255]
    assert 0.85 <= max(filled(picture)) <= 0.95


def test_an_accent_in_two_signs_is_the_letter_with_the_accent():
    assert np.array_equal(draw_text("e\u0301t\u00e9"), draw_text("\u00e9t\u00e9"))


def fonts_with(text):
    letters = sorted(set(text))
    return any(len(words._known(path, letters)) == len(letters) for path in words._fonts())


@pytest.mark.parametrize("text", ["过拟合", "日本語", "한국어", "😀", "हिन्दी"])
def test_a_script_is_drawn_where_a_font_has_it_and_else_a_font_is_named(text):
    if fonts_with(text):
        assert max(filled(draw_text(text, 200, 600))) >= 0.85
        assert ImagePixels(draw_text(text, 200, 600)).labels.sum() > 0
    else:
        with pytest.raises(ValueError, match=r"no font with .*apt-get install fonts-"):
            draw_text(text, 200, 600)


def test_different_chinese_words_are_different_pictures_and_no_boxes(monkeypatch):
    if not fonts_with("过拟合"):
        pytest.skip("needs a font with Chinese letters")
    one, other = draw_text("过", 200, 200), draw_text("拟", 200, 200)
    assert (one != other).mean() > 0.1


@pytest.mark.parametrize(
    ("text", "package"),
    [("过拟合", "fonts-noto-cjk"), ("👍", "fonts-symbola"), ("हिन्दी", "fonts-noto-core")],
)
def test_without_a_font_the_error_names_one_to_install(monkeypatch, text, package):
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    words_said = rf"draw_text: expected letters that a font here has, got '{text}', .*{package}\)"
    with pytest.raises(ValueError, match=words_said):
        draw_text(text)


def test_letters_of_two_fonts_stand_in_one_picture(monkeypatch):
    if not fonts_with("过") or fonts_with("过א"):
        pytest.skip("needs a font with Chinese letters and without Hebrew ones")
    parts = words._runs("过 Ԃ")
    assert "".join(text for text, _, _ in parts) == "过 Ԃ"
    assert max(filled(draw_text("过 Ԃ", 200, 600))) >= 0.85


@pytest.mark.parametrize("text", ["שלום", "مرحبا"])
def test_what_is_written_from_right_to_left_is_drawn_so_or_refused(monkeypatch, text):
    if features.check("raqm") and features.check("fribidi"):
        picture = draw_text(text, 120, 400)
        first, last = draw_text(text[0], 120, 400), draw_text(text[-1], 120, 400)
        assert max(filled(picture)) >= 0.85
        assert not np.array_equal(picture, draw_text(text[::-1], 120, 400))
        assert not np.array_equal(first, last)
    monkeypatch.setattr(features, "check", lambda name: False)
    with pytest.raises(ValueError, match=r"from left to right, got .*libfribidi0"):
        draw_text(text, 120, 400)


@pytest.mark.parametrize("letter", ["x", "é", "W", "."])
def test_200_letters_are_a_picture_or_a_sentence(letter):
    # without Raqm Pillow gives each letter whole pixels: 200 of them grow by 200 pixels at once
    least = 0.85 if features.check("raqm") else 0.75
    assert max(filled(draw_text(letter * 200))) >= least
    with pytest.raises(ValueError, match=r"expected room for the word, got 16 x 16. Choose"):
        draw_text("é" * 200, 16, 16)


@pytest.mark.parametrize(
    ("text", "height", "width"),
    [
        ("OVERFIT", 300, 1000),
        ("I", 64, 64),
        ("gjpqy Q!", 100, 400),
        ("wide", 16, 999),
        ("~", 40, 16),
    ],
)
def test_a_word_is_drawn_in_the_middle_and_as_large_as_fits(text, height, width):
    picture = draw_text(text, height, width)
    assert (picture.shape, picture.dtype) == ((height, width), np.uint8)
    assert np.unique(picture).tolist() == [0, 255]
    ys, xs = np.nonzero(picture)
    top, bottom, left, right = ys.min(), height - 1 - ys.max(), xs.min(), width - 1 - xs.max()
    assert abs(top - bottom) <= 1
    assert abs(left - right) <= 1
    margin = min((top + bottom) / height, (left + right) / width)
    assert 1 / 17 < margin < 1 / 8  # a sixteenth is kept free; small sizes come in whole pixels


def test_the_strokes_of_overfit_are_wide_enough_to_learn():
    picture = draw_text()
    # each point of the middle line of a stroke is at least 4 pixels from its edge: erosion by a
    # disc of diameter 7 takes nothing away for good
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    opened = cv2.morphologyEx(picture, cv2.MORPH_OPEN, kernel)
    assert (opened != picture).mean() < 0.001  # what goes are tips of corners
    assert 0.1 < (picture > 0).mean() < 0.5


@pytest.mark.parametrize("text", ["", "  ", "\u3000", "a\nb", "a\tb", "\u202eabc"])
def test_a_text_without_letters_or_with_signs_that_cannot_be_drawn_is_refused(text):
    with pytest.raises(ValueError, match=r"draw_text: expected printable letters, got .*one line"):
        draw_text(text)


def test_a_text_that_is_no_str_is_a_type_error():
    with pytest.raises(TypeError, match="draw_text: expected text to be a str, got 7"):
        draw_text(7)


@pytest.mark.parametrize("size", [0, -1, 15, 1.5, True, "300"])
def test_a_wrong_size_is_refused(size):
    with pytest.raises((ValueError, TypeError), match="draw_text: expected height to be a whole"):
        draw_text(height=size)


def test_a_word_without_room_and_a_picture_too_large_are_refused():
    with pytest.raises(ValueError, match=r"expected room for the word, got 16 x 16"):
        draw_text("x" * 3000, 16, 16)
    with pytest.raises(DataError, match="at most 16777216 pixels, got 100000 x 100000"):
        draw_text(height=100_000, width=100_000)


def test_without_opencv_the_error_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def no_cv2(name, *args):
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file")
        return real(name, *args)

    monkeypatch.delitem(sys.modules, "cv2")
    monkeypatch.setattr(builtins, "__import__", no_cv2)
    with pytest.raises(ImportError, match=r"expected OpenCV, got libGL.*opencv-python-headless"):
        draw_text()
