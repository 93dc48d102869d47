"""What a dataset adapter finds: one recording and where its streams lie; and the frozen plan made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import pyarrow as pa

from .camera import Camera

_PARTS = frozenset(("train", "test"))


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording of a dataset.

    path: name for messages and for the key, relative to the source. files: stream ("rgb", "depth", "skeleton") to the
    path of its file or folder, relative to the source. label: class index. splits: protocol to "train" or "test"; a
    protocol in which the recording takes no part is absent. group: what cross-validation keeps together (source film);
    the subject where there is none. fps: nominal rate, used where no stream has timestamps. depth_camera: intrinsics of
    the source depth frames, at the nominal size that joints refer to; needed with depth. depth_unit_mm: millimetres
    that one step of the source's depth values stands for. color_size: nominal (width, height) that joints refer to.
    relative_time: RGB and depth span the same time at rates of their own, so that each depth frame takes the RGB frame
    nearest in relative time; else frame i of the one belongs to frame i of the other.
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
    group: str | None = None
    fps: float | None = None
    depth_camera: Camera | None = None
    depth_unit_mm: float = 1.0
    color_size: tuple[int, int] | None = None
    relative_time: bool = False

    def __post_init__(self) -> None:
        if not self.recording_id or not self.path:
            raise ValueError("a recording needs an id and a path")
        if (self.label is None) != (self.label_name is None):
            raise ValueError(f"{self.path}: label and label_name come together")
        if "depth" in self.files and self.depth_camera is None:
            raise ValueError(f"{self.path}: depth needs the intrinsics of its camera")
        if not _PARTS.issuperset(self.splits.values()):
            raise ValueError(f"{self.path}: a split is train or test, got {self.splits}")


@dataclass(frozen=True)
class Index:
    """What an adapter found: recordings in a fixed order, and lines that say how complete the copy is."""

    recordings: list[Recording]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
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
        ("group", pa.string()),
        ("fps", pa.float64()),
        ("depth_camera", pa.list_(pa.float64())),
        ("depth_unit_mm", pa.float64()),
        ("color_size", pa.list_(pa.int32())),
        ("relative_time", pa.bool_()),
    ]
)


def plan_table(rows: Sequence[PlannedRecording]) -> pa.Table:
    """The plan as an Arrow table of PLAN_SCHEMA, built by columns."""
    recordings = [row.recording for row in rows]
    columns: dict[str, list[Any]] = {name: list(map(attrgetter(name), recordings)) for name in PLAN_SCHEMA.names[2:]}
    columns |= {"shard": [row.shard for row in rows], "key": [row.key for row in rows]}
    for name in ("files", "splits"):
        columns[name] = [sorted(value.items()) for value in columns[name]]
    columns["depth_camera"] = [camera and _camera_numbers(camera) for camera in columns["depth_camera"]]
    return pa.table(columns, schema=PLAN_SCHEMA)


def planned_recordings(table: pa.Table) -> list[PlannedRecording]:
    """The rows of a plan table."""
    rows = []
    for values in table.to_pylist():
        shard, key = values.pop("shard"), values.pop("key")
        values |= {"files": dict(values["files"]), "splits": dict(values["splits"])}
        if values["depth_camera"] is not None:
            fx, fy, cx, cy, width, height = values["depth_camera"]
            values["depth_camera"] = Camera(fx, fy, cx, cy, int(width), int(height))
        if values["color_size"] is not None:
            values["color_size"] = tuple(values["color_size"])
        recording = Recording(**values)
        rows.append(PlannedRecording(shard, key, recording))
    return rows


def _camera_numbers(camera: Camera) -> list[float]:
    return [camera.fx, camera.fy, camera.cx, camera.cy, float(camera.width), float(camera.height)]
