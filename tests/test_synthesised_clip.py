import cv2
import numpy as np
import pytest
import torch
from motionpipe.jobs.cgm_net_table import cost_lines
from motionpipe.jobs.synthesis_figure import ShownSynthesis, shown_steps, synthesis_png
from motionpipe.models.cgm_net import build
from motionpipe.pipeline.clip_plan import TrainSample
from motionpipe.pipeline.synthesised_clip import synthesise_clip
from motionpipe.schemas.cgm_net import CgmNetSection

TINY = {
    "clip_frames": 4,
    "frame_short_side": 32,
    "crop": 32,
    "backbone_width": 4,
    "decoder_widths": (8, 8, 8, 8),
    "motion_channels": 8,
}


class Texture:
    """A smooth texture of 32x32 px that moves one pixel to the right a frame."""

    def rgb(self, sample, numbers):
        noise = np.random.default_rng(0).integers(0, 256, (32, 80, 3)).astype(np.float32)
        wide = np.clip((cv2.GaussianBlur(noise, (0, 0), 2) - 128) * 4 + 128, 0, 255).astype(np.uint8)
        return np.stack([wide[:, 40 - n : 72 - n] for n in numbers])


def clip_of(config, frames=9):
    torch.manual_seed(0)
    net = build(config).eval()
    if config.scale > 1 and config.upsampling == "cgmul":
        # every filter moves its pixels one to the right: the identity tap, 0; that at m = 1, n = 0, 1
        bias = net.upsampling.head.conv.bias
        kernel = config.kernel_hr
        right, middle = (kernel // 2 + 1) * kernel + kernel // 2, kernel**2 // 2
        shaped = bias.data.view(config.scale**2, kernel**2)
        shaped[:, right], shaped[:, middle] = 1 / net.upsampling.head._gain, -1 / net.upsampling.head._gain
    sample = TrainSample(0, "a", "a", "film", frames, 1, np.zeros(0, np.float32), 0)
    return synthesise_clip(net, Texture(), sample, 2)


def test_maps_that_know_the_motion_make_the_next_frame_and_are_drawn_as_it():
    clip = clip_of(CgmNetSection(**TINY))
    assert clip.frames.shape == (5, 32, 32, 3)
    assert clip.predicted.shape == (4, 32, 32, 3)
    np.testing.assert_array_equal(clip.predicted[:, :, 1:], clip.frames[1:, :, 1:])
    np.testing.assert_allclose(clip.motion[:, 0], 1, atol=1e-5)
    np.testing.assert_allclose(clip.motion[:, 1], 0, atol=1e-5)
    assert clip.motion_lr.shape == (4, 2, 8, 8)
    assert (clip.l1 < 0.2 * clip.copy_l1).all()
    assert clip.follows.all()


def test_an_untrained_network_copies_and_short_recordings_say_where_they_begin_again():
    clip = clip_of(CgmNetSection(**TINY, upsampling="bilinear"), frames=5)
    np.testing.assert_array_equal(clip.predicted, clip.frames[:-1])
    np.testing.assert_array_equal(clip.l1, clip.copy_l1)
    assert clip.follows.tolist() == [True, True, False, True]
    assert clip_of(CgmNetSection(**TINY, scale=1)).motion_lr is None


@pytest.mark.parametrize(("scale", "rows"), [(4, 6), (1, 5)])
def test_the_picture_has_a_row_for_each_kind_of_maps(scale, rows):
    clip = clip_of(CgmNetSection(**TINY, scale=scale))
    data = synthesis_png(ShownSynthesis("run", "key", "wave", 33.3, clip))
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert abs(len(picture) - 100 * (rows * 1.4 + 1.0)) < 3
    assert picture.std() > 10


def test_few_steps_are_shown_and_always_the_last():
    assert shown_steps(4) == [0, 1, 2, 3]
    assert shown_steps(16) == [0, 3, 6, 9, 12, 15]
    assert shown_steps(1) == [0]


def test_the_costs_name_every_pipeline_and_mark_the_runs_own():
    lines = cost_lines(CgmNetSection(lambda_class=10.0, pipeline="lr"), 101)
    assert [line.split()[0] for line in lines[1:]] == ["backbone", "lr", "hr", "lr+hr"]
    assert ["*" in line for line in lines[1:]] == [False, True, False, False]
    assert float(lines[2].split()[2]) == pytest.approx(45.60, abs=0.01)
    assert "(45.73, 30.3)" in lines[2]
    assert len(cost_lines(CgmNetSection(**TINY, scale=1, lambda_class=1.0, pipeline="hr"), 5)) == 3
