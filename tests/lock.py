"""Whether constraints.txt holds on the oldest Python that refnet allows; `--renew` writes it anew.

    python tests/lock.py            each pin's Requires-Python, as its package states it
    python tests/lock.py --renew    the newest versions that the oldest Python takes

A pin whose package is installed in the pinned version is read there, without a network; pip is
asked for the others (those of the bench).
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PINS = ROOT / "constraints.txt"
TORCH = "2.13.0"  # newer builds may want another driver or index: raise it by hand
BENCH = ["scikit-learn", "skorch", "lightning", "keras"]  # as tox.ini has them
HEAD = "# The versions that were tested together (Python 3.11 on Linux, CPU). tox and CI install these."
