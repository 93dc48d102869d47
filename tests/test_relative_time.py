"""RGB beside depth without a common clock: paired by relative time, judged by its own promise."""

import json
from pathlib import Path

import numpy as np
import pytest
from motionpipe.pipeline.coded_stream import CodedFrame, CodedStream
from motionpipe.pipeline.decode_contract import schedule_by_numbers
from motionpipe.pipeline.kinect_v1 import DEPTH_CAMERA
from motionpipe.pipeline.samples import build_samples
from motionpipe.pipeline.segments import contract, cut_segments
from motionpipe.schemas.errors import BadSampleError
from motionpipe.schemas.recipe import ShardSection
from motionpipe.schemas.recording import PlannedRecording, Recording

RECORDING = Recording(
    "x", "x", {"rgb": "x.avi", "depth": "depth"}, fps=30.0, depth_camera=DEPTH_CAMERA, relative_time=True
)


@pytest.fixture
def source(tmp_path, moving_square, write_video, write_depth):
    """Write so many depth frames at 30/s, and RGB frames at `fps`; those of `still` repeat the one before."""

    def write(depth_frames, rgb_frames, fps, still=range(0)) -> Path:
        square = moving_square(max(depth_frames, rgb_frames), 48, 64, step=1)
        order = [min(i, still.start - 1) if i in still else i for i in range(rgb_frames)]
        write_video(tmp_path / "x.avi", np.repeat(square[order][..., None], 3, axis=3), fps=fps)
        write_depth(tmp_path / "depth", square[:depth_frames].astype(np.uint16) * 10 + 1)
        return tmp_path

    return write


def metas_of(folder, **config):
    section = ShardSection(**{"short_side": 48, **config})
    samples = build_samples(PlannedRecording(0, "key", RECORDING), "d", folder, section)
    return [json.loads(sample.members["json"]) for sample in samples]


def reason_of(folder, **config):
    with pytest.raises(BadSampleError) as error:
        metas_of(folder, **config)
    return error.value.reason


def test_a_slower_stream_keeps_its_own_promise(source):
    (meta,) = metas_of(source(12, 6, fps=15), policy="strict", frozen_frames=2)
    assert meta["rgb_slots"] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert meta["source_frame_counts"] == {"rgb": 6, "depth": 12}
    rgb, depth = meta["decode"]["rgb"], meta["decode"]["depth"]
    assert (rgb["expected"], rgb["expected_from"], rgb["demuxed"], rgb["decoded"]) == (6, "index", 6, 6)
    assert (rgb["missing"], rgb["missing_slots"], rgb["frozen"], rgb["step_us"]) == (0, [], [], 66_667)
    assert (depth["expected"], depth["decoded"], meta["decode"]["mismatch"]) == (12, 12, 6)
    assert (meta["fps"], meta["timestamps"], meta["timestamps_us"][-1]) == (30.0, "nominal", 366_667)


def test_a_faster_stream_is_decoded_whole(source):
    (meta,) = metas_of(source(6, 11, fps=55), policy="strict")
    assert meta["rgb_slots"] == [0, 2, 4, 6, 8, 10]
    assert (meta["decode"]["rgb"]["decoded"], meta["decode"]["rgb"]["missing"]) == (11, 0)


def test_a_part_of_a_video_is_not_stretched(source):
    assert reason_of(source(58, 12, fps=15)) == "count-mismatch"
    assert reason_of(source(58, 12, fps=15), policy="strict") == "count-mismatch"


def test_either_frames_or_seconds_must_agree(source):
    assert metas_of(source(58, 29, fps=15))  # half the rate, the same time
    assert metas_of(source(58, 57, fps=10))  # a wrong rate in the file, the same frames


def test_segments_share_out_the_other_streams_frames(source):
    metas = metas_of(source(12, 6, fps=15), max_frames=5)
    assert [meta["decode"]["slots"] for meta in metas] == [[0, 5], [5, 10], [10, 12]]
    assert [meta["decode"]["rgb"]["decoded"] for meta in metas] == [2, 3, 1]
    assert [slot for meta in metas for slot in meta["rgb_slots"]] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_frozen_frames_are_those_of_the_source(source):
    folder = source(12, 6, fps=15, still=range(2, 5))  # source frames 1 to 4 are the same
    (meta,) = metas_of(folder, frozen_frames=4)
    assert meta["decode"]["rgb"]["frozen"] == [[3, 7]]  # the second time that frame 1 is stored, and six repeats
    (kept,) = metas_of(folder, frozen_frames=4, policy="drop", min_decoded=0.4)
    assert kept["rgb_slots"] == [0, 0, 1, 1, 5, 5]
    assert metas_of(folder, frozen_frames=5)[0]["decode"]["rgb"]["frozen"] == []
    assert reason_of(folder, frozen_frames=4, policy="strict") == "damaged-video"


@pytest.mark.parametrize("part", [0.5, 0.6, 0.8])
def test_a_cut_video_is_rejected(source, part):
    folder = source(60, 60, fps=30)
    data = (folder / "x.avi").read_bytes()
    (folder / "x.avi").write_bytes(data[: int(part * len(data))])
    assert reason_of(folder) == "truncated-video"


def test_a_frame_lost_in_the_middle_is_missing_in_its_own_count(source, write_video, moving_square):
    folder = source(60, 30, fps=15)
    (folder / "x.avi").unlink()
    square = np.repeat(moving_square(29, 48, 64, step=1)[..., None], 3, axis=3)
    times_ms = [i * 200 // 3 for i in range(30) if i != 7]
    write_video(folder / "x.mkv", square, fps=15, times_ms=times_ms).rename(folder / "x.avi")
    (meta,) = metas_of(folder)
    rgb = meta["decode"]["rgb"]
    assert (rgb["decoded"], rgb["missing"], rgb["missing_slots"]) == (29, 1, [[7, 1]])
    assert 7 not in meta["rgb_slots"]
    assert meta["decode"]["depth"]["missing"] == 0
    assert meta["decode"]["unpaired"] == 60 - len(meta["rgb_slots"]) == 2


def followed(rgb_frames, depth_frames):
    """RGB frames, as (slot, what is said of it), that follow so many whole depth frames."""
    rgb, depth = (
        CodedStream(Path(name), schedule_by_numbers(range(count)))
        for name, count in (("rgb", len(rgb_frames)), ("depth", depth_frames))
    )
    rgb.frames = iter([CodedFrame(i, b"%d" % i, **said) for i, said in enumerate(rgb_frames)])
    depth.frames = iter([CodedFrame(i, b"%d" % i) for i in range(depth_frames)])
    rgb.follow(depth)
    return {"rgb": rgb, "depth": depth}


def contracts(streams, **config):
    section = ShardSection(**{"max_count_mismatch": 100, "min_decoded": 0.1, **config})
    return [contract(segment, streams, section) for segment in cut_segments(streams, section)]


def test_each_of_the_streams_own_frames_counts_once():
    """A slower stream's frames are stored twice, and of a faster one every second is left out."""
    twice = [{"resized": i == 2} for i in range(6)]
    assert [c["rgb"]["resized"] for c in contracts(followed(twice, 12), max_frames=4)] == [0, 1, 0]
    left_out = [{"resized": i in (3, 4)} for i in range(11)]  # 0 2 4 6 8 10 are stored
    (found,) = contracts(followed(left_out, 6))
    assert (found["rgb"]["resized"], found["rgb"]["decoded"]) == (2, 11)


@pytest.mark.parametrize("said", ["corrupt", "resized"])
def test_strict_refuses_damage_in_frames_that_are_not_stored_too(said):
    streams = followed([{said: i == 3} for i in range(11)], 6)
    with pytest.raises(BadSampleError, match=r"(another size|1 partly made up)"):
        contracts(streams, policy="strict")
    assert contracts(followed([{} for _ in range(11)], 6), policy="strict")
