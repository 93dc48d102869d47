"""Flow of a whole sample: every pair (i, i + stride), averaged over cells."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from ..models.rgbd_pair import RGBDPair
from ..models.scene_flow import scene_flow
from ..schemas.clip import Clip
from ..schemas.errors import BadSampleError
from ..schemas.flow import FlowCells
from ..schemas.recipe import FlowSection
from .depth_frames import erode_depth
from .depth_intensity import depth_as_grey, rgb_as_grey, shading
from .flow_cells import cell_means
from .optical_flow import dis_flow

Field = tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]
"""Dense flow (B, C, H, W) of some pairs, and where it is valid (B, H, W)."""
STREAM_OF_METHOD = {"pd": "depth", "dis": "rgb"}
"""The stream that a method reads; its frames are what the flow grid lies on."""
SMALLEST_SIDE = 16
"""Two patches of OpenCV's DIS: where a side is shorter it raises, gives NaN or ends the process [px]."""


def flow_stride(step_s: float, fps: float) -> int:
    """Frames between the two of a pair."""
    return max(1, round(step_s * fps))


def brightness_of(intensity: str, registered: bool) -> str:
    """What scene flow asks brightness constancy of: "auto" is RGB where it is registered to depth, else shading."""
    if intensity != "auto":
        return intensity
    return "rgb" if registered else "shading"


def estimate_flow(clip: Clip, fps: float, config: FlowSection, batch: int = 4) -> FlowCells:
    """Flow cells of all pairs; `batch` pairs are solved at once (speed only).

    A clip of both streams has them registered, of one size.
    Raises BadSampleError where the clip has too few frames for a pair, or frames too small for the method.
    """
    stride = flow_stride(config.step_s, fps)
    _require_size(clip, config)
    if len(clip) <= stride:
        raise BadSampleError("too-short", f"{len(clip)} frames hold no pair {stride} frames apart (flow.step_s)")
    fields = _scene_flow(clip, stride, config, batch) if config.method == "pd" else _optical_flow(clip, stride)
    # a batch at a time: whole fields of a long recording would take gigabytes
    means, counts = zip(*(cell_means(flow, valid, config.cell) for flow, valid in fields), strict=True)
    cells, valid = np.concatenate(means).astype(np.float16), np.concatenate(counts)
    if clip.source_slots is not None:
        # a pair across frames that are missing in between is more than a step apart: no cell of it counts
        apart = clip.source_slots[stride:] - clip.source_slots[:-stride] != stride
        cells[apart], valid[apart] = 0, 0
    return FlowCells(clip.key, cells, valid, stride, config.cell)


def _require_size(clip: Clip, config: FlowSection) -> None:
    frames = clip.depth if config.method == "pd" else clip.rgb
    assert frames is not None
    height, width = frames.shape[1:3]
    least = max(SMALLEST_SIDE, config.cell)
    if min(height, width) < least:
        raise BadSampleError("too-small", f"frames of {width}x{height} px; flow needs {least} px on each side")


def _optical_flow(clip: Clip, stride: int) -> Iterator[Field]:
    assert clip.rgb is not None
    for first, second in zip(clip.rgb, clip.rgb[stride:], strict=False):
        flow = dis_flow(first, second)[None]
        yield flow, np.ones((1, *flow.shape[2:]), dtype=np.bool_)


def _scene_flow(clip: Clip, stride: int, config: FlowSection, batch: int) -> Iterator[Field]:
    assert clip.depth is not None
    assert clip.depth_camera is not None
    camera = clip.depth_camera
    kind = brightness_of(config.intensity, clip.rgb is not None)
    depth = clip.depth
    known = depth[depth > 0]
    low_m, high_m = np.percentile(known, (1, 99)) / 1000 if known.size else (0.0, 1.0)

    def frames(some: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Brightness 0..255 and depth in metres of some frames."""
        metres = depth[some].astype(np.float32) / np.float32(1000)
        match kind:
            case "rgb":
                assert clip.rgb is not None
                grey = rgb_as_grey(clip.rgb[some], metres)
            case "shading":
                grey = shading(metres, camera)
            case "depth":
                grey = depth_as_grey(metres, low_m, high_m)
            case _:
                grey = np.zeros_like(metres)
        return torch.from_numpy(grey), torch.from_numpy(metres)

    for start in range(0, len(clip) - stride, batch):
        stop = min(start + batch, len(clip) - stride)
        now, then = frames(slice(start, stop)), frames(slice(start + stride, stop + stride))
        result = scene_flow(RGBDPair(*now, *then), camera, config)
        # the solver sees all depth: without the mask's edges it was measured to err more, on the inner pixels too
        inner = np.stack([erode_depth(frame, config.erode_px) > 0 for frame in depth[start:stop]])
        yield result.motion.numpy(), result.valid.numpy() & inner
