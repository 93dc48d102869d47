import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from motionpipe.pipeline.parquet_files import ROW_GROUP, parquet_bytes, read_parquet, read_parquet_where, write_parquet

SCHEMA = pa.schema([("shard", pa.int32()), ("name", pa.string()), ("tags", pa.map_(pa.string(), pa.string()))])


def table(start, stop, a_shard=100):
    numbers = range(start, stop)
    columns = [[i // a_shard for i in numbers], [f"n{i}" for i in numbers], [[("i", str(i))] for i in numbers]]
    return pa.table(columns, schema=SCHEMA)


@pytest.fixture
def written(store):
    """Three row groups and a bit, in shards of 100."""
    size = 3 * ROW_GROUP + 10
    write_parquet(store, "a.parquet", SCHEMA, (table(i, min(i + ROW_GROUP, size)) for i in range(0, size, ROW_GROUP)))
    return store, size


def test_tables_that_are_written_one_by_one_are_one_file(written):
    store, size = written
    assert read_parquet(store, "a.parquet").equals(table(0, size))


def test_nothing_to_write_is_a_file_without_rows(store):
    write_parquet(store, "a.parquet", SCHEMA, [])
    assert read_parquet(store, "a.parquet").schema == SCHEMA
    assert read_parquet_where(store, "a.parquet", "shard", 0).num_rows == 0


@pytest.mark.parametrize("shard", [0, 40, 41, 81, 122])
def test_rows_of_one_value(written, shard):
    store, size = written
    expected = table(shard * 100, min(shard * 100 + 100, size))
    assert read_parquet_where(store, "a.parquet", "shard", shard).equals(expected)


def test_only_the_row_groups_that_hold_them_are_read(written, monkeypatch):
    asked = []
    read = pq.ParquetFile.read_row_groups

    def spy(self, groups, **options):
        asked.append(groups)
        return read(self, groups, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", spy)
    for shard in (0, 40, 999):  # shard 40 holds rows 4000 to 4099, and a row group ends at 4096
        read_parquet_where(written[0], "a.parquet", "shard", shard)
    assert asked == [[0], [0, 1], []]


def test_a_column_that_is_not_there(written):
    with pytest.raises(ValueError, match="no column nope"):
        read_parquet_where(written[0], "a.parquet", "nope", 1)


def test_a_table_as_bytes(store):
    store.write_bytes("b.parquet", parquet_bytes(table(0, 10)))
    assert read_parquet(store, "b.parquet", columns=["name"]).column_names == ["name"]
