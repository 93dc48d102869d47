"""The room is what its plan says."""

import numpy as np
from motionpipe.pipeline.posed_camera import PosedCamera, look_at
from motionpipe.pipeline.room import room
from motionpipe.schemas.camera import Camera


def test_the_room_is_a_floor_and_walls() -> None:
    rotation, centre = look_at(np.array([0.0, 0.95, 0.0]), 3.0, 1.7, 0.0)
    camera = PosedCamera(Camera(45.0, 45.0, 31.5, 23.5, width=64, height=48), rotation, centre)
    background = room(camera, seed=0)
    rows, columns = np.mgrid[:48, :64]
    rays = np.stack([(columns - 31.5) / 45.0, (rows - 23.5) / 45.0, np.ones((48, 64))], axis=-1)
    world = centre + (rays * background.depth[..., None]) @ rotation
    np.testing.assert_allclose(world[background.floor][:, 1], 0.0, atol=1e-9)
    walls = ~background.floor & (world[..., 1] < 2.5)
    assert np.isclose(world[walls][:, [0, 2]], [2.6, 2.3]).any(axis=1).mean() > 0.5
    assert background.rgb[background.floor].std() > 3
