import pytest
import torch
from motionpipe.models.motion_decoder import MotionDecoder, target_sizes
from motionpipe.models.resnet import count_parameters
from motionpipe.schemas.cgm_net import CgmNetSection

TINY = {"decoder_widths": (4, 4, 4, 4), "motion_channels": 6}


def test_sizes_for_16_frames_of_112_pixels_are_those_of_the_encoder_backwards():
    assert target_sizes(1, (16, 112, 112), 4) == [(2, 7, 7), (4, 14, 14), (8, 28, 28), (16, 28, 28)]


@pytest.mark.parametrize(
    ("scale", "sides"),
    [(1, [14, 28, 56, 112]), (2, [7, 14, 28, 56]), (8, [7, 14, 14, 14]), (16, [7, 7, 7, 7])],
)
def test_other_scales_end_at_their_own_size(scale, sides):
    assert [height for _, height, _ in target_sizes(1, (16, 112, 112), scale)] == sides


@pytest.mark.parametrize(
    ("steps", "frames", "times"),
    [
        (2, 32, [4, 8, 16, 32]),
        (1, 5, [1, 2, 3, 5]),
        (1, 1, [1, 1, 1, 1]),
        (4, 16, [4, 4, 8, 16]),
        (16, 64, [16, 16, 32, 64]),
    ],
)
def test_time_doubles_up_to_the_clips_and_never_falls(steps, frames, times):
    assert [time for time, _, _ in target_sizes(steps, (frames, 112, 112), 4)] == times


def test_widths_give_the_parameters_of_the_paper():
    """7.02 M from table 8, less what batch norm and the head take; 512 -> 256 -> 256 -> 128 -> 128 and 128 -> 128."""
    with torch.device("meta"):
        decoder = MotionDecoder((64, 128, 256, 512), CgmNetSection())
    convs = 27 * (512 * 256 + 256 * 256 + 256 * 128 + 128 * 128 + 128 * 128)
    assert count_parameters(decoder) == convs + 2 * (256 + 256 + 128 + 128) + 128 + (128 * 9 + 9)


@pytest.mark.parametrize(("frames", "side", "channels"), [(16, 112, 8), (5, 40, 24), (3, 48, 8)])
def test_any_length_and_side_decodes_to_its_lr_size(frames, side, channels):
    config = CgmNetSection(clip_frames=frames, crop=side, **TINY)
    decoder = MotionDecoder((channels,), config)
    motion, maps = decoder(
        [torch.randn(2, channels, -(-frames // 16), -(-side // 32), -(-side // 32))], (frames, side, side)
    )
    assert motion.shape == (2, 6, frames, side // 4, side // 4)
    assert maps.shape == (2, 9, frames, side // 4, side // 4)


def test_maps_start_as_the_identity_and_can_leave_it():
    torch.manual_seed(0)
    decoder = MotionDecoder((8,), CgmNetSection(clip_frames=2, crop=32, kernel_lr=5, **TINY))
    _, maps = decoder([torch.randn(2, 8, 1, 1, 1)], (2, 32, 32))
    assert torch.equal(maps[:, 12], torch.ones_like(maps[:, 12]))
    assert maps.abs().sum() == maps[:, 12].sum()
    (maps * torch.randn_like(maps)).sum().backward()
    assert decoder.head.conv.weight.grad.abs().sum() > 0


def test_laterals_carry_what_the_last_stage_has_lost():
    torch.manual_seed(0)
    config = CgmNetSection(clip_frames=4, crop=32, lateral=True, slope=0.1, **TINY)
    decoder = MotionDecoder((2, 4, 6, 8), config).eval()
    stages = [torch.randn(1, c, 1, side, side) for c, side in zip((2, 4, 6, 8), (8, 4, 2, 1), strict=True)]
    motion, _ = decoder(stages, (4, 32, 32))
    for number in range(4):
        others = [stage if index != number else -stage for index, stage in enumerate(stages)]
        assert not torch.allclose(decoder(others, (4, 32, 32))[0], motion)
    motion.sum().backward()
    assert all(conv.weight.grad.any() for conv in decoder.laterals)
