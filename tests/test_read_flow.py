import numpy as np
import pytest
from motionpipe.pipeline.read_flow import read_flow_cells, read_rows

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
