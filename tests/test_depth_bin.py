import struct

import numpy as np
import pytest
from motionpipe.pipeline.depth_bin import iterate_depth_bin
from motionpipe.pipeline.depth_frames import iterate_depth
from motionpipe.schemas.errors import BadSampleError

DEPTH = np.random.default_rng(0).integers(0, 4000, (5, 24, 32)).astype("<i4")


def content(depth, with_ids):
    """The bytes of a file; ids are 255, so that they would show in depths."""
    data = struct.pack("<3i", len(depth), depth.shape[2], depth.shape[1])
    for frame in depth:
        for row in frame:
            data += row.tobytes() + (b"\xff" * len(row) if with_ids else b"")
    return data


@pytest.fixture(params=["a01_s01_e01_depth.bin", "a01_s01_e01_sdepth.bin", "a01_s01_e01_SDEPTH.BIN"])
def file(request, tmp_path):
    path = tmp_path / request.param
    path.write_bytes(content(DEPTH, "sdepth" not in request.param.lower()))
    return path


def reason_of(path):
    with pytest.raises(BadSampleError) as error:
        list(iterate_depth(path))
    return error.value.reason


def test_depth_is_read_and_ids_are_skipped(file):
    frames = list(iterate_depth_bin(file))
    np.testing.assert_array_equal(frames, DEPTH)
    assert frames[0].dtype == np.uint16


def test_the_size_of_a_real_frame(tmp_path):
    zeros = np.zeros((3, 240, 320), "<i4")
    assert len(content(zeros, True)) == 12 + 384_000 * 3
    assert len(content(zeros, False)) == 12 + 4 * 320 * 240 * 3


def test_one_frame_is_in_memory_at_a_time(file):
    frames = iterate_depth_bin(file)
    next(frames)
    frames.close()


def test_a_file_that_was_cut_anywhere(file):
    whole = file.read_bytes()
    for size in [0, 4, 11, 12, *range(13, len(whole), 997), len(whole) * 4 // 5, len(whole) - 1]:
        file.write_bytes(whole[:size])
        assert reason_of(file) == "truncated-depth", size


def test_bytes_are_left_over(file):
    file.write_bytes(file.read_bytes() + b"\0")
    assert reason_of(file) == "unreadable-depth"


def test_a_file_with_ids_that_lost_a_fifth_is_no_file_without(tmp_path):
    whole = content(DEPTH, True)
    path = tmp_path / "a01_s01_e01_depth.bin"
    path.write_bytes(whole[: 12 + (len(whole) - 12) * 4 // 5])
    assert reason_of(path) == "truncated-depth"


@pytest.mark.parametrize("header", [(-1, 32, 24), (5, 0, 24), (5, 32, -24), (5, 1 << 20, 24), (2**31 - 1, 4096, 4096)])
def test_a_damaged_header(file, header):
    file.write_bytes(struct.pack("<3i", *header) + file.read_bytes()[12:])
    assert reason_of(file) in ("unreadable-depth", "truncated-depth")


@pytest.mark.parametrize("value", [-5, 70_000])
def test_values_that_are_no_depths(file, value):
    depth = DEPTH.copy()
    depth[3, 2, 1] = value
    file.write_bytes(content(depth, file.name.endswith("01_depth.bin")))
    assert reason_of(file) == "unreadable-depth"


def test_no_frames_and_no_file(file):
    file.write_bytes(content(DEPTH[:0], True))
    assert reason_of(file) == "no-depth-frames"
    file.unlink()
    assert reason_of(file) == "missing-file"
