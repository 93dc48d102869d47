import dataclasses
import io
import json
import shutil

import numpy as np
import pytest
import simplejpeg
from motionpipe.pipeline.depth_codec import DECODERS
from motionpipe.pipeline.generate_ntu import GeneratorConfig, list_recordings, write_recording
from motionpipe.pipeline.kinect_rig import cameras_of
from motionpipe.pipeline.ntu import COLOR_SIZE, index_ntu
from motionpipe.pipeline.plan import plan_shards
from motionpipe.pipeline.plan_registration import (
    REGISTRATION_FILE,
    fit_registrations,
    read_registrations,
    sample_recordings,
    write_registrations,
)
from motionpipe.pipeline.registration_overlay import depth_edges
from motionpipe.pipeline.samples import build_samples
from motionpipe.schemas.recipe import DataSection, ShardSection
from motionpipe.schemas.recording import Recording

CONFIG = ShardSection(short_side=106, registration_min_joints=50)
SET = GeneratorConfig(
    subjects=(1, 2), cameras=(1, 2), actions=(8, 23), num_frames=6, fps=6.0, rgb_size=(480, 270), truth=False
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ntu")
    for recording in list_recordings(SET):
        write_recording(folder, recording)
    return folder


@pytest.fixture(scope="module")
def rows(source):
    return plan_shards(index_ntu(source, DataSection()).recordings, 4)


def without(rows, stream):
    return [
        dataclasses.replace(
            row,
            recording=dataclasses.replace(
                row.recording, files={name: path for name, path in row.recording.files.items() if name != stream}
            ),
        )
        for row in rows
    ]


def build(row, source, config=CONFIG, fit=None):
    (sample,) = build_samples(row, "ntu", source, config, fit)
    return sample


@pytest.mark.parametrize(("model", "most_px"), [("affine", 1.0), ("homography", 1.0), ("affine+depth", 0.01)])
def test_generated_joints_are_met_within_a_pixel(source, rows, model, most_px):
    config = CONFIG.model_copy(update={"registration": model})
    registrations = fit_registrations(rows, source, config)
    assert [(fit.setup, fit.camera) for fit in registrations.fits] == [(1, 1), (1, 2)]
    assert not registrations.unregistered
    for fit in registrations.fits:
        assert fit.joints == 4 * 6 * 25
        assert fit.inliers >= 0.95 * fit.joints
        assert fit.mean_px < most_px
        assert fit.mean_depth_px == pytest.approx(fit.mean_px / 2.89, abs=0.01)
        assert fit.recordings == 4


def test_the_fit_is_the_rig(source, rows):
    config = CONFIG.model_copy(update={"registration": "affine+depth"})
    (fit, _) = fit_registrations(rows, source, config).fits
    depth, colour = (camera.intrinsics for camera in cameras_of(1, 1, (512, 424), COLOR_SIZE))
    scale = colour.fx / depth.fx
    expected = [[scale, 0, colour.cx - scale * depth.cx], [0, scale, colour.cy - scale * depth.cy], [0, 0, 1]]
    np.testing.assert_allclose(fit.matrix, expected, atol=0.02)
    np.testing.assert_allclose(fit.parallax_px_m, (0.052 * colour.fx, 0), atol=0.02)


def test_the_same_plan_gives_the_same_bytes(source, rows, store):
    write_registrations(store, fit_registrations(rows, source, CONFIG))
    first = store.read_bytes(REGISTRATION_FILE)
    write_registrations(store, fit_registrations(rows[::-1], source, CONFIG))
    assert store.read_bytes(REGISTRATION_FILE) == first
    assert read_registrations(store) == fit_registrations(rows, source, CONFIG)


def test_nothing_is_frozen_where_nothing_was_asked_for(store):
    assert read_registrations(store).fits == ()


def test_a_place_without_skeletons_stays_unregistered(source, rows):
    some = [row for row in rows if row.recording.camera == 1]
    others = without([row for row in rows if row.recording.camera == 2], "skeleton")
    registrations = fit_registrations([*some, *others], source, CONFIG)
    assert [fit.camera for fit in registrations.fits] == [1]
    (place,) = registrations.unregistered
    assert (place.setup, place.camera, place.reason) == (1, 2, "no recording has a skeleton")
    assert registrations.of(1, 2) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"registration_min_joints": 601}, "600 tracked joints, 601 are needed"),
        ({"registration_max_px": 0.01}, "0.01 px are allowed"),
        ({"registration_recordings": 1, "registration_min_joints": 151}, "150 tracked joints"),
    ],
)
def test_a_fit_that_is_not_good_enough_is_not_used(source, rows, changes, words):
    registrations = fit_registrations(rows, source, CONFIG.model_copy(update=changes))
    assert not registrations.fits
    assert all(words in place.reason for place in registrations.unregistered)


def test_damaged_skeletons_give_no_joints(tmp_path, rows):
    for row in rows:
        path = tmp_path / row.recording.files["skeleton"]
        path.parent.mkdir(exist_ok=True)
        path.write_text("damaged")
    (first, _) = fit_registrations(rows, tmp_path, CONFIG).unregistered
    assert first.reason.startswith("0 tracked joints")


def test_a_skeleton_that_cannot_be_read_does_not_end_the_fit(source, tmp_path, rows):
    broken = tmp_path / "broken"
    shutil.copytree(source, broken, symlinks=True)
    file = broken / rows[0].recording.files["skeleton"]
    file.unlink()
    file.symlink_to("/proc/self/mem")  # reading it is an error of the system (EIO)
    if not file.exists():
        pytest.skip("needs Linux")
    assert fit_registrations(rows, broken, CONFIG).fits


def test_recordings_without_both_streams_or_without_a_place_ask_for_no_fit(source, rows):
    assert fit_registrations(without(rows, "rgb"), source, CONFIG).fits == ()
    nowhere = [
        dataclasses.replace(row, recording=dataclasses.replace(row.recording, setup=None, camera=None)) for row in rows
    ]
    registrations = fit_registrations(nowhere, source, CONFIG)
    assert (registrations.fits, registrations.unregistered) == ((), ())


def test_the_recordings_that_are_read_are_drawn_from_all_and_always_the_same():
    recordings = [Recording(f"r{i:03d}", f"r{i:03d}", {}) for i in range(100)]
    chosen = sample_recordings((1, 2), recordings, 20)
    assert len({recording.path for recording in chosen}) == 20
    assert chosen == sample_recordings((1, 2), recordings[::-1], 20)
    assert chosen != sample_recordings((1, 3), recordings, 20)
    assert chosen == sorted(chosen, key=lambda recording: recording.path)
    assert recordings.index(chosen[-1]) > 60
    assert sample_recordings((1, 2), recordings[:5], 20) == recordings[:5]


def test_rgb_and_depth_share_a_frame(source, rows):
    fit = fit_registrations(rows, source, CONFIG).of(1, 1)
    sample = build(rows[0], source, fit=fit)
    meta = json.loads(sample.members["json"])
    assert sample.registered == "depth"
    assert meta["sizes"] == {"rgb": [128, 106], "depth": [128, 106]}
    assert meta["registration"] == json.loads(fit.model_dump_json()) | {
        "frame": "depth",
        "outside": pytest.approx(0.12, abs=0.02),
        "hash": fit.hash,
    }
    joints = np.load(io.BytesIO(sample.members["joints.npy"]))
    np.testing.assert_allclose(joints[..., 3:5], joints[..., 5:7], atol=0.5)
    assert simplejpeg.decode_jpeg(sample.members["rgb.0000.jpg"]).shape == (106, 128, 3)


def test_depth_may_go_into_the_rgb_frame(source, rows):
    config = CONFIG.model_copy(update={"registered_frame": "rgb"})
    fit = fit_registrations(rows, source, config).of(1, 1)
    sample, plain = build(rows[0], source, config, fit), build(rows[0], source, config)
    meta = json.loads(sample.members["json"])
    assert sample.registered == "rgb"
    assert meta["sizes"] == {"rgb": [188, 106], "depth": [188, 106]}
    assert sample.members["rgb.0003.jpg"] == plain.members["rgb.0003.jpg"]
    joints = np.load(io.BytesIO(sample.members["joints.npy"]))
    np.testing.assert_allclose(joints[..., 3:5], joints[..., 5:7], atol=0.5)
    camera = meta["intrinsics"]["depth"]
    x, y, z = np.moveaxis(joints[..., :3], -1, 0)
    np.testing.assert_allclose(camera["fx"] * x / z + camera["cx"], joints[..., 3], atol=0.5)
    np.testing.assert_allclose(camera["cy"] - camera["fy"] * y / z, joints[..., 4], atol=0.5)


def test_without_a_fit_the_sample_is_what_it_was(source, rows):
    off = CONFIG.model_copy(update={"registration": "none"})
    plain = build(rows[0], source, off)
    assert plain.registered is None
    assert json.loads(plain.members["json"])["registration"] is None
    assert json.loads(plain.members["json"])["sizes"] == {"rgb": [188, 106], "depth": [128, 106]}
    assert build(rows[0], source) == plain


@pytest.mark.parametrize("stream", ["rgb", "depth"])
def test_a_recording_of_one_stream_has_the_same_bytes_with_and_without_a_fit(source, rows, stream):
    fit = fit_registrations(rows, source, CONFIG).of(1, 1)
    (row,) = without(rows[:1], stream)
    assert build(row, source, fit=fit) == build(row, source)


def test_the_depth_edge_lies_on_the_edge_of_the_rendered_body(source, rows):
    """The figure is brighter than the wall, so its outline is where grey changes; shifted copies miss it."""
    config = CONFIG.model_copy(update={"short_side": 424})
    sample = build(rows[0], source, config, fit_registrations(rows, source, config).of(1, 1))
    rgb = simplejpeg.decode_jpeg(sample.members["rgb.0003.jpg"]).astype(np.float64)
    edges = depth_edges(DECODERS["d16"](sample.members["depth.0003.d16"]))
    edges[250:] = False  # the floor of the mask
    change = np.hypot(*np.gradient(rgb, axis=(0, 1))).sum(axis=-1)
    rows_at, cols_at = np.nonzero(edges)

    def strength(dx, dy):
        return change[rows_at + dy, cols_at + dx].mean()

    shifts = [(dx, dy) for dx in range(-8, 9) for dy in range(-8, 9)]
    assert np.linalg.norm(max(shifts, key=lambda shift: strength(*shift))) < 1.5
    for shift in ((5, 0), (-5, 0), (0, 5), (0, -5)):
        assert strength(0, 0) > 1.3 * strength(*shift)
