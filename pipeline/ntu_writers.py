"""The streams of a recording as NTU RGB+D stores them: an AVI, a folder of 16-bit PNGs, a text of joints.

Legend: T frames, P rigid parts, J = 25 Kinect v2 joints.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

from ..schemas.camera import Camera
from .depth_codec import DepthFrame
from .kinect_rig import COLOUR_CAMERA, View
from .ntu import DEPTH_CAMERA
from .perform_action import Performance
from .posed_camera import PosedCamera, project, to_camera

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]


def write_video(path: Path, frames: Iterable[Bytes], size: tuple[int, int], fps: float) -> None:
    """Write RGB frames (height, width, 3) of a size (width, height) as MPEG-4 in AVI; equal frames give equal bytes."""
    # bitexact keeps the library's version out of the file.
    with av.open(str(path), "w", format="avi", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("mpeg4", rate=Fraction(fps).limit_denominator(1001))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.options = {"flags": "+bitexact+qscale", "global_quality": str(3 * 118)}
        stream.codec_context.thread_count = 1
        for rgb in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode(None))


def write_depth(folder: Path, frames: Iterable[DepthFrame]) -> None:
    """Write a new folder of `MDepth-%08d.png`, counted from 1."""
    folder.mkdir()
    for index, frame in enumerate(frames, start=1):
        done, encoded = cv2.imencode(".png", frame, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        assert done
        (folder / f"MDepth-{index:08d}.png").write_bytes(encoded.tobytes())


def skeleton_text(acted: Performance, view: View) -> str:
    """The recording's `.skeleton` file: one body, its 25 joints exact and tracked; x right, y up, z away."""
    depth_axes, colour_axes = to_camera(view.depth, acted.joints), to_camera(view.colour, acted.joints)
    rows = np.concatenate(
        [
            depth_axes * np.array([1.0, -1.0, 1.0]),
            _nominal(project(view.depth.intrinsics, depth_axes), view.depth.intrinsics, DEPTH_CAMERA),
            _nominal(project(view.colour.intrinsics, colour_axes), view.colour.intrinsics, COLOUR_CAMERA),
            _orientations(acted, view.depth),
        ],
        axis=-1,
    )
    lines = [str(len(rows))]
    for frame in rows:
        lines += ["1", "72057594037927937 0 1 1 1 1 0 0 0 2", str(len(frame))]
        lines += [" ".join([f"{value:.7g}" for value in joint]) + " 2" for joint in frame.tolist()]
    return "\r\n".join(lines) + "\r\n"


def _nominal(pixels: Floats, camera: Camera, nominal: Camera) -> Floats:
    """Pixels (..., 2) of an image to those of its nominal size."""
    scale = np.array([nominal.width / camera.width, nominal.height / camera.height])
    scaled: Floats = (pixels + 0.5) * scale - 0.5
    return scaled


def _orientations(acted: Performance, camera: PosedCamera) -> Floats:
    """Quaternions w, x, y, z (T, J, 4) of the parts that carry the joints, in Kinect axes (y up), w >= 0."""
    flip = np.diag([1.0, -1.0, 1.0])
    m = flip @ camera.rotation @ acted.rotation
    squares = 1.0 + np.einsum("tpi,si->tps", np.diagonal(m, axis1=2, axis2=3), _SIGNS)
    size = 0.5 * np.sqrt(np.maximum(squares, 0.0))
    # Magnitudes from the diagonal, signs relative to w from the antisymmetric part.
    skew = np.stack([m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]], axis=-1)
    size[..., 1:] = np.copysign(size[..., 1:], skew)
    quaternions: Floats = size[:, acted.figure.joint_part]
    return quaternions


_SIGNS = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])
