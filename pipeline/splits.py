"""Which samples belong to the training and to the test part of a protocol."""

from __future__ import annotations

from ..schemas.errors import MotionpipeError
from ..schemas.recording import PlannedRecording
from .datasets import protocols
from .plan import read_plan
from .store import Store


def resolve_protocol(dataset: str, protocol: str | None) -> str:
    """The asked protocol, or the dataset's first; an error that lists the known ones."""
    known = protocols(dataset)
    if protocol is None:
        return known[0]
    if protocol not in known:
        raise MotionpipeError(f"protocol {protocol!r} is not one of {dataset}'s: {', '.join(known)}")
    return protocol


def planned_by_recording(store: Store) -> dict[str, PlannedRecording]:
    """The plan, by recording id."""
    return {row.recording_id: row for row in read_plan(store)}


def recordings_in(plan: dict[str, PlannedRecording], protocol: str, part: str) -> frozenset[str]:
    """Ids of the recordings in a part ("train", "test") of a protocol."""
    return frozenset(name for name, row in plan.items() if row.recording.splits.get(protocol) == part)
