"""The pins of constraints.txt are asked for their Requires-Python, and the package is named."""

import importlib.metadata

import lock
from packaging.utils import canonicalize_name


def test_comments_are_left_out_of_the_pins():
    text = "# a comment\nnumpy==2.0\ntorch==2.13.0  # by hand\n\n"
    assert lock.read_pins(text) == {"numpy": "2.0", "torch": "2.13.0"}


def test_the_oldest_python_is_the_lowest_of_requires_python():
    assert lock.oldest_python() == "3.11.0"


def test_a_pin_that_the_oldest_python_does_not_take_is_named():
    version = importlib.metadata.version("numpy")
    assert lock.check({"numpy": version}, "3.99.0") == []
    (sentence,) = lock.check({"numpy": version}, "3.2.0")
    start = (
        f"constraints.txt: expected versions for Python 3.2.0, got numpy=={version}, which wants"
    )
    assert sentence.startswith(start)
    assert "python -m tox run -e lock" in sentence


def test_all_that_the_project_asks_for_is_pinned():
    pins = {canonicalize_name(name) for name in lock.read_pins(lock.PINS.read_text())}
    asked = {canonicalize_name(lock.Requirement(line).name) for line in lock.asked_for()}
    assert asked <= pins
