import numpy as np
import pytest
from motionpipe.pipeline.joints_msr import read_msr_action_joints, read_msr_daily_joints
from motionpipe.pipeline.skeleton import COLUMNS
from motionpipe.schemas.errors import BadSampleError

WORLD = np.random.default_rng(0).uniform(0.5, 3, (3, 20, 4)).round(4)
SCREEN = np.random.default_rng(1).uniform(0, 1, (3, 20, 4)).round(4)


def rows(array):
    return "\n".join(" ".join(f"{value:.7g}" for value in row) for row in array.reshape(-1, 4)) + "\n"


def daily(bodies=(1, 1, 1)):
    """A file whose frames hold so many bodies; the second body is the first, 0.25 m further."""
    text = f"{len(bodies)} 20\n"
    for t, number in enumerate(bodies):
        text += f"{number * 40}\n"
        for b in range(number):
            text += rows(np.stack([WORLD[t] + b * 0.25, SCREEN[t]], axis=1))
    return text


def reason_of(read, *paths):
    with pytest.raises(BadSampleError) as error:
        read(*paths)
    return error.value.reason


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a01_s01_e01_skeleton.txt"
    path.write_text(daily())
    return path


def test_joints_of_msr_daily(file):
    joints = read_msr_daily_joints(file)
    assert (joints.shape, joints.dtype) == ((3, 1, 20, len(COLUMNS)), np.float32)
    np.testing.assert_allclose(joints[:, 0, :, :3], WORLD[..., :3], rtol=1e-6)
    np.testing.assert_allclose(joints[:, 0, :, 3:5], SCREEN[..., :2] * (320, 240) - 0.5, rtol=1e-5)
    assert np.isnan(joints[..., 5:7]).all()
    np.testing.assert_allclose(joints[:, 0, :, 7], WORLD[..., 3], rtol=1e-6)


def test_frames_with_no_body_and_with_two(file):
    file.write_text(daily((2, 0, 1)))
    joints = read_msr_daily_joints(file)
    assert np.isnan(joints[..., 0]).all(axis=2).tolist() == [[False, False], [True, True], [False, True]]
    np.testing.assert_allclose(joints[0, 1, :, 0], WORLD[0, :, 0] + 0.25, rtol=1e-6)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.rsplit(" ", 1)[0],
        lambda text: text + "1 2",
        lambda text: text.replace("3 20", "3 25", 1),
        lambda text: text.replace("\n40\n", "\n41\n", 1),
        lambda text: text.replace("\n40\n", "\n-40\n", 1),
        lambda text: text.replace("\n40\n", "\n400\n", 1),
        lambda text: "999999999" + text[1:],
        lambda text: text + "µ",
    ],
)
def test_damaged_files_of_msr_daily(file, damage):
    file.write_text(damage(daily()), encoding="utf-8")
    assert reason_of(read_msr_daily_joints, file) == "unreadable-skeleton"


def test_a_file_of_msr_daily_that_was_cut_anywhere(file):
    text = daily()
    for place in range(0, len(text) - 10, 101):
        file.write_text(text[:place])
        assert reason_of(read_msr_daily_joints, file) == "unreadable-skeleton"


def test_a_missing_file(tmp_path):
    assert reason_of(read_msr_daily_joints, tmp_path / "a_skeleton.txt") == "missing-file"
    assert reason_of(read_msr_action_joints, tmp_path / "a_skeleton3D.txt", None) == "missing-file"


@pytest.fixture
def action(tmp_path):
    pixels = SCREEN * (320, 240, 1, 1)
    files = tmp_path / "a01_s01_e01_skeleton3D.txt", tmp_path / "a01_s01_e01_skeleton.txt"
    for path, array in zip(files, (WORLD, pixels), strict=True):
        path.write_text(rows(array))
    return files


def test_joints_of_msr_action3d(action):
    joints = read_msr_action_joints(*action)
    assert joints.shape == (3, 1, 20, len(COLUMNS))
    np.testing.assert_allclose(joints[:, 0][..., [0, 1, 2, 7]], WORLD, rtol=1e-6)
    np.testing.assert_allclose(joints[:, 0, :, 3:5], SCREEN[..., :2] * (320, 240), rtol=1e-5)
    assert np.isnan(read_msr_action_joints(action[0], None)[..., 3:7]).all()


def test_a_frame_of_zeros_holds_no_body(action):
    world = WORLD.copy()
    world[1] = 0
    action[0].write_text(rows(world))
    assert np.isnan(read_msr_action_joints(*action)).all(axis=(1, 2, 3)).tolist() == [False, True, False]


@pytest.mark.parametrize(
    "text", ["", "1 2 3", rows(WORLD)[:-3], rows(WORLD[:, :19]), "x" + rows(WORLD), "\0" * 800], ids=range(6)
)
def test_damaged_files_of_msr_action3d(action, text):
    action[0].write_text(text)
    if text == rows(WORLD)[:-3]:  # the last number lost digits, which no reader can see
        assert read_msr_action_joints(*action).shape[0] == 3
    else:
        assert reason_of(read_msr_action_joints, *action) == "unreadable-skeleton"


def test_two_files_of_different_lengths(action):
    action[1].write_text(rows(WORLD[:2]))
    assert reason_of(read_msr_action_joints, *action) == "unreadable-skeleton"
