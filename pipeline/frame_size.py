"""The size at which a frame is stored: upright, with square pixels, reduced and never enlarged."""

from __future__ import annotations

from fractions import Fraction

DisplayMatrix = tuple[int, int, int, int]
"""(a, b, c, d) of -1, 0, 1: the pixel (x, y) is shown at (a x + c y, b x + d y), up to a shift."""
UPRIGHT: DisplayMatrix = (1, 0, 0, 1)


def reduced_size(width: float, height: float, short_side: int) -> tuple[int, int]:
    """(width, height) whose shorter side is at most `short_side`; aspect kept, never enlarged."""
    scale = min(1.0, short_side / min(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def square_size(width: int, height: int, sample_aspect: Fraction) -> tuple[float, float]:
    """The size [px] at which the pixels of an image are square; the longer side of a pixel decides, none is made up."""
    if sample_aspect >= 1:
        return width, height / float(sample_aspect)
    return width * float(sample_aspect), height


def quarter_turns(matrix: DisplayMatrix) -> tuple[int, bool]:
    """Degrees clockwise (0, 90, 180, 270) by which a frame is turned to stand upright, after mirroring it or not."""
    a, b, c, d = matrix
    mirrored = a * d - b * c < 0
    x, y = (-a, -b) if mirrored else (a, b)  # where the (mirrored) x axis points
    return {(1, 0): 0, (0, 1): 90, (-1, 0): 180, (0, -1): 270}[x, y], mirrored
