"""Rejected recordings that are attempted again, in a shard whose other samples stand.

`NNNNNN.retry` beside a finished shard lists their keys. The shard then counts as missing, whichever command comes next;
its worker copies what stands and builds the listed recordings. The file is removed when the new report is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..schemas.report import Reject, SampleEntry, ShardReport
from .artefacts import read_report, report_name, tar_name
from .store import Store


@dataclass(frozen=True)
class Retry:
    """Keys to attempt again, and what the shard's report says before that."""

    keys: frozenset[str]
    old: ShardReport

    def reject_of(self, key: str) -> Reject | None:
        """The recording's old reject."""
        return next((reject for reject in self.old.rejects if reject.key == key), None)

    def attempts_before(self, key: str) -> int:
        """How often the recording was attempted and rejected."""
        reject = self.reject_of(key)
        return reject.attempts if reject else 0

    def entries_of(self, key: str, recording_id: str) -> list[SampleEntry]:
        """The samples that stand of an item: its own, or its segments."""
        own = re.compile(re.escape(key) + r"(-s\d+)?")
        return [e for e in self.old.samples if e.recording_id == recording_id and own.fullmatch(e.key)]


def retry_name(shard: int) -> str:
    """File that lists a shard's recordings to attempt again."""
    return f"{shard:06d}.retry"


def ask_retry(store: Store, folder: str, shard: int, keys: Iterable[str]) -> None:
    """Make the shard count as missing for these keys."""
    store.write_bytes(f"{folder}/{retry_name(shard)}", json.dumps(sorted(keys)).encode())


def read_retry(store: Store, folder: str, shard: int) -> Retry | None:
    """What is to be attempted again; None where the shard is made from nothing."""
    name = f"{folder}/{retry_name(shard)}"
    if not store.exists(name) or not store.exists(f"{folder}/{report_name(shard)}"):
        return None
    return Retry(frozenset(json.loads(store.read_bytes(name))), read_report(store, folder, shard))


def finish_retry(store: Store, folder: str, shard: int) -> None:
    """The shard is as asked."""
    if store.exists(f"{folder}/{retry_name(shard)}"):
        store.remove(f"{folder}/{retry_name(shard)}")


def stored_members(store: Store, folder: str, shard: int, entry: SampleEntry) -> dict[str, bytes]:
    """All members of a sample that stands, in one read."""
    first = min(offset for offset, _ in entry.members.values())
    last = max(offset + size for offset, size in entry.members.values())
    data = store.read_range(f"{folder}/{tar_name(shard)}", first, last - first)
    return {name: data[offset - first :][:size] for name, (offset, size) in entry.members.items()}
