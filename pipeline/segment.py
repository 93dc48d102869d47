"""One segment of a recording: its stored frames, and what happened to those that should be in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .coded_stream import CodedFrame, CodedStream

Streams = Mapping[str, CodedStream]


@dataclass
class StreamLog:
    """What happened to the frames of one stream within a segment."""

    slots: list[int] = field(default_factory=list)
    """Slots of the decoded frames, stored or not."""
    errors: int = 0
    unplaced: int = 0
    resized: int = 0
    corrupt: list[int] = field(default_factory=list)
    """Numbers of stored frames that the decoder partly made up."""
    frozen: list[list[int]] = field(default_factory=list)
    """[number of the first stored frame, length] of each run of identical frames."""


@dataclass
class Segment:
    """Consecutive frames of a recording."""

    number: int
    start: int
    """Number of its first frame in the recording."""
    begin: int
    """Its first slot."""
    end: int | None = None
    """The slot after its last; None: the end of the recording."""
    slots: list[int] = field(default_factory=list)
    times_us: list[int | None] = field(default_factory=list)
    frames: dict[str, list[bytes]] = field(default_factory=dict)
    logs: dict[str, StreamLog] = field(default_factory=dict)
    dropped: int = 0
    unpaired: int = 0

    def end_of(self, name: str, streams: Streams) -> int:
        """The slot after the last that a stream should have here."""
        if self.end is not None:
            return self.end
        # a decoder may make more frames than there were packets
        return max([self.begin, streams[name].total, *(slot + 1 for slot in self.logs[name].slots[-1:])])

    def last_end(self, streams: Streams) -> int:
        """The slot after the last that any stream should have here."""
        return max(self.end_of(name, streams) for name in streams)

    def missing(self, name: str, streams: Streams) -> int:
        """Frames of a stream that should be here and were not decoded."""
        begin, end = self.own_range(name, streams)
        return end - begin - len(self.decoded(name, streams))

    def own_range(self, name: str, streams: Streams) -> tuple[int, int]:
        """First slot and the slot after the last of the stream's own schedule that belong here."""
        return streams[name].own_range(self.begin, self.end_of(name, streams))

    def decoded(self, name: str, streams: Streams) -> list[int]:
        """Slots of the stream's own schedule that were decoded here."""
        if not streams[name].picks:
            return self.logs[name].slots
        return [frame.slot for frame in self._own_frames(name, streams)]

    def resized(self, name: str, streams: Streams) -> int:
        """Decoded frames of another size than the first."""
        if not streams[name].picks:
            return self.logs[name].resized
        return sum(frame.resized for frame in self._own_frames(name, streams))

    def made_up(self, name: str, streams: Streams) -> int:
        """Frames that the decoder partly made up: stored ones or, of a stream that follows another, all of its own."""
        if not streams[name].picks:
            return len(self.logs[name].corrupt)
        return sum(frame.corrupt for frame in self._own_frames(name, streams))

    def _own_frames(self, name: str, streams: Streams) -> list[CodedFrame]:
        begin, end = self.own_range(name, streams)
        return [frame for frame in streams[name].own_frames if begin <= frame.slot < end]
