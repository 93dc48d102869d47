import gzip

import numpy as np
import pytest
from motionpipe.pipeline.idx_files import find_idx, read_idx
from motionpipe.schemas.errors import MotionpipeError

ARRAY = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("name", ["a-idx3-ubyte", "a-idx3-ubyte.gz"])
@pytest.mark.parametrize("array", [ARRAY, ARRAY[0, 0], ARRAY[0]])
def test_an_array_comes_back(tmp_path, write_idx, name, array):
    read = read_idx(write_idx(tmp_path / name, array))
    np.testing.assert_array_equal(read, array)
    assert read.dtype == np.uint8


def test_gzip_is_told_by_content_and_not_by_name(tmp_path, write_idx):
    write_idx(tmp_path / "a.gz", ARRAY).rename(tmp_path / "a")
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), ARRAY)
    write_idx(tmp_path / "b", ARRAY).rename(tmp_path / "b.gz")
    np.testing.assert_array_equal(read_idx(tmp_path / "b.gz"), ARRAY)


def test_files_are_found_plain_or_zipped_and_in_both_spellings(tmp_path):
    assert find_idx(tmp_path, "a-idx3-ubyte") is None
    for name in ("a.idx3-ubyte.gz", "a.idx3-ubyte", "a-idx3-ubyte.gz", "a-idx3-ubyte"):
        (tmp_path / name).touch()
        assert find_idx(tmp_path, "a-idx3-ubyte") == tmp_path / name


def header(*sizes, kind=8):
    return bytes((0, 0, kind, len(sizes))) + b"".join(size.to_bytes(4, "big") for size in sizes)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an IDX file.*nothing"),
        (b"\0\0\x08", "not an IDX file"),
        (b"\x89PNG\r\n\x1a\n", "not an IDX file.*89 50 4e 47"),
        (b"\0\0\x08\x00", "not an IDX file"),
        (b"\0\0\x08\xff" + bytes(2000), "not an IDX file"),
        (header(2, kind=0x0D) + bytes(8), "type 0x0d"),
        (header(2, 3)[:-1], "ends in its header"),
        (header(2, 3) + bytes(5), "states 6 values and holds only 5"),
        (header(2, 3) + bytes(7), "states 6 values and holds more"),
        (header(2, 0), "empty"),
        (header(2**32 - 1, 2**32 - 1, 2**32 - 1), "beyond"),
        (header(2**31), "beyond"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_what_is_damaged_is_one_clear_error(tmp_path, data, message, zipped):
    path = tmp_path / "damaged"
    path.write_bytes(gzip.compress(data) if zipped else data)
    with pytest.raises(MotionpipeError, match=message) as error:
        read_idx(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_zipped_file_cut_anywhere_is_an_error(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, 3000, dtype=np.uint8)
    whole = gzip.compress(header(3000) + noise.tobytes())
    for length in range(0, len(whole), 97):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(MotionpipeError, match="cut"):
            read_idx(tmp_path / "cut")


def test_a_flipped_bit_in_a_zipped_file_is_an_error(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, 3000, dtype=np.uint8)
    whole = gzip.compress(header(3000) + noise.tobytes())
    for place in range(20, len(whole), 151):
        flipped = bytearray(whole)
        flipped[place] ^= 4
        (tmp_path / "flipped").write_bytes(flipped)
        with pytest.raises(MotionpipeError, match="flipped"):
            read_idx(tmp_path / "flipped")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MotionpipeError, match="absent cannot be read"):
        read_idx(tmp_path / "absent")
