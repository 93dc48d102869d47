"""A decoded frame to JPEG or RGB at a given size.

Most videos are planes of 8-bit luma and chroma, and so is JPEG: the planes are resampled as they are and handed to the
encoder, without a detour through RGB. Other pixel formats (more bits, RGB, palettes) go through RGB.

Chroma samples are taken to lie in the middle of the pixels that they cover, as JPEG has them. Much video puts them on
the left one of two pixels; PyAV does not say which, so its chroma stays half a pixel of the source off (FFmpeg's
conversion in the RGB path knows). On camera footage that is far below what 4:2:0 itself costs: DECISIONS.md.
"""

from __future__ import annotations

import av
import numpy as np
import numpy.typing as npt
import simplejpeg
from av.video.reformatter import Interpolation

from .area_resample import AxisPlan, plan_axis, resample_lines
from .jpeg_colours import LUMA_WEIGHTS, UNSPECIFIED, is_full_range, jpeg_colours, mix_planes

Plane = npt.NDArray[np.uint8]
# pixel format: pixels that a chroma sample covers (across, down)
_SUBSAMPLING = {
    f"{prefix}{name}p": steps
    for prefix in ("yuv", "yuvj")
    for name, steps in {"420": (2, 2), "422": (2, 1), "444": (1, 1)}.items()
}
_ACCURATE = (
    Interpolation.BILINEAR
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)


def frame_to_jpeg(frame: av.VideoFrame, size: tuple[int, int], quality: int) -> bytes:
    """JPEG (4:2:0) of the frame at size (width, height)."""
    planes = frame_to_planes(frame, size)
    if planes is None:
        rgb = frame_to_rgb(frame, size)
        return bytes(simplejpeg.encode_jpeg(rgb, quality=quality, colorsubsampling="420"))
    luma, *chroma = planes
    return bytes(simplejpeg.encode_jpeg_yuv_planes(_with_even_memory(luma), *chroma, quality=quality))


def _with_even_memory(luma: Plane) -> Plane:
    """The same plane within memory of even sides, its edge repeated.

    The encoder reads luma in pairs, a pixel beyond an odd side: what stood there by chance would be in the picture.
    """
    height, width = luma.shape
    if height % 2 == 0 and width % 2 == 0:
        return luma
    return np.pad(luma, ((0, height % 2), (0, width % 2)), mode="edge")[:height, :width]


def frame_to_planes(frame: av.VideoFrame, size: tuple[int, int]) -> tuple[Plane, Plane, Plane] | None:
    """Y (h, w) and Cb, Cr (ceil(h / 2), ceil(w / 2)) in full-range BT.601 for size (w, h).

    None where the frame does not consist of 8-bit planes, or states a matrix that is no mixture of them.
    """
    subsampling = _SUBSAMPLING.get(frame.format.name)
    if subsampling is None or frame.colorspace not in LUMA_WEIGHTS:
        return None
    colours = jpeg_colours(int(frame.colorspace), is_full_range(frame))
    luma = _plans(frame, size)
    if not colours.keeps_matrix:
        chroma = _plans(frame, size, subsampling)
        y, cb, cr = (_resampled(frame, i, plans) for i, plans in enumerate((luma, chroma, chroma)))
        return mix_planes(y, cb, cr, colours)
    chroma = _plans(frame, size, subsampling, 2)
    gain = colours.chroma[0][0]
    y = _resampled(frame, 0, luma, colours.gain, -colours.gain * colours.black)
    cb, cr = (_resampled(frame, i, chroma, gain, 128 - 128 * gain) for i in (1, 2))
    return y, cb, cr


def frame_to_rgb(frame: av.VideoFrame, size: tuple[int, int]) -> Plane:
    """RGB uint8 (h, w, 3) at size (w, h): converted at full size as accurately as FFmpeg can, then averaged by area."""
    planar = frame.reformat(
        format="gbrp",
        src_colorspace=5 if frame.colorspace == UNSPECIFIED else None,
        interpolation=_ACCURATE,
        threads=1,
    )
    plans = _plans(frame, size)
    green, blue, red = (_resampled(planar, i, plans) for i in range(3))
    return np.stack([red, green, blue], axis=2)


def _plans(
    frame: av.VideoFrame, size: tuple[int, int], subsampling: tuple[int, int] = (1, 1), step: int = 1
) -> tuple[AxisPlan, AxisPlan]:
    across, down = subsampling
    return plan_axis(frame.height, size[1], down, step), plan_axis(frame.width, size[0], across, step)


def _resampled(
    frame: av.VideoFrame, index: int, plans: tuple[AxisPlan, AxisPlan], gain: float = 1.0, offset: float = 0.0
) -> Plane:
    """A plane of the frame, read where the decoder left it."""
    plane = frame.planes[index]
    lines = np.frombuffer(memoryview(plane), np.uint8)
    if plane.line_size < 0:  # stored from the bottom up
        lines = lines.reshape(plane.height, -1)[::-1].reshape(-1)
    return resample_lines(lines, abs(plane.line_size), *plans, gain, offset)
