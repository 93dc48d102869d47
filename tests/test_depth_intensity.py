import numpy as np
from motionpipe.pipeline.depth_intensity import depth_as_grey, rgb_as_grey, shading
from motionpipe.schemas.camera import Camera

CAMERA = Camera(100.0, 100.0, 31.5, 23.5, 64, 48)


def sphere(z: float) -> np.ndarray:
    """Depth of a sphere of 0.3 m whose centre is `z` metres away; 0 beside it."""
    rows, cols = np.mgrid[:48, :64]
    ray = np.stack([(cols - CAMERA.cx) / CAMERA.fx, (rows - CAMERA.cy) / CAMERA.fy, np.ones((48, 64))], -1)
    a, b, c = (ray**2).sum(-1), -2 * z * ray[..., 2], z**2 - 0.09
    inside = b**2 - 4 * a * c
    return np.where(inside > 0, (-b - np.sqrt(np.maximum(inside, 0))) / (2 * a), 0).astype(np.float32)


def test_shading_of_a_fronto_parallel_plane_is_one_value_and_invalid_is_black():
    depth = np.full((1, 48, 64), 2.0, dtype=np.float32)
    depth[0, :, 32:] = 0
    grey = shading(depth, CAMERA)[0]
    assert grey[:, 32:].max() == 0
    inner = grey[2:-2, 2:30]
    np.testing.assert_allclose(inner, 255 * (0.5 + 0.5 * 0.7 / np.sqrt(0.99)), rtol=1e-3)


def test_shading_does_not_change_when_the_surface_comes_nearer_but_depth_as_grey_does():
    near, far = sphere(1.5), sphere(1.6)
    both = np.stack([near, far])
    centre = np.s_[:, 18:30, 26:38]
    shaded, grey = shading(both, CAMERA)[centre], depth_as_grey(both, 1.2, 1.6)[centre]
    assert np.abs(shaded[0] - shaded[1]).mean() < 5
    assert np.abs(grey[0] - grey[1]).mean() > 50


def test_depth_as_grey_spans_the_given_range():
    depth = np.array([[[0, 0.5, 1, 1.5, 2, 9]]], dtype=np.float32)
    np.testing.assert_allclose(depth_as_grey(depth, 1, 2)[0, 0], [0, 0, 0, 127.5, 255, 255])


def test_rgb_is_grey_where_depth_is_and_its_silhouette_stands_out():
    rgb = np.zeros((1, 4, 6, 3), dtype=np.uint8)
    rgb[0, :, 3:] = 255
    depth = np.full((1, 4, 6), 2.0, dtype=np.float32)
    depth[0, :2] = 0
    grey = rgb_as_grey(rgb, depth)
    assert grey.dtype == np.float32
    assert not grey[0, :2].any()
    np.testing.assert_allclose(grey[0, 2:], np.tile([127.5] * 3 + [255] * 3, (2, 1)), atol=0.1)


def test_rgb_keeps_its_colour_in_pinholes_but_not_in_gaps():
    rgb = np.full((1, 12, 14, 3), 200, dtype=np.uint8)
    depth = np.full((1, 12, 14), 2.0, dtype=np.float32)
    depth[0, 2, 3] = depth[0, 0, 8] = depth[0, 6:8, 2] = 0  # pinholes, one of them at the border
    depth[0, 4:9, 6:11] = 0
    grey = rgb_as_grey(rgb, depth)
    gap = np.zeros((12, 14), dtype=bool)
    gap[4:9, 6:11] = True
    np.testing.assert_allclose(grey[0], np.where(gap, 0, 227.5), atol=0.5)
