"""A recording cut into segments of at most so many frames, each with its own part of the decode contract.

Figures of a segment cover its own range of slots, so that over the segments of a recording they add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..schemas.errors import BadSampleError
from ..schemas.recipe import ShardSection
from .coded_stream import CodedFrame, CodedStream
from .decode_contract import Gap, gaps_of, long_step_us, runs_of
from .decode_video import DecodeTally
from .pair_frames import Row, pair_frames

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


def cut_segments(streams: Streams, config: ShardSection) -> Iterator[Segment]:
    """Decode the streams together and cut them; a segment is out of memory's way before the next is begun.

    Raises BadSampleError where the recording is damaged beyond what `config.policy` accepts.
    """
    _require_promise(streams, config)
    segment = _begin(streams, None)
    told, stored = {name: DecodeTally() for name in streams}, 0
    for row in pair_frames({name: stream.frames for name, stream in streams.items()}, config.frozen_frames):
        keep = len(row.frames) == len(streams) and not (config.policy == "drop" and row.is_damaged)
        if keep and len(segment.slots) == config.max_frames:
            segment.end = row.slot
            yield _finished(segment, streams, config, told)
            segment = _begin(streams, segment)  # and the old one is free
        _log(segment, row, keep)
        stored += keep
    last = _finished(segment, streams, config, told)
    _require_enough(streams, config, told, stored)
    yield last


def contract(segment: Segment, streams: Streams, config: ShardSection) -> dict[str, Any]:
    """The `decode` entry of a sample's JSON."""
    found: dict[str, Any] = {
        "policy": config.policy,
        "slots": [segment.begin, segment.last_end(streams)],
        "gaps": _gaps(segment, streams),
        "dropped": segment.dropped,
        "unpaired": segment.unpaired,
    }
    if len(streams) > 1:
        found["mismatch"] = _mismatch(streams)
    for name, stream in streams.items():
        log, schedule, decoded = segment.logs[name], stream.schedule, segment.decoded(name, streams)
        placed = schedule.slots and not log.unplaced
        found[name] = {
            "expected": schedule.expected,
            "expected_from": schedule.promise,
            "demuxed": schedule.demuxed,
            "decoded": len(decoded),
            "missing": segment.missing(name, streams),
            "missing_slots": runs_of(decoded, *segment.own_range(name, streams)) if placed else None,
            "errors": log.errors,
            "unplaced": log.unplaced,
            "corrupt": log.corrupt,
            "frozen": log.frozen,
            **(
                {
                    "resized": segment.resized(name, streams),
                    "incomplete_packets": stream.incomplete_packets,
                    **_timing(stream),
                    **stream.facts,
                }
                if name == "rgb"
                else {}
            ),
        }
    return found


def _timing(stream: CodedStream) -> dict[str, Any]:
    schedule = stream.schedule
    return {
        "monotonic": schedule.has_times,
        "start_us": schedule.start_us,
        "step_us": schedule.step_us,
        "jitter_us": schedule.jitter_us,
        "constant_rate": schedule.constant_rate,
    }


def _begin(streams: Streams, before: Segment | None) -> Segment:
    number, start, begin = (0, 0, 0) if before is None else (before.number + 1, before.start + len(before.slots), 0)
    if before is not None:
        assert before.end is not None
        begin = before.end
    logs = {name: StreamLog() for name in streams}
    return Segment(number, start, begin, frames={name: [] for name in streams}, logs=logs)


def _log(segment: Segment, row: Row, keep: bool) -> None:
    """Enter one row; `keep`: its frames are stored."""
    number = len(segment.slots)
    for name, frame in row.frames.items():
        log = segment.logs[name]
        log.slots.append(row.slot)
        log.resized += frame.resized
        log.errors, log.unplaced = frame.errors, frame.unplaced
        if frame.corrupt and keep:
            log.corrupt.append(number)
        if name in row.frozen:
            if not log.frozen or log.frozen[-1][2] != row.slot - 1:
                log.frozen.append([max(0, number - 1), int(number > 0), row.slot])
            log.frozen[-1][1] += 1
            log.frozen[-1][2] = row.slot
    if keep:
        segment.slots.append(row.slot)
        segment.times_us.append(row.frames["rgb"].time_us if "rgb" in row.frames else None)
        for name, frame in row.frames.items():
            segment.frames[name].append(frame.data)
    elif len(row.frames) == len(segment.frames):
        segment.dropped += 1
    else:
        segment.unpaired += 1


def _finished(segment: Segment, streams: Streams, config: ShardSection, told: dict[str, DecodeTally]) -> Segment:
    """The segment with its share of the tallies, if the policy accepts it; `told` counts what segments have said."""
    for name, stream in streams.items():
        log = segment.logs[name]
        log.frozen = [run[:2] for run in log.frozen]
        if segment.end is None:  # nor is anything left to decode
            log.errors, log.unplaced = stream.tally.errors, stream.tally.unplaced
        log.errors, log.unplaced = log.errors - told[name].errors, log.unplaced - told[name].unplaced
        told[name].errors += log.errors
        told[name].unplaced += log.unplaced
        told[name].decoded += len(log.slots)
        if config.policy == "strict":
            _require_undamaged(segment, name, streams)
    return segment


def _gaps(segment: Segment, streams: Streams) -> list[Gap]:
    """Gaps between the stored frames, whatever stream made them."""
    lead = next(stream for name in ("rgb", "depth") if (stream := streams.get(name)) and not stream.picks)
    end = segment.last_end(streams)
    long_us = long_step_us(lead.schedule)
    if lead.schedule.slots:
        return gaps_of(segment.slots, segment.times_us, segment.begin, end, long_us)
    lost = end - segment.begin - len(segment.slots)  # nothing says where
    return [(None, lost, None)] if lost else []


def _mismatch(streams: Streams) -> int:
    totals = [stream.schedule.total for stream in streams.values()]
    return max(totals) - min(totals)


def _agreement(streams: Streams) -> float:
    """The shorter stream's length as a part of the longer one's.

    Streams without a common clock may differ in rate, and their files may state a wrong one: it is enough that either
    the frames or the seconds agree.
    """
    totals = [stream.schedule.total for stream in streams.values()]
    seconds = [stream.seconds for stream in streams.values() if stream.seconds]
    agreement = min(totals) / max(totals)
    if any(stream.picks for stream in streams.values()) and len(seconds) == len(streams):
        agreement = max(agreement, min(seconds) / max(seconds))
    return agreement


_REASONS = {"rgb": "damaged-video", "depth": "damaged-depth"}


def _require_promise(streams: Streams, config: ShardSection) -> None:
    """Refuse what is known to be damaged before anything is decoded."""
    least = 1.0 if config.policy == "strict" else config.min_decoded
    for name, stream in streams.items():
        schedule = stream.schedule
        if stream.stopped and not schedule.promise:
            raise BadSampleError(
                "truncated-video",
                f"{stream.path} cannot be read after {schedule.demuxed} frames ({stream.stopped}), and nothing says "
                "how many there should be; copy or re-encode it",
            )
        if schedule.demuxed < least * schedule.total:
            cut = schedule.promise == "header" or (schedule.slots and schedule.slots[-1] == schedule.demuxed - 1)
            raise BadSampleError(
                "truncated-video" if cut and name == "rgb" else _REASONS[name],
                f"{stream.path} holds {schedule.demuxed} of {schedule.total} frames ({schedule.promise or 'time steps'}"
                f", at least {least:.0%} are needed); copy or re-encode it",
            )
    least = config.min_decoded if any(stream.picks for stream in streams.values()) else least
    if _mismatch(streams) > config.max_count_mismatch and _agreement(streams) < least:
        counts = ", ".join(
            f"{stream.schedule.total} {name}"
            + (f" ({stream.seconds:.1f} s)" if stream.picks and stream.seconds else "")
            for name, stream in streams.items()
        )
        raise BadSampleError(
            "count-mismatch",
            f"{next(iter(streams.values())).path}: {counts} frames (shard.max_count_mismatch is "
            f"{config.max_count_mismatch}); the streams are not of one recording, or one is cut",
        )


def _require_undamaged(segment: Segment, name: str, streams: Streams) -> None:
    """Strict: every expected frame is there, whole, in its place, and alive."""
    log, stream = segment.logs[name], streams[name]
    resized = segment.resized(name, streams)
    if resized:
        raise BadSampleError("size-changes", f"{stream.path}: {resized} frames have another size than the first")
    damage = {
        "missing": segment.missing(name, streams),
        "partly made up by the decoder": segment.made_up(name, streams),
        "refused by the decoder": log.errors,
        "out of order": log.unplaced,
        "in incomplete packets": stream.incomplete_packets,
        "frozen": sum(length for _, length in log.frozen),
    }
    said = ", ".join(f"{count} {what}" for what, count in damage.items() if count)
    if said:
        raise BadSampleError(
            _reason(name, stream),
            f"{stream.path}: {said} of {stream.schedule.total} frames (shard.policy is strict); copy or re-encode it",
        )


def _require_enough(streams: Streams, config: ShardSection, told: dict[str, DecodeTally], stored: int) -> None:
    """Repair and drop: enough of each stream is kept, and a frame at all."""
    for name, stream in streams.items():
        total = stream.total
        kept = stored if config.policy == "drop" else told[name].decoded
        if kept < config.min_decoded * total or not stored:
            tally = stream.tally
            why = f" ({tally.first_error})" if tally.first_error else ""
            raise BadSampleError(
                _reason(name, stream),
                f"{stream.path}: {kept} of {total} frames can be kept{why}, at least {config.min_decoded:.0%} are "
                "needed (shard.min_decoded); copy or re-encode it",
            )


def _reason(name: str, stream: CodedStream) -> str:
    return stream.tally.reason or _REASONS[name]
