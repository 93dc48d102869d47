import pytest
import torch
from motionpipe.jobs.evaluate_motion import sized, successors
from motionpipe.models.cgm_net import build
from motionpipe.schemas.cgm_net import CgmNetSection
from motionpipe.schemas.errors import MotionpipeError
from motionpipe.schemas.recipe import EvaluateSection

TINY = CgmNetSection(
    clip_frames=4, frame_short_side=40, crop=32, backbone_width=4, decoder_widths=(8, 8, 8, 8), motion_channels=8
)


def test_other_sides_show_the_same_part_of_the_picture():
    larger = sized(TINY, EvaluateSection(motion_side=256))
    assert (larger.crop, larger.frame_short_side) == (256, 320)
    assert sized(TINY, EvaluateSection()) == TINY


def test_sides_that_the_network_or_optical_flow_cannot_take_are_refused():
    with pytest.raises(MotionpipeError, match="50 must be a multiple of the run's scale 4"):
        sized(TINY, EvaluateSection(motion_side=50))
    with pytest.raises(MotionpipeError, match="crops of 16 px are too small for optical flow"):
        sized(TINY.model_copy(update={"crop": 16}), EvaluateSection())


@pytest.mark.parametrize("side", [32, 64])
def test_an_untrained_network_copies_frames_of_any_side(side):
    frames = torch.rand(3, 3, side, side) * 2 - 1
    assert torch.equal(successors(build(TINY).eval(), frames), frames)
