import dataclasses

import numpy as np
import pytest
import torch
from motionpipe.models.codebook import codebook_tensors, encode
from motionpipe.pipeline.fit_codebook import uniform_centres
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


@pytest.mark.parametrize("kind", ["uniform", "kmeans", "planar", "scaled"])
def test_codes_are_those_that_training_encodes(kind):
    rng = np.random.default_rng(0)
    flow = np.clip(rng.standard_t(2, (4, 3, 20, 30)) * 0.03, -1, 1).astype(np.float16)
    valid = rng.integers(0, 17, (4, 20, 30)).astype(np.uint8)
    clip = np.float32([0.15, 0.1, 0.2])
    centres = uniform_centres(clip, 5) if kind == "uniform" else rng.normal(0, 0.05, (64, 3)).astype(np.float32)
    centres[0] = 0
    counts, scale = np.ones(len(centres), np.int64), np.float32([0.03, 0.01, 0.07])
    of = {
        "uniform": lambda: Codebook(centres, counts, clip, clip / 4),
        "kmeans": lambda: Codebook(centres, counts, clip),
        "planar": lambda: Codebook(centres[:, :2].copy(), counts, clip[:2], planar=True),
        "scaled": lambda: Codebook(centres, counts, clip, scale),
    }[kind]()
    cells = FlowCells("a", flow, valid, 1, 4)
    expected = encode(torch.from_numpy(flow.astype(np.float32)), *codebook_tensors(of)).numpy()
    codes = quantise(cells, of).codes
    np.testing.assert_array_equal(codes[cells.cell_is_valid()], expected[cells.cell_is_valid()])
    assert (codes[~cells.cell_is_valid()] == 255).all()
