"""Flow of a whole sample: every pair (i, i + stride), averaged over cells."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from ..models.scene_flow import RGBDPair, scene_flow
from ..schemas.camera import Camera
from ..schemas.clip import Clip
from ..schemas.errors import BadSampleError
from ..schemas.flow import FlowCells
from ..schemas.recipe import FlowSection
from .depth_intensity import depth_as_grey, shading
from .flow_cells import cell_means
from .optical_flow import dis_flow

STREAM_OF_METHOD = {"pd": "depth", "dis": "rgb"}
"""The stream that a method reads; its frames are what the flow grid lies on."""
SMALLEST_SIDE = 16
"""Two patches of OpenCV's DIS: where a side is shorter it raises, gives NaN or ends the process [px]."""


def flow_stride(step_s: float, fps: float) -> int:
    """Frames between the two of a pair."""
    return max(1, round(step_s * fps))


def estimate_flow(clip: Clip, fps: float, config: FlowSection, batch: int = 4) -> FlowCells:
    """Flow cells of all pairs; `batch` pairs are solved at once (speed only).

    Raises BadSampleError where the clip has too few frames for a pair, or frames too small for the method.
    """
    stride = flow_stride(config.step_s, fps)
    _require_size(clip, config)
    if len(clip) <= stride:
        raise BadSampleError("too-short", f"{len(clip)} frames hold no pair {stride} frames apart (flow.step_s)")
    if config.method == "pd":
        assert clip.depth is not None
        assert clip.depth_camera is not None
        flow, valid = _scene_flow(clip.depth, clip.depth_camera, stride, config, batch)
    else:
        assert clip.rgb is not None
        flow = dis_flow(clip.rgb, stride)
        valid = np.ones((len(flow), *flow.shape[2:]), dtype=np.bool_)
    means, counts = cell_means(flow, valid, config.cell)
    return FlowCells(clip.key, means.astype(np.float16), counts, stride, config.cell)


def _require_size(clip: Clip, config: FlowSection) -> None:
    frames = clip.depth if config.method == "pd" else clip.rgb
    assert frames is not None
    height, width = frames.shape[1:3]
    least = max(SMALLEST_SIDE, config.cell)
    if min(height, width) < least:
        raise BadSampleError("too-small", f"frames of {width}x{height} px; flow needs {least} px on each side")


def _scene_flow(
    depth_mm: npt.NDArray[np.uint16], camera: Camera, stride: int, config: FlowSection, batch: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    metres = depth_mm.astype(np.float32) / np.float32(1000)
    depth, intensity = torch.from_numpy(metres), torch.from_numpy(_intensity(metres, camera, config))
    flows, valids = [], []
    for start in range(0, len(depth) - stride, batch):
        one = slice(start, min(start + batch, len(depth) - stride))
        two = slice(one.start + stride, one.stop + stride)
        result = scene_flow(RGBDPair(intensity[one], depth[one], intensity[two], depth[two]), camera, config)
        flows.append(result.motion.numpy())
        valids.append(result.valid.numpy())
    return np.concatenate(flows), np.concatenate(valids)


def _intensity(metres: npt.NDArray[np.float32], camera: Camera, config: FlowSection) -> npt.NDArray[np.float32]:
    match config.intensity:
        case "shading":
            return shading(metres, camera)
        case "depth":
            return depth_as_grey(metres)
        case "none":
            return np.zeros_like(metres)
