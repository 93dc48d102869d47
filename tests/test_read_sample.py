import numpy as np
import pytest
from motionpipe.pipeline.ntu import DEPTH_CAMERA
from motionpipe.pipeline.read_sample import has_stream, read_clip, read_frames, read_members, read_meta
from motionpipe.pipeline.samples import build_samples
from motionpipe.pipeline.store import Store
from motionpipe.pipeline.write_shard import write_tar_shard
from motionpipe.schemas.recipe import ShardSection
from motionpipe.schemas.recording import PlannedRecording, Recording

DEPTH = np.random.default_rng(0).integers(0, 9000, (5, 24, 32), dtype=np.uint16)
RGB = np.random.default_rng(1).integers(60, 200, (5, 3, 4, 3), dtype=np.uint8).repeat(8, axis=1).repeat(8, axis=2)


@pytest.fixture
def entry(put_sample):
    """Five frames of 24 x 32 in both streams."""
    return put_sample("clip", rgb=RGB, depth=DEPTH)[0]


def test_frames_come_back_in_the_asked_order(store, entry):
    np.testing.assert_array_equal(read_frames(store, "shards", 0, entry, "depth", [3, 0, 3]), DEPTH[[3, 0, 3]])
    rgb = read_frames(store, "shards", 0, entry, "rgb", [4, 1])
    assert rgb.dtype == np.uint8
    assert np.abs(rgb.astype(int) - RGB[[4, 1]]).max() < 12


def test_members_are_read_in_one_range_that_spans_no_more_than_them(store, entry, monkeypatch):
    ranges = []
    read_range = Store.read_range
    monkeypatch.setattr(Store, "read_range", lambda self, *where: ranges.append(where) or read_range(self, *where))
    names = ["depth.0001.d16", "depth.0002.d16"]
    members = read_members(store, "shards", 0, entry, names)
    (first, _), (last, size) = (entry.members[name] for name in names)
    assert ranges == [("shards/000000.tar", first, last + size - first)]
    whole = store.read_bytes("shards/000000.tar")
    for name, (offset, length) in ((name, entry.members[name]) for name in names):
        assert members[name] == whole[offset : offset + length]


def test_which_streams_a_sample_has(put_sample):
    entry, _ = put_sample("deep", depth=DEPTH)
    assert has_stream(entry, "depth")
    assert not has_stream(entry, "rgb")


def test_the_json_is_the_samples_own(store, entry):
    assert read_meta(store, "shards", 0, entry)["key"] == "clip"


def test_frames_beyond_the_end_are_an_error(store, entry):
    with pytest.raises(KeyError, match=r"depth\.0005"):
        read_frames(store, "shards", 0, entry, "depth", [5])


@pytest.mark.parametrize("streams", [("rgb",), ("depth",), ("rgb", "depth")])
def test_a_recording_goes_through_the_store(store, memory_store, tmp_path, write_video, write_depth, streams):
    write_video(tmp_path / "x.avi", RGB, fps=10)
    write_depth(tmp_path / "depth", DEPTH)
    files = {name: {"rgb": "x.avi", "depth": "depth"}[name] for name in streams}
    planned = PlannedRecording(0, "x", Recording("x", "x", files, fps=10.0, depth_camera=DEPTH_CAMERA))
    clips = []
    for place in (store, memory_store):
        report = write_tar_shard(
            place, "shards", 0, [planned], lambda p: build_samples(p, "ntu", tmp_path, ShardSection(short_side=24))
        )
        clips.append(read_clip(place, "shards", 0, report.samples[0], streams))
    for clip in clips:
        assert (clip.key, len(clip), clip.timestamps_us.tolist()) == ("x", 5, [i * 100_000 for i in range(5)])
        assert (clip.rgb is not None, clip.depth is not None) == ("rgb" in streams, "depth" in streams)
        if clip.depth is not None:
            np.testing.assert_array_equal(clip.depth, DEPTH)
            assert (clip.depth_camera.width, clip.depth_camera.height) == (32, 24)
        if clip.rgb is not None:
            assert np.abs(clip.rgb.astype(int) - RGB).mean() < 6
