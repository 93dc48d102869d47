import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from motionpipe.schemas.embedding import EmbeddingRow, embedding_schema

ROW = EmbeddingRow(
    key="a",
    recording_id="id-a",
    dataset="fake",
    label=3,
    label_name="wave",
    splits={"xview": "test", "xsub": "train"},
    frame_start=4,
    frame_end=12,
    start_us=400,
    end_us=1100,
    shard=2,
    source_hash="f00",
    embedding=np.array([1.5, -2.0, 0.25], dtype=np.float32),
)


def test_a_row_goes_through_arrow_unchanged():
    schema = embedding_schema(3, {"run": "r1"})
    table = pa.Table.from_pylist([ROW.as_dict()], schema=schema)
    (read,) = table.to_pylist()
    assert read == {**ROW.as_dict(), "embedding": [1.5, -2.0, 0.25]}
    assert (read["row_id"], read["splits"]) == ("a:4-12", ["xsub:train", "xview:test"])
    assert table.schema.metadata == {b"run": b"r1"}


def test_a_row_names_every_column_in_the_order_of_the_schema():
    assert list(ROW.as_dict()) == embedding_schema(3, {}).names


def test_recordings_without_a_label_are_stored():
    row = dataclasses.replace(ROW, label=None, label_name=None, splits={})
    (read,) = pa.Table.from_pylist([row.as_dict()], schema=embedding_schema(3, {})).to_pylist()
    assert (read["label"], read["label_name"], read["splits"]) == (None, None, [])


def test_the_schema_fixes_the_length_of_an_embedding():
    assert embedding_schema(3, {}).field("embedding").type == pa.list_(pa.float32(), 3)
    with pytest.raises(pa.ArrowInvalid, match="Length of item"):
        pa.Table.from_pylist([ROW.as_dict()], schema=embedding_schema(4, {}))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"frame_end": 4}, "empty"),
        ({"frame_start": -1}, "empty"),
        ({"embedding": np.zeros((1, 3), np.float32)}, "float32"),
        ({"embedding": np.zeros(3)}, "float32"),
        ({"embedding": np.array([np.nan], np.float32)}, "not finite"),
    ],
)
def test_rows_that_make_no_sense_are_refused(changed, message):
    with pytest.raises(ValueError, match=f"a: .*{message}"):
        dataclasses.replace(ROW, **changed)
