"""Area-average resampling of 8-bit planes: an output pixel is the mean of what lies under it, for any two sizes.

Lengths are counted in units so small that all edges fall on whole ones: a source sample is `unit` long, an output
`span`. Five samples to three outputs:

    source   |  0  |  1  |  2  |  3  |  4  |      unit 3
    output   |    0    |    1    |    2    |      span 5

So weights are whole numbers and sums are exact. Rows are summed first, one source row after the other: that is vector
code, and it reads memory in the order that the processor expects. Columns follow: blocks of 2, 3, 4 or 6 samples, else
differences of running sums, of two or four output rows at once in the 32- or 16-bit lanes of a 64-bit word.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..models.compiled import compiled

Plane = npt.NDArray[np.uint8]
RowSums = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]
Words = npt.NDArray[np.uint64]
_MOST = 255
_BLOCKS = (2, 3, 4, 6)


class AxisPlan(NamedTuple):
    """How the source samples of one axis are shared out among n outputs, which have n + 1 edges."""

    unit: int
    span: int
    sample: npt.NDArray[np.int64]  # (n + 1,) source sample in which each edge lies
    rest: npt.NDArray[np.int64]  # (n + 1,) units of that sample before the edge
    inverse: npt.NDArray[np.float32]  # (n,) 1 / units under each output


@lru_cache(maxsize=256)
def plan_axis(source_px: int, px: int, source_step: int = 1, step: int = 1) -> AxisPlan:
    """Plan from an axis of `source_px` pixels to one of `px` pixels.

    A source sample covers `source_step` pixels and an output `step` (2 for subsampled chroma). A last sample that hangs
    over the end of the picture counts only with what lies inside.
    """
    unit, span, extent = source_step * px, step * source_px, source_px * px
    common = gcd(unit, span, extent)
    unit, span, extent = unit // common, span // common, extent // common
    edges = np.minimum(np.arange(-(-px // step) + 1, dtype=np.int64) * span, extent)
    return AxisPlan(unit, span, edges // unit, edges % unit, (1.0 / np.diff(edges)).astype(np.float32))


def area_resample(plane: Plane, size: tuple[int, int]) -> Plane:
    """Plane uint8 (H, W) to (h, w) for size (w, h): the mean over each output pixel's area, rounded to nearest.

    A side that grows gives the area means of a picture made of constant source pixels.
    """
    height, width = plane.shape
    lines = np.ascontiguousarray(plane).reshape(-1)
    return resample_lines(lines, width, plan_axis(height, size[1]), plan_axis(width, size[0]))


def resample_lines(
    lines: Plane, line_size: int, rows: AxisPlan, columns: AxisPlan, gain: float = 1.0, offset: float = 0.0
) -> Plane:
    """clip(round(gain * mean + offset)) over each output's area, of the plane whose rows start every `line_size` bytes.

    Gain and offset act before the rounding: a change of range costs no accuracy.
    """
    source_height, source_width = _samples(rows), _samples(columns)
    if source_width > line_size or (source_height - 1) * line_size + source_width > len(lines):
        raise ValueError(f"{len(lines)} bytes do not hold {source_height} rows of {source_width} samples")
    if rows.unit == rows.span and columns.unit == columns.span:
        return _convert(lines, line_size, (source_height, source_width), np.float32(gain), np.float32(offset + 0.5))
    most_row, most = _MOST * rows.span, _MOST * rows.span * columns.span
    block = columns.span if columns.unit == 1 and source_width == columns.span * len(columns.inverse) else 0
    lanes = 1 if block in _BLOCKS else 4 if most < 1 << 16 else 2 if most < 1 << 31 else 1
    row_sums: RowSums
    if most_row < 1 << 16:
        row_sums = np.empty((lanes, source_width), np.uint16)
    else:
        row_sums = np.empty((lanes, source_width), np.uint32)
    scales = rows.inverse * np.float32(gain), columns.inverse, np.float32(offset + 0.5)
    return _resample(lines, line_size, rows, columns, row_sums, scales)


def _samples(plan: AxisPlan) -> int:
    return int(plan.sample[-1]) + int(plan.rest[-1] > 0)


@compiled
def _clip(value: np.float32) -> np.uint8:
    """Floor to 8 bits; the half that rounds is in the value already."""
    return np.uint8(np.int32(min(max(value, np.float32(0)), np.float32(255))))


@compiled
def _convert(lines: Plane, line_size: int, shape: tuple[int, int], gain: np.float32, offset: np.float32) -> Plane:
    out = np.empty(shape, np.uint8)
    for y in range(shape[0]):
        source, row = lines[y * line_size : y * line_size + shape[1]], out[y]
        for x in range(shape[1]):
            row[x] = _clip(np.float32(source[x]) * gain + offset)
    return out


@compiled
def _sum_rows(lines: Plane, line_size: int, rows: AxisPlan, i: int, total: RowSums) -> None:
    """The weighted sum of the source rows under output row i; it fits the type of `total`."""
    width, unit = len(total), rows.unit
    first, last = rows.sample[i], rows.sample[i + 1]
    head, tail = unit - rows.rest[i], rows.rest[i + 1]
    if last == first:
        head, tail = tail - rows.rest[i], 0
    source = lines[first * line_size : first * line_size + width]
    for x in range(width):
        total[x] = source[x] * head
    for y in range(first + 1, last):
        source = lines[y * line_size : y * line_size + width]
        for x in range(width):
            total[x] += source[x] * unit
    if tail > 0:
        source = lines[last * line_size : last * line_size + width]
        for x in range(width):
            total[x] += source[x] * tail


@compiled
def _sum_blocks(row: RowSums, block: int, sums: Words) -> None:
    """Sums of every `block` samples; written out, because only so the compiler makes vector code of them."""
    if block == 2:
        for j in range(len(sums)):
            sums[j] = row[2 * j] + row[2 * j + 1]
    elif block == 3:
        for j in range(len(sums)):
            sums[j] = row[3 * j] + row[3 * j + 1] + row[3 * j + 2]
    elif block == 4:
        for j in range(len(sums)):
            sums[j] = row[4 * j] + row[4 * j + 1] + row[4 * j + 2] + row[4 * j + 3]
    else:
        for j in range(len(sums)):
            x = 6 * j
            sums[j] = row[x] + row[x + 1] + row[x + 2] + row[x + 3] + row[x + 4] + row[x + 5]


@compiled
def _pack(rows: RowSums, packed: Words) -> None:
    """One, two or four rows into the lanes of words; sums of words are then sums of each row."""
    width, half, quarter = rows.shape[1], np.uint64(32), np.uint64(16)
    if len(rows) == 1:
        for x in range(width):
            packed[x] = rows[0, x]
    elif len(rows) == 2:
        a, b = rows[0], rows[1]
        for x in range(width):
            packed[x] = np.uint64(a[x]) | np.uint64(b[x]) << half
    else:
        a, b, c, d = rows[0], rows[1], rows[2], rows[3]
        for x in range(width):
            low = np.uint64(a[x]) | np.uint64(b[x]) << quarter
            packed[x] = low | (np.uint64(c[x]) | np.uint64(d[x]) << quarter) << half


@compiled
def _sum_columns(packed: Words, running: Words, columns: AxisPlan, sums: Words) -> None:
    """Sums under each output of a row; `packed` and `running` end with a place more than the row."""
    unit, total, before = np.uint64(columns.unit), np.uint64(0), np.uint64(0)
    for x in range(len(packed)):
        running[x] = total
        total += packed[x]
    # sums overflow from lane to lane, but whole numbers modulo 2^64 keep their differences
    for j in range(len(sums)):
        x = columns.sample[j + 1]
        edge = running[x] * unit + packed[x] * np.uint64(columns.rest[j + 1])
        sums[j] = edge - before
        before = edge


@compiled
def _resample(
    lines: Plane,
    line_size: int,
    rows: AxisPlan,
    columns: AxisPlan,
    row_sums: RowSums,
    scales: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], np.float32],
) -> Plane:
    """`row_sums` is scratch for as many output rows as are summed at once."""
    (row_scales, column_scales, offset), (lanes, source_width) = scales, row_sums.shape
    height, width = len(row_scales), len(column_scales)
    in_blocks = columns.unit == 1 and columns.span in _BLOCKS and source_width == columns.span * width
    dropped, mask = 0, np.uint64(0xFFFF if lanes == 4 else 0x7FFFFFFF)
    while lanes == 1 and _MOST * rows.span * columns.span >> dropped >= 1 << 31:
        dropped += 1  # low bits of sums that are too long
    packed = np.zeros(source_width + 1, np.uint64)
    running, sums = np.empty_like(packed), np.empty(width, np.uint64)
    out = np.empty((height, width), np.uint8)
    for top in range(0, height, lanes):
        count = min(lanes, height - top)
        for k in range(count):
            _sum_rows(lines, line_size, rows, top + k, row_sums[k])
        if in_blocks:
            _sum_blocks(row_sums[0], columns.span, sums)
        else:
            _pack(row_sums, packed)
            _sum_columns(packed, running, columns, sums)
        for k in range(count):
            shift = np.uint64(k * (64 // lanes) + dropped)
            scale = row_scales[top + k] * np.float32(1 << dropped)
            row = out[top + k]
            for j in range(width):
                value = np.float32(np.int32((sums[j] >> shift) & mask))
                row[j] = _clip(value * (scale * column_scales[j]) + offset)
    return out
