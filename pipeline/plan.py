"""The frozen plan: which recording goes to which shard, under which key."""

from __future__ import annotations

import numpy as np

from ..schemas.recording import PLAN_SCHEMA, PlannedRecording, Recording, plan_table, planned_recordings
from .keys import unique_keys
from .parquet_files import ROW_GROUP, read_parquet, read_parquet_where, write_parquet
from .store import Store

PLAN_FILE = "shards/plan.parquet"


def plan_shards(recordings: list[Recording], recordings_per_shard: int) -> list[PlannedRecording]:
    """Recordings sorted by key and dealt to shards of equal size in that order."""
    keys = unique_keys([recording.path for recording in recordings])
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return [
        PlannedRecording(place // recordings_per_shard, keys[number], recordings[number])
        for place, number in enumerate(order)
    ]


def write_plan(store: Store, rows: list[PlannedRecording]) -> None:
    """Freeze the plan in the store, a batch of rows at a time: as a table, a million take a gigabyte."""
    batches = (plan_table(rows[start : start + ROW_GROUP]) for start in range(0, len(rows), ROW_GROUP))
    write_parquet(store, PLAN_FILE, PLAN_SCHEMA, batches)


def read_plan(store: Store) -> list[PlannedRecording]:
    """All rows of the frozen plan."""
    return planned_recordings(read_parquet(store, PLAN_FILE))


def read_planned_shard(store: Store, shard: int) -> list[PlannedRecording]:
    """The rows of one shard; of the file only the row groups that hold them are read."""
    return planned_recordings(read_parquet_where(store, PLAN_FILE, "shard", shard))


def planned_shard_sizes(store: Store) -> list[int]:
    """Number of recordings in each shard."""
    shards = read_parquet(store, PLAN_FILE, columns=["shard"])["shard"].to_numpy()
    return [int(count) for count in np.bincount(shards)]
