import dataclasses

import cv2
import numpy as np
import pytest
from motionpipe.pipeline.dense_flow import brightness_of
from motionpipe.pipeline.estimate_flow import estimate_flow, estimate_pixels
from motionpipe.pipeline.flow_cells import cell_means
from motionpipe.schemas.camera import Camera
from motionpipe.schemas.clip import Clip
from motionpipe.schemas.errors import BadSampleError
from motionpipe.schemas.flow_section import FlowSection

CAMERA = Camera(fx=60.0, fy=60.0, cx=39.5, cy=29.5, width=80, height=60)
PD, DIS = FlowSection(method="pd", step_s=0.1, iterations=40), FlowSection(method="dis", step_s=0.1)


def times(frames):
    return np.arange(frames, dtype=np.int64) * 100_000


def receding_plane(frames, start=2000, step=40):
    """Depth (T, 60, 80) of a wall that moves `step` mm away a frame."""
    plane = start + step * np.arange(frames)[:, None, None]
    return np.broadcast_to(plane, (frames, 60, 80)).astype(np.uint16)


def depth_clip(depth):
    return Clip("plane", times(len(depth)), depth=depth, depth_camera=CAMERA)


@pytest.mark.parametrize(
    ("step_s", "fps", "stride"),
    [(0.1, 30.0, 3), (0.1, 15.0, 2), (0.1, 29.97, 3), (0.01, 30.0, 1), (0.1, 1.0, 1), (1.0, 24.0, 24)],
)
def test_stride(step_s, fps, stride):
    assert FlowSection(step_s=step_s).stride_at(fps) == stride


def test_a_receding_plane_moves_away_in_metres():
    cells = estimate_flow(depth_clip(receding_plane(3)), 10.0, PD)
    assert (cells.key, cells.stride, cells.cell) == ("plane", 1, 4)
    assert cells.flow.shape == (2, 3, 15, 20)
    assert cells.valid[:, 2:-2, 2:-2].min() == 16
    inside = cells.flow[:, :, 2:-2, 2:-2].astype(np.float32)
    np.testing.assert_allclose(np.median(inside[:, 2]), 0.040, atol=0.001)
    assert np.abs(np.median(inside[:, :2])) < 0.001


def test_the_stride_follows_from_the_rate():
    cells = estimate_flow(depth_clip(receding_plane(5, step=15)), 20.0, PD)
    assert (cells.stride, len(cells.flow)) == (2, 3)
    np.testing.assert_allclose(np.median(cells.flow[:, 2, 2:-2, 2:-2]), 0.030, atol=0.002)


def test_the_batch_is_a_matter_of_speed_alone():
    depth = receding_plane(4) + np.random.default_rng(0).integers(0, 9, (4, 60, 80)).astype(np.uint16)
    config = FlowSection(method="pd", iterations=10)
    sizes = [pairs * 60 * 80 for pairs in (1, 2, 4)]
    flows = [estimate_flow(depth_clip(depth), 10.0, config, pixels_per_call=size).flow for size in sizes]
    np.testing.assert_array_equal(flows[0], flows[1])
    np.testing.assert_array_equal(flows[0], flows[2])


def test_holes_in_the_depth_are_not_counted():
    depth = receding_plane(2).copy()
    depth[:, 20:40, 20:40] = 0
    cells = estimate_flow(depth_clip(depth), 10.0, PD)
    assert not cells.valid[0, 5:10, 5:10].any()
    assert not cells.flow[0, :, 5:10, 5:10].any()
    assert cells.valid[0, 7, 2] == 16


def test_a_moving_texture_is_measured_in_pixels():
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    texture = cv2.resize(noise, (200, 200), interpolation=cv2.INTER_CUBIC)
    rgb = np.stack([texture[50:110, 60 - 2 * i : 140 - 2 * i] for i in range(4)])
    cells = estimate_flow(Clip("t", times(4), rgb=rgb), 10.0, DIS)
    assert cells.flow.shape == (3, 2, 15, 20)
    assert (cells.valid == 16).all()
    np.testing.assert_allclose(np.median(cells.flow, axis=(2, 3)), np.tile([2, 0], (3, 1)), atol=0.1)


@pytest.mark.parametrize(("frames", "fps"), [(1, 10.0), (3, 30.0)])
def test_too_few_frames_for_a_pair(frames, fps):
    for clip, config in (
        (depth_clip(receding_plane(frames)), PD),
        (Clip("t", times(frames), rgb=np.zeros((frames, 60, 80, 3), np.uint8)), DIS),
    ):
        with pytest.raises(BadSampleError) as error:
            estimate_flow(clip, fps, config)
        assert error.value.reason == "too-short"


@pytest.mark.parametrize(("height", "width"), [(8, 8), (15, 300), (300, 15)])
def test_frames_too_small_for_the_method(height, width):
    clip = Clip("t", times(3), rgb=np.random.default_rng(0).integers(0, 256, (3, height, width, 3), dtype=np.uint8))
    with pytest.raises(BadSampleError) as error:
        estimate_flow(clip, 10.0, DIS)
    assert error.value.reason == "too-small"


def test_the_smallest_frames_work():
    clip = Clip("t", times(3), rgb=np.random.default_rng(0).integers(0, 256, (3, 16, 300, 3), dtype=np.uint8))
    assert np.isfinite(estimate_flow(clip, 10.0, DIS).flow).all()


@pytest.mark.parametrize("intensity", ["auto", "rgb", "shading", "silhouette", "depth", "none"])
def test_every_intensity_finds_the_plane(intensity):
    clip = depth_clip(receding_plane(2))
    if intensity == "rgb":
        clip = dataclasses.replace(clip, rgb=np.full((2, 60, 80, 3), 90, np.uint8))
    cells = estimate_flow(clip, 10.0, FlowSection(method="pd", iterations=40, intensity=intensity))
    np.testing.assert_allclose(np.median(cells.flow[0, 2]), 0.040, atol=0.002)


def test_auto_is_rgb_where_it_is_registered():
    assert [brightness_of("auto", registered) for registered in (True, False)] == ["rgb", "shading"]
    assert brightness_of("none", True) == "none"


def test_a_sliding_wall_is_seen_by_its_registered_texture_alone():
    """Depth does not change when a wall slides along itself; 2 px at 2 m and f = 60 px are 67 mm."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    texture = cv2.resize(noise, (200, 200), interpolation=cv2.INTER_CUBIC)
    rgb = np.stack([texture[50:110, 60 - 2 * i : 140 - 2 * i] for i in range(2)])
    clip = dataclasses.replace(depth_clip(receding_plane(2, step=0)), rgb=rgb)
    seen, blind = (
        estimate_flow(clip, 10.0, PD.model_copy(update={"intensity": intensity})).flow[0, 0, 3:-3, 3:-3]
        for intensity in ("auto", "shading")
    )
    assert np.median(seen) == pytest.approx(0.067, abs=0.005)
    assert np.abs(np.median(blind)) < 0.002


def test_erosion_takes_pixels_from_the_cells():
    depth = receding_plane(2).copy()
    depth[:, :, 40:] = 0
    counts = [
        estimate_flow(depth_clip(depth), 10.0, PD.model_copy(update={"erode_px": pixels})).valid[0, 7]
        for pixels in (0, 2)
    ]
    assert counts[0].tolist() == [16] * 10 + [0] * 10
    assert counts[1].tolist() == [16] * 9 + [8] + [0] * 10


def test_a_pair_with_a_missing_frame_in_between_has_no_valid_cell():
    depth = receding_plane(4)
    whole = estimate_flow(depth_clip(depth), 10.0, FlowSection(method="pd", iterations=10))
    slots = np.array([0, 1, 3, 4])
    clip = Clip("plane", times(4), depth=depth, depth_camera=CAMERA, source_slots=slots)
    cells = estimate_flow(clip, 10.0, FlowSection(method="pd", iterations=10))
    assert not cells.valid[1].any()
    assert not cells.flow[1].any()
    np.testing.assert_array_equal(cells.valid[[0, 2]], whole.valid[[0, 2]])


def test_the_stride_in_frames_overrides_the_time():
    config = PD.model_copy(update={"stride": 3})
    cells = estimate_flow(depth_clip(receding_plane(5, step=15)), 20.0, config)
    assert (cells.stride, len(cells.flow)) == (3, 2)
    np.testing.assert_allclose(np.median(cells.flow[:, 2, 2:-2, 2:-2]), 0.045, atol=0.002)
    with pytest.raises(BadSampleError, match=r"flow\.stride"):
        estimate_flow(depth_clip(receding_plane(3)), 20.0, config)


@pytest.mark.parametrize("method", ["pd", "dis"])
def test_kept_pixels_are_what_the_cells_are_means_of(method):
    if method == "pd":
        depth = receding_plane(3).copy()
        depth[:, 20:33, 20:33] = 0
        clip = dataclasses.replace(depth_clip(depth), source_slots=np.array([0, 1, 3]))
    else:
        rgb = np.random.default_rng(0).integers(0, 256, (3, 61, 83, 3), dtype=np.uint8)
        clip = Clip("t", times(3), rgb=rgb, source_slots=np.array([0, 1, 3]))
    config = FlowSection(method=method, iterations=20, keep="pixels")
    cells, pixels = estimate_pixels(clip, 10.0, config)
    alone = estimate_flow(clip, 10.0, config)
    np.testing.assert_array_equal(cells.flow, alone.flow)
    np.testing.assert_array_equal(cells.valid, alone.valid)
    frames = clip.depth if method == "pd" else clip.rgb
    assert pixels.flow.shape == (2, cells.flow.shape[1], *frames.shape[1:3])
    assert not pixels.valid[1].any()  # a frame is missing in between
    means, counts = cell_means(pixels.flow.astype(np.float32), pixels.valid > 0, 4)
    np.testing.assert_array_equal(counts, cells.valid)
    np.testing.assert_allclose(means, cells.flow, atol=2e-3 * np.abs(pixels.flow).max())


def test_dense_flow_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr("motionpipe.pipeline.estimate_flow.MOST_PIXEL_BYTES", 2 * 3 * 2 * 60 * 80 - 1)
    with pytest.raises(BadSampleError, match=r"shard\.max_frames") as error:
        estimate_pixels(depth_clip(receding_plane(3)), 10.0, PD)
    assert error.value.reason == "too-large"
    estimate_pixels(depth_clip(receding_plane(2)), 10.0, PD)


def test_the_forward_backward_check_finds_what_a_square_covers():
    """A textured square slides 4 px to the right over a textured wall and covers the columns 100 to 103."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 20, 20, 3), dtype=np.uint8)
    wall, square = (cv2.resize(image, (160, 120), interpolation=cv2.INTER_CUBIC) for image in noise)
    rgb = np.stack([wall, wall])
    for i, left in enumerate((60, 64)):
        rgb[i, 40:80, left : left + 40] = square[40:80, 60:100]
    clip, config = Clip("t", times(2), rgb=rgb), FlowSection(method="tv-l1")
    assert (estimate_flow(clip, 10.0, config).valid == 16).all()
    valid = estimate_flow(clip, 10.0, config.model_copy(update={"forward_backward": 0.01})).valid[0]
    assert valid[10:20, 25].mean() < 8
    assert np.delete(valid, (24, 25, 26), axis=1)[2:-2, 2:-2].mean() > 15.8


def test_pixels_at_a_depth_jump_are_not_counted():
    depth = receding_plane(2, step=0).copy()
    depth[:, :, 40:] += 500
    config = FlowSection(method="pd", iterations=10, intensity="none")
    counts = [
        estimate_flow(depth_clip(depth), 10.0, config.model_copy(update={"depth_jump_m": jump})).valid[0, 7]
        for jump in (0.0, 0.4, 0.6)
    ]
    assert counts[1].tolist() == [16] * 9 + [12, 12] + [16] * 9
    assert counts[0].tolist() == counts[2].tolist() == [16] * 20


def metres_as_millimetres(depth):
    return (depth // 1000).astype(np.uint16)


def millimetres_as_metres(depth):
    return np.minimum(depth.astype(np.int64) * 1000, 65_535).astype(np.uint16)


def fifths_as_millimetres(depth):
    """TUM's PNGs, 5000 a metre, read as millimetres."""
    return (depth * 5).astype(np.uint16)


@pytest.mark.parametrize(
    ("wrong", "reason", "told"),
    [
        (metres_as_millimetres, "depth-unit", "0.002 m"),
        (millimetres_as_metres, "depth-unit", "65.5 m"),
        (fifths_as_millimetres, "depth-unit", "flow.depth_range_m"),
        (np.zeros_like, "no-valid-depth", "no pixel"),
    ],
)
def test_depth_in_a_wrong_unit_is_refused(wrong, reason, told):
    depth = wrong(receding_plane(3, start=2500))
    with pytest.raises(BadSampleError, match=told) as error:
        estimate_flow(depth_clip(depth), 10.0, PD)
    assert error.value.reason == reason


def test_a_scene_that_is_far_can_be_allowed():
    config = FlowSection(method="pd", iterations=10, depth_range_m=(5.0, 40.0))
    cells = estimate_flow(depth_clip(receding_plane(2, start=20_000)), 10.0, config)
    assert (cells.valid[0, 2:-2, 2:-2] == 16).all()


@pytest.mark.parametrize(
    ("height", "width", "camera"), [(60, 80, (60, 80)), (60, 80, (160, 120)), (60, 80, (80, 59))], ids=str
)
def test_a_camera_of_another_size_or_turned_is_refused(height, width, camera):
    other = Camera(fx=60.0, fy=60.0, cx=30.0, cy=30.0, width=camera[0], height=camera[1])
    with pytest.raises(ValueError, match="its camera"):
        Clip("t", times(2), depth=np.full((2, height, width), 2000, np.uint16), depth_camera=other)


@pytest.mark.parametrize("focal", [0.0, -1.0, float("nan")])
def test_a_camera_without_a_focal_length_is_refused(focal):
    with pytest.raises(ValueError, match="focal lengths"):
        Camera(fx=focal, fy=60.0, cx=30.0, cy=30.0, width=80, height=60)


def test_rgb_of_another_size_than_depth_is_refused():
    clip = dataclasses.replace(depth_clip(receding_plane(2)), rgb=np.zeros((2, 30, 40, 3), np.uint8))
    with pytest.raises(BadSampleError, match="40x30") as error:
        estimate_flow(clip, 10.0, PD)
    assert error.value.reason == "sizes-differ"
    with pytest.raises(BadSampleError, match="missing"):
        estimate_flow(depth_clip(receding_plane(2)), 10.0, PD.model_copy(update={"intensity": "rgb"}))


def test_a_frame_without_depth_has_no_valid_cell_and_no_flow():
    depth = receding_plane(4).copy()
    depth[2] = 0
    cells = estimate_flow(depth_clip(depth), 10.0, FlowSection(method="pd", iterations=10))
    assert cells.valid[0].all()
    assert not cells.valid[1:].any()
    assert not cells.flow[1:].any()
