"""Depth frames of a recording: uint16 millimetres, 0 = invalid, one at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ..schemas.errors import BadSampleError
from .depth_bin import count_depth_bin, iterate_depth_bin
from .depth_codec import DepthFrame, decode_png16
from .depth_mat import iterate_depth_mat
from .frame_size import reduced_size

_NAME = re.compile(r"M?Depth-[0-9]+\.png")


def iterate_depth(path: Path, unit_mm: float = 1.0) -> Iterator[DepthFrame]:
    """Frames of a recording's depth in millimetres; `unit_mm` is what one step of the stored values stands for.

    `path` is a `.bin` or `.mat` file, or a folder of 16-bit PNGs. Raises BadSampleError where there are none, one is
    damaged, or their size changes.
    """
    depth_numbers(path)
    for depth in try_depth(path, unit_mm):
        if isinstance(depth, BadSampleError):
            raise depth
        yield depth


def try_depth(path: Path, unit_mm: float = 1.0) -> Iterator[DepthFrame | BadSampleError]:
    """As `iterate_depth`, but an error takes the place of a frame that cannot be used, and reading goes on."""
    first: tuple[int, ...] | None = None
    for depth in _iterate_stored(path):
        if isinstance(depth, BadSampleError):
            yield depth
        elif first is not None and depth.shape != first:
            yield BadSampleError("depth-size-changes", f"{path}: a frame is {depth.shape}, those before it {first}")
        else:
            first = depth.shape
            yield depth if unit_mm == 1 else np.round(depth * unit_mm).clip(0, 65_535).astype(np.uint16)


def _iterate_stored(path: Path) -> Iterator[DepthFrame | BadSampleError]:
    """Frames as they are stored; a `.bin` or `.mat` file that is damaged raises, for it cannot be read any further."""
    match path.suffix.lower():
        case ".bin":
            return iter(iterate_depth_bin(path))
        case ".mat":
            return iter(iterate_depth_mat(path))
        case _:
            return _iterate_pngs(path)


def depth_numbers(path: Path) -> list[int]:
    """Increasing numbers of the frames that `iterate_depth` gives; a number left out is a missing frame.

    Raises BadSampleError where there are none.
    """
    match path.suffix.lower():
        case ".bin":
            count = count_depth_bin(path)
        case ".mat":
            count = sum(1 for _ in iterate_depth_mat(path))
        case _:
            return [_number(file) for file in _listed_pngs(path)]
    if not count:
        raise BadSampleError("no-depth-frames", f"{path} holds no frames; copy it again")
    return list(range(count))


def _iterate_pngs(folder: Path) -> Iterator[DepthFrame | BadSampleError]:
    """16-bit PNGs of a folder in the order of their numbers."""
    for file in _listed_pngs(folder):
        try:
            yield decode_png16(file.read_bytes())
        except ValueError:
            yield BadSampleError("unreadable-depth", f"{file} is not a 16-bit depth PNG; copy it again")


def _listed_pngs(folder: Path) -> list[Path]:
    files = depth_png_files(folder)
    if not files:
        raise BadSampleError("no-depth-frames", f"{folder} holds no *Depth-*.png; copy it again")
    for file, other in pairwise(files):
        if _number(file) == _number(other):
            raise BadSampleError(
                "unreadable-depth", f"{folder}: {file.name} and {other.name} are both frame {_number(file)}; remove one"
            )
    return files


def depth_png_files(folder: Path) -> list[Path]:
    """NTU's depth files of a folder (`MDepth-%08d.png` or `Depth-%08d.png`), sorted by number."""
    files = [file for file in folder.glob("*Depth-*.png") if _NAME.fullmatch(file.name)] if folder.is_dir() else []
    masked = [file for file in files if file.name.startswith("M")]
    return sorted(masked or files, key=lambda file: (_number(file), file.name))


def _number(file: Path) -> int:
    return int(file.stem.rsplit("-", 1)[1])


def reduce_depth(depth: DepthFrame, short_side: int) -> DepthFrame:
    """Nearest-neighbour reduction: depths are never mixed, so no surface appears where there is none."""
    height, width = depth.shape
    size = reduced_size(width, height, short_side)
    if size == (width, height):
        return depth
    return np.asarray(cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST_EXACT), dtype=np.uint16)


def erode_depth(depth: DepthFrame, pixels: int) -> DepthFrame:
    """Depth without what lies within `pixels` of a pixel without depth; the border of the image counts as depth."""
    if not pixels:
        return depth
    side = 2 * pixels + 1
    valid = cv2.erode((depth > 0).astype(np.uint8), np.ones((side, side), dtype=np.uint8))
    return np.where(valid > 0, depth, 0).astype(np.uint16)


def beside_jump(depth: DepthFrame, jump_mm: float) -> npt.NDArray[np.bool_]:
    """Pixels (H, W) with depth whose 3x3 pixels, as far as they have depth, differ by more than `jump_mm`."""
    around = np.ones((3, 3), dtype=np.uint8)
    farthest = cv2.dilate(depth, around).astype(np.int32)
    nearest = cv2.erode(np.where(depth > 0, depth, 65_535).astype(np.uint16), around).astype(np.int32)
    return np.asarray((depth > 0) & (farthest - nearest > jump_mm), dtype=np.bool_)


def median_depth_m(depth: npt.NDArray[np.uint16]) -> float | None:
    """Median of the valid depths of frames (T, H, W) in metres; None where there are none."""
    counts = np.zeros(65_536, dtype=np.int64)
    for frame in depth:  # all at once would take eight bytes a pixel
        counts += np.bincount(frame.ravel(), minlength=65_536)
    counts[0] = 0
    below = counts.cumsum()
    return float(np.searchsorted(below, below[-1] / 2)) / 1000 if below[-1] else None
