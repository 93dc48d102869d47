"""What a worker says of the shard that it finished, and what a stage says when all are done.

The report of a shard is written last and is its done mark; the manifest is the done mark of the artefact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, model_validator

from .recipe import canonical_hash


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SampleEntry(_Record):
    """One sample of a shard: where its members lie in the tar, so that they can be read by range."""

    key: str
    recording_id: str
    source_hash: str
    """sha256 of the source files' bytes."""
    num_frames: int
    """Frames of the recording's sample (in every artefact, so that pairs can be counted)."""
    fps: float
    stride: int | None = None
    """Flow artefacts: frames between the two of a pair."""
    motion: tuple[float, ...] = ()
    """Flow artefacts: mean length of the flow over the valid cells of each pair, in the flow's unit."""
    registered: str | None = None
    """Shards: the frame, "depth" or "rgb", in which RGB and depth lie pixel on pixel; None where they do not."""
    brightness: str | None = None
    """Scene-flow artefacts: what brightness constancy was asked of, for example "rgb" or "shading"."""
    members: dict[str, tuple[int, int]] = {}
    """Member name without the key to (byte offset of its content, size)."""

    @property
    def path(self) -> str:
        """What a reject of a later stage calls the sample."""
        return self.recording_id


class Reject(_Record):
    """A recording that a stage could not use, and why."""

    stage: str
    key: str
    recording_id: str
    path: str
    reason: str
    detail: str
    attempts: int = 1


REJECT_SCHEMA = pa.schema([(name, pa.int32() if name == "attempts" else pa.string()) for name in Reject.model_fields])


class ShardReport(_Record):
    """Counts, hash and samples of one finished shard; `read = written + rejected` counts recordings."""

    shard: int
    file: str
    sha256: str
    size_bytes: int
    read: int
    written: int
    samples: tuple[SampleEntry, ...]
    rejects: tuple[Reject, ...]
    totals: dict[str, int] = {}
    """Stage-specific counts that add up over shards, for example frames."""

    @model_validator(mode="after")
    def _adds_up(self) -> ShardReport:
        if self.read != self.written + len(self.rejects):
            raise ValueError(f"shard {self.shard}: read {self.read} != {self.written} + {len(self.rejects)} rejected")
        return self

    def summary(self) -> ShardSummary:
        """The shard's line in the manifest."""
        return ShardSummary(
            shard=self.shard,
            file=self.file,
            sha256=self.sha256,
            read=self.read,
            written=self.written,
            rejected=len(self.rejects),
        )

    def counts(self) -> dict[str, int]:
        """Everything that adds up over shards."""
        return {
            "read": self.read,
            "written": self.written,
            "rejected": len(self.rejects),
            "samples": len(self.samples),
            "bytes": self.size_bytes,
            **self.totals,
        }


class Identity(_Record):
    """What an artefact's bytes depend on: its recipe section, data settings and parents' hashes."""

    stage: str
    section: dict[str, Any]
    data: dict[str, Any]
    parents: dict[str, str]

    def differences(self, other: Identity) -> list[tuple[str, Any, Any]]:
        """(field, value here, value there) of every field in which the two differ."""
        mine, theirs = self._flat(), other._flat()
        return [
            (name, mine.get(name), theirs.get(name))
            for name in sorted(mine.keys() | theirs.keys())
            if mine.get(name) != theirs.get(name)
        ]

    def _flat(self) -> dict[str, Any]:
        flat: dict[str, Any] = {"stage": self.stage}
        flat |= {f"{self.stage}.{name}": value for name, value in self.section.items()}
        flat |= _leaves("data", self.data)
        flat |= {f"parent {name}": value for name, value in self.parents.items()}
        return flat


def _leaves(name: str, value: Any) -> dict[str, Any]:
    """The values inside of nested dictionaries, by their dotted names."""
    if not isinstance(value, dict):
        return {name: value}
    return {leaf: v for key, inner in value.items() for leaf, v in _leaves(f"{name}.{key}", inner).items()}


class ShardSummary(_Record):
    """A shard's line in the manifest."""

    shard: int
    file: str
    sha256: str
    read: int
    written: int
    rejected: int


class Manifest(_Record):
    """An artefact that is complete. `hash` covers identity and content, not `info` (times, versions, paths)."""

    identity: Identity
    shards: tuple[ShardSummary, ...]
    totals: dict[str, int]
    hash: str
    info: dict[str, Any] = {}

    @classmethod
    def of(cls, identity: Identity, reports: Iterable[ShardReport], info: dict[str, Any]) -> Manifest:
        """The manifest of finished shards, in their order; of the reports one at a time is held."""
        shards: list[ShardSummary] = []
        totals = {"read": 0, "written": 0, "rejected": 0, "samples": 0, "bytes": 0}
        for report in reports:
            shards.append(report.summary())
            for name, count in report.counts().items():
                totals[name] = totals.get(name, 0) + count
        digest = content_hash(identity, shards)
        return cls(identity=identity, shards=tuple(shards), totals=totals, hash=digest, info=info)


def content_hash(identity: Identity, shards: Sequence[ShardSummary]) -> str:
    """The hash of a manifest: of what its artefact was made from, and of the bytes of its shards."""
    content = {"identity": identity.model_dump(mode="json"), "shards": [s.model_dump(mode="json") for s in shards]}
    return canonical_hash(content)
