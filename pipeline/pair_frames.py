"""Frames of a recording's streams that belong together, by slot; frozen ones are marked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .coded_stream import CodedFrame


@dataclass
class Row:
    """The frames of one slot; a stream that lost its frame has none here."""

    slot: int
    frames: dict[str, CodedFrame]
    frozen: set[str] = field(default_factory=set)
    """Streams whose frame is one of many that repeat the one before."""

    @property
    def is_damaged(self) -> bool:
        """Whether a frame is frozen, or partly made up by the decoder."""
        return bool(self.frozen) or any(frame.corrupt for frame in self.frames.values())


@dataclass
class _Run:
    """Identical frames of one stream, the newest last."""

    length: int = 0
    """How many different ones of the source; a frame that was picked again is not another one."""
    newest: CodedFrame | None = None
    undecided: list[Row] = field(default_factory=list)
    """Rows that are frozen if the run becomes long enough."""

    def add(self, row: Row, name: str, frozen_frames: int) -> None:
        frame, before = row.frames[name], self.newest
        self.newest = frame
        if before is None or not _repeats(frame, before):
            self.length, self.undecided = 1, []
            return
        self.length += not frame.again
        if self.length > 1:
            self.undecided.append(row)
        if self.length >= frozen_frames:
            for repeat in self.undecided:
                repeat.frozen.add(name)
            self.undecided = []


def pair_frames(streams: Mapping[str, Iterator[CodedFrame]], frozen_frames: int) -> Iterator[Row]:
    """Rows in order of their slots; `frozen_frames` identical frames in a row are frozen, all but the first marked.

    A row waits only while it is not known whether it is frozen.
    """
    waiting: deque[Row] = deque()
    runs = {name: _Run() for name in streams}
    for row in _by_slot(streams):
        for name in row.frames:
            runs[name].add(row, name, frozen_frames)
        waiting.append(row)
        first = min((run.undecided[0].slot for run in runs.values() if run.undecided), default=row.slot + 1)
        while waiting and waiting[0].slot < first:
            yield waiting.popleft()
    yield from waiting


def _repeats(frame: CodedFrame, before: CodedFrame) -> bool:
    """Whether a frame is the next one and identical; after a gap it may be so by chance."""
    return frame.slot == before.slot + 1 and frame.data == before.data and not frame.blank


def _by_slot(streams: Mapping[str, Iterator[CodedFrame]]) -> Iterator[Row]:
    heads = {name: next(frames, None) for name, frames in streams.items()}
    while any(heads.values()):
        slot = min(frame.slot for frame in heads.values() if frame)
        row = Row(slot, {name: frame for name, frame in heads.items() if frame and frame.slot == slot})
        heads |= {name: next(streams[name], None) for name in row.frames}
        yield row
