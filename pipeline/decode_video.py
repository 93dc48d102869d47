"""Frames of a video file, one at a time, with their exact presentation times and what went wrong on the way.

Two passes over the file: `survey_video` reads the packets without decoding them, so that every frame's place and time
are known; `iterate_video` decodes. Neither holds more than a few decoded frames.
"""

from __future__ import annotations

import contextlib
import heapq
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition
from av.video.stream import VideoStream

from ..schemas.errors import BadSampleError
from .decode_contract import Promise, Schedule, schedule_by_order, schedule_by_times
from .frame_size import UPRIGHT, DisplayMatrix

_NOT_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_MOST_WAITING = 8  # decoded frames that wait for an earlier one [count]
_WIDEST_PIXEL = 10  # a sample aspect ratio beyond is a damaged header
# PyAV does not know streams that a transport stream begins later, and says so by an IndexError
_DEMUXER_ERRORS = (av.error.FFmpegError, IndexError)
_AVI_CHUNK_HEADER = 8  # bytes
_SHORTEST_MPEG4 = 5  # a start code and a byte


@dataclass(frozen=True)
class VideoSurvey:
    """What a file says of its video before anything is decoded."""

    path: Path
    stream: int
    """Index of the stream that is read."""
    video_streams: int
    """Video streams of the file, pictures that accompany it not counted."""
    fps: float | None
    """Average frame rate that the file states."""
    sample_aspect: Fraction
    """Width of a pixel over its height."""
    schedule: Schedule
    discarded: int = 0
    """Coded frames that the file holds but does not show (an MP4's edit list)."""
    corrupt_packets: int = 0
    """Packets that the demuxer calls incomplete."""
    stopped: str = ""
    """The error with which the demuxer gave up before the end of the file, if it did."""


@dataclass(frozen=True)
class VideoFrame:
    """One decoded frame and its place."""

    picture: av.VideoFrame
    slot: int
    time_us: int | None
    """Presentation time from the first frame of the file [µs]; None where the file has none of use."""
    corrupt: bool
    """Whether the decoder had to invent parts of it."""


@dataclass
class DecodeTally:
    """Counts that grow while a stream is decoded."""

    decoded: int = 0
    errors: int = 0
    """Packets that the decoder refused, or the demuxer's early end."""
    first_error: str = ""
    reason: str = ""
    """Reason of the first error, if it has one of its own."""
    unplaced: int = 0
    """Decoded frames without a place in the schedule; they are left out."""

    def note(self, error: Exception) -> None:
        """One more error."""
        self.errors += 1
        if not self.first_error:
            self.first_error = error.detail if isinstance(error, BadSampleError) else str(error)
            self.reason = error.reason if isinstance(error, BadSampleError) else ""


@dataclass
class _Found:
    """What the demuxer found."""

    packets: list[tuple[int | None, int | None, int | None]] = field(default_factory=list)
    """(pts, dts, position in the file) of each packet with a frame to be shown."""
    hidden: int = 0
    discarded: int = 0
    corrupt: int = 0
    stopped: str = ""


_AviIndex = dict[int, tuple[int, int]]


def survey_video(path: Path) -> VideoSurvey:
    """Read the packets of a file's video stream.

    Raises BadSampleError where the file is missing, empty, not a video, or holds no coded frame.
    """
    if not path.is_file():
        raise BadSampleError("missing-file", f"{path} does not exist")
    if path.stat().st_size == 0:
        raise BadSampleError("empty-file", f"{path} has 0 bytes; copy it again")
    with _open(path) as container:
        stream, video_streams = _choose_stream(path, container)
        index = _avi_index(path, stream) if container.format.name == "avi" else None
        found = _coded_frames(container, stream)
        if not found.packets:
            raise BadSampleError("no-frames", f"{path} has a video stream without frames")
        return VideoSurvey(
            path=path,
            stream=stream.index,
            video_streams=video_streams,
            fps=float(stream.average_rate) if stream.average_rate else None,
            sample_aspect=_plausible(stream.sample_aspect_ratio),
            schedule=_schedule(container.format.name, stream, found, index),
            discarded=found.discarded,
            corrupt_packets=found.corrupt,
            stopped=found.stopped,
        )


def iterate_video(survey: VideoSurvey, tally: DecodeTally | None = None) -> Iterator[VideoFrame]:
    """Decode every frame in order of presentation; errors are counted in `tally`, and decoding goes on after them.

    Raises BadSampleError where no frame can be decoded.
    """
    tally = tally if tally is not None else DecodeTally()
    schedule = survey.schedule
    for position, picture in _in_order(_pictures(survey, tally), schedule):
        if schedule.has_times and position is None:
            tally.unplaced += 1
            continue
        slot = tally.decoded if position is None else schedule.slots[position]
        time_us = None if position is None else schedule.times_us[position]
        tally.decoded += 1
        yield VideoFrame(picture, slot, time_us, picture.is_corrupt)
    if not tally.decoded:
        raise BadSampleError(
            "unreadable-video",
            f"{survey.path}: none of {schedule.demuxed} frames can be decoded "
            f"({tally.first_error or 'no error is given'}); copy or re-encode it",
        )


def display_matrix(picture: av.VideoFrame) -> DisplayMatrix:
    """How the file asks for its frames to be shown; rotations that are no quarter turns are rounded to one."""
    if SideDataType.DISPLAYMATRIX in picture.side_data:
        data: Any = picture.side_data[SideDataType.DISPLAYMATRIX]  # type: ignore[typeddict-item]
        a, b, _, c, d = (float(value) for value in np.frombuffer(data, np.int32)[:5])
        signs = [-1 if value < 0 else 1 for value in (a, b, c, d)]
        straight = abs(a) + abs(d) >= abs(b) + abs(c)
        return (signs[0], 0, 0, signs[3]) if straight else (0, signs[1], signs[2], 0)
    return UPRIGHT


def _open(path: Path) -> InputContainer:
    """Titles and comments in old encodings are common and of no interest: they are no reason to fail."""
    try:
        return av.open(str(path), metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise BadSampleError(
            "unreadable-video", f"{path} cannot be opened ({error.strerror}); copy or re-encode it"
        ) from error


def _choose_stream(path: Path, container: InputContainer) -> tuple[VideoStream, int]:
    """The default video stream (else the largest, else the first), and how many there are; cover art is not video."""
    streams = [stream for stream in container.streams.video if not stream.disposition & _NOT_VIDEO]
    # FFmpeg draws any .txt file as a terminal of that text
    if not streams or container.format.name == "tty":
        also = "; cover art is no video" if container.streams.video and not streams else ""
        raise BadSampleError("no-video-stream", f"{path} holds no video stream{also}")

    known = [stream for stream in streams if stream.codec_context is not None]
    if not known:
        raise BadSampleError("unreadable-video", f"{path} names a codec that is not known; copy or re-encode it")

    def rank(stream: VideoStream) -> tuple[bool, int, int]:
        size = stream.codec_context.width * stream.codec_context.height
        return bool(stream.disposition & Disposition.default), size, -stream.index

    return max(known, key=rank), len(streams)


def _coded_frames(container: InputContainer, stream: VideoStream) -> _Found:
    """Packets that hold a frame to be shown, in the file's order."""
    found = _Found()
    try:
        for packet in container.demux(stream):
            if packet.size:
                if packet.is_discard:
                    found.discarded += 1
                elif _is_shown(packet, stream.codec_context.name):
                    found.packets.append((packet.pts, packet.dts, packet.pos))
                    found.corrupt += packet.is_corrupt
                else:
                    found.hidden += 1
    except _DEMUXER_ERRORS as error:
        found.stopped = str(error)
    return found


def _is_shown(packet: Packet[VideoStream], codec: str) -> bool:
    """Not shown: packets too short for a picture, by which MPEG-4 encoders delay, and VP8's reference frames."""
    if codec == "mpeg4":
        return packet.size >= _SHORTEST_MPEG4
    return codec not in ("vp8", "libvpx") or bool(bytes(packet)[0] & 0x10)


def _schedule(format_name: str, stream: VideoStream, found: _Found, index: _AviIndex | None) -> Schedule:
    """Where the promise of the container puts each packet's frame."""
    assert stream.time_base is not None
    count = len(found.packets)
    promised, promise = _promise(format_name, stream, found, index)
    marks = sorted(pts for pts, _, _ in found.packets if pts is not None)
    # an AVI has no presentation times, and what is made up for reordered frames does not increase
    reordered = format_name == "avi" and any(pts != dts for pts, dts, _ in found.packets)
    if reordered or len(marks) < count or any(a == b for a, b in pairwise(marks)):
        return schedule_by_order(count, promised, promise)
    end = None if promise else _stated_end(stream)
    places = _avi_places(found, index) if format_name == "avi" else None
    rate = stream.average_rate
    return schedule_by_times(
        marks, stream.time_base, places, promised=promised, promise=promise, stated_end=end, rate=rate
    )


def _promise(
    format_name: str, stream: VideoStream, found: _Found, index: _AviIndex | None
) -> tuple[int | None, Promise | None]:
    """Number of frames that the container lists, and where."""
    if format_name == "avi":
        if index:
            cut = stream.frames - 1 - max(chunk for _, chunk in index.values())
            return len(index) + max(0, cut), "index"
        return (stream.frames - found.hidden, "header") if stream.frames else (None, None)
    if format_name.startswith("mov"):
        shortest = _SHORTEST_MPEG4 if stream.codec_context.name == "mpeg4" else 1
        entries = stream.index_entries
        listed = sum(not entry.is_discard and entry.size >= shortest for entry in entries)
        # of the tables of an MP4, one may list fewer than another because of damage
        unlisted = max(0, stream.frames - len(entries))
        # a fragmented file lists the frames of the fragments that are there, not those of fragments cut off
        return listed + unlisted, "index" if stream.frames else None
    return None, None


def _stated_end(stream: VideoStream) -> Fraction | None:
    """End of the video by Matroska's statistics tag [s]; other durations in headers are estimates or the sound's."""
    tag = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if not tag:
        return None
    return sum((Fraction(part) * unit for part, unit in zip(tag.groups(), (3600, 60, 1), strict=True)), Fraction())


def _avi_index(path: Path, stream: VideoStream) -> _AviIndex | None:
    """Position of each listed chunk that holds a picture to (its number among them, its number among all chunks)."""
    if not _has_avi_index(path):
        return None
    shortest = _SHORTEST_MPEG4 if stream.codec_context.name == "mpeg4" else 1
    entries = [entry for entry in stream.index_entries if entry.size >= shortest]
    return {entry.pos + _AVI_CHUNK_HEADER: (slot, entry.timestamp) for slot, entry in enumerate(entries)}


def _has_avi_index(path: Path) -> bool:
    """Whether the index at the end of an AVI is all there; without it FFmpeg lists only what it has come across."""
    size = path.stat().st_size
    with path.open("rb") as file:
        place = 12
        while place + 8 <= size:
            file.seek(place)
            name, length = struct.unpack("<4sI", file.read(8))
            if name == b"idx1":
                return bool(place + 8 + length <= size)
            place += 8 + length + length % 2
    return False


def _avi_places(found: _Found, index: _AviIndex | None) -> list[tuple[int, int]] | None:
    """(slot, time in frames) of each packet by its position: after a lost chunk the demuxer's own count is wrong."""
    if index is None:  # every chunk is taken for a frame
        return [(pts, pts) for pts, _, _ in found.packets if pts is not None]
    places = [index[pos] for _, _, pos in found.packets if pos in index]
    known = len(places) == len(found.packets) and all(a < b for a, b in pairwise(places))
    return places if known else None


def _pictures(survey: VideoSurvey, tally: DecodeTally) -> Iterator[av.VideoFrame]:
    """Frames in the order in which the decoder gives them."""
    with _open(survey.path) as container:
        stream = container.streams.video[0]
        for stream in container.streams.video:
            if stream.index == survey.stream:
                break
        stream.codec_context.thread_count = 1  # a worker has one core, and the same bytes give the same errors
        try:
            for packet in container.demux(stream):
                yield from _decoded(packet, tally)
        except _DEMUXER_ERRORS as error:  # the demuxer gives up before the end
            tally.note(error)
            with contextlib.suppress(av.error.FFmpegError):
                yield from stream.codec_context.decode(None)


def _decoded(packet: Packet[VideoStream], tally: DecodeTally) -> list[av.VideoFrame]:
    try:
        return [frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)]
    except av.error.FFmpegError as error:
        tally.note(error)
        return []


def _in_order(pictures: Iterator[av.VideoFrame], schedule: Schedule) -> Iterator[tuple[int | None, av.VideoFrame]]:
    """Each frame with its position in the schedule, sorted as far as a few waiting ones can; None: it has no place."""
    waiting: list[tuple[int, int, av.VideoFrame]] = []
    due = 0
    for number, picture in enumerate(pictures):
        position = schedule.find(picture.pts)
        if position is None or position < due or any(position == other for other, _, _ in waiting):
            yield None, picture
            continue
        heapq.heappush(waiting, (position, number, picture))
        while waiting and (waiting[0][0] == due or len(waiting) > _MOST_WAITING):
            position, _, earliest = heapq.heappop(waiting)
            due = position + 1
            yield position, earliest
    for position, _, picture in sorted(waiting, key=lambda item: item[0]):
        yield position, picture


def _plausible(aspect: Fraction | None) -> Fraction:
    """The sample aspect ratio, 1 where there is none or it cannot be meant."""
    return aspect if aspect and 1 / _WIDEST_PIXEL <= aspect <= _WIDEST_PIXEL else Fraction(1)
