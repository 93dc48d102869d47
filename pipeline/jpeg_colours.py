"""The colours of a video to those of JPEG: full-range BT.601, whatever matrix and range the video has.

A video frame that states no matrix is taken as BT.601 and one that states no range as limited, at every size: so do
FFmpeg's own conversions, and with them OpenCV, decord, torchvision and what was published with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import av
import numpy as np
import numpy.typing as npt

from ..models.compiled import compiled

Plane = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]

UNSPECIFIED, FULL_RANGE = 2, 2
BT601 = (0.299, 0.114)
# AVColorSpace: weights of red and blue in luma (ITU-T H.273, table 4)
LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),  # BT.709
    UNSPECIFIED: BT601,
    4: (0.30, 0.11),  # FCC
    5: BT601,  # BT.470 BG
    6: BT601,  # SMPTE 170M
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020, non-constant luminance
}


@dataclass(frozen=True)
class JpegColours:
    """How the 8-bit planes of a video become those of JPEG.

    With y = Y - black, b = Cb - 128, r = Cr - 128:  Y' = gain * y + luma . (b, r),  (Cb', Cr') = 128 + chroma @ (b, r).
    """

    black: int
    gain: float
    luma: tuple[float, float]
    chroma: tuple[tuple[float, float], tuple[float, float]]

    @property
    def keeps_matrix(self) -> bool:
        """True where the video is BT.601: each plane is converted on its own."""
        return self.luma == (0.0, 0.0)


def is_full_range(frame: av.VideoFrame) -> bool:
    """Luma 0..255 instead of 16..235, as the frame or its old-style yuvj format says."""
    return frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj")


@lru_cache(maxsize=16)
def jpeg_colours(colorspace: int, full_range: bool) -> JpegColours:
    """Colours of 8-bit planes of AVColorSpace `colorspace`, one of LUMA_WEIGHTS."""
    black, luma_levels, chroma_levels = (0, 255, 255) if full_range else (16, 219, 224)
    weights = LUMA_WEIGHTS[colorspace]
    gain, chroma_gain = 255 / luma_levels, 255 / chroma_levels
    if weights == BT601:
        return JpegColours(black, gain, (0.0, 0.0), ((chroma_gain, 0.0), (0.0, chroma_gain)))
    mix = np.linalg.inv(_rgb_from_yuv(*BT601)) @ _rgb_from_yuv(*weights) * chroma_gain
    (_, y_b, y_r), (_, b_b, b_r), (_, r_b, r_r) = mix.tolist()
    return JpegColours(black, gain, (y_b, y_r), ((b_b, b_r), (r_b, r_r)))


def _rgb_from_yuv(red: float, blue: float) -> Matrix:
    """R, G, B in 0..1 from Y in 0..1 and Cb, Cr in -0.5..0.5."""
    green = 1 - red - blue
    to_red, to_blue = 2 * (1 - red), 2 * (1 - blue)
    return np.array([[1, 0, to_red], [1, -to_blue * blue / green, -to_red * red / green], [1, to_blue, 0]])


def mix_planes(y: Plane, cb: Plane, cr: Plane, colours: JpegColours) -> tuple[Plane, Plane, Plane]:
    """Planes of one size (h, w) in the video's colours to JPEG's: (h, w), and two of (ceil(h / 2), ceil(w / 2))."""
    (b_b, b_r), (r_b, r_r) = colours.chroma
    luma = np.array([colours.gain, *colours.luma], np.float32)
    return _mix(y, cb, cr, luma, np.array([[b_b, b_r], [r_b, r_r]], np.float32), colours.black)


@compiled
def _mix(
    y: Plane, cb: Plane, cr: Plane, luma: npt.NDArray[np.float32], chroma: npt.NDArray[np.float32], black: int
) -> tuple[Plane, Plane, Plane]:
    height, width = y.shape
    out = np.empty((height, width), np.uint8)
    small_cb = np.empty(((height + 1) // 2, (width + 1) // 2), np.uint8)
    small_cr = np.empty_like(small_cb)
    gain, from_cb, from_cr = luma
    offset = np.float32(0.5) - gain * np.float32(black) - np.float32(128) * (from_cb + from_cr)
    for i in range(height):
        row, y_row, cb_row, cr_row = out[i], y[i], cb[i], cr[i]
        for j in range(width):
            value = gain * y_row[j] + from_cb * cb_row[j] + from_cr * cr_row[j] + offset
            row[j] = _clip(value)
    for i in range((height + 1) // 2):
        top, bottom = 2 * i, min(2 * i + 1, height - 1)  # a pixel at an odd edge counts twice, as in JPEG
        for j in range((width + 1) // 2):
            left, right = 2 * j, min(2 * j + 1, width - 1)
            b = np.int32(cb[top, left]) + cb[top, right] + cb[bottom, left] + cb[bottom, right]
            r = np.int32(cr[top, left]) + cr[top, right] + cr[bottom, left] + cr[bottom, right]
            blue, red = np.float32(b) * np.float32(0.25) - 128, np.float32(r) * np.float32(0.25) - 128
            small_cb[i, j] = _clip(np.float32(chroma[0, 0] * blue + chroma[0, 1] * red + 128.5))
            small_cr[i, j] = _clip(np.float32(chroma[1, 0] * blue + chroma[1, 1] * red + 128.5))
    return out, small_cb, small_cr


@compiled
def _clip(value: np.float32) -> np.uint8:
    return np.uint8(np.int32(min(max(value, np.float32(0)), np.float32(255))))
