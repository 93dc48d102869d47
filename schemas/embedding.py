"""One learned embedding of one clip, and the Arrow schema of the Parquet files that hold them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa


@dataclass(frozen=True)
class EmbeddingRow:
    """Embedding (D,) of frames [frame_start, frame_end) of sample `key`."""

    key: str
    recording_id: str
    dataset: str
    label: int | None
    label_name: str | None
    splits: dict[str, str]
    frame_start: int
    frame_end: int
    start_us: int
    end_us: int
    shard: int
    source_hash: str
    embedding: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if not 0 <= self.frame_start < self.frame_end:
            raise ValueError(f"{self.key}: frames {self.frame_start}..{self.frame_end} are empty")
        if self.embedding.ndim != 1 or self.embedding.dtype != np.float32:
            raise ValueError(f"{self.key}: embedding must be float32 (D,)")
        if not np.isfinite(self.embedding).all():
            raise ValueError(f"{self.key}: embedding is not finite")

    def as_dict(self) -> dict[str, object]:
        """The row as Arrow stores it; `row_id` is KEY:start-end and `splits` a list of "protocol:part"."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values["splits"] = [f"{protocol}:{part}" for protocol, part in sorted(self.splits.items())]
        return {"row_id": f"{self.key}:{self.frame_start}-{self.frame_end}", **values}


def embedding_schema(dim: int, metadata: dict[str, str]) -> pa.Schema:
    """Arrow schema of embeddings of `dim` values; metadata carries run, checkpoint, recipe and manifest hashes."""
    text, integer = pa.string(), pa.int64()
    return pa.schema(
        [
            pa.field("row_id", text, nullable=False),
            pa.field("key", text, nullable=False),
            pa.field("recording_id", text, nullable=False),
            pa.field("dataset", text, nullable=False),
            pa.field("label", integer),
            pa.field("label_name", text),
            pa.field("splits", pa.list_(text), nullable=False),
            pa.field("frame_start", integer, nullable=False),
            pa.field("frame_end", integer, nullable=False),
            pa.field("start_us", integer, nullable=False),
            pa.field("end_us", integer, nullable=False),
            pa.field("shard", integer, nullable=False),
            pa.field("source_hash", text, nullable=False),
            pa.field("embedding", pa.list_(pa.float32(), dim), nullable=False),
        ],
        metadata=metadata,
    )
