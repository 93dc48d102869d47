"""One shard of a tar artefact: every item is written or rejected, and the report comes last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from ..schemas.errors import BadSampleError
from ..schemas.report import Reject, SampleEntry, ShardReport
from .artefacts import report_name, tar_name
from .store import Store
from .tar_shard import TarShardWriter


class Item(Protocol):
    """What a stage reads: its key, whose it is, and the name that a reject shows."""

    @property
    def key(self) -> str: ...  # noqa: D102

    @property
    def recording_id(self) -> str: ...  # noqa: D102

    @property
    def path(self) -> str: ...  # noqa: D102


T = TypeVar("T", bound=Item)


@dataclass(frozen=True)
class Sample:
    """The members of one sample, ready to be written, and what a report says of it."""

    key: str
    members: dict[str, bytes]
    num_frames: int
    fps: float
    source_hash: str
    stride: int | None = None
    motion: tuple[float, ...] = ()
    registered: str | None = None
    brightness: str | None = None
    counts: dict[str, int] = field(default_factory=dict)


def write_tar_shard(
    store: Store, folder: str, shard: int, items: Sequence[T], build: Callable[[T], Iterable[Sample]]
) -> ShardReport:
    """Build every item's samples into FOLDER/NNNNNN.tar, then write FOLDER/NNNNNN.json, the done mark.

    A BadSampleError of `build` becomes a reject; any other exception leaves neither file.
    """
    rejects: list[Reject] = []
    entries: list[SampleEntry] = []
    totals: dict[str, int] = {}
    with store.writing(f"{folder}/{tar_name(shard)}") as stream:
        writer = TarShardWriter(stream)
        for item in items:
            try:
                samples = list(build(item))
            except BadSampleError as error:
                rejects.append(_reject(folder, item, error))
                continue
            for sample in samples:
                entries.append(_entry(item, sample, writer.add(sample.key, sample.members)))
                for name, count in sample.counts.items():
                    totals[name] = totals.get(name, 0) + count
        sha256 = writer.close()
    report = ShardReport(
        shard=shard,
        file=tar_name(shard),
        sha256=sha256,
        size_bytes=writer.size_bytes,
        read=len(items),
        written=len(items) - len(rejects),
        samples=tuple(entries),
        rejects=tuple(rejects),
        totals=totals,
    )
    store.write_bytes(f"{folder}/{report_name(shard)}", report.model_dump_json().encode())
    return report


def _reject(folder: str, item: Item, error: BadSampleError) -> Reject:
    stage = folder.split("/", 1)[0]
    return Reject(
        stage=stage,
        key=item.key,
        recording_id=item.recording_id,
        path=item.path,
        reason=error.reason,
        detail=error.detail,
    )


def _entry(item: Item, sample: Sample, members: dict[str, tuple[int, int]]) -> SampleEntry:
    return SampleEntry(
        key=sample.key,
        recording_id=item.recording_id,
        source_hash=sample.source_hash,
        num_frames=sample.num_frames,
        fps=sample.fps,
        stride=sample.stride,
        motion=sample.motion,
        registered=sample.registered,
        brightness=sample.brightness,
        members=members,
    )
