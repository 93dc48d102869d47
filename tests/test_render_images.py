"""The figure covers the room, and its cloth patterns move with it."""

from dataclasses import replace

import numpy as np
from motionpipe.pipeline.capsule_figure import Capsules
from motionpipe.pipeline.perform_action import Performance, PerformanceSpec, performance, posed
from motionpipe.pipeline.posed_camera import PosedCamera, capsules_in, look_at
from motionpipe.pipeline.ray_cast import cast_image
from motionpipe.pipeline.render_images import colour_image, depth_image, shade
from motionpipe.pipeline.room import room
from motionpipe.schemas.camera import Camera

INTRINSICS = Camera(90.0, 90.0, 64.0, 53.0, width=128, height=106)
CAMERA = PosedCamera(INTRINSICS, *look_at(np.array([0.0, 0.95, 0.0]), 3.0, 1.7, 0.3))


def standing() -> tuple[Performance, Capsules]:
    acted = performance(PerformanceSpec(seed=0, performer=1, action=23, replication=1, num_frames=2, fps=30.0))
    return acted, capsules_in(CAMERA, posed(acted, 0))


def test_the_figure_stands_in_front_of_the_room() -> None:
    acted, seen = standing()
    hits, background = cast_image(INTRINSICS, seen), room(CAMERA, seed=0)
    depth = depth_image(hits, background)
    np.testing.assert_array_equal(depth.reshape(-1)[hits.pixel], hits.depth)
    changed = np.flatnonzero(depth != background.depth)
    np.testing.assert_array_equal(changed, np.sort(hits.pixel))
    rgb = colour_image(CAMERA, hits, seen, acted.shape, background)
    assert rgb.shape == (106, 128, 3)
    assert (rgb != background.rgb).any(axis=2).reshape(-1)[hits.pixel].mean() > 0.9


def test_colours_stick_to_the_surface() -> None:
    acted, seen = standing()
    hits = cast_image(INTRINSICS, seen)
    shift = np.array([0.3, -0.1, 0.5])
    later = replace(seen, start=seen.start + shift, end=seen.end + shift, origin=seen.origin + shift)
    moved = replace(hits, point=hits.point + shift)
    now, then = (shade(CAMERA, h, s, acted.shape).astype(int) for h, s in ((hits, seen), (moved, later)))
    assert np.abs(now - then).max() <= 1  # rounding of the last digit
