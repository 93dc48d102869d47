from types import SimpleNamespace

import numpy as np
import pytest
from motionpipe.pipeline.read_flow import read_flow_cells, read_flow_pixels, read_rows
from motionpipe.pipeline.samples import npy_bytes
from motionpipe.pipeline.write_shard import Sample, write_tar_shard
from motionpipe.schemas.errors import MotionpipeError

RNG = np.random.default_rng(0)
FLOW = RNG.normal(0, 2, (7, 3, 5, 6)).astype(np.float16)
VALID = RNG.integers(0, 17, (7, 5, 6), dtype=np.uint8)


@pytest.fixture
def entry(put_sample):
    """Seven pairs, two frames apart."""
    return put_sample("clip", depth=np.zeros((9, 8, 8), np.uint16), flow=FLOW, valid=VALID, stride=2)[1]


@pytest.mark.parametrize(("start", "stop"), [(0, 7), (0, 1), (6, 7), (2, 5), (3, 3)])
def test_rows_are_the_slice_of_the_whole_array(store, entry, start, stop):
    for name, array in (("flow.npy", FLOW), ("valid.npy", VALID)):
        rows = read_rows(store, "flow/fake", 0, entry, name, slice(start, stop))
        assert rows.dtype == array.dtype
        np.testing.assert_array_equal(rows, array[start:stop])


@pytest.mark.parametrize(("start", "stop"), [(0, 8), (-1, 3), (5, 4)])
def test_rows_beyond_the_array_are_refused(store, entry, start, stop):
    with pytest.raises(ValueError, match=r"clip: rows"):
        read_rows(store, "flow/fake", 0, entry, "flow.npy", slice(start, stop))


def test_all_cells_come_back(store, entry):
    cells = read_flow_cells(store, "flow/fake", 0, entry, 4)
    np.testing.assert_array_equal(cells.flow, FLOW)
    np.testing.assert_array_equal(cells.valid, VALID)
    assert (cells.key, cells.stride, cells.cell) == ("clip", 2, 4)


def test_a_truncated_tar_is_no_array_of_zeros(store, entry):
    offset, size = entry.members["flow.npy"]
    tar = store.read_bytes("flow/fake/000000.tar")
    store.write_bytes("flow/fake/000000.tar", tar[: offset + size - 10])
    with pytest.raises(ValueError, match=r"buffer size|reshape"):
        read_rows(store, "flow/fake", 0, entry, "flow.npy", slice(0, 7))


def test_an_entry_of_another_place_is_noticed(store, entry):
    wrong = entry.model_copy(update={"members": {"flow.npy": (entry.members["flow.npy"][0] + 64, 500)}})
    with pytest.raises(ValueError, match="magic"):
        read_rows(store, "flow/fake", 0, wrong, "flow.npy", slice(0, 1))


def test_dense_flow_comes_back_and_its_absence_is_said(store):
    flow = np.random.default_rng(0).normal(size=(3, 2, 8, 12)).astype(np.float16)
    valid = np.ones((3, 8, 12), np.uint8)
    item = SimpleNamespace(key="a", recording_id="a", path="a")
    arrays = {"flow_px.npy": npy_bytes(flow), "valid_px.npy": npy_bytes(valid)}
    dense = Sample("a", arrays | {"flow.npy": npy_bytes(flow)}, 4, 10.0, "hash", stride=1)
    entry = write_tar_shard(store, "flow/dense", 0, [item], lambda _: [dense]).samples[0]
    read = read_flow_pixels(store, "flow/dense", 0, entry)
    np.testing.assert_array_equal(read.flow, flow)
    np.testing.assert_array_equal(read.valid, valid)
    cells = Sample("a", {"flow.npy": npy_bytes(flow)}, 4, 10.0, "hash", stride=1)
    entry = write_tar_shard(store, "flow/cells", 0, [item], lambda _: [cells]).samples[0]
    with pytest.raises(MotionpipeError, match=r"flow\.keep=pixels"):
        read_flow_pixels(store, "flow/cells", 0, entry)
