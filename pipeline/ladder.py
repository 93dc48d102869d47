"""The ladder of a recording whose worker process dies: note it, try again, alone, then reject it.

Beside a shard that is being worked on lie two small files, gone when it is done:

    NNNNNN.current    the recording that the worker is at, noted before each one
    NNNNNN.deaths     recordings at which a worker died: the causes, and whether that is the end of it
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .store import Store

REASON = "worker-died"
ENDED = "the command itself ended while it was at this recording"
_DEATHS_BEFORE_ALONE = 2


@dataclass(frozen=True)
class Ladder:
    """Notes and deaths of the shards of one artefact. Only one process at a time works on a shard."""

    store: Store
    folder: str

    @contextmanager
    def at_work(self, shard: int) -> Iterator[None]:
        """A process that outlives the block, error or not, leaves no note; one that dies leaves the last."""
        try:
            yield
        finally:
            self._remove(shard, "current")

    def note(self, shard: int, key: str, cause: str | None = None) -> None:
        """Say which recording comes now; with a cause: that the process ends itself because of it."""
        note = {"key": key} | ({"cause": cause} if cause else {})
        self.store.write_note(self._name(shard, "current"), json.dumps(note).encode())

    def current(self, shard: int) -> tuple[str, str | None] | None:
        """(key, cause if one was noted) of the recording that a worker is at, or was at when it died."""
        note = self._read(shard, "current")
        return (note["key"], note.get("cause")) if note else None

    def add_death(self, shard: int, cause: str) -> tuple[str, bool] | None:
        """Count a death at the noted recording: (its key, whether it must now run alone); None where none is noted."""
        current = self.current(shard)
        if current is None:
            return None
        key, noted = current
        causes, _ = self.deaths(shard).get(key, ((), False))
        self._write_deaths(shard, key, (*causes, noted or cause), False)
        self._remove(shard, "current")
        return key, len(causes) + 1 >= _DEATHS_BEFORE_ALONE

    def give_up(self, shard: int, key: str, cause: str | None = None) -> None:
        """Reject the recording when its shard is worked on next; `cause` of its last death, where it is not counted."""
        causes, _ = self.deaths(shard).get(key, ((), False))
        self._write_deaths(shard, key, (*causes, cause) if cause else causes, True)

    def deaths(self, shard: int) -> dict[str, tuple[tuple[str, ...], bool]]:
        """Key to (causes of the deaths there, whether it is given up)."""
        there = self._read(shard, "deaths") or {}
        return {key: (tuple(record["causes"]), record["given_up"]) for key, record in there.items()}

    def finish(self, shard: int) -> None:
        """Forget everything of a shard that is done."""
        for kind in ("deaths", "current"):
            self._remove(shard, kind)

    def left_behind(self) -> list[int]:
        """Shards at which a process died without anyone to count it: those of a command that ended."""
        return self._shards("current")

    def to_run_alone(self) -> list[tuple[int, str]]:
        """(shard, key) of recordings that have died often enough to run alone next, and are not given up."""
        return [
            (shard, key)
            for shard in self._shards("deaths")
            for key, (causes, given_up) in self.deaths(shard).items()
            if len(causes) >= _DEATHS_BEFORE_ALONE and not given_up
        ]

    def _shards(self, kind: str) -> list[int]:
        return [int(name[:6]) for name in self.store.list(self.folder) if name.endswith(f".{kind}")]

    def _name(self, shard: int, kind: str) -> str:
        return f"{self.folder}/{shard:06d}.{kind}"

    def _read(self, shard: int, kind: str) -> dict[str, Any] | None:
        try:
            data = self.store.read_bytes(self._name(shard, kind))
        except FileNotFoundError:  # the worker may take its note away at any time
            return None
        note: dict[str, Any] | None = json.loads(data) if data.strip() else None
        return note

    def _write_deaths(self, shard: int, key: str, causes: tuple[str, ...], given_up: bool) -> None:
        there = (self._read(shard, "deaths") or {}) | {key: {"causes": causes, "given_up": given_up}}
        self.store.write_bytes(self._name(shard, "deaths"), json.dumps(there).encode())

    def _remove(self, shard: int, kind: str) -> None:
        if self.store.exists(self._name(shard, kind)):
            self.store.remove(self._name(shard, kind))


def death_detail(causes: tuple[str, ...]) -> str:
    """What a reject says of a recording that took its worker along."""
    return (
        f"its worker process died {len(causes)} times, the last time alone: {causes[-1]}; look at the file, give it "
        "more time or memory (--deadline, --memory), then: motionpipe rejects retry"
    )
