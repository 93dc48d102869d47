"""Two-dimensional optical flow of RGB frames, by OpenCV's methods with their defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..schemas.errors import MotionpipeError

Grey = npt.NDArray[np.uint8]


def _dis() -> Any:
    """Dense inverse search (Kroeger et al., ECCV 2016), medium: finest scale 1, 25 descents, 8 px patches every 3 px,
    5 variational iterations."""
    return cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_MEDIUM)


def _dis_fast() -> Any:
    """The same, fast: finest scale 2, 16 descents, 8 px patches every 4 px, 5 variational iterations."""
    return cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_FAST)


def _tv_l1() -> Any:
    """Dual TV-L1 (Zach, Pock, Bischof, DAGM 2007): tau 0.25, lambda 0.15, theta 0.3, epsilon 0.01, 5 scales of factor
    0.8, 5 warps, 10 x 30 iterations, 5x5 median."""
    return _contrib("tv-l1", "DualTVL1OpticalFlow_create")()


def _farneback() -> Any:
    """Polynomial expansion (Farnebäck, SCIA 2003): 5 levels of factor 0.5, 13 px window, 10 iterations, 5 px
    neighbourhood, sigma 1.1."""
    return cv2.FarnebackOpticalFlow.create()


def _deepflow() -> Any:
    """DeepFlow (Weinzaepfel et al., ICCV 2013) as OpenCV has it, the variational part without deep matching: factor
    0.95, sigma 0.6, alpha 1, delta 0.5, gamma 5, 5 fixed-point and 25 SOR iterations, omega 1.6."""
    return _contrib("deepflow", "createOptFlow_DeepFlow")()


METHODS: dict[str, Callable[[], Any]] = {
    "dis": _dis,
    "dis-fast": _dis_fast,
    "tv-l1": _tv_l1,
    "farneback": _farneback,
    "deepflow": _deepflow,
}
SMALLEST_SIDE = {"dis-fast": 32}
"""Shorter sides make OpenCV's DIS raise, give NaN or end the process; 16 px for the others [px]."""


def optical_flow(method: str, first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Dense flow between two frames (H, W, 3) by one of METHODS.

    Returns (2, H, W): pixels right and down from the first frame to the second. Raises MotionpipeError where this
    OpenCV does not have the method.
    """
    grey_1, grey_2 = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second))
    # a fresh object for each pair: it may start from the flow of the pair before
    flow = METHODS[method]().calc(grey_1, grey_2, None)
    return np.asarray(flow.transpose(2, 0, 1), dtype=np.float32)


def _contrib(method: str, name: str) -> Any:
    make = getattr(getattr(cv2, "optflow", None), name, None)
    if make is None:
        raise MotionpipeError(
            f"flow method {method} needs OpenCV's contributed modules: pip uninstall opencv-python and "
            "pip install opencv-contrib-python-headless"
        )
    return make
