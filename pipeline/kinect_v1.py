"""The first Kinect at 320x240, which MSR Daily Activity, MSR Action3D and UTD-MHAD were recorded with."""

from __future__ import annotations

from ..schemas.camera import Camera

JOINTS = 20
FPS = 30.0
"""What the sensor delivers; MSR Action3D was recorded at half of it."""

DEPTH_CAMERA = Camera(fx=285.63, fy=285.63, cx=160.0, cy=120.0, width=320, height=240)
"""The projection that the sets' own joints follow: round(160 + 285.63 x / z), round(120 - 285.63 y / z).

It gives MSR Action3D's pixel positions from its positions in metres with errors spread evenly over half a pixel, that
is by rounding alone (5,280 joints). Depth is on the same grid.
"""
