"""A near square moves one cell a frame; its flow cells are known. Frames and targets must show it at the same place."""

import dataclasses

import numpy as np
import pytest
import torch
from motionpipe.pipeline.batches_atomic_flow import build_batch, read_clip_and_flow
from motionpipe.pipeline.clip_plan import ClipRef, TrainSample
from motionpipe.pipeline.stored_clips import StoredClips
from motionpipe.schemas.atomic_flow import AtomicFlowSection

FRAMES, HEIGHT, WIDTH, CELL = 7, 96, 160, 4
SIDE, LEFT, TOP = 24, 40, 40  # px, whole cells also after 2:1 pooling
SAME = AtomicFlowSection(modality="depth", frame_short_side=96, crop=64, cell=4, steps=4)
HALF = AtomicFlowSection(modality="depth", frame_short_side=48, crop=32, cell=2, deconv_widths=(8, 8, 8), steps=4)
POOL = AtomicFlowSection(modality="depth", frame_short_side=96, crop=64, cell=8, deconv_widths=(8,), steps=4)
CENTRE = ClipRef(sample=0, start=0, crop_y=0.5, crop_x=0.3, flip=False)


def as_sample(frames, flow):
    return TrainSample(0, frames.key, frames.key, "", frames.num_frames, flow.stride, np.array(flow.motion, np.float32))


def read_clip(store, sample, ref, config):
    return read_clip_and_flow(StoredClips(store, "flow/fake", CELL, config), sample, ref, config)


def square_flow(channels, step, stride=1, value=None):
    """Cells of a square that moves `step` px right a frame: flow and full validity of every pair."""
    pairs = FRAMES - stride
    flow = np.zeros((pairs, channels, HEIGHT // CELL, WIDTH // CELL), dtype=np.float32)
    for i in range(pairs):
        left = (LEFT + i * step) // CELL
        flow[i, :, TOP // CELL : (TOP + SIDE) // CELL, left : left + SIDE // CELL] = np.array(
            value if value is not None else [step * stride, 2, 1][:channels]
        )[:, None, None]
    return flow, np.full((pairs, HEIGHT // CELL, WIDTH // CELL), CELL**2, np.uint8)


@pytest.fixture
def depth_sample(put_sample, moving_square):
    """A square at 1.5 m before a wall at 3 m; flow (0.1, -0.05, 0.02) m a step on the square."""

    def put(step=CELL, stride=1, **changed):
        near = moving_square(FRAMES, HEIGHT, WIDTH, side=SIDE, x=LEFT, y=TOP, step=step) > 0
        flow, valid = square_flow(3, step, stride, value=[0.1, -0.05, 0.02])
        given = {"depth": np.where(near, 1500, 3000).astype(np.uint16), "flow": flow, "valid": valid, **changed}
        return as_sample(*put_sample("square", stride=stride, **given))

    return put


def cells_of(pixels, cell):
    """Cells (g, g) of which all pixels are True; every cell must be all or none."""
    side = pixels.shape[-1] // cell
    share = pixels.reshape(side, cell, side, cell).mean(axis=(1, 3))
    assert set(np.unique(share)) <= {0, 1}
    return share == 1


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("place", [(0.5, 0.3), (0.0, 0.0), (0.99, 0.6)])
@pytest.mark.parametrize(("config", "step"), [(SAME, 4), (HALF, 4), (POOL, 8)], ids=["1:1", "2:1", "pooled"])
def test_the_square_moves_in_the_cells_where_it_stands(store, depth_sample, config, step, place, flip):
    ref = ClipRef(0, 1, *place, flip)
    sample = depth_sample(step=step)
    frames, target, valid = read_clip(store, sample, ref, config)
    side = config.crop // config.cell
    assert (frames.shape, target.shape) == ((2, 2, config.crop, config.crop), (4, 3, side, side))
    assert valid.all()
    # the first target is the flow from the second input frame on
    second = cells_of(frames[1, 0] < -1, config.cell)
    assert second.any()
    np.testing.assert_array_equal(target[0, 0] != 0, second)
    sign = -1 if flip else 1
    for channel, value in enumerate([0.1 * sign, -0.05, 0.02]):
        np.testing.assert_allclose(target[0, channel][second], value, rtol=1e-3)


def test_later_targets_follow_the_square(store, depth_sample):
    _, target, _ = read_clip(store, depth_sample(), CENTRE, SAME)
    lefts = [np.flatnonzero((target[k, 0] != 0).any(axis=0)).min() for k in range(4)]
    assert np.diff(lefts).tolist() == [1, 1, 1]


def test_mirroring_turns_images_and_cells_and_negates_only_the_flow_to_the_right(store, depth_sample):
    sample = depth_sample()
    plain = read_clip(store, sample, CENTRE, SAME)
    mirrored = read_clip(store, sample, dataclasses.replace(CENTRE, flip=True), SAME)
    np.testing.assert_array_equal(mirrored[0], plain[0][..., ::-1])
    np.testing.assert_array_equal(mirrored[1], plain[1][..., ::-1] * np.float32([-1, 1, 1])[:, None, None])
    np.testing.assert_array_equal(mirrored[2], plain[2][..., ::-1])


@pytest.mark.parametrize(("start", "steps"), [(0, 4), (1, 4), (2, 3), (3, 2), (4, 1)])
def test_steps_after_the_end_are_masked(store, depth_sample, start, steps):
    # there are the pairs 0..5; a clip that starts at t sees t + 1 .. t + 4
    flow, _ = square_flow(3, 0)
    ref = dataclasses.replace(CENTRE, start=start)
    _, target, valid = read_clip(store, depth_sample(flow=flow + 1), ref, SAME)
    assert valid.all(axis=(1, 2)).tolist() == [True] * steps + [False] * (4 - steps)
    assert valid.any(axis=(1, 2)).tolist() == valid.all(axis=(1, 2)).tolist()
    assert target[:steps].all()
    assert not target[steps:].any()


def test_frames_and_targets_are_a_stride_apart(store, depth_sample):
    times = np.broadcast_to(np.arange(FRAMES)[:, None, None] * 100 + 2000, (FRAMES, HEIGHT, WIDTH)).astype(np.uint16)
    flow, valid = square_flow(3, 0, stride=2)
    flow[:] = np.arange(len(flow))[:, None, None, None]
    sample = depth_sample(stride=2, depth=times, flow=flow, valid=valid)
    for start, metres, pairs in ((0, [2.0, 2.2], [2, 4, 0, 0]), (1, [2.1, 2.3], [3, 0, 0, 0])):
        ref = dataclasses.replace(CENTRE, start=start)
        frames, target, _ = read_clip(store, sample, ref, SAME)
        np.testing.assert_allclose(frames[:, 0, 0, 0] + 3, metres, rtol=1e-5)
        assert target[:, 0, 0, 0].tolist() == pairs  # those after which a whole step follows


def test_cells_below_half_are_invalid(store, depth_sample):
    flow, valid = square_flow(3, CELL)
    valid[:, :, 20:] = 7
    valid[:, :, 22:] = 8
    sample = depth_sample(flow=flow, valid=valid)
    ref = dataclasses.replace(CENTRE, crop_x=0.0)  # columns 0..15
    _, _, left = read_clip(store, sample, ref, SAME)
    assert left.all()
    _, _, right = read_clip(store, sample, dataclasses.replace(ref, crop_x=0.65), SAME)
    assert right[0].all(axis=0).tolist() == [not 20 <= col < 22 for col in range(16, 32)]


def test_pixels_of_flow_stay_those_of_the_stored_frame_as_the_codebook_has_them(store, put_sample, moving_square):
    bright = np.repeat(moving_square(FRAMES, HEIGHT, WIDTH, side=SIDE, x=LEFT, y=TOP, step=CELL)[..., None], 3, axis=3)
    flow, valid = square_flow(2, CELL)
    sample = as_sample(*put_sample("rgb", rgb=bright, flow=flow, valid=valid))
    for config in (SAME, HALF):
        rgb = config.model_copy(update={"modality": "rgb"})
        frames, target, _ = read_clip(store, sample, CENTRE, rgb)
        assert frames.shape == (2, 3, config.crop, config.crop)
        second = cells_of(frames[1, 0] > 0, config.cell)
        assert second.any()
        np.testing.assert_array_equal(target[0, 0] != 0, second)
        np.testing.assert_allclose(target[0, 0][second], 4, rtol=1e-3)
        np.testing.assert_allclose(target[0, 1][second], 2, rtol=1e-3)


def test_a_batch_stacks_its_clips(store, depth_sample):
    sample = depth_sample()
    refs = [CENTRE, dataclasses.replace(CENTRE, start=2, flip=True)]
    batch = build_batch(StoredClips(store, "flow/fake", CELL, SAME), [sample], refs, SAME)
    for place, ref in enumerate(refs):
        clip = read_clip(store, sample, ref, SAME)
        for whole, part in zip(dataclasses.astuple(batch), clip, strict=True):
            assert isinstance(whole, torch.Tensor)
            np.testing.assert_array_equal(whole[place].numpy(), part)
