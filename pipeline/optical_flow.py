"""Two-dimensional optical flow of RGB frames."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt


def dis_flow(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Dense inverse search flow (Kroeger et al., ECCV 2016) between two frames (H, W, 3), medium preset.

    Returns (2, H, W): pixels right and down from the first frame to the second.
    """
    grey_1, grey_2 = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second))
    # a fresh object for each pair: it would start from the flow of the pair before
    flow = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_MEDIUM).calc(grey_1, grey_2, None)
    return np.asarray(flow.transpose(2, 0, 1), dtype=np.float32)
