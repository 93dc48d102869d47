"""One shard of an artefact: every item is written or rejected, and the report comes last."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from ..schemas.errors import BadSampleError
from ..schemas.report import Reject, SampleEntry, ShardReport
from .artefacts import report_name, tar_name
from .ladder import REASON, Ladder, death_detail
from .retry import Retry, finish_retry, read_retry, stored_members
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
B = TypeVar("B")


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
    counts: dict[str, int] = field(default_factory=dict)
    registered: str | None = None
    brightness: str | None = None


@dataclass(frozen=True)
class ShardWork(Generic[T, B]):
    """What a worker does with the shard of a number; `write` is `write_tar_shard` or one like it."""

    items: Callable[[int], Sequence[T]]
    build: Callable[[int, T], Iterable[B]]
    write: Callable[[int, Sequence[T], Callable[[T], Iterable[B]]], ShardReport]

    def __call__(self, shard: int) -> ShardReport:
        """The whole shard."""
        return self.write(shard, self.items(shard), lambda item: self.build(shard, item))

    def alone(self, shard: int, key: str) -> None:
        """One item, whose result is thrown away: to see whether the process outlives it."""
        for item in self.items(shard):
            if item.key == key:
                try:
                    for _ in self.build(shard, item):
                        pass
                except BadSampleError:
                    pass


class _Pass(Generic[T]):
    """One pass over the items of a shard: what each one comes to, with the rejects counted on the way."""

    def __init__(self, store: Store, folder: str, shard: int) -> None:
        self.rejects: list[Reject] = []
        self.retry: Retry | None = read_retry(store, folder, shard)
        self._folder, self._shard, self._ladder = folder, shard, Ladder(store, folder)

    def each(self, items: Sequence[T], copies: bool) -> Iterator[tuple[T, bool]]:
        """(item, whether it stands and can be copied) of those that are neither rejected before nor given up."""
        given_up = {key: causes for key, (causes, ends) in self._ladder.deaths(self._shard).items() if ends}
        for item in items:
            before = self.retry.reject_of(item.key) if self.retry else None
            if self.retry and item.key not in self.retry.keys and (before or copies):
                if before:
                    self.rejects.append(before)
                else:
                    yield item, True
            elif item.key in given_up:
                causes = given_up[item.key]
                self.reject(item, REASON, death_detail(causes), len(causes))
            else:
                self._ladder.note(self._shard, item.key)
                yield item, False

    def at_work(self) -> AbstractContextManager[None]:
        """The block in which a death of the process leaves a note behind."""
        return self._ladder.at_work(self._shard)

    def finish(self, store: Store, report: ShardReport) -> ShardReport:
        """Write the report, the done mark, and forget the notes."""
        store.write_bytes(f"{self._folder}/{report_name(self._shard)}", report.model_dump_json().encode())
        finish_retry(store, self._folder, self._shard)
        self._ladder.finish(self._shard)
        return report

    def undo_report(self, store: Store) -> None:
        """From here to `finish` the shard is not done: a kill in between has it made from nothing."""
        if self.retry:
            store.remove(f"{self._folder}/{report_name(self._shard)}")

    def reject(self, item: T, reason: str, detail: str, attempts: int) -> None:
        """Count an item out."""
        before = self.retry.attempts_before(item.key) if self.retry else 0
        reject = Reject(
            stage=self._folder.split("/", 1)[0],
            key=item.key,
            recording_id=item.recording_id,
            path=item.path,
            reason=reason,
            detail=detail,
            attempts=before + attempts,
        )
        self.rejects.append(reject)


def write_tar_shard(
    store: Store, folder: str, shard: int, items: Sequence[T], build: Callable[[T], Iterable[Sample]]
) -> ShardReport:
    """Build every item's samples into FOLDER/NNNNNN.tar, then write FOLDER/NNNNNN.json, the done mark.

    Samples are written as they come, so that one at a time is in memory. A BadSampleError of `build` becomes a reject
    that leaves nothing in the tar, and so does an item that the ladder has given up; any other exception leaves neither
    file. Where only some items are attempted again, the other samples are copied from the old tar.
    """
    entries: list[SampleEntry] = []
    this = _Pass[T](store, folder, shard)
    totals = Counter(this.retry.old.totals if this.retry else {})
    with this.at_work(), store.writing(f"{folder}/{tar_name(shard)}") as stream:
        writer = TarShardWriter(stream)
        for item, stands in this.each(items, copies=True):
            if stands:
                assert this.retry is not None
                for entry in this.retry.entries_of(item.key, item.recording_id):
                    places = writer.add(entry.key, stored_members(store, folder, shard, entry))
                    entries.append(entry.model_copy(update={"members": places}))
                continue
            mark, counts, done = writer.mark(), Counter(totals), len(entries)
            try:
                for sample in build(item):
                    entries.append(_entry(item, sample, writer.add(sample.key, sample.members)))
                    counts.update(sample.counts)
                    del sample  # before the next is built
            except BadSampleError as error:  # also those of its samples that are written already
                writer.rollback(mark)
                del entries[done:]
                this.reject(item, error.reason, error.detail, 1)
            else:
                totals = counts
        sha256 = writer.close()
        this.undo_report(store)
    report = ShardReport(
        shard=shard,
        file=tar_name(shard),
        sha256=sha256,
        size_bytes=writer.size_bytes,
        read=len(items),
        written=len(items) - len(this.rejects),
        samples=tuple(entries),
        rejects=tuple(this.rejects),
        totals=dict(totals),
    )
    return this.finish(store, report)


def write_rows_shard(
    store: Store,
    folder: str,
    shard: int,
    items: Sequence[SampleEntry],
    build: Callable[[SampleEntry], Iterable[B]],
    parquet: Callable[[Sequence[B]], bytes],
) -> ShardReport:
    """The same for rows: FOLDER/NNNNNN.parquet. What stands is built again: it gives the same rows."""
    rows: list[B] = []
    written: list[SampleEntry] = []
    this = _Pass[SampleEntry](store, folder, shard)
    with this.at_work():
        for item, _ in this.each(items, copies=False):
            try:
                rows += list(build(item))
            except BadSampleError as error:
                this.reject(item, error.reason, error.detail, 1)
            else:
                written.append(item.model_copy(update={"members": {}}))
    data = parquet(rows)
    this.undo_report(store)
    file = f"{shard:06d}.parquet"
    store.write_bytes(f"{folder}/{file}", data)
    report = ShardReport(
        shard=shard,
        file=file,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        read=len(items),
        written=len(written),
        samples=tuple(written),
        rejects=tuple(this.rejects),
        totals={"rows": len(rows)},
    )
    return this.finish(store, report)


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
