import numpy as np
import pytest
import torch
from motionpipe.jobs.learners import LEARNERS
from motionpipe.pipeline.batches_clip_classifier import centre_clips, spaced_clips
from motionpipe.pipeline.clip_plan import TrainSample
from motionpipe.pipeline.embed_sample import embed_sample
from motionpipe.pipeline.score_clips import ClipScorer
from motionpipe.pipeline.stored_clips import StoredClips
from motionpipe.schemas.atomic_flow import AtomicFlowSection
from motionpipe.schemas.recording import Recording

NETWORK = AtomicFlowSection(modality="depth", frame_short_side=96, crop=64, cell=4)
LEARNER = LEARNERS["atomic-flow"]


def frames_of(num_frames, stride=1, frames=4):
    return spaced_clips(num_frames, stride, 5, frames)


def test_clips_are_evenly_spaced_from_the_first_frame_to_the_last():
    clips = frames_of(24, stride=1)
    assert clips == [[start + i for i in range(4)] for start in (0, 5, 10, 15, 20)]


def test_frames_of_a_clip_are_a_stride_apart():
    clips = frames_of(30, stride=3)
    assert clips[0] == [0, 3, 6, 9]
    assert clips[-1] == [20, 23, 26, 29]


@pytest.mark.parametrize("num_frames", [4, 5, 6, 7, 8, 30, 31])
@pytest.mark.parametrize("stride", [1, 2])
def test_clips_are_unique_and_lie_inside(num_frames, stride):
    clips = frames_of(num_frames, stride)
    starts = [clip[0] for clip in clips]
    assert starts == sorted(set(starts))
    assert len(clips) == min(5, max(1, num_frames - 3 * stride))
    assert all(0 <= number < num_frames for clip in clips for number in clip)


@pytest.mark.parametrize(
    ("num_frames", "stride", "expected"),
    [(1, 1, [0, 0, 0, 0]), (3, 1, [0, 1, 2, 0]), (5, 2, [0, 2, 4, 1]), (2, 2, [0, 0, 0, 0])],
)
def test_a_short_recording_is_looped(num_frames, stride, expected):
    assert frames_of(num_frames, stride) == [expected]


def test_single_frames():
    assert frames_of(9, stride=3, frames=1) == [[0], [2], [4], [6], [8]]


def mean_of_first_channel(clips):
    return clips[:, :, 0].mean(dim=(2, 3))


@pytest.fixture
def sample(put_sample):
    """Ten frames of depth, 2000 mm + 100 mm a frame, at 10 frames a second."""
    depth = np.broadcast_to(2000 + 100 * np.arange(10)[:, None, None], (10, 96, 128)).astype(np.uint16)
    return put_sample("s", depth=depth)[0]


def sample_of(entry):
    return TrainSample(0, entry.key, "id-s", "g", entry.num_frames, 2, np.zeros(0, np.float32))


def embed(store, entry, num_clips=3, clip_frames=4, of=None):
    """Rows of a sample whose clips have frames two apart."""
    clips = StoredClips(store, None, 4, NETWORK)
    scorer = ClipScorer(
        cut=lambda sample: LEARNER.cut(NETWORK, sample, num_clips, clip_frames),
        show=lambda sample, numbers: LEARNER.show(NETWORK, clips, sample, numbers),
        forward=mean_of_first_channel,
        batch=2,
        device=torch.device("cpu"),
    )
    return embed_sample(store, sample_of(entry), of or entry, recording(), scorer)


def recording():
    return Recording("id-s", "s.avi", {}, 3, "wave", {"split": "test"})


def test_clips_hold_the_asked_frames(store, sample):
    clips = centre_clips(StoredClips(store, None, 4, NETWORK), sample_of(sample), [[0, 2, 4], [9, 0, 9]], NETWORK)
    assert clips.shape == (2, 3, 2, 64, 64)
    depth = clips[:, :, 0, 0, 0] + 3
    np.testing.assert_allclose(depth, [[2.0, 2.2, 2.4], [2.9, 2.0, 2.9]], rtol=1e-5)


def test_clips_are_centre_crops(store, put_sample):
    depth = np.broadcast_to(1000 + np.arange(128), (1, 96, 128)).astype(np.uint16)
    entry = put_sample("ramp", depth=depth)[0]
    clips = centre_clips(StoredClips(store, None, 4, NETWORK), sample_of(entry), [[0]], NETWORK)
    np.testing.assert_allclose((clips[0, 0, 0, 0] + 3) * 1000, 1000 + np.arange(32, 96), rtol=1e-5)


def test_a_row_for_each_clip(store, sample):
    rows = embed(store, sample)
    assert [(r.frame_start, r.frame_end, r.start_us, r.end_us) for r in rows] == [
        (0, 7, 0, 600_000),
        (2, 9, 200_000, 800_000),
        (3, 10, 300_000, 900_000),
    ]
    expected = np.array([[0, 2, 4, 6], [2, 4, 6, 8], [3, 5, 7, 9]]) / 10 - 1
    np.testing.assert_allclose([r.embedding for r in rows], expected, atol=1e-5)
    for row in rows:
        assert (row.key, row.recording_id, row.source_hash, row.shard) == ("s", "id-s", "hash-s", 0)
        assert (row.dataset, row.label, row.label_name, row.splits) == ("fake", 3, "wave", {"split": "test"})
    assert len({row.as_dict()["row_id"] for row in rows}) == 3


def test_a_row_for_each_frame(store, sample):
    rows = embed(store, sample, clip_frames=1)
    assert [(r.frame_start, r.frame_end, r.start_us, r.end_us) for r in rows] == [
        (0, 1, 0, 0),
        (4, 5, 400_000, 400_000),
        (9, 10, 900_000, 900_000),
    ]


def test_a_looped_clip_spans_the_whole_recording(store, sample):
    (row,) = embed(store, sample, clip_frames=8)
    assert (row.frame_start, row.frame_end, row.end_us) == (0, 10, 900_000)
    np.testing.assert_allclose(row.embedding, np.array([0, 2, 4, 6, 8, 0, 2, 4]) / 10 - 1, atol=1e-5)


def test_an_entry_that_points_at_another_sample_is_a_bug(store, sample):
    with pytest.raises(AssertionError, match="asked for other, the tar holds s"):
        embed(store, sample, of=sample.model_copy(update={"key": "other"}))
