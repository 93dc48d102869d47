import dataclasses

import numpy as np
import pytest
from motionpipe.pipeline.quantise import quantise
from motionpipe.schemas.codebook import Codebook
from motionpipe.schemas.flow import FlowCells


def book(size, channels=2):
    centres = np.zeros((size, channels), dtype=np.float32)
    centres[:, 0] = np.arange(size) / 100
    return Codebook(centres, np.ones(size, np.int64), np.full(channels, 100, np.float32))


def cells(values, valid, channels=2):
    flow = np.zeros((1, channels, 1, len(values)), dtype=np.float16)
    flow[0, 0, 0] = values
    return FlowCells("a", flow, np.array(valid, np.uint8).reshape(1, 1, -1), 1, 4)


@pytest.mark.parametrize(("size", "dtype"), [(32, np.uint8), (255, np.uint8), (256, np.uint16)])
def test_nearest_codewords_and_the_top_value_for_invalid_cells(size, dtype):
    targets = quantise(cells([0.0, 0.14, 0.146, 9.0, 0.1], [16, 16, 8, 16, 7]), book(size))
    assert targets.codes.dtype == dtype
    assert targets.codes.tolist() == [[[0, 14, 15, size - 1, np.iinfo(dtype).max]]]
    assert (targets.key, targets.size) == ("a", size)


def test_flow_and_codebook_must_have_the_same_components():
    with pytest.raises(ValueError, match="a: flow has 2 components, the codebook is for 3"):
        quantise(cells([0.0], [16]), book(4, channels=3))


def test_a_planar_codebook_takes_scene_flow_and_no_optical_flow():
    planar = dataclasses.replace(book(32), planar=True)
    targets = quantise(cells([0.0, 0.14, 0.146], [16, 16, 8], channels=3), planar)
    assert targets.codes.tolist() == [[[0, 14, 15]]]
    with pytest.raises(ValueError, match="a: flow has 2 components, the codebook is for 3"):
        quantise(cells([0.0], [16]), planar)


def test_a_recording_without_pairs_has_no_codes():
    empty = FlowCells("a", np.zeros((0, 2, 3, 4), np.float16), np.zeros((0, 3, 4), np.uint8), 1, 4)
    assert quantise(empty, book(8)).codes.shape == (0, 3, 4)
