"""The frozen plan: which recording goes to which shard, under which key."""

from __future__ import annotations

import pyarrow.compute as pc

from ..schemas.recording import PlannedRecording, Recording, plan_table, planned_recordings
from .keys import unique_keys
from .parquet_files import parquet_bytes, read_parquet
from .store import Store

PLAN_FILE = "shards/plan.parquet"


def plan_shards(recordings: list[Recording], recordings_per_shard: int) -> list[PlannedRecording]:
    """Recordings sorted by key and dealt to shards of equal size in that order."""
    keys = unique_keys([recording.path for recording in recordings])
    ordered = sorted(zip(keys, recordings, strict=True), key=lambda pair: pair[0])
    return [
        PlannedRecording(place // recordings_per_shard, key, recording)
        for place, (key, recording) in enumerate(ordered)
    ]


def write_plan(store: Store, rows: list[PlannedRecording]) -> None:
    """Freeze the plan in the store."""
    store.write_bytes(PLAN_FILE, parquet_bytes(plan_table(rows)))


def read_plan(store: Store) -> list[PlannedRecording]:
    """All rows of the frozen plan."""
    return planned_recordings(read_parquet(store, PLAN_FILE))


def read_planned_shard(store: Store, shard: int) -> list[PlannedRecording]:
    """The rows of one shard, without building the others."""
    table = read_parquet(store, PLAN_FILE)
    return planned_recordings(table.filter(pc.equal(table["shard"], shard)))
