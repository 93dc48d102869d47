"""Frames of a video file, one at a time, and the reduced size that they are to have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.stream import VideoStream

from ..schemas.errors import BadSampleError
from .frame_jpeg import frame_to_rgb

RGBFrame = npt.NDArray[np.uint8]
_MOST_MISSING_FRAMES = 2.0  # headers of whole files are wrong by less than one


@dataclass(frozen=True)
class VideoFrame:
    """One decoded frame, the (width, height) to store it at, and its presentation time, None where there is none."""

    image: av.VideoFrame
    size: tuple[int, int]
    pts_us: int | None

    @property
    def rgb(self) -> RGBFrame:
        """The frame at its reduced size, uint8 (H, W, 3)."""
        return frame_to_rgb(self.image, self.size)

    @property
    def source_width(self) -> int:
        """Width in the file [px]."""
        return self.image.width

    @property
    def source_height(self) -> int:
        """Height in the file [px]."""
        return self.image.height


def reduced_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """(width, height) whose shorter side is at most `short_side`; aspect kept, never enlarged."""
    scale = min(1.0, short_side / min(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def iterate_video(path: Path, short_side: int) -> Iterator[VideoFrame]:
    """Decode every frame of the first video stream in presentation order.

    Raises BadSampleError where the file is empty, not a video, damaged, without frames, or ends before the duration
    that its header states: a recording is never shortened in silence.
    """
    if not path.is_file():
        raise BadSampleError("missing-file", f"{path} does not exist")
    if path.stat().st_size == 0:
        raise BadSampleError("empty-file", f"{path} has 0 bytes; copy it again")
    frames, end_s = 0, None
    try:
        with _open(path) as container:
            # FFmpeg draws any .txt file as a terminal of that text
            if not container.streams.video or container.format.name == "tty":
                raise BadSampleError("no-video-stream", f"{path} holds no video stream")
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1  # workers share out the cores; threads cost a fifth of the frames
            for frame in container.decode(stream):
                frames += 1
                end_s = _later(end_s, frame)
                yield _reduced(frame, stream, short_side)
            _require_whole(path, container.format.name, stream, end_s)
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
        with _open(path) as container:
            rate = container.streams.video[0].average_rate if container.streams.video else None
    except av.error.FFmpegError as error:
        raise BadSampleError("unreadable-video", f"{path} cannot be opened ({error.strerror})") from error
    return float(rate) if rate else None


def _open(path: Path) -> InputContainer:
    """Titles and comments in old encodings are common and of no interest: they are no reason to fail."""
    return av.open(str(path), metadata_errors="replace")


def _later(end_s: float | None, frame: av.VideoFrame) -> float | None:
    """The later of `end_s` and the end of `frame`, as far as they are known."""
    if frame.pts is None or frame.time_base is None:
        return end_s
    end = float((frame.pts + (frame.duration or 0)) * frame.time_base)
    return end if end_s is None else max(end_s, end)


def _require_whole(path: Path, format_name: str, stream: VideoStream, end_s: float | None) -> None:
    """FFmpeg ends a file that was cut between two packets, as a broken download is, like a whole one."""
    stated_s, rate = _stated_duration_s(format_name, stream), stream.average_rate
    if stated_s is None or end_s is None or not rate:
        return
    start_s = float((stream.start_time or 0) * stream.time_base) if stream.time_base else 0.0
    if (start_s + stated_s - end_s) * rate > _MOST_MISSING_FRAMES:
        raise BadSampleError(
            "truncated-video", f"{path} ends after {end_s - start_s:.2f} s of {stated_s:.2f} s; copy or re-encode it"
        )


def _stated_duration_s(format_name: str, stream: VideoStream) -> float | None:
    """Duration of the video in the file's header, where the format counts it exactly (others estimate it)."""
    if format_name == "avi":  # here `duration` is what is left of the file
        return float(stream.frames / stream.average_rate) if stream.frames and stream.average_rate else None
    if format_name.startswith("mov"):
        return float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None
    tag = re.fullmatch(r"(\d+):(\d+):(\d+\.\d+)", stream.metadata.get("DURATION", ""))  # Matroska
    return sum(float(part) * unit for part, unit in zip(tag.groups(), (3600, 60, 1), strict=True)) if tag else None


def _reduced(frame: av.VideoFrame, stream: VideoStream, short_side: int) -> VideoFrame:
    pts_us = None
    if frame.pts is not None and stream.time_base is not None:
        pts_us = round(frame.pts * stream.time_base * 1_000_000)
    return VideoFrame(frame, reduced_size(frame.width, frame.height, short_side), pts_us)
