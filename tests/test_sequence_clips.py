from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import simplejpeg
from click.testing import CliRunner
from motionpipe.jobs.cli import main
from motionpipe.pipeline.artefacts import read_manifest, read_samples
from motionpipe.pipeline.clip_plan import ClipRef, TrainSample, plan_epoch, sequence_starts
from motionpipe.pipeline.frame_input import RGB_MEAN, RGB_STD
from motionpipe.pipeline.moving_mnist import MovingMnist
from motionpipe.pipeline.percept_sequences import PerceptSequence, unit_mean_square, windows
from motionpipe.pipeline.sequence_clips import (
    DigitSequences,
    PatchSequences,
    StoredPercepts,
)
from motionpipe.pipeline.store import Store
from motionpipe.pipeline.write_shard import Sample, write_tar_shard
from motionpipe.schemas.lstm_section import LSTMSection
from motionpipe.schemas.training import LoopSection

REF = ClipRef(0, 0, 0.3, 0.6, flip=False)


def sample_of(recording="train-000002", frames=20):
    return TrainSample(0, "k", recording, "g", frames, 1, np.zeros(0, np.float32))


@pytest.fixture
def digit_store(tmp_path, write_idx):
    """A store of Moving MNIST with 4 training sequences, and the endless list that these begin."""
    images = np.random.default_rng(0).integers(0, 256, (9, 28, 28), dtype=np.uint8)
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", images)
    words = ["shard", "--dataset", "moving-mnist", "--source", str(tmp_path), "--store", str(tmp_path / "store")]
    words += ["--set", "data.mnist_train_sequences=4", "--set", "data.mnist_test_sequences=1"]
    result = CliRunner().invoke(main, [*words, "--set", "data.mnist_seed=5", "--workers", "0"])
    assert result.exit_code == 0, result.output
    return Store.at(str(tmp_path / "store")), MovingMnist(images, "train", 5)


def test_a_run_goes_through_the_endless_list_and_sees_no_sequence_twice(digit_store):
    store, digits = digit_store
    shards = read_samples(store, "shards", read_manifest(store, "shards", ""))
    samples = [
        TrainSample(shard, entry.key, entry.recording_id, "g", 20, 1, np.zeros(0, np.float32))
        for shard, entry in shards
        if entry.recording_id.startswith("train")
    ]
    source, config = DigitSequences(store), LoopSection(global_batch=2, micro_batch=2, clips_per_epoch=6)
    seen = []
    for epoch in range(3):
        for step in plan_epoch(samples, epoch, config, lambda sample, chance: range(1), flip=False):
            seen += [source.read(samples[ref.sample], ref, 20)[0] for refs in step for ref in refs]
    made = digits.frames(0, 40).reshape(40, 20, -1) / np.float32(255)
    found = [int(np.flatnonzero((made == sequence).all(axis=(1, 2)))[0]) for sequence in seen]
    assert len(set(found)) == len(found) == 18
    assert max(found) < 4 * 2 * 3  # two rounds an epoch
    shown = source.show(samples[2], [3, 4])
    np.testing.assert_array_equal(shown, made[int(samples[2].recording_id[-1]), 3:5])


def put(store, members, frames):
    item = Sample("k", members, frames, 30.0, "hash")
    row = SimpleNamespace(key="k", recording_id="k", path="k", sample=item)
    write_tar_shard(store, "shards", 0, [row], lambda item: [item.sample])


def test_patches_are_squares_of_the_frames_at_one_place(store):
    """Frame t holds x in red, y in green and t in blue."""
    y, x = np.mgrid[:48, :64]
    frames = [np.stack([2 * x, 2 * y, np.full_like(x, 10 * t)], axis=2).astype(np.uint8) for t in range(9)]
    members = {
        f"rgb.{t:04d}.jpg": simplejpeg.encode_jpeg(image, quality=100, colorsubsampling="444")
        for t, image in enumerate(frames)
    }
    put(store, members, 9)
    source = PatchSequences(store, LSTMSection(input="patches", output="gaussian", patch_px=16, patches=5))
    assert source.values == 3 * 16 * 16
    cut = source.read(sample_of(), replace(REF, start=2), 4)
    assert (cut.shape, cut.dtype) == ((5, 4, 768), np.float32)
    levels = (cut * RGB_STD + RGB_MEAN).reshape(5, 4, 16, 16, 3) * 255
    np.testing.assert_allclose(levels[..., 2].mean(axis=(0, 2, 3)), [20, 30, 40, 50], atol=1.5)
    corners = levels[:, :, 0, 0, :2] / 2
    np.testing.assert_allclose(corners, np.broadcast_to(corners[:, :1], corners.shape), atol=1)  # one place
    assert len(np.unique(corners[:, 0].round(), axis=0)) > 1  # but not all the same
    np.testing.assert_allclose(levels[:, :, 15, 15, :2] - levels[:, :, 0, 0, :2], 30, atol=3)
    mirrored = source.read(sample_of(), replace(REF, start=2, flip=True), 4) * RGB_STD + RGB_MEAN
    steps = np.diff(mirrored.reshape(5, 4, 16, 16, 3)[..., 0], axis=3) * 255
    np.testing.assert_allclose(steps.mean(), -2, atol=0.2)
    np.testing.assert_array_equal(cut, source.read(sample_of(), replace(REF, start=2), 4))


def test_percepts_loop_and_have_one_size():
    values = unit_mean_square(np.random.default_rng(0).normal(0, 7, (5, 8)).astype(np.float32))
    np.testing.assert_allclose(np.square(values).mean(axis=1), 1, rtol=1e-5)
    assert not unit_mean_square(np.zeros((1, 3), np.float32)).any()
    source = StoredPercepts({"k": PerceptSequence("k", "r", values)})
    np.testing.assert_array_equal(source.read(sample_of(), replace(REF, start=3), 4)[0], values[[3, 4, 0, 1]])


def test_windows():
    values = np.arange(10, dtype=np.float32)[:, None]
    assert windows(values, 4, 3)[..., 0].tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    assert windows(values[:3], 4, 3)[..., 0].tolist() == [[0, 1, 2, 0]]


def test_starts_leave_room_for_the_sequence():
    assert list(sequence_starts(sample_of(frames=6), 0.0, 4)) == [0, 1, 2]
    assert list(sequence_starts(sample_of(frames=3), 0.0, 4)) == [0]
