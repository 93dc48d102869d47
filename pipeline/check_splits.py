"""Training and test parts that share nothing: no recording, no group, no subject where subjects split, no source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from ..schemas.recording import Recording

_SUBJECTS_SPLIT = ("xsub", "xsub120")


def check_splits(recordings: Iterable[Recording], source_hashes: dict[str, str]) -> Iterator[str]:
    """What both parts of a protocol share; `source_hashes`: recording id to the hash of its content."""
    sides: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
    for recording in recordings:
        for protocol, part in recording.splits.items():
            for kind, value in _belongings(recording, protocol, source_hashes):
                sides[protocol, kind, value].setdefault(part, recording.path)
    for (protocol, kind, value), parts in sorted(sides.items()):
        if len(parts) > 1:
            where = " and ".join(f"{path} ({part})" for part, path in sorted(parts.items()))
            yield f"protocol {protocol}: {kind} {value} is in both parts: {where}"


def _belongings(recording: Recording, protocol: str, hashes: dict[str, str]) -> Iterator[tuple[str, str]]:
    """(kind, value) of what must stay on one side."""
    yield "recording", recording.recording_id
    if recording.group is not None:
        yield "group", recording.group
    if recording.subject is not None and protocol in _SUBJECTS_SPLIT:
        yield "subject", str(recording.subject)
    if recording.recording_id in hashes:
        yield "source", hashes[recording.recording_id][:16]
