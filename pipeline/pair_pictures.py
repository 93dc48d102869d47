"""Pictures of one pair of frames and its flow, as the report and `flow --preview` show them.

Legend: (H, W) stored frame, (h, w) cells of it, box = rows and columns of the cells that are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..schemas.camera import Camera
from .flow_pictures import (
    Bools,
    Picture,
    cell_depth,
    depth_colours,
    depth_range,
    draw_arrows,
    image_shift,
    round_up,
    valid_box,
)

ARROWS_SIDE, MOST_ARROWS = 420, 28
"""Longer side of a picture with arrows [px], and arrows along it, at least and at most."""
_MARGIN = 2


@dataclass(frozen=True)
class FlowPair:
    """The first frame of a pair, its flow on the cells, and where that counts.

    frame: the stream that the flow lies on, uint8 (H, W, 3) or uint16 (H, W) in millimetres; flow: float32 (C, h, w) in
    metres (C = 3, which needs a depth frame and its `camera`) or pixels (C = 2); known: bool (h, w).
    """

    frame: npt.NDArray[Any]
    flow: npt.NDArray[np.float32]
    known: Bools
    cell: int
    camera: Camera | None = None

    @property
    def box(self) -> tuple[slice, slice]:
        """The cells around all known ones."""
        return valid_box(self.known, _MARGIN)

    def lengths(self) -> npt.NDArray[np.float32]:
        """Length of the flow of each known cell, in its unit."""
        return np.asarray(np.linalg.norm(self.flow[:, self.known], axis=0), dtype=np.float32)


def in_pixels(box: tuple[slice, slice], cell: int) -> tuple[slice, slice]:
    """A box of cells in pixels of the frame."""
    rows, cols = (slice(part.start * cell, part.stop * cell) for part in box)
    return rows, cols


def widened(box: tuple[slice, slice], grid: tuple[int, int], least: float) -> tuple[slice, slice]:
    """A box whose shorter side is at least `least` of its longer one, as far as the grid (h, w) has room."""
    longest = max(part.stop - part.start for part in box)
    rows, cols = (_grown(part, size, round(least * longest)) for part, size in zip(box, grid, strict=True))
    return rows, cols


def _grown(part: slice, size: int, wanted: int) -> slice:
    length = min(max(part.stop - part.start, wanted), size)
    start = min(max(0, (part.start + part.stop - length) // 2), size - length)
    return slice(start, start + length)


def pair_scales(pairs: Sequence[FlowPair]) -> tuple[float, float]:
    """Common scales of (δx, δy) and of δz: round numbers that few of the cells exceed; 1 where there is no δz."""
    vectors = np.concatenate([pair.flow[:, pair.known] for pair in pairs], axis=1)
    across = _long(np.hypot(vectors[0], vectors[1]))
    away = _long(np.abs(vectors[2])) if len(vectors) == 3 else 1.0
    return round_up(across), round_up(away)


def frame_with_arrows(
    pair: FlowPair,
    box: tuple[slice, slice] | None = None,
    picture: Picture | None = None,
    side: int = ARROWS_SIDE,
    most: int = MOST_ARROWS,
) -> tuple[Picture, float]:
    """The frame inside the box, enlarged, with arrows of where cells move in it; and how much longer they are drawn.

    box: cells; default: the pair's own. picture: (H, W, 3) to draw on, for example registered RGB; default: the frame.
    """
    box = box or pair.box
    shift: npt.NDArray[np.float32] = pair.flow
    if len(shift) == 3:
        assert pair.camera is not None
        shift = image_shift(shift, cell_depth(pair.frame, pair.cell), pair.camera, pair.cell)
    part = (pair.frame if picture is None else picture)[in_pixels(box, pair.cell)]
    zoom = -(-side // max(part.shape[:2]))
    height, width = part.shape[0] * zoom, part.shape[1] * zoom
    method = cv2.INTER_NEAREST if part.dtype == np.uint16 else cv2.INTER_CUBIC
    large = as_picture(cv2.resize(part, (width, height), interpolation=method))[0]
    inside, known = shift[(slice(None), *box)] * zoom, pair.known[box]
    every = max(1, -(-max(inside.shape[1:]) // most))
    factor = _arrow_factor(inside, known, pair.cell * zoom * every)
    return draw_arrows(large, inside, pair.cell * zoom, known, every, factor, line=-(-side // 500)), factor


def as_picture(frame: npt.NDArray[Any]) -> tuple[Picture, str]:
    """A stored frame as RGB, and the range of its colours where it is depth."""
    if frame.dtype != np.uint16:
        return (frame if frame.ndim == 3 else np.repeat(frame[..., None], 3, axis=2)), ""
    near, far = depth_range(frame)
    note = f"{near / 1000:.2f}–{far / 1000:.2f} m" if frame.any() else "no valid depth"
    return depth_colours(frame, near, far), note


def _long(lengths: npt.NDArray[np.float32]) -> float:
    """A length that few cells exceed, among those that move: most of a picture may stand still. 0 where all do."""
    moving = lengths[lengths > 0.1 * lengths.max(initial=0.0)]
    return float(np.percentile(moving, 90)) if len(moving) else 0.0


def _arrow_factor(shift: npt.NDArray[np.float32], known: Bools, spacing: float) -> float:
    """The largest round factor under which long arrows span at most two places of the grid."""
    longest = _long(np.hypot(shift[0], shift[1])[known])
    return max((factor for factor in (1.0, 2.0, 3.0, 4.0, 6.0, 8.0) if factor * longest <= 2 * spacing), default=0.5)
