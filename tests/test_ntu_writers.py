"""Written streams are read back as they were: video, depth, and skeletons by NTU's own reading order."""

from pathlib import Path

import av
import numpy as np
import pytest
from motionpipe.pipeline.capsule_figure import Floats
from motionpipe.pipeline.depth_codec import decode_png16
from motionpipe.pipeline.kinect_rig import BASELINE, View, view_of
from motionpipe.pipeline.ntu_writers import skeleton_text, write_depth, write_video
from motionpipe.pipeline.perform_action import Performance, PerformanceSpec, performance


@pytest.fixture(scope="module")
def acted() -> Performance:
    """Someone who kicks."""
    return performance(PerformanceSpec(seed=0, performer=2, action=24, replication=1, num_frames=5, fps=5.0))


def view(camera: int) -> View:
    return view_of(1, camera, (128, 106), (160, 90), seed=0)


def read_skeleton(text: str) -> tuple[list[str], Floats]:
    """Body line of the first frame and joints (T, 25, 12), by the reading order of NTU's own read_skeleton_file.m."""
    tokens = iter(text.split())
    joints, body = [], []
    for _ in range(int(next(tokens))):
        assert int(next(tokens)) == 1
        body = [next(tokens) for _ in range(10)]
        assert int(next(tokens)) == 25
        joints.append([[float(next(tokens)) for _ in range(12)] for _ in range(25)])
    assert next(tokens, None) is None
    return body, np.array(joints)


def test_skeleton_projects_through_the_intrinsics(acted: Performance) -> None:
    body, joints = read_skeleton(skeleton_text(acted, view(1)))
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


def test_quaternions_turn_the_bones(acted: Performance) -> None:
    _, joints = read_skeleton(skeleton_text(acted, view(1)))
    elbow, wrist = joints[:, 5], joints[:, 6]
    w, x, y, z = elbow[:, 7:11].T
    along = np.stack([2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)], axis=1)
    bone = wrist[:, :3] - elbow[:, :3]
    np.testing.assert_allclose(along, bone / np.linalg.norm(bone, axis=1, keepdims=True), atol=1e-4)


def test_three_cameras_see_one_performance(acted: Performance) -> None:
    for number in (1, 2, 3):
        camera = view(number).depth
        _, joints = read_skeleton(skeleton_text(acted, view(number)))
        world = joints[..., :3] * [1, -1, 1] @ camera.rotation + camera.centre
        np.testing.assert_allclose(world, acted.joints, atol=1e-5)


def test_depth_is_read_back_exactly(tmp_path: Path) -> None:
    frames = [np.full((6, 8), 1000 * t, dtype=np.uint16) for t in range(3)]
    write_depth(tmp_path / "depth", frames)
    for index, frame in enumerate(frames, start=1):
        data = (tmp_path / "depth" / f"MDepth-{index:08d}.png").read_bytes()
        np.testing.assert_array_equal(decode_png16(data), frame)


def test_video_has_its_frames_size_and_rate(tmp_path: Path) -> None:
    frames = [np.full((32, 48, 3), (40 * t, 100, 60), dtype=np.uint8) for t in range(4)]
    write_video(tmp_path / "rgb.avi", frames, (48, 32), fps=12.5)
    with av.open(str(tmp_path / "rgb.avi")) as container:
        stream = container.streams.video[0]
        assert f"{stream.codec_context.name} {stream.average_rate}" == "mpeg4 25/2"
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert np.abs(np.stack(decoded).astype(int) - np.stack(frames)).max() < 8
