"""Generated recordings: NTU's layout and skeleton format, one performance for all cameras, equal bytes every time."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from motionpipe.pipeline.capsule_figure import ACTIONS, Floats, Variation, perform, posed
from motionpipe.pipeline.generate_ntu import (
    BASELINE,
    GeneratedRecording,
    GeneratorConfig,
    cameras_of,
    list_recordings,
    load_truth,
    masked_depth,
    performance_of,
    scaled_intrinsics,
    truth_frame,
    view_of,
    write_recording,
)
from motionpipe.pipeline.ray_cast import capsules_in, cast_image, project, to_camera

SMALL = GeneratorConfig(
    subjects=(1, 2), actions=(8, 24), num_frames=5, fps=5.0, depth_size=(128, 106), rgb_size=(160, 90), truth_stride=2
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All recordings of the small set."""
    folder = tmp_path_factory.mktemp("generated")
    for recording in list_recordings(SMALL):
        write_recording(folder, recording)
    return folder


def files_of(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def read_depth(path: Path) -> npt.NDArray[np.uint16]:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None
    assert image.dtype == np.uint16
    return np.asarray(image, dtype=np.uint16)


def read_skeleton(path: Path) -> tuple[list[str], Floats]:
    """Body line of the first frame and joints (T, 25, 12), by the reading order of NTU's own read_skeleton_file.m."""
    tokens = iter(path.read_text().split())
    joints, body = [], []
    for _ in range(int(next(tokens))):
        assert int(next(tokens)) == 1
        body = [next(tokens) for _ in range(10)]
        assert int(next(tokens)) == 25
        joints.append([[float(next(tokens)) for _ in range(12)] for _ in range(25)])
    assert next(tokens, None) is None
    return body, np.array(joints)


def test_the_plan_is_the_product_of_its_parts() -> None:
    recordings = list_recordings(GeneratorConfig(subjects=(1, 40), actions=(8, 9, 23), replications=(1, 2)))
    assert len(recordings) == 3 * 2 * 3 * 2
    names = {r.recording_id for r in recordings}
    assert len(names) == len(recordings)
    assert all(re.fullmatch(r"S\d{3}C\d{3}P\d{3}R\d{3}A\d{3}", name) for name in names)


@pytest.mark.parametrize("wrong", [{"actions": (61,)}, {"cameras": (0,)}, {"setup": 9}, {"truth_stride": 60}])
def test_impossible_configs_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(GeneratorConfig(), **wrong)


def test_files_lie_as_in_ntu(root: Path) -> None:
    for recording in list_recordings(SMALL):
        name = recording.recording_id
        pngs = sorted((root / "nturgb+d_depth_masked" / name).iterdir())
        assert [p.name for p in pngs] == [f"MDepth-{i:08d}.png" for i in range(1, 6)]
        assert read_depth(pngs[0]).shape == (106, 128)
        with av.open(str(root / "nturgb+d_rgb" / f"{name}_rgb.avi")) as container:
            stream = container.streams.video[0]
            assert f"{stream.codec_context.name} {stream.average_rate}" == "mpeg4 5"
            frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        assert [f.shape for f in frames] == [(90, 160, 3)] * 5
    assert not list(root.glob(".writing-*"))


def test_no_two_recordings_are_alike(root: Path) -> None:
    digests = [hashlib.sha256(data).hexdigest() for data in files_of(root).values()]
    assert len(set(digests)) == len(digests)


def test_equal_bytes_twice(root: Path, tmp_path: Path) -> None:
    recording = list_recordings(SMALL)[3]
    for _ in range(2):  # the second time over the first's files
        write_recording(tmp_path, recording)
    written, first = files_of(tmp_path), files_of(root)
    assert len(written) == 8
    assert all(first[name] == data for name, data in written.items())


def test_a_failed_write_leaves_nothing_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*args: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("motionpipe.pipeline.generate_ntu.masked_depth", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_recording(tmp_path, list_recordings(SMALL)[0])
    assert {Path(name).parts[0] for name in files_of(tmp_path)} == {"truth", "nturgb+d_skeletons"}


def test_skeleton_projects_through_the_intrinsics(root: Path) -> None:
    recording = list_recordings(SMALL)[0]
    body, joints = read_skeleton(root / "nturgb+d_skeletons" / f"{recording.recording_id}.skeleton")
    assert int(body[0]) > 2**53  # a 64-bit integer that a float would spoil
    x, y, z = joints[..., 0], joints[..., 1], joints[..., 2]
    np.testing.assert_allclose(joints[..., 3], 365.481 * x / z + 257.346, atol=2e-3)
    np.testing.assert_allclose(joints[..., 4], -365.481 * y / z + 210.347, atol=2e-3)
    np.testing.assert_allclose(joints[..., 5], 1057.0 * (x + BASELINE) / z + 957.0, atol=5e-3)
    np.testing.assert_allclose(joints[..., 6], -1057.0 * y / z + 540.0, atol=5e-3)
    np.testing.assert_allclose(np.linalg.norm(joints[..., 7:11], axis=-1), 1.0, atol=1e-5)
    assert (joints[..., 11] == 2).all()
    assert (y[:, 3] > y[:, 0]).all()  # the head is above the pelvis
    assert (x[:, 4] < x[:, 8]).all()  # mirrored, as Kinect images are: the left shoulder is on the left


def test_quaternions_turn_the_bones(root: Path) -> None:
    recording = list_recordings(SMALL)[1]
    _, joints = read_skeleton(root / "nturgb+d_skeletons" / f"{recording.recording_id}.skeleton")
    elbow, wrist = joints[:, 5], joints[:, 6]
    w, x, y, z = elbow[:, 7:11].T
    along = np.stack([2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)], axis=1)
    bone = wrist[:, :3] - elbow[:, :3]
    np.testing.assert_allclose(along, bone / np.linalg.norm(bone, axis=1, keepdims=True), atol=1e-4)


def test_three_cameras_see_one_performance(root: Path) -> None:
    worlds = []
    for number in (1, 2, 3):
        camera, _ = cameras_of(1, number, SMALL.depth_size, SMALL.rgb_size)
        _, joints = read_skeleton(root / "nturgb+d_skeletons" / f"S001C{number:03d}P002R001A024.skeleton")
        worlds.append(joints[..., :3] * [1, -1, 1] @ camera.rotation + camera.centre)
    np.testing.assert_allclose(worlds[1], worlds[0], atol=1e-5)
    np.testing.assert_allclose(worlds[2], worlds[0], atol=1e-5)


def test_scaled_intrinsics_keep_pixel_centres() -> None:
    fx, _, cx, _ = scaled_intrinsics((365.481, 365.481, 257.346, 210.347), (512, 424), (256, 212))
    assert (fx, cx) == (182.7405, (257.346 + 0.5) / 2 - 0.5)


def test_written_depth_is_the_truth_plus_small_noise(root: Path) -> None:
    recording = list_recordings(SMALL)[0]
    view = view_of(1, 1, SMALL.depth_size, SMALL.rgb_size, SMALL.seed)
    hits = cast_image(view.depth, capsules_in(view.depth, posed(performance_of(recording), 0)))
    path = root / "nturgb+d_depth_masked" / recording.recording_id / "MDepth-00000001.png"
    depth = read_depth(path)
    error = depth.reshape(-1)[hits.pixel] - 1000 * hits.depth
    assert 0.8 < error.std() < 3.0
    assert np.abs(error).max() < 12
    masked = np.delete(depth.reshape(-1), hits.pixel)
    assert 0.01 < (masked > 0).mean() < 0.2  # some floor at the feet, no wall
    assert masked.max() < 1000 * hits.depth.max() + 170


def test_dropout_loses_pixels_on_silhouettes_and_floor() -> None:
    recording = list_recordings(SMALL)[0]
    view = view_of(1, 1, SMALL.depth_size, SMALL.rgb_size, SMALL.seed)
    hits = cast_image(view.depth, capsules_in(view.depth, posed(performance_of(recording), 0)))
    full, holed = (
        masked_depth(view, hits, replace(SMALL, noise_mm=0.0, dropout=dropout), np.random.default_rng(0)) > 0
        for dropout in (False, True)
    )
    assert not (holed & ~full).any()
    assert 0.5 < holed.sum() / full.sum() < 0.95


def test_truth_moves_the_written_depth_onto_the_next(root: Path) -> None:
    name = list_recordings(SMALL)[1].recording_id
    truth = load_truth(root, name)
    assert (truth.stride, truth.fps, truth.depth_size) == (2, 5.0, (128, 106))
    assert len(truth.flow) == 3
    assert truth.flow.dtype == np.float16
    assert truth.valid.dtype == np.bool_
    fx, fy, cx, cy = truth.intrinsics
    depth = [read_depth(p) for p in sorted((root / "nturgb+d_depth_masked" / name).iterdir())]
    flow, valid = truth_frame(truth, 1)
    row, column = np.nonzero(valid)
    z = depth[1][row, column] / 1000
    x, y = (column - cx) / fx * z, (row - cy) / fy * z
    x, y, z = np.stack([x, y, z]) + flow[row, column].T
    there = depth[3][np.rint(y / z * fy + cy).astype(int), np.rint(x / z * fx + cx).astype(int)] / 1000
    # Nearest pixels at 128x106 are centimetres apart, so slanted surfaces differ by about as much.
    assert np.median(np.abs(there - z)) < 0.006
    assert np.abs(flow[valid]).max() > 0.1
    assert not flow[0].any()


@pytest.mark.parametrize("camera", [1, 2, 3])
def test_everybody_stays_in_both_pictures(camera: int) -> None:
    config = GeneratorConfig(num_frames=12, fps=6.0)
    for setup in (1, 2, 3):
        cameras = cameras_of(setup, camera, config.depth_size, config.rgb_size)
        for action in ACTIONS:
            for performer, replication in ((1, 1), (2, 2), (3, 1)):
                recording = GeneratedRecording(setup, camera, performer, replication, action, config)
                joints = performance_of(recording).joints
                for eye in cameras:
                    pixels = project(eye, to_camera(eye, joints))
                    assert (pixels > 4).all(), recording.recording_id
                    assert (pixels < [eye.width - 5, eye.height - 5]).all(), recording.recording_id


def test_a_reversed_action_shows_the_same_depth_frames_in_reverse() -> None:
    recording = GeneratedRecording(1, 2, 1, 1, 8, replace(SMALL, noise_mm=0.0))
    view = view_of(1, 2, SMALL.depth_size, SMALL.rgb_size, SMALL.seed)
    acted = performance_of(recording)
    variation = Variation(hold_start=0.1, skew=-0.2, sway=(0.3, 0.2, 0.1))
    frames = []
    for action in (8, 9):
        played = perform(acted.shape, ACTIONS[action], variation, 5, 5.0)
        hits = [cast_image(view.depth, capsules_in(view.depth, posed(played, t))) for t in range(5)]
        frames.append([masked_depth(view, h, recording.config, np.random.default_rng(0)) for h in hits])
    np.testing.assert_array_equal(frames[0], frames[1][::-1])
    assert not np.array_equal(frames[0], frames[1])
