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


def pair_frames(streams: Mapping[str, Iterator[CodedFrame]], frozen_frames: int) -> Iterator[Row]:
    """Rows in order of their slots; `frozen_frames` identical frames in a row are frozen, all but the first marked.

    At most `frozen_frames` rows wait until it is known whether they are.
    """
    waiting: deque[Row] = deque()
    runs: dict[str, deque[Row]] = {name: deque(maxlen=frozen_frames) for name in streams}
    for row in _by_slot(streams):
        for name, frame in row.frames.items():
            run = runs[name]
            if run and not _repeats(frame, run[-1].frames[name]):
                run.clear()
            run.append(row)
            if len(run) == frozen_frames:
                for repeat in list(run)[1:]:
                    repeat.frozen.add(name)
        waiting.append(row)
        if len(waiting) >= frozen_frames:
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
