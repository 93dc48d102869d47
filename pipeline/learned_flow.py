"""Optical flow of RGB frames by a trained network, in the place of one of OpenCV's methods."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from ..models.uf_flow import UfFlow

Frame = npt.NDArray[np.uint8]
PairFlow = Callable[[Frame, Frame], npt.NDArray[np.float32]]
"""Flow (2, H, W) in pixels from a frame (H, W, 3) to another."""


def learned_flow(net: UfFlow, device: str = "cpu") -> PairFlow:
    """The flow that `net` sees, pair by pair: what a pair's flow is does not depend on the pairs beside it."""
    net = net.to(device).eval()

    @torch.inference_mode()
    def flow(first: Frame, second: Frame) -> npt.NDArray[np.float32]:
        frames = (torch.from_numpy(np.ascontiguousarray(frame)).to(device) for frame in (first, second))
        one, two = (frame.permute(2, 0, 1)[None].float() / 255 for frame in frames)
        return np.asarray(net.flow(one, two)[0].cpu().numpy(), dtype=np.float32)

    return flow
