import contextlib

import numpy as np
import pytest
from motionpipe.pipeline import mat_arrays
from motionpipe.pipeline.mat_arrays import read_mat_array
from motionpipe.schemas.errors import BadSampleError
from scipy.io import savemat

CUBE = np.random.default_rng(0).integers(0, 600, (6, 8, 5)).astype(np.uint16)
ANY = (None, None, None)


@pytest.fixture
def mat(tmp_path):
    def write(arrays, compressed=True):
        savemat(tmp_path / "a.mat", arrays, do_compression=compressed)
        return tmp_path / "a.mat"

    return write


def reason_of(path, names=("depth",), shape=ANY):
    with pytest.raises(BadSampleError) as error:
        read_mat_array(path, names, shape)
    return error.value.reason


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
def test_an_array_comes_back_as_it_was(mat, compressed, dtype):
    cube = (CUBE % 100).astype(dtype)
    array = read_mat_array(mat({"other": np.arange(4), "depth": cube, "text": "abc"}, compressed), ("depth",), ANY)
    np.testing.assert_array_equal(array, cube)
    assert array.dtype == cube.dtype


def test_the_name_is_one_of_several(mat):
    path = mat({"d_depth": CUBE})
    np.testing.assert_array_equal(read_mat_array(path, ("depth", "d_depth"), ANY), CUBE)
    assert reason_of(path) == "unreadable-mat"


def test_lengths_that_are_asked_for(mat):
    path = mat({"depth": CUBE})
    assert read_mat_array(path, ("depth",), (6, 8, None)).shape == (6, 8, 5)
    assert reason_of(path, shape=(20, 3, None)) == "unreadable-mat"
    assert reason_of(path, shape=(None, None)) == "unreadable-mat"


def test_a_single_frame_has_no_third_dimension(mat):
    assert read_mat_array(mat({"depth": CUBE[:, :, 0]}), ("depth",), ANY).shape == (6, 8)


@pytest.mark.parametrize("value", ["text", {"a": 1.0}, CUBE.astype(object), CUBE > 3], ids=lambda v: type(v).__name__)
def test_what_is_no_array_of_numbers(mat, value):
    path = mat({"depth": value})
    if isinstance(value, np.ndarray) and value.dtype == bool:
        np.testing.assert_array_equal(read_mat_array(path, ("depth",), ANY), value)  # MATLAB stores it as uint8
    else:
        assert reason_of(path) == "unreadable-mat"


def test_other_files(tmp_path):
    assert reason_of(tmp_path / "absent.mat") == "missing-file"
    for content in (b"", b"text", b"\x89HDF\r\n\x1a\n" + bytes(600), b"MATLAB 7.3 MAT-file" + bytes(105) + b"\0\2IM"):
        (tmp_path / "b.mat").write_bytes(content)
        assert reason_of(tmp_path / "b.mat") == "unreadable-mat"


def test_an_absurd_size_is_refused_before_it_is_unpacked(mat, monkeypatch):
    path = mat({"depth": np.zeros((100, 100, 100), np.uint16)})
    monkeypatch.setattr(mat_arrays, "_MOST_VALUES", 999_999)
    assert reason_of(path) == "unreadable-mat"


@pytest.mark.parametrize("compressed", [True, False])
def test_a_file_that_was_cut_anywhere(mat, compressed):
    path = mat({"depth": CUBE}, compressed)
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        assert reason_of(path) == "unreadable-mat", size


def test_flipped_bits_of_a_compressed_file_never_pass(mat):
    path = mat({"depth": CUBE})
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.choice(np.arange(136, len(whole)), 200, replace=False):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        assert reason_of(path) == "unreadable-mat", place


def test_damage_of_any_kind_gives_an_array_or_a_reason(mat):
    path = mat({"depth": CUBE}, compressed=False)
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(500):
        damaged = bytearray(whole)
        for place in rng.integers(100, 240, size=2):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        with contextlib.suppress(BadSampleError):
            read_mat_array(path, ("depth",), ANY)


def test_big_endian_files(tmp_path):
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    values = CUBE.astype(">u2").tobytes("F")
    parts = [(6, np.array([6, 0], ">u4").tobytes()), (5, np.array(CUBE.shape, ">i4").tobytes()), (1, b"depth")]
    matrix = b""
    for kind, part in [*parts, (4, values)]:
        matrix += np.array([kind, len(part)], ">u4").tobytes() + part + bytes(-len(part) % 8)
    (tmp_path / "a.mat").write_bytes(head + np.array([14, len(matrix)], ">u4").tobytes() + matrix)
    np.testing.assert_array_equal(read_mat_array(tmp_path / "a.mat", ("depth",), ANY), CUBE)
