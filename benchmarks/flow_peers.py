"""The estimates that bench_flow_quality.py compares: scene flow, and OpenCV's optical flows lifted to metres by depth.

Legend: (H, W) image; motion (3, H, W) m; optical (2, H, W) px.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from motionpipe.models.rgbd_pair import RGBDPair
from motionpipe.models.scene_flow import scene_flow
from motionpipe.pipeline.lift_optical_flow import lift_optical_flow
from motionpipe.schemas.camera import Camera
from motionpipe.schemas.flow_section import FlowSection

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Pair:
    """Grey 0..255 and depth in metres of two registered frames, (H, W) each."""

    grey1: Array
    depth1: Array
    grey2: Array
    depth2: Array
    camera: Camera

    def reversed(self) -> "Pair":
        return replace(self, grey1=self.grey2, depth1=self.depth2, grey2=self.grey1, depth2=self.depth1)


@dataclass(frozen=True)
class Estimate:
    motion: Array
    optical: Array
    valid: Array


def pd(pair: Pair, **changes: Any) -> Estimate:
    """The published parameters, or some of them changed."""
    images = (pair.grey1, pair.depth1, pair.grey2, pair.depth2)
    tensors = [torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))[None] for image in images]
    flow = scene_flow(RGBDPair(*tensors), pair.camera, FlowSection(**changes))
    return Estimate(flow.motion[0].numpy(), flow.optical[0].numpy(), flow.valid[0].numpy())


def lifted(method: Callable[[Array, Array], Array], pair: Pair) -> Estimate:
    optical = method(np.rint(pair.grey1).astype(np.uint8), np.rint(pair.grey2).astype(np.uint8))
    motion, valid = lift_optical_flow(optical, pair.depth1, pair.depth2, pair.camera)
    return Estimate(motion, optical, valid)


def still(pair: Pair) -> Estimate:
    shape = pair.depth1.shape
    return Estimate(np.zeros((3, *shape)), np.zeros((2, *shape), np.float32), (pair.depth1 > 0) & (pair.depth2 > 0))


def dis(preset: int, grey1: Array, grey2: Array) -> Array:
    return cv2.DISOpticalFlow.create(preset).calc(grey1, grey2, None).transpose(2, 0, 1)


def tv_l1(grey1: Array, grey2: Array) -> Array:
    return cv2.optflow.DualTVL1OpticalFlow_create().calc(grey1, grey2, None).transpose(2, 0, 1)


def farneback(grey1: Array, grey2: Array) -> Array:
    flow = cv2.calcOpticalFlowFarneback(grey1, grey2, None, 0.5, 5, 15, 3, 5, 1.2, 0)
    return flow.transpose(2, 0, 1)


def deepflow(grey1: Array, grey2: Array) -> Array:
    return cv2.optflow.createOptFlow_DeepFlow().calc(grey1, grey2, None).transpose(2, 0, 1)


OPTICAL: dict[str, Callable[[Array, Array], Array]] = {
    "dis-medium": functools.partial(dis, cv2.DISOpticalFlow_PRESET_MEDIUM),
    "dis-fast": functools.partial(dis, cv2.DISOpticalFlow_PRESET_FAST),
    "tv-l1": tv_l1,
    "farneback": farneback,
    "deepflow": deepflow,
}
