"""Dense flow of chosen pairs of frames, and where it is valid.

frames i, i + stride ─► brightness, depth ─► scene flow there (and back) ─► valid: measured, in view, agreed
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..models.flow_consistency import consistent
from ..models.rgbd_pair import RGBDPair
from ..models.scene_flow import scene_flow
from ..schemas.clip import Clip
from ..schemas.flow_section import FlowSection
from .depth_frames import beside_jump, erode_depth
from .depth_intensity import depth_as_grey, rgb_as_grey, shading, silhouette
from .learned_flow import PairFlow
from .optical_flow import optical_flow

Field = tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]
"""Dense flow (B, C, H, W) of some pairs, and where it is valid (B, H, W)."""
Images = tuple[Tensor, Tensor]
PIXELS_PER_CALL = {"cpu": 100_000, "cuda": 4_000_000}
"""Pixels that are solved at once: on a CPU what its caches hold, on a GPU what keeps it busy within a few GB."""
SLACK = {"m": 0.05, "px": 0.7}
"""Slack of the forward-backward check by the unit of the flow; 0.7 px is UnFlow's beta of 0.5 px^2."""


def dense_flow(
    clip: Clip,
    stride: int,
    config: FlowSection,
    pairs: Sequence[int],
    device: str = "cpu",
    pixels_per_call: int | None = None,
    learned: PairFlow | None = None,
) -> Iterator[Field]:
    """Flow of the pairs (i, i + stride), i in `pairs`, some pairs at a time.

    A clip of both streams has them registered, of one size. A pair with a missing frame in between is more than a step
    apart and has no valid pixel. `learned`: what estimates the flow where the method is learned.
    `device` and `pixels_per_call` change the speed only, for one kind of device.
    """
    pixels_per_call = pixels_per_call or PIXELS_PER_CALL[device]
    apart = _apart(clip, stride)
    fields = (
        _scene_flow(clip, stride, config, pairs, torch.device(device), pixels_per_call)
        if config.method == "pd"
        else _optical_flow(clip, stride, config, pairs, learned or partial(optical_flow, config.method))
    )
    done = 0
    for flow, valid in fields:
        valid[apart[list(pairs[done : done + len(flow)])]] = False
        done += len(flow)
        yield flow, valid


def brightness_of(intensity: str, registered: bool) -> str:
    """What scene flow asks brightness constancy of: "auto" is RGB where it is registered to depth, else shading."""
    if intensity != "auto":
        return intensity
    return "rgb" if registered else "shading"


def _apart(clip: Clip, stride: int) -> npt.NDArray[np.bool_]:
    """Pairs between whose frames the source misses one (T - stride,)."""
    slots = np.arange(len(clip)) if clip.source_slots is None else clip.source_slots
    return np.asarray(slots[stride:] - slots[: len(slots) - stride] != stride, dtype=np.bool_)


def _optical_flow(
    clip: Clip, stride: int, config: FlowSection, pairs: Sequence[int], estimate: PairFlow
) -> Iterator[Field]:
    assert clip.rgb is not None
    slack = config.forward_backward_slack or SLACK["px"]
    for pair in pairs:
        first, second = clip.rgb[pair], clip.rgb[pair + stride]
        flow = estimate(first, second)[None]
        valid = np.ones((1, *flow.shape[2:]), dtype=np.bool_)
        if config.forward_backward:
            there = torch.from_numpy(flow)
            back = torch.from_numpy(estimate(second, first)[None])
            valid = consistent(there, back, there, config.forward_backward, slack).numpy()
        yield flow, valid


def _scene_flow(
    clip: Clip, stride: int, config: FlowSection, pairs: Sequence[int], device: torch.device, pixels_per_call: int
) -> Iterator[Field]:
    depth, camera = clip.depth, clip.depth_camera
    assert depth is not None
    assert camera is not None
    images = scene_images(clip, brightness_of(config.intensity, clip.rgb is not None), device)
    directions = 2 if config.forward_backward else 1
    batch = max(1, pixels_per_call // (directions * camera.width * camera.height))
    for start in range(0, len(pairs), batch):
        some = np.asarray(pairs[start : start + batch])
        now, then = images(some), images(some + stride)
        if config.forward_backward:
            both = [torch.cat(parts) for parts in zip((*now, *then), (*then, *now), strict=True)]
            result = scene_flow(RGBDPair(*both), camera, config)
            there, back = result.motion.tensor_split(2)
            optical, valid = result.optical[: len(some)], result.valid[: len(some)]
            slack = config.forward_backward_slack or SLACK["m"]
            valid = valid & consistent(there, back, optical, config.forward_backward, slack, known=then[1] > 0)
        else:
            result = scene_flow(RGBDPair(*now, *then), camera, config)
            there, valid = result.motion, result.valid
        yield there.cpu().numpy(), valid.cpu().numpy() & _inner(depth[some], config)


def _inner(depth: npt.NDArray[np.uint16], config: FlowSection) -> npt.NDArray[np.bool_]:
    """Pixels (B, H, W) that lie neither at the mask's edge nor at a depth jump, as far as the recipe asks.

    The solver sees all depth: without the mask's edges it was measured to err more, on the inner pixels too.
    """
    inner = np.stack([erode_depth(frame, config.erode_px) > 0 for frame in depth])
    if config.depth_jump_m:
        inner &= ~np.stack([beside_jump(frame, 1000 * config.depth_jump_m) for frame in depth])
    return inner


def scene_images(clip: Clip, kind: str, device: torch.device) -> Callable[[npt.NDArray[np.int64]], Images]:
    """A function from frame numbers to brightness 0..255 and depth in metres (B, H, W)."""
    depth, rgb, camera = clip.depth, clip.rgb, clip.depth_camera
    assert depth is not None
    assert camera is not None
    known = depth[depth > 0] if kind == "depth" else np.empty(0)
    low_m, high_m = np.percentile(known, (1, 99)) / 1000 if known.size else (0.0, 1.0)

    def images(some: npt.NDArray[np.int64]) -> Images:
        metres = depth[some].astype(np.float32) / np.float32(1000)
        match kind:
            case "rgb":
                assert rgb is not None
                grey = rgb_as_grey(rgb[some], metres)
            case "shading":
                grey = shading(metres, camera)
            case "silhouette":
                grey = silhouette(metres)
            case "depth":
                grey = depth_as_grey(metres, low_m, high_m)
            case _:
                grey = np.zeros_like(metres)
        return torch.from_numpy(grey).to(device), torch.from_numpy(metres).to(device)

    return images
