"""Flow of a whole sample: every pair (i, i + stride), averaged over cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from ..schemas.clip import Clip
from ..schemas.errors import BadSampleError
from ..schemas.flow import FlowCells, FlowPixels
from ..schemas.flow_section import FlowSection
from .dense_flow import Field, brightness_of, dense_flow
from .depth_frames import median_depth_m
from .flow_cells import cell_means
from .learned_flow import PairFlow
from .optical_flow import METHODS, SMALLEST_SIDE

STREAM_OF_METHOD = {"pd": "depth"} | dict.fromkeys((*METHODS, "learned"), "rgb")
"""The stream that a method reads; its frames are what the flow grid lies on."""
MOST_PIXEL_BYTES = 2 << 30
"""Largest dense flow of one sample that is kept: it is held in memory and is one member of a tar [bytes]."""


def estimate_flow(
    clip: Clip,
    fps: float,
    config: FlowSection,
    device: str = "cpu",
    pixels_per_call: int | None = None,
    learned: PairFlow | None = None,
) -> FlowCells:
    """Flow cells of all pairs; `pixels_per_call` are solved at once (speed only). learned: that method's estimator.

    A clip of both streams has them registered, of one size.
    Raises BadSampleError where the clip has too few frames for a pair, frames too small for the method or of two
    sizes, no valid depth, or depth that cannot be in millimetres.
    """
    require_usable(clip, fps, config)
    stride = config.stride_at(fps)
    fields = dense_flow(clip, stride, config, range(len(clip) - stride), device, pixels_per_call, learned)
    return _cells(clip.key, stride, config.cell, fields)


def estimate_pixels(
    clip: Clip,
    fps: float,
    config: FlowSection,
    device: str = "cpu",
    pixels_per_call: int | None = None,
    learned: PairFlow | None = None,
) -> tuple[FlowCells, FlowPixels]:
    """The same, and the dense flow that the cells are means of.

    Raises BadSampleError, beside the above, where that is larger than MOST_PIXEL_BYTES.
    """
    require_usable(clip, fps, config)
    stride = config.stride_at(fps)
    pairs, (height, width) = len(clip) - stride, _frames(clip, config).shape[1:3]
    flow_bytes = 2 * (3 if config.method == "pd" else 2) * pairs * height * width
    if flow_bytes > MOST_PIXEL_BYTES:
        raise BadSampleError(
            "too-large",
            f"the flow of every pixel of {pairs} pairs takes {flow_bytes / 1e9:.1f} GB, more than "
            f"{MOST_PIXEL_BYTES / 1e9:.1f}; shard with a smaller shard.max_frames, or flow.keep = cells",
        )
    flow_px = np.zeros((pairs, 3 if config.method == "pd" else 2, height, width), dtype=np.float16)
    valid_px = np.zeros((pairs, height, width), dtype=np.uint8)
    fields = dense_flow(clip, stride, config, range(pairs), device, pixels_per_call, learned)
    cells = _cells(clip.key, stride, config.cell, _kept(fields, flow_px, valid_px))
    return cells, FlowPixels(clip.key, flow_px, valid_px)


def _cells(key: str, stride: int, cell: int, fields: Iterable[Field]) -> FlowCells:
    # some pairs at a time: whole fields of a long recording would take gigabytes
    means, counts = zip(*(cell_means(flow, valid, cell) for flow, valid in fields), strict=True)
    return FlowCells(key, np.concatenate(means).astype(np.float16), np.concatenate(counts), stride, cell)


def _kept(
    fields: Iterable[Field], flow_px: npt.NDArray[np.float16], valid_px: npt.NDArray[np.uint8]
) -> Iterator[Field]:
    """The fields as they pass, written into the arrays of all pairs."""
    done = 0
    for flow, valid in fields:
        here = slice(done, done + len(flow))
        flow_px[here], valid_px[here] = np.where(valid[:, None], flow, 0), valid
        done += len(flow)
        yield flow, valid


def _frames(clip: Clip, config: FlowSection) -> npt.NDArray[np.generic]:
    frames = clip.depth if config.method == "pd" else clip.rgb
    assert frames is not None
    return frames


def require_usable(clip: Clip, fps: float, config: FlowSection) -> None:
    """Raise BadSampleError where the method cannot make sense of the clip."""
    stride = config.stride_at(fps)
    _require_size(clip, config)
    if len(clip) <= stride:
        field = "flow.stride" if config.stride else "flow.step_s"
        raise BadSampleError("too-short", f"{len(clip)} frames hold no pair {stride} frames apart ({field})")
    if config.method == "pd":
        _require_depth(clip, config)


def _require_size(clip: Clip, config: FlowSection) -> None:
    height, width = _frames(clip, config).shape[1:3]
    least = max(SMALLEST_SIDE.get(config.method, 16), config.cell)
    if min(height, width) < least:
        raise BadSampleError(
            "too-small", f"frames of {width}x{height} px; method {config.method} needs {least} px on each side"
        )


def _require_depth(clip: Clip, config: FlowSection) -> None:
    assert clip.depth is not None
    uses_rgb = brightness_of(config.intensity, clip.rgb is not None) == "rgb"
    if uses_rgb and (clip.rgb is None or clip.rgb.shape[1:3] != clip.depth.shape[1:3]):
        rgb = "missing" if clip.rgb is None else f"{clip.rgb.shape[2]}x{clip.rgb.shape[1]} px"
        raise BadSampleError(
            "sizes-differ",
            f"RGB is {rgb}, depth {clip.depth.shape[2]}x{clip.depth.shape[1]} px: they share no frame; "
            "use flow.intensity = shading",
        )
    median_m = median_depth_m(clip.depth)
    if median_m is None:
        raise BadSampleError("no-valid-depth", "no pixel of any frame has depth; copy or record it again")
    near_m, far_m = config.depth_range_m
    if not near_m <= median_m <= far_m:
        raise BadSampleError(
            "depth-unit",
            f"median depth {median_m:.3g} m, outside flow.depth_range_m = [{near_m:g}, {far_m:g}]: it is not in the "
            "unit of the dataset's layout (1 mm a step for ntu); convert the files and shard again, or widen the range",
        )
