import numpy as np
import pytest
import torch
from motionpipe.models.rebalance import class_weights
from motionpipe.pipeline.clip_plan import TrainSample
from motionpipe.pipeline.frame_input import Grid
from motionpipe.pipeline.predicted_flow import predict_flow
from motionpipe.schemas.atomic_flow import AtomicFlowSection

CENTRES = torch.tensor([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.2, -0.1]])
PRIOR = torch.tensor([0.8, 0.15, 0.05])
CONFIG = AtomicFlowSection(steps=2, modality="depth")
SIDE = CONFIG.crop // CONFIG.cell


class Clips:
    """A recording of 120 x 160 depth; every cell moves 0.1 m to the right, and the left half is known."""

    def frames(self, sample, numbers):
        depth = np.stack([np.full((120, 160), 2000 + number, np.uint16) for number in numbers])
        return {"depth": depth}, Grid(30, 40, 4)

    def flow(self, sample, pairs, grid):
        flow = np.zeros((len(pairs), 3, 30, 40), np.float32)
        flow[:, 0] = 0.1
        weight = np.ones((len(pairs), 30, 40), np.float32)
        weight[:, :, 20:] = 0
        return flow, weight


class Net:
    """Says the same in every cell: what a network does that has learned nothing but the frequencies of codewords."""

    def __init__(self, centres):
        self.centres, self.class_weights = centres, class_weights(PRIOR, 0.5)

    def __call__(self, frames, steps):
        learned = self.class_weights * PRIOR  # the minimiser of the rebalanced cross-entropy
        return (learned / learned.sum()).log()[None, None, :, None, None].expand(1, steps, 3, SIDE, SIDE)


def predicted(num_frames, start=0, centres=CENTRES):
    sample = TrainSample(0, "key", "key", "group", num_frames, 1, np.ones(num_frames - 1, np.float32), 0)
    return predict_flow(Net(centres), Clips(), sample, start, CONFIG)


def test_the_weights_of_the_loss_are_taken_off():
    """So what is expected is the mean over all cells, and not over rare motion made frequent."""
    clip = predicted(6)
    mean = (PRIOR[:, None] * CENTRES).sum(dim=0).numpy()
    np.testing.assert_allclose(clip.predicted, np.broadcast_to(mean[:, None, None], clip.predicted.shape), rtol=1e-5)


def test_truth_and_frames_are_of_the_same_centre_crop():
    clip = predicted(6)
    assert clip.frames.shape == (2, 112, 112)
    assert clip.frames[1, 0, 0] == 2001
    assert clip.truth.shape == clip.predicted.shape == (2, 3, SIDE, SIDE)
    assert clip.known[:, :, :14].all()  # 20 of 40 columns are known, the crop begins at the seventh
    assert not clip.known[:, :, 14:].any()


def test_errors_are_means_over_known_cells():
    (error, length), _ = predicted(6).errors()
    assert length == pytest.approx(0.1)
    assert error == pytest.approx(float(np.linalg.norm([0.1 - 0.015, 0.01, 0.005])), rel=1e-4)


def test_planar_codebooks_are_compared_in_the_plane():
    assert predicted(6, centres=CENTRES[:, :2]).truth.shape[1] == 2


def test_a_step_beyond_the_end_is_not_known():
    clip = predicted(4, start=1)
    assert clip.known[0].any()
    assert not clip.known[1].any()
    assert np.isnan(clip.errors()[1]).all()
