"""How well flow explains a pair of frames, where no truth is known: what is left after warping the second to the first.

Shapes: frames uint8 (H, W, 3), flow float32 (2, H, W) in pixels.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch

from ..models.backward_warp import backward_warp
from ..models.soft_census import census_error
from ..models.unsupervised_flow import photometric_error

CENSUS_RADIUS = 3


@dataclass(frozen=True)
class FlowQuality:
    """l1: mean absolute difference after warping, of colours in 0..255. census: mean soft census distance, radius 3.

    motion_px: mean length of the flow. Pixels that leave the frame are compared with its border, for every method.
    """

    l1: float
    census: float
    motion_px: float

    @classmethod
    def mean(cls, parts: list[FlowQuality]) -> FlowQuality:
        """Of several pairs, each with the same weight."""
        rows = [list(asdict(part).values()) for part in parts]
        return cls(*(float(value) for value in np.mean(rows, axis=0)))


@torch.inference_mode()
def flow_quality(
    first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8], flow: npt.NDArray[np.float32]
) -> FlowQuality:
    """Of the flow from the first frame to the second."""
    one, two = (torch.from_numpy(np.ascontiguousarray(f)).permute(2, 0, 1)[None].float() / 255 for f in (first, second))
    motion = torch.from_numpy(flow)[None]
    warped = backward_warp(two, motion)
    return FlowQuality(
        l1=255 * photometric_error(one, warped).item(),
        census=census_error(one, warped, CENSUS_RADIUS).item(),
        motion_px=motion.norm(dim=1).mean().item(),
    )
