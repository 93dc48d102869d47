import numpy as np
import pytest
from motionpipe.schemas.targets import Targets, code_dtype


@pytest.mark.parametrize(("size", "dtype"), [(1, np.uint8), (255, np.uint8), (256, np.uint16), (65_535, np.uint16)])
def test_the_smallest_type_that_leaves_room_for_invalid(size, dtype):
    assert code_dtype(size) is dtype
    assert np.iinfo(dtype).max >= size  # the top value is no codeword


@pytest.mark.parametrize("size", [0, -1, 65_536])
def test_sizes_beyond_the_types_are_refused(size):
    with pytest.raises(ValueError, match="codebook size"):
        code_dtype(size)


def test_codes_below_the_size_and_the_top_value_are_accepted():
    codes = np.array([0, 31, 255], dtype=np.uint8).reshape(1, 1, 3)
    assert Targets("a", codes, 32).codes is codes


@pytest.mark.parametrize(
    ("codes", "size", "message"),
    [
        (np.full((1, 1, 1), 32, np.uint8), 32, "neither below 32"),
        (np.full((1, 1, 1), 254, np.uint8), 32, "neither below 32"),
        (np.zeros((1, 1), np.uint8), 32, "uint8"),
        (np.zeros((1, 1, 1), np.uint16), 32, "uint8"),
        (np.zeros((1, 1, 1), np.uint8), 300, "uint16"),
    ],
)
def test_other_codes_are_refused(codes, size, message):
    with pytest.raises(ValueError, match=f"a: .*{message}"):
        Targets("a", codes, size)
