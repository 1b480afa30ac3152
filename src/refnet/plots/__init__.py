"""Plots: what a run and a net look like, as matplotlib figures; pictures and films beside them.

Nothing here needs a display or touches pyplot: ``figure.savefig(path)`` writes a figure, and as the
last line of a notebook's cell it shows itself.
"""

from refnet.plots.figures import (
    activation_curves,
    confusion_matrix,
    curves,
    decision_boundary,
    samples,
    scatter,
)
from refnet.plots.pictures import prediction_picture, to_picture, write_film, write_png

__all__ = [
    "activation_curves",
    "confusion_matrix",
    "curves",
    "decision_boundary",
    "prediction_picture",
    "samples",
    "scatter",
    "to_picture",
    "write_film",
    "write_png",
]
