"""A recording cut into segments of at most so many frames, each with its own part of the decode contract.

Figures of a segment cover its own range of slots, so that over the segments of a recording they add up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..schemas.recipe import ShardSection
from .accept_damage import count_mismatch, require_enough, require_promise, require_undamaged
from .coded_stream import CodedStream
from .decode_contract import Gap, gaps_of, long_step_us, runs_of
from .decode_video import DecodeTally
from .pair_frames import Row, pair_frames
from .segment import Segment, StreamLog, Streams


def cut_segments(streams: Streams, config: ShardSection) -> Iterator[Segment]:
    """Decode the streams together and cut them; a segment is out of memory's way before the next is begun.

    Raises BadSampleError where the recording is damaged beyond what `config.policy` accepts.
    """
    require_promise(streams, config)
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
    require_enough(streams, config, told, stored)
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
        found["mismatch"] = count_mismatch(streams)
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
            require_undamaged(segment, name, streams)
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
