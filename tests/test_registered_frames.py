import dataclasses
import json

import cv2
import numpy as np
import pytest
from motionpipe.pipeline.ntu import DEPTH_CAMERA
from motionpipe.pipeline.registered_frames import (
    outside_share,
    registered_joints,
    registered_recording,
    warp_to_depth,
    warp_to_rgb,
)
from motionpipe.pipeline.samples import build_samples
from motionpipe.schemas.camera import Camera
from motionpipe.schemas.recipe import ShardSection
from motionpipe.schemas.recording import PlannedRecording, Recording
from motionpipe.schemas.registration import Registration

SHIFT_ONLY = ((1.0, 0.0, 8.0), (0.0, 1.0, -4.0), (0.0, 0.0, 1.0))


def registration(matrix=SHIFT_ONLY, depth_size=(64, 48), color_size=(96, 64), **fields):
    values = {"setup": 1, "camera": 1, "model": "affine", "matrix": matrix, "reference_m": 3.0}
    values |= {"recordings": 1, "joints": 100, "inliers": 100, "mean_px": 0, "median_px": 0}
    values |= {"mean_depth_px": 0, "median_depth_px": 0, "depth_size": depth_size, "color_size": color_size}
    return Registration(**(values | fields))


def noise(height, width, channels=3):
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def test_whole_shifts_copy_pixels_and_the_rest_is_black():
    rgb = noise(64, 96)
    warped = warp_to_depth(rgb, registration(), (64, 48))
    np.testing.assert_array_equal(warped[4:, :], rgb[:44, 8:72])
    assert not warped[:3].any()
    assert outside_share(registration(), (64, 48), "depth") == pytest.approx(4 / 48, abs=1e-4)


def test_a_reduction_is_the_area_mean_with_the_right_pixel_centres():
    rgb = cv2.normalize(cv2.GaussianBlur(noise(240, 320), (0, 0), 6), None, 0, 255, cv2.NORM_MINMAX)
    three = ((3.0, 0.0, 1.0), (0.0, 3.0, 1.0), (0.0, 0.0, 1.0))  # pixel 0 is the mean of 0, 1, 2
    fit = registration(three, depth_size=(64, 48), color_size=(320, 240))
    warped = warp_to_depth(rgb, fit, (64, 48)).astype(float)
    expected = rgb[:144, :192].reshape(48, 3, 64, 3, 3).mean(axis=(1, 3))
    moved = np.abs(warped[:, 1:] - expected[:, :-1]).mean()
    assert np.abs(warped - expected).mean() < 0.2 * moved


def test_a_fine_pattern_is_averaged_before_it_is_sampled():
    stripes = np.zeros((1080, 1920), dtype=np.uint8)
    stripes[:, ::2] = 255
    fit = registration(
        ((2.88, 0.0, 240.0), (0.0, 2.88, -36.0), (0.0, 0.0, 1.0)), depth_size=(512, 424), color_size=(1920, 1080)
    )
    warped = warp_to_depth(stripes, fit, (512, 424))
    # a box of 2.88 px lets a fifth of the finest stripes through; sampling without one, all
    assert np.abs(warped[30:380, 5:-5].astype(int) - 127).max() <= 40


@pytest.mark.parametrize("stored", [(64, 48), (32, 24), (128, 96)])
def test_the_stored_size_changes_resolution_and_not_place(stored):
    ramp = np.tile(np.linspace(0, 255, 96).astype(np.uint8), (64, 1))
    scale = stored[0] / 64
    warped = warp_to_depth(ramp, registration(), stored)
    columns = np.arange(4, stored[0] - 4)
    nominal = (columns + 0.5) / scale - 0.5 + 8
    np.testing.assert_allclose(warped[stored[1] // 2, columns], nominal * 255 / 95, atol=1.6)


def test_parallax_moves_what_is_near():
    fit = registration(model="affine+depth", parallax_px_m=(12.0, 0.0), matrix=((1, 0, 4), (0, 1, 0), (0, 0, 1)))
    rgb = noise(64, 96)
    depth = np.full((48, 64), 1500, np.uint16)
    depth[:, 32:] = 0
    warped = warp_to_depth(rgb, fit, (64, 48), depth)
    np.testing.assert_array_equal(warped[:, :32], rgb[:48, 12:44])  # 4 + 12 / 1.5
    np.testing.assert_array_equal(warped[:, 32:], rgb[:48, 40:72])  # 4 + 12 / 3: depth unknown
    np.testing.assert_array_equal(warp_to_depth(rgb, fit, (64, 48)), rgb[:48, 8:72])


def test_depth_in_the_rgb_frame_is_picked_and_never_mixed():
    depth = np.random.default_rng(0).integers(1, 9000, (48, 64), dtype=np.uint16)
    warped = warp_to_rgb(depth, registration(), (96, 64))
    np.testing.assert_array_equal(warped[:44, 8:72], depth[4:])
    assert not warped[44:].any()
    assert not warped[:, :8].any()
    assert warped.dtype == np.uint16
    half = warp_to_rgb(depth, registration(), (48, 32))
    assert np.isin(half, np.append(depth, 0)).all()
    assert outside_share(registration(), (96, 64), "rgb") == pytest.approx(1 - 64 * 44 / (96 * 64), abs=1e-4)


def joint_rows(fit, count=40):
    rng = np.random.default_rng(2)
    rows = np.full((count, 1, 1, 8), 2.0, dtype=np.float32)
    rows[..., 2] = rng.uniform(1.5, 4, (count, 1, 1))
    rows[..., 3:5] = rng.uniform(100, 300, (count, 1, 1, 2))
    matrix, parallax = np.array(fit.matrix), np.array(fit.parallax_px_m)
    rows[..., 5:7] = rows[..., 3:5] @ matrix[:2, :2].T + matrix[:2, 2] + parallax / rows[..., 2:3]
    return rows


@pytest.mark.parametrize("parallax", [(0.0, 0.0), (55.0, -3.0)])
def test_joints_of_both_images_meet_in_the_depth_frame(parallax):
    fit = registration(((2.9, 0.02, 200.0), (0.01, 2.9, -30.0), (0, 0, 1)), parallax_px_m=parallax)
    rows = joint_rows(fit)
    moved = registered_joints(rows, fit, "depth")
    np.testing.assert_allclose(moved[..., 5:7], rows[..., 3:5], atol=1e-3)
    np.testing.assert_array_equal(moved[..., :5], rows[..., :5])


def test_joints_of_both_images_meet_in_the_rgb_frame():
    fit = registration(((2.9, 0.02, 200.0), (0.01, 2.9, -30.0), (0, 0, 1)))
    rows = joint_rows(fit)
    moved = registered_joints(rows, fit, "rgb")
    np.testing.assert_allclose(moved[..., 3:5], rows[..., 5:7], atol=1e-2)
    np.testing.assert_array_equal(moved[..., 5:], rows[..., 5:])


def test_points_project_through_the_intrinsics_of_the_rgb_frame():
    fit = registration(
        ((2.88, 0.0, 240.0), (0.0, 2.88, -36.0), (0, 0, 1)), depth_size=(512, 424), color_size=(1920, 1080)
    )
    recording = Recording("x", "x", {}, depth_camera=DEPTH_CAMERA, color_size=(1920, 1080))
    camera = registered_recording(recording, fit, "rgb").depth_camera
    assert (camera.width, camera.height) == (1920, 1080)
    point = np.array([0.4, -0.3, 2.5])
    u, v = (f * p / point[2] + c for f, p, c in zip((365.481, 365.481), point[:2], (257.346, 210.347), strict=True))
    in_rgb = (camera.fx * 0.4 / 2.5 + camera.cx, camera.fy * -0.3 / 2.5 + camera.cy)
    np.testing.assert_allclose(in_rgb, (2.88 * u + 240, 2.88 * v - 36))


def test_only_the_nominal_size_changes_in_the_depth_frame():
    recording = Recording("x", "x", {}, depth_camera=DEPTH_CAMERA, color_size=(96, 64))
    shared = registered_recording(recording, registration(), "depth")
    assert shared == dataclasses.replace(recording, color_size=(64, 48))


def test_rgb_after_a_lost_frame_meets_the_depth_of_its_own_time(tmp_path, write_video, write_depth):
    """RGB that lost frames is decoded ahead of depth; each frame's parallax is still that of its own depth."""
    rng = np.random.default_rng(0)
    depths = np.repeat(rng.integers(800, 4000, 24), 48 * 64).reshape(24, 48, 64).astype(np.uint16)
    colours = rng.integers(0, 256, (24, 64, 96, 3), dtype=np.uint8)
    write_depth(tmp_path / "depth", depths)
    fit = registration(model="affine+depth", parallax_px_m=(20.0, 0.0))
    camera = Camera(60.0, 60.0, 31.5, 23.5, 64, 48)
    stored = []
    for name, lost in (("whole.mkv", ()), ("lossy.mkv", (7, 8))):
        kept = [i for i in range(24) if i not in lost]
        write_video(tmp_path / name, colours[kept], fps=10, times_ms=[100 * i for i in kept])
        files = {"rgb": name, "depth": "depth"}
        recording = Recording("x", "x", files, fps=10.0, depth_camera=camera, color_size=(96, 64))
        config = ShardSection(short_side=48, max_count_mismatch=5, min_decoded=0.5)
        (sample,) = build_samples(PlannedRecording(0, "key", recording), "d", tmp_path, config, fit)
        slots = json.loads(sample.members["json"])["source_slots"]
        stored.append({slot: sample.members[f"rgb.{i:04d}.jpg"] for i, slot in enumerate(slots)})
    whole, lossy = stored
    assert lossy == {slot: data for slot, data in whole.items() if slot not in (7, 8)}
