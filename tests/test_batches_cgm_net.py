import numpy as np
import pytest
import torch
from motionpipe.models.cgm_net import build, loss
from motionpipe.pipeline.batches_cgm_net import Square, build_batch, centre_clips, crop_frames, read_clip
from motionpipe.pipeline.clip_plan import ClipRef, TrainSample
from motionpipe.schemas.cgm_net import CgmNetSection

TINY = CgmNetSection(
    clip_frames=4,
    frame_short_side=40,
    crop=32,
    backbone_width=8,
    decoder_widths=(16, 16, 16, 16),
    motion_channels=16,
)


class Ramps:
    """Frame n of 40x60 pixels: red is the row, green the column, blue the number n times 10; and what was read."""

    def __init__(self, size=(40, 60)):
        self.size, self.asked = size, []

    def rgb(self, sample, numbers):
        self.asked.append(list(numbers))
        rows, cols = np.mgrid[: self.size[0], : self.size[1]].astype(np.uint8)
        return np.stack([np.stack((rows, cols, np.full_like(rows, 10 * n)), axis=-1) for n in numbers])


def sample_of(frames=12, step=1, label=0):
    return TrainSample(0, "a", "a", "film", frames, step, np.zeros(0, np.float32), label)


def ref_of(start=0, y=0.5, x=0.5, flip=False):
    return ClipRef(0, start, y, x, flip)


def pixels(frames):
    return np.round((frames + 1) * 127.5).astype(int)


def tiny(**fields):
    return CgmNetSection(**(TINY.model_dump() | fields))


def test_a_clip_is_consecutive_frames_and_the_one_after_them():
    source = Ramps()
    frames, follows = read_clip(source, sample_of(), ref_of(start=3), TINY)
    assert source.asked == [[3, 4, 5, 6, 7]]
    assert frames.shape == (5, 3, 32, 32)
    assert frames.dtype == np.float32
    assert pixels(frames)[:, 2, 0, 0].tolist() == [30, 40, 50, 60, 70]
    assert pixels(frames)[0, 0, :, 0].tolist() == list(range(4, 36))
    assert pixels(frames)[0, 1, 0].tolist() == list(range(14, 46))
    assert follows.tolist() == [True] * 4
    assert crop_frames(np.array([[[[0, 255, 0]]]], np.uint8), Square(0, 0, 1), 1).ravel().tolist() == [-1, 1, -1]


def test_frames_may_be_further_apart():
    source = Ramps()
    frames, follows = read_clip(source, sample_of(step=2), ref_of(start=1), TINY)
    assert pixels(frames)[:, 2, 0, 0].tolist() == [10, 30, 50, 70, 90]
    assert follows.all()


def test_a_short_recording_is_looped_and_nothing_follows_its_end():
    source = Ramps()
    frames, follows = read_clip(source, sample_of(frames=3), ref_of(), TINY)
    assert source.asked == [[0, 1, 2]]
    assert pixels(frames)[:, 2, 0, 0].tolist() == [0, 10, 20, 0, 10]
    assert follows.tolist() == [True, True, False, True]
    assert not read_clip(source, sample_of(frames=1), ref_of(), TINY)[1].any()


@pytest.mark.parametrize(
    ("crop_y", "corner"), [(0.0, (0, 0)), (0.3, (0, 28)), (0.5, (4, 14)), (0.7, (8, 0)), (0.99, (8, 28))]
)
def test_crops_lie_in_a_corner_or_in_the_middle(crop_y, corner):
    assert Square.of((40, 60), TINY, crop_y, 0.5) == (*corner, 32)
    frames, _ = read_clip(Ramps(), sample_of(), ref_of(y=crop_y), TINY)
    assert tuple(pixels(frames)[0, :2, 0, 0]) == corner


def test_mirrored_clips_are_mirrored_alike_in_every_frame():
    plain, _ = read_clip(Ramps(), sample_of(), ref_of(), TINY)
    mirrored, _ = read_clip(Ramps(), sample_of(), ref_of(flip=True), TINY)
    assert np.array_equal(mirrored, plain[..., ::-1])


def test_the_shorter_side_counts_as_what_the_recipe_says():
    assert Square.of((80, 120), TINY, 0.5, 0.5).side == 64  # reduced by 2
    assert Square.of((20, 30), TINY, 0.5, 0.5).side == 16  # enlarged by 2
    reduced, _ = read_clip(Ramps((80, 120)), sample_of(), ref_of(), TINY)
    enlarged, _ = read_clip(Ramps((20, 30)), sample_of(), ref_of(), TINY)
    assert reduced.shape == enlarged.shape == (5, 3, 32, 32)
    # means of 2 x 2 pixels, whole numbers again: from row 8, 9 on; and interpolated, from row 2 on
    assert np.abs(pixels(reduced)[0, 0, :, 0] - (8.5 + 2 * np.arange(32))).max() <= 0.51
    assert np.abs(pixels(enlarged)[0, 0, 1:-1, 0] - (1.75 + np.arange(32) / 2)[1:-1]).max() <= 0.6


def test_scales_are_drawn_down_to_the_smallest_and_the_middle_is_the_whole():
    config = tiny(crop_scale=0.5)
    sides = [Square.of((40, 60), config, 0.0, x).side for x in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert sides == [16, 24, 32, 24, 16]
    frames, _ = read_clip(Ramps(), sample_of(), ref_of(y=0.0, x=0.0), config)
    assert frames.shape == (5, 3, 32, 32)
    assert pixels(frames)[0, 0].max() <= 15


def test_evenly_spaced_clips_show_the_middle_and_read_each_frame_once():
    source = Ramps()
    clips = centre_clips(source, sample_of(), [[0, 1, 2, 3], [2, 3, 4, 5]], TINY)
    assert source.asked == [[0, 1, 2, 3, 4, 5]]
    assert clips.shape == (2, 4, 3, 32, 32)
    assert pixels(clips)[:, :, 2, 0, 0].tolist() == [[0, 10, 20, 30], [20, 30, 40, 50]]
    assert np.array_equal(clips[0], read_clip(source, sample_of(), ref_of(), TINY)[0][:4])


def test_a_batch_has_the_place_of_each_class_and_none_where_it_is_not_known():
    samples = [sample_of(label=7), sample_of(label=-1), sample_of(label=2)]
    refs = [ClipRef(number, 0, 0.5, 0.5, False) for number in range(3)]
    assert build_batch(Ramps(), samples, refs, TINY, (2, 7)).labels.tolist() == [1, -1, 0]
    assert build_batch(Ramps(), samples, refs, TINY).labels.tolist() == [-1, -1, -1]


def test_training_starts_at_the_error_of_copying_the_frame_before():
    torch.manual_seed(0)
    config, samples = TINY, [sample_of(), sample_of(frames=3)]
    refs = [ClipRef(0, 3, 0.2, 0.5, True), ClipRef(1, 0, 0.9, 0.5, False)]
    batch = build_batch(Ramps(), samples, refs, config)
    out = loss(build(config), batch)
    steps = batch.frames.diff(dim=1).abs().flatten(2).mean(dim=2)
    torch.testing.assert_close(out["hr"], steps[batch.follows].mean())
    assert out["copy"] == out["hr"]
    assert len(steps[batch.follows]) == 7
