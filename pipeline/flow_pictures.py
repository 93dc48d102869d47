"""Motion and depth as pictures: colour wheel, diverging map, arrows, depth colours.

Every picture is RGB uint8 (H, W, 3). Legend: (h, w) cells of cell x cell pixels, (H, W) pixels; flow (C, h, w) right,
down and, where C = 3, away; `scale` is the length that gets the fullest colour, in the unit of the flow.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..schemas.camera import Camera

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]

UNKNOWN_GREY = 128
"""Grey of cells without a valid flow; zero flow is white."""
TOWARDS_RGB, STILL_RGB, AWAY_RGB = (33, 102, 172), (250, 250, 250), (178, 24, 43)


def wheel_colours(flow: Floats, scale: float, known: Bools | None = None) -> Picture:
    """Direction as hue and length as saturation of flow (2, h, w), as in Middlebury's flow pictures.

    Right is red, down yellow-green, left cyan, up violet; zero is white, `scale` and more is saturated, and cells that
    are not `known` (h, w) are grey.
    """
    right, down = (np.asarray(part, dtype=np.float32) for part in flow)
    hue = np.degrees(np.arctan2(down, right)) % 360
    saturation = np.clip(np.hypot(right, down) / max(scale, 1e-9), 0, 1)
    hsv = np.stack([hue, saturation, np.ones_like(hue)], axis=-1).astype(np.float32)
    return _greyed(np.rint(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255), known)


def wheel_legend(side: int) -> Picture:
    """The colour of each direction and length up to the scale, as a disc on grey of `side` pixels."""
    place = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
    right, down = np.meshgrid(place, place)
    return wheel_colours(np.stack([right, down]), 1.0, np.hypot(right, down) <= 1)


def diverging_colours(values: Floats, scale: float, known: Bools | None = None) -> Picture:
    """Blue for -scale (towards the camera), white for 0, red for +scale (away from it); grey where not known."""
    place = np.clip(np.asarray(values, dtype=np.float32) / max(scale, 1e-9), -1, 1)
    channels = zip(TOWARDS_RGB, STILL_RGB, AWAY_RGB, strict=True)
    return _greyed(np.rint(np.stack([np.interp(place, (-1, 0, 1), c) for c in channels], axis=-1)), known)


def diverging_legend(width: int, height: int) -> Picture:
    """A bar from -scale at the left to +scale at the right."""
    return diverging_colours(np.tile(np.linspace(-1, 1, width), (height, 1)), 1.0)


def depth_range(depth_mm: npt.NDArray[np.uint16]) -> tuple[float, float]:
    """1 % and 99 % of the valid depths in millimetres; (0, 1) where there are none."""
    known = depth_mm[depth_mm > 0]
    if not len(known):
        return 0.0, 1.0
    near, far = np.percentile(known, (1, 99))
    return float(near), max(float(far), float(near) + 1)


def depth_colours(depth_mm: npt.NDArray[np.uint16], near_mm: float, far_mm: float) -> Picture:
    """Depth (H, W) from near (yellow) to far (dark blue); black where there is none."""
    place = np.clip((far_mm - depth_mm.astype(np.float32)) / max(far_mm - near_mm, 1e-6), 0, 1)
    levels = np.rint(place * 255).astype(np.uint8)
    picture = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
    picture[depth_mm == 0] = 0
    return np.asarray(picture, dtype=np.uint8)


def cell_depth(depth_mm: npt.NDArray[np.uint16], cell: int) -> npt.NDArray[np.float32]:
    """Mean valid depth of each whole cell in metres (h, w), 0 where there is none."""
    rows, cols = depth_mm.shape[0] // cell, depth_mm.shape[1] // cell
    blocks = depth_mm[: rows * cell, : cols * cell].reshape(rows, cell, cols, cell).astype(np.float64)
    counts = (blocks > 0).sum(axis=(1, 3))
    return np.asarray(blocks.sum(axis=(1, 3)) / np.maximum(counts, 1) / 1000, dtype=np.float32)


def image_shift(flow: Floats, depth_m: Floats, camera: Camera, cell: int) -> npt.NDArray[np.float32]:
    """Where scene flow (3, h, w) in metres moves the cells in the picture: (2, h, w) pixels.

    Each cell's centre at its depth (h, w) is moved and projected again; 0 where the depth or the moved depth is not
    positive.
    """
    rows, cols = depth_m.shape
    v, u = ((np.arange(n) + 0.5) * cell - 0.5 for n in (rows, cols))
    right, down = np.meshgrid((u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy)
    moved = np.asarray(depth_m, dtype=np.float64) + flow[2]
    seen = (depth_m > 0) & (moved > 0)
    z = np.where(seen, moved, 1.0)
    shift_u = ((right * depth_m + flow[0]) / z - right) * camera.fx
    shift_v = ((down * depth_m + flow[1]) / z - down) * camera.fy
    return np.where(seen, np.stack([shift_u, shift_v]), 0).astype(np.float32)


def draw_arrows(
    frame: Picture, shift: Floats, cell: float, shown: Bools, every: int = 1, factor: float = 1.0, line: int = 1
) -> Picture:
    """The frame with an arrow at each `every`-th cell that is `shown` (h, w), `factor` times as long as the motion.

    shift: (2, h, w) in pixels of `frame`; cell: side of a cell in pixels of `frame`. line: width of the lines
    [px]; arrows that are no longer are left out.
    """
    picture = np.ascontiguousarray(frame).copy()
    for row, col in zip(*np.nonzero(shown), strict=True):
        if row % every or col % every:
            continue
        start = np.array([(col + 0.5) * cell, (row + 0.5) * cell])
        end = start + factor * np.asarray(shift[:, row, col], dtype=np.float64)
        length = float(np.hypot(*(end - start)))
        if length >= line:
            _arrow(picture, start, end, min(0.35, 5 * line / length), line)
    return picture


def _arrow(
    picture: Picture, start: npt.NDArray[np.float64], end: npt.NDArray[np.float64], tip: float, line: int
) -> None:
    """White over a dark outline, so that it shows on any frame."""
    ends = [tuple(int(x) for x in np.rint(point)) for point in (start, end)]
    for colour, thickness in (((20, 20, 20), line + 2), ((255, 255, 255), line)):
        cv2.arrowedLine(picture, ends[0], ends[1], colour, thickness, cv2.LINE_AA, 0, tip)


def valid_box(known: Bools, margin: int) -> tuple[slice, slice]:
    """Rows and columns of the cells around all known ones, `margin` cells wider; everything where none is known."""
    if not known.any():
        return slice(0, known.shape[0]), slice(0, known.shape[1])
    rows, cols = np.flatnonzero(known.any(axis=1)), np.flatnonzero(known.any(axis=0))
    spans = zip((rows, cols), known.shape, strict=True)
    top, left = (slice(max(0, int(n[0]) - margin), min(size, int(n[-1]) + 1 + margin)) for n, size in spans)
    return top, left


def round_up(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten: a scale that is easy to read."""
    if value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value * (1 - 1e-6)))


def _greyed(picture: npt.NDArray[Any], known: Bools | None) -> Picture:
    rgb = picture.astype(np.uint8)
    if known is not None:
        rgb[~known] = UNKNOWN_GREY
    return rgb
