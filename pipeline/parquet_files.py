"""Parquet tables in the store, read and written in this thread."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from ..schemas.errors import MotionpipeError
from .store import Store

ROW_GROUP = 4096


def read_parquet(store: Store, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """A whole table, or some of its columns.

    `pq.read_table` would read through pyarrow's dataset layer, whose threads can outlive the interpreter and abort it
    while they give back Python's buffers.
    """
    source = pa.BufferReader(store.read_bytes(name))
    try:
        with pq.ParquetFile(source, pre_buffer=False) as file:
            return file.read(columns=columns, use_threads=False)
    except pa.ArrowInvalid as error:
        raise MotionpipeError(f"{name} in {store.uri} is damaged: {error}") from error


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as Parquet: row groups of 4096, a dictionary on text columns only, since numbers seldom repeat."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table, sink, use_dictionary=_text_columns(table.schema), row_group_size=ROW_GROUP, compression="zstd"
    )
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _text_columns(schema: pa.Schema) -> list[str]:
    """Parquet paths of the columns that hold text, alone or in a list."""
    lists = [f"{field.name}.list.element" for field in schema if field.type == pa.list_(pa.string())]
    return [field.name for field in schema if field.type == pa.string()] + lists
