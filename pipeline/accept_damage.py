"""What damage of a recording each policy accepts: before it is decoded, in each segment, and at its end."""

from __future__ import annotations

from ..schemas.errors import BadSampleError
from ..schemas.recipe import ShardSection
from .coded_stream import CodedStream
from .decode_video import DecodeTally
from .segment import Segment, Streams


def count_mismatch(streams: Streams) -> int:
    """Frames by which the longest stream is longer than the shortest, each by its own schedule."""
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


def require_promise(streams: Streams, config: ShardSection) -> None:
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
    if count_mismatch(streams) > config.max_count_mismatch and _agreement(streams) < least:
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


def require_undamaged(segment: Segment, name: str, streams: Streams) -> None:
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


def require_enough(streams: Streams, config: ShardSection, told: dict[str, DecodeTally], stored: int) -> None:
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
