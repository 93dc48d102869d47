"""What a dataset adapter finds: one recording and where its streams lie; and the frozen plan made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa


@dataclass(frozen=True)
class Recording:
    """One recording of a dataset.

    path: name for messages and for the key, relative to the source. files: stream ("rgb", "depth", "skeleton") to the
    path of its file or folder, relative to the source. label: class index. splits: protocol to "train" or "test"; a
    protocol in which the recording takes no part is absent. fps: nominal rate, used where no stream has timestamps.
    """

    recording_id: str
    path: str
    files: dict[str, str]
    label: int | None = None
    label_name: str | None = None
    splits: dict[str, str] = field(default_factory=dict)
    subject: int | None = None
    camera: int | None = None
    setup: int | None = None
    fps: float | None = None

    def __post_init__(self) -> None:
        if not self.recording_id or not self.path:
            raise ValueError("a recording needs an id and a path")
        if (self.label is None) != (self.label_name is None):
            raise ValueError(f"{self.path}: label and label_name come together")
        if not set(self.splits.values()) <= {"train", "test"}:
            raise ValueError(f"{self.path}: a split is train or test, got {self.splits}")


@dataclass(frozen=True)
class PlannedRecording:
    """A recording, its key in the store and the shard that it goes to."""

    shard: int
    key: str
    recording: Recording

    @property
    def recording_id(self) -> str:
        """Id of the recording."""
        return self.recording.recording_id

    @property
    def path(self) -> str:
        """Path of the recording, relative to the source."""
        return self.recording.path


_TEXT_MAP = pa.map_(pa.string(), pa.string())
PLAN_SCHEMA = pa.schema(
    [
        ("shard", pa.int32()),
        ("key", pa.string()),
        ("recording_id", pa.string()),
        ("path", pa.string()),
        ("files", _TEXT_MAP),
        ("label", pa.int32()),
        ("label_name", pa.string()),
        ("splits", _TEXT_MAP),
        ("subject", pa.int32()),
        ("camera", pa.int32()),
        ("setup", pa.int32()),
        ("fps", pa.float64()),
    ]
)


def plan_table(rows: Iterable[PlannedRecording]) -> pa.Table:
    """The plan as an Arrow table of PLAN_SCHEMA."""
    columns: dict[str, list[object]] = {name: [] for name in PLAN_SCHEMA.names}
    for row in rows:
        columns["shard"].append(row.shard)
        columns["key"].append(row.key)
        for name in PLAN_SCHEMA.names[2:]:
            value = getattr(row.recording, name)
            columns[name].append(sorted(value.items()) if isinstance(value, dict) else value)
    return pa.table(columns, schema=PLAN_SCHEMA)


def planned_recordings(table: pa.Table) -> list[PlannedRecording]:
    """The rows of a plan table."""
    rows = []
    for values in table.to_pylist():
        shard, key = values.pop("shard"), values.pop("key")
        recording = Recording(**{**values, "files": dict(values["files"]), "splits": dict(values["splits"])})
        rows.append(PlannedRecording(shard, key, recording))
    return rows
