"""The frames of one stream of a recording, decoded, reduced and coded one at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import simplejpeg

from ..schemas.errors import BadSampleError
from ..schemas.recipe import ShardSection
from . import depth_codec
from .decode_contract import Schedule, schedule_by_numbers
from .decode_video import DecodeTally, VideoSurvey, display_matrix, iterate_video, survey_video
from .depth_codec import DepthFrame
from .depth_frames import depth_numbers, depth_png_files, reduce_depth, try_depth
from .frame_jpeg import frame_to_jpeg, frame_to_rgb
from .frame_size import UPRIGHT, DisplayMatrix, quarter_turns, reduced_size, square_size
from .sync_streams import nearest_in_relative_time

Size = tuple[int, int]
"""(width, height) [px]."""
RGBFrame = npt.NDArray[np.uint8]
RegisterRGB = Callable[[RGBFrame, int], RGBFrame]
"""A whole upright frame of the video and its slot to the frame that is stored."""
RegisterDepth = Callable[[DepthFrame, int], DepthFrame]
"""A whole depth frame in millimetres and its slot to the frame that is stored."""


@dataclass(frozen=True)
class CodedFrame:
    """One coded frame, its slot, and its time from the first frame of the file [µs], if the file says it."""

    slot: int
    data: bytes
    time_us: int | None = None
    corrupt: bool = False
    """Whether the decoder had to invent parts of it."""
    resized: bool = False
    """Whether the file changed its size on the way."""
    blank: bool = False
    """Whether it holds no valid pixel: such frames are alike without being frozen."""
    again: bool = False
    """Whether it is the frame of the slot before, picked once more for a faster stream."""
    errors: int = 0
    """Errors of the stream up to this frame."""
    unplaced: int = 0
    """Frames without a place up to this one."""


@dataclass
class CodedStream:
    """A stream that is about to be decoded: its schedule, and its frames when they are asked for."""

    path: Path
    schedule: Schedule
    fps: float | None = None
    size: Size = (0, 0)
    """Size of the stored frames; known with the first."""
    source_size: Size = (0, 0)
    tally: DecodeTally = field(default_factory=DecodeTally)
    stopped: str = ""
    """The error with which reading the file ended early, if it did."""
    incomplete_packets: int = 0
    """Packets that the demuxer calls incomplete."""
    facts: dict[str, object] = field(default_factory=dict)
    """What else the contract says of the file."""
    frames: Iterator[CodedFrame] = field(default_factory=lambda: iter(()))

    picks: tuple[int, ...] = ()
    """Where it follows another stream: which of its own frames belongs to each slot of that one."""
    own_frames: list[CodedFrame] = field(default_factory=list)
    """Where it follows another stream: what was decoded of its own schedule, picked or not, without the data."""

    @property
    def total(self) -> int:
        """Slots of the recording: its own, or those of the stream that it follows."""
        return len(self.picks) or self.schedule.total

    @property
    def seconds(self) -> float | None:
        """How long its frames last at the stated rate."""
        return self.schedule.total / self.fps if self.fps else None

    def follow(self, clock: CodedStream) -> None:
        """Give the frame nearest in relative time for each of the clock's slots, both ends together.

        The schedule stays its own; the frames come at the clock's slots.
        """
        self.picks = tuple(nearest_in_relative_time(clock.schedule.total, self.schedule.total))
        self.frames = self._picked(self.frames)

    def own_range(self, begin: int, end: int) -> tuple[int, int]:
        """The slots of its own schedule that belong to the recording's slots begin … end - 1."""
        if not self.picks:
            return begin, end
        # a decoder may make more frames than there were packets
        last = max([self.schedule.total, *(frame.slot + 1 for frame in self.own_frames[-1:])])
        return self.picks[begin], self.picks[end] if end < len(self.picks) else last

    def _picked(self, frames: Iterator[CodedFrame]) -> Iterator[CodedFrame]:
        """Frames at the clock's slots; a slot whose frame is missing stays empty."""
        own = self._noted(frames)
        frame, before = next(own, None), -1
        for slot, wanted in enumerate(self.picks):
            while frame is not None and frame.slot < wanted:
                frame = next(own, None)
            if frame is not None and frame.slot == wanted:
                yield replace(frame, slot=slot, time_us=None, again=before == wanted)
                before = wanted
        for _ in own:  # what is left of the file counts too
            pass

    def _noted(self, frames: Iterator[CodedFrame]) -> Iterator[CodedFrame]:
        for frame in frames:
            self.own_frames.append(replace(frame, data=b""))
            yield frame


def code_rgb(path: Path, config: ShardSection, register: RegisterRGB | None = None) -> CodedStream:
    """The frames of a video as JPEG: upright, with square pixels, all of the first one's size.

    `register` resamples whole frames instead.
    """
    survey = survey_video(path)
    stream = CodedStream(path, survey.schedule, survey.fps)
    stream.stopped, stream.incomplete_packets = survey.stopped, survey.corrupt_packets
    stream.facts = {
        "discarded": survey.discarded,
        "stream": survey.stream,
        "video_streams": survey.video_streams,
        "sample_aspect": [survey.sample_aspect.numerator, survey.sample_aspect.denominator],
    }
    stream.frames = _rgb_frames(survey, stream, config, register)
    return stream


def code_depth(path: Path, unit_mm: float, config: ShardSection, register: RegisterDepth | None = None) -> CodedStream:
    """The depth frames of a file or folder, in millimetres, reduced by picking pixels; `register` resamples instead."""
    stream = CodedStream(path, schedule_by_numbers(depth_numbers(path)))
    stream.frames = _depth_frames(stream, unit_mm, config, register)
    return stream


def hash_files(files: dict[str, Path]) -> str:
    """sha256 over the streams' names and the bytes of their files, whatever these are called: copies are found."""
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        for file in depth_png_files(path) if path.is_dir() else [path]:
            digest.update(f"{name}\0".encode())
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _rgb_frames(
    survey: VideoSurvey, stream: CodedStream, config: ShardSection, register: RegisterRGB | None
) -> Iterator[CodedFrame]:
    matrix, size = UPRIGHT, (0, 0)
    for frame in iterate_video(survey, stream.tally):
        coded_size = frame.picture.width, frame.picture.height
        if stream.source_size == (0, 0):
            matrix = display_matrix(frame.picture)
            size = reduced_size(*square_size(*coded_size, survey.sample_aspect), config.short_side)
            stream.source_size, stream.size = coded_size, size if matrix[0] else size[::-1]
            rotation, mirrored = quarter_turns(matrix)
            stream.facts |= {"rotation": rotation, "mirrored": mirrored}
        if register is None:
            data = _jpeg(frame.picture, size, matrix, config.jpeg_quality)
        else:
            image = register(upright(frame_to_rgb(frame.picture, coded_size), matrix), frame.slot)
            stream.size = image.shape[1], image.shape[0]
            data = _rgb_jpeg(image, config.jpeg_quality)
        yield CodedFrame(
            slot=frame.slot,
            data=data,
            time_us=frame.time_us,
            corrupt=frame.corrupt,
            resized=coded_size != stream.source_size,
            errors=stream.tally.errors,
            unplaced=stream.tally.unplaced,
        )


def _jpeg(picture: av.VideoFrame, size: Size, matrix: DisplayMatrix, quality: int) -> bytes:
    """JPEG of a frame scaled to `size`, then turned upright."""
    if matrix == UPRIGHT:
        return frame_to_jpeg(picture, size, quality)
    return _rgb_jpeg(upright(frame_to_rgb(picture, size), matrix), quality)


def _rgb_jpeg(rgb: RGBFrame, quality: int) -> bytes:
    data: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), quality=quality, colorsubsampling="420")
    return data


def upright(image: npt.NDArray[np.uint8], matrix: DisplayMatrix) -> npt.NDArray[np.uint8]:
    """The image (H, W, …) as its display matrix shows it."""
    a, b, c, d = matrix
    if not a:
        image, a, d = image.swapaxes(0, 1), c, b
    return image[::d, ::a]


def _depth_frames(
    stream: CodedStream, unit_mm: float, config: ShardSection, register: RegisterDepth | None
) -> Iterator[CodedFrame]:
    encode = depth_codec.ENCODERS[config.depth_codec]
    for slot, depth in zip(stream.schedule.slots, try_depth(stream.path, unit_mm), strict=True):
        if isinstance(depth, BadSampleError):
            stream.tally.note(depth)
            continue
        reduced = register(depth, slot) if register else reduce_depth(depth, config.short_side)
        stream.source_size, stream.size = (depth.shape[1], depth.shape[0]), (reduced.shape[1], reduced.shape[0])
        stream.tally.decoded += 1
        yield CodedFrame(slot, encode(reduced), blank=not reduced.any(), errors=stream.tally.errors)
    if not stream.tally.decoded:
        raise BadSampleError("unreadable-depth", f"{stream.path}: no depth frame can be read; copy it again")
