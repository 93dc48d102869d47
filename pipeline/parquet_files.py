"""Parquet tables in the store, read and written in this thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc
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


def read_parquet_where(store: Store, name: str, column: str, value: int) -> pa.Table:
    """Rows whose integer `column` is `value`; only the row groups that may hold them are read."""
    with store.reading(name) as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
        groups = [
            group
            for group in range(file.num_row_groups)
            for low, high in [_range(file.metadata.row_group(group), column)]
            if low <= value <= high
        ]
        table = file.read_row_groups(groups, use_threads=False)
    return table.filter(pc.equal(table[column], value))


def _range(group: pq.RowGroupMetaData, column: str) -> tuple[int, int]:
    """Smallest and largest value of a column in a row group."""
    for number in range(group.num_columns):
        chunk = group.column(number)
        if chunk.path_in_schema == column:
            return chunk.statistics.min, chunk.statistics.max
    raise ValueError(f"no column {column}")


def write_parquet(store: Store, name: str, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write tables one after the other as one file, without ever holding all of them."""
    with (
        store.writing(name) as stream,
        pq.ParquetWriter(stream, schema, use_dictionary=_text_columns(schema), compression="zstd") as writer,
    ):
        for table in tables:
            writer.write_table(table, row_group_size=ROW_GROUP)


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
