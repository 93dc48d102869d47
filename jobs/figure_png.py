"""A figure as PNG; the same figure gives the same bytes."""

from __future__ import annotations

import io
import warnings

from matplotlib.figure import Figure


def figure_png(figure: Figure, dpi: int) -> bytes:
    """The PNG, without the name of the program in it."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a class name may be in any script
        figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    return stream.getvalue()
