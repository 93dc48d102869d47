"""Two-dimensional optical flow of RGB frames."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt


def dis_flow(rgb: npt.NDArray[np.uint8], stride: int) -> npt.NDArray[np.float32]:
    """Dense inverse search flow (Kroeger et al., ECCV 2016) of frames (T, H, W, 3), medium preset.

    Returns (T - stride, 2, H, W): pixels right and down from frame i to frame i + stride.
    """
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in rgb]
    # a fresh object for each pair: none of them starts from the flow of another recording
    flows = [
        cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_MEDIUM).calc(first, second, None).transpose(2, 0, 1)
        for first, second in zip(grey, grey[stride:], strict=False)
    ]
    return np.stack(flows).astype(np.float32)
