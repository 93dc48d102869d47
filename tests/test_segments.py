import json
import tracemalloc

import av
import numpy as np
import pytest
from motionpipe.pipeline.ntu import DEPTH_CAMERA
from motionpipe.pipeline.samples import build_samples
from motionpipe.schemas.errors import BadSampleError
from motionpipe.schemas.recipe import ShardSection
from motionpipe.schemas.recording import PlannedRecording, Recording

RGBD = Recording("x", "x", {"rgb": "x.avi", "depth": "depth"}, fps=30.0, depth_camera=DEPTH_CAMERA)


def samples_of(folder, files, **config):
    recording = Recording("x", "x", files, fps=30.0, depth_camera=DEPTH_CAMERA)
    section = ShardSection(**{"short_side": 48, **config})
    return list(build_samples(PlannedRecording(0, "key", recording), "d", folder, section))


def decode_of(folder, files, **config):
    """(number of frames, timestamps, decode entry) of a recording of one sample."""
    (sample,) = samples_of(folder, files, **config)
    meta = json.loads(sample.members["json"])
    assert len(meta["timestamps_us"]) == sample.num_frames == meta["frames"][1]
    return sample.num_frames, meta["timestamps_us"], meta["decode"]


def reason_of(folder, files, **config):
    with pytest.raises(BadSampleError) as error:
        samples_of(folder, files, **config)
    return error.value.reason


@pytest.fixture
def source(tmp_path, moving_square, write_video, write_depth):
    """20 frames of RGB and depth in which something moves."""
    square = moving_square(20, 48, 64, step=2)
    write_video(tmp_path / "x.avi", np.repeat(square[..., None], 3, axis=3), fps=10)
    write_depth(tmp_path / "depth", square.astype(np.uint16) * 10 + 1)
    return tmp_path


RGB, DEPTH = {"rgb": "x.avi"}, {"depth": "depth"}


@pytest.mark.parametrize("policy", ["strict", "repair", "drop"])
def test_a_whole_recording(source, policy):
    count, times, decode = decode_of(source, RGB | DEPTH, policy=policy)
    assert (count, times[-1]) == (20, 1_900_000)
    assert decode == {
        "policy": policy,
        "slots": [0, 20],
        "gaps": [],
        "dropped": 0,
        "unpaired": 0,
        "mismatch": 0,
        "rgb": {
            "expected": 20,
            "expected_from": "index",
            "demuxed": 20,
            "decoded": 20,
            "missing": 0,
            "missing_slots": [],
            "errors": 0,
            "unplaced": 0,
            "corrupt": [],
            "frozen": [],
            "resized": 0,
            "incomplete_packets": 0,
            "monotonic": True,
            "start_us": 0,
            "step_us": 100_000,
            "jitter_us": 0.0,
            "constant_rate": True,
            "discarded": 0,
            "stream": 0,
            "video_streams": 1,
            "sample_aspect": [1, 1],
            "rotation": 0,
            "mirrored": False,
        },
        "depth": {
            "expected": 20,
            "expected_from": "numbers",
            "demuxed": 20,
            "decoded": 20,
            "missing": 0,
            "missing_slots": [],
            "errors": 0,
            "unplaced": 0,
            "corrupt": [],
            "frozen": [],
        },
    }


def test_a_lost_chunk_leaves_a_gap_in_its_place(source):
    """One chunk of the AVI gets another name, so that no demuxer finds it; the index still lists it."""
    path = source / "x.avi"
    data = path.read_bytes()
    place = data.index(b"movi")
    for _ in range(8):
        place = data.index(b"00dc", place + 4)
    path.write_bytes(data[:place] + b"zzzz" + data[place + 4 :])
    count, times, decode = decode_of(source, RGB)
    assert (count, decode["gaps"], decode["rgb"]["missing_slots"]) == (19, [[6, 1, 200_000]], [[7, 1]])
    assert times == [i * 100_000 for i in range(20) if i != 7]
    # with depth, the frames that belong together stay together
    count, _, decode = decode_of(source, RGB | DEPTH)
    assert (count, decode["unpaired"], decode["depth"]["missing"]) == (19, 1, 0)
    assert reason_of(source, RGB, policy="strict") == "damaged-video"
    assert reason_of(source, RGB, min_decoded=0.96) == "damaged-video"


def test_a_missing_depth_map_leaves_a_gap_in_its_place(source):
    (source / "depth" / "MDepth-00000005.png").unlink()
    count, times, decode = decode_of(source, RGB | DEPTH)
    assert (count, decode["gaps"], decode["unpaired"]) == (19, [[3, 1, 200_000]], 1)
    assert 400_000 not in times
    assert (decode["depth"]["expected"], decode["depth"]["missing_slots"]) == (20, [[4, 1]])
    assert reason_of(source, DEPTH, policy="strict") == "damaged-depth"


def test_a_damaged_depth_map_is_told_apart(source):
    (source / "depth" / "MDepth-00000005.png").write_bytes(b"no")
    count, times, decode = decode_of(source, DEPTH)
    assert (count, decode["depth"]["errors"], decode["depth"]["demuxed"]) == (19, 1, 20)
    assert times[3:5] == [100_000, 166_667]
    assert reason_of(source, DEPTH, policy="strict") == "unreadable-depth"


@pytest.mark.parametrize("cut", [1, 3, 4, 10])
def test_streams_of_different_length(source, cut):
    for number in range(20 - cut, 20):
        (source / "depth" / f"MDepth-{number + 1:08d}.png").unlink()
    if cut == 10:  # less than 90 % of the longer one
        assert reason_of(source, RGB | DEPTH) == "count-mismatch"
        assert decode_of(source, RGB | DEPTH, min_decoded=0.5)[2]["mismatch"] == 10
        return
    if cut <= 3:
        count, _, decode = decode_of(source, RGB | DEPTH)
        assert (count, decode["mismatch"], decode["unpaired"]) == (20 - cut, cut, cut)
        assert decode_of(source, RGB | DEPTH, policy="strict")[0] == 20 - cut
    else:
        assert reason_of(source, RGB | DEPTH, policy="strict", max_count_mismatch=3) == "count-mismatch"


def test_a_frozen_camera(source, moving_square, write_video):
    square = moving_square(40, 48, 64, step=1)
    square[10:16] = square[10]
    write_video(source / "x.avi", np.repeat(square[..., None], 3, axis=3), fps=10)
    count, _, decode = decode_of(source, RGB)
    assert (count, decode["rgb"]["frozen"], decode["gaps"]) == (40, [[10, 6]], [])
    assert reason_of(source, RGB, policy="strict") == "damaged-video"
    count, times, decode = decode_of(source, RGB, policy="drop", min_decoded=0.8)
    assert (count, decode["dropped"], decode["gaps"]) == (35, 5, [[10, 5, 600_000]])
    assert times[10:12] == [1_000_000, 1_600_000]
    assert decode["rgb"]["frozen"] == [[10, 6]]
    assert reason_of(source, RGB, policy="drop") == "damaged-video"
    assert decode_of(source, RGB, policy="strict", frozen_frames=7)[0] == 40


def test_figures_add_up_over_segments(source):
    (source / "depth" / "MDepth-00000007.png").unlink()
    samples = samples_of(source, RGB | DEPTH, max_frames=6)
    metas = [json.loads(sample.members["json"]) for sample in samples]
    decodes = [meta["decode"] for meta in metas]
    assert [meta["frames"] for meta in metas] == [[0, 6], [6, 12], [12, 18], [18, 19]]
    assert [decode["slots"] for decode in decodes] == [[0, 7], [7, 13], [13, 19], [19, 20]]
    for name, missing in (("rgb", 0), ("depth", 1)):
        assert sum(decode[name]["decoded"] for decode in decodes) == 20 - missing
        assert sum(decode[name]["missing"] for decode in decodes) == missing
        assert {decode[name]["expected"] for decode in decodes} == {20}
    assert [decode["gaps"] for decode in decodes] == [[[5, 1, None]], [], [], []]


@pytest.mark.parametrize("bad", [1, 6, 7, 13, 20])
def test_an_error_is_told_once(source, bad):
    (source / "depth" / f"MDepth-{bad:08d}.png").write_bytes(b"no")
    depth = [json.loads(s.members["json"])["decode"]["depth"] for s in samples_of(source, DEPTH, max_frames=6)]
    assert [sum(part[name] for part in depth) for name in ("errors", "missing", "decoded")] == [1, 1, 19]


def test_damage_after_the_first_segment_is_told_after_it(source):
    """A consumer has the first segment when a later one fails."""
    (source / "depth" / "MDepth-00000018.png").write_bytes(b"no")
    config = ShardSection(policy="strict", short_side=48, max_frames=5)
    recording = Recording("x", "x", DEPTH, fps=30.0, depth_camera=DEPTH_CAMERA)
    samples = build_samples(PlannedRecording(0, "key", recording), "d", source, config)
    assert [next(samples).key for _ in range(3)] == ["key-s00", "key-s01", "key-s02"]
    with pytest.raises(BadSampleError, match=r"unreadable-depth: .* 1 missing, 1 refused"):
        next(samples)


def write_long(path, frames):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        for i in range(frames):
            image = np.roll(noise, i, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.mark.slow
def test_memory_is_that_of_a_segment(tmp_path):
    peaks, coded = {}, {}
    for frames in (300, 3000):
        name = f"{frames}.avi"
        write_long(tmp_path / name, frames)
        recording = PlannedRecording(0, "key", Recording("x", "x", {"rgb": name}))
        tracemalloc.start()
        coded[frames] = count = 0
        for sample in build_samples(recording, "d", tmp_path, ShardSection(max_frames=100)):
            coded[frames] += sum(len(data) for data in sample.members.values())
            count += sample.num_frames
            del sample
        peaks[frames] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == frames
    # what grows is the schedule: some numbers a frame, where a coded frame of a usual size has ten thousand bytes
    assert peaks[3000] - peaks[300] < 450 * 2700
    assert peaks[3000] < 0.25 * coded[3000]
