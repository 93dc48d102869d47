"""RGB frames of a video file, one at a time, at a reduced size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

from ..schemas.errors import BadSampleError

RGBFrame = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class VideoFrame:
    """One decoded frame: rgb uint8 (H, W, 3) and its presentation time, None where the file has none."""

    rgb: RGBFrame
    pts_us: int | None
    source_width: int
    source_height: int


def reduced_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """(width, height) whose shorter side is at most `short_side`; aspect kept, never enlarged."""
    scale = min(1.0, short_side / min(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def iterate_video(path: Path, short_side: int) -> Iterator[VideoFrame]:
    """Decode every frame of the first video stream in presentation order.

    Raises BadSampleError where the file is empty, not a video, damaged or without frames: a recording is never
    shortened in silence.
    """
    if not path.is_file():
        raise BadSampleError("missing-file", f"{path} does not exist")
    if path.stat().st_size == 0:
        raise BadSampleError("empty-file", f"{path} has 0 bytes; copy it again")
    frames = 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise BadSampleError("no-video-stream", f"{path} holds no video stream")
            stream = container.streams.video[0]
            for frame in container.decode(stream):
                frames += 1
                yield _reduced(frame, stream, short_side)
    except av.error.FFmpegError as error:
        place = f"after {frames} frames" if frames else "before the first frame"
        raise BadSampleError(
            "unreadable-video", f"{path} cannot be decoded {place} ({error.strerror}); copy or re-encode it"
        ) from error
    if not frames:
        raise BadSampleError("no-frames", f"{path} has a video stream without frames")


def nominal_fps(path: Path) -> float | None:
    """Average frame rate that the file states, if any."""
    try:
        with av.open(str(path)) as container:
            rate = container.streams.video[0].average_rate if container.streams.video else None
    except av.error.FFmpegError as error:
        raise BadSampleError("unreadable-video", f"{path} cannot be opened ({error.strerror})") from error
    return float(rate) if rate else None


def _reduced(frame: av.VideoFrame, stream: VideoStream, short_side: int) -> VideoFrame:
    rgb = frame.to_ndarray(format="rgb24")
    size = reduced_size(frame.width, frame.height, short_side)
    if size != (frame.width, frame.height):
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    pts_us = None
    if frame.pts is not None and stream.time_base is not None:
        pts_us = round(frame.pts * stream.time_base * 1_000_000)
    return VideoFrame(np.ascontiguousarray(rgb, dtype=np.uint8), pts_us, frame.width, frame.height)
