"""Pairs of RGB-D frames of moving planes and spheres, traced by ray: exact images, depth, scene flow and visibility.

Nothing is resampled: brightness is a procedural texture evaluated at the point of the body that a pixel's ray meets, so
the truth is exact. Axes are the camera's: right, down, away; metres.

Legend: (H, W) image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..schemas.camera import Camera

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Vector = tuple[float, float, float]

SAME_POINT_M = 1e-4
TEXTURE_WAVES = 24


@dataclass(frozen=True)
class Plane:
    """All points with normal . P = offset, unbounded; the normal need not have length 1."""

    normal: Vector
    offset: float

    def meet(self, origin: Floats, rays: Floats) -> Floats:
        """Parameter of the first point of each line origin + s rays (..., 3) with s > 0; inf where there is none."""
        normal = np.array(self.normal)
        with np.errstate(divide="ignore"):
            s = (self.offset - origin @ normal) / (rays @ normal)
        return np.where(s > 0, s, np.inf)


@dataclass(frozen=True)
class Sphere:
    """A ball that the camera is outside of."""

    centre: Vector
    radius: float

    def meet(self, origin: Floats, rays: Floats) -> Floats:
        """As `Plane.meet`."""
        centre = np.array(self.centre) - origin
        a, b, c = (rays**2).sum(-1), rays @ centre, centre @ centre - self.radius**2
        inside = b * b - a * c
        s = (b - np.sqrt(np.maximum(inside, 0))) / a
        return np.where((inside > 0) & (s > 0), s, np.inf)


@dataclass(frozen=True)
class Body:
    """A shape, its texture, and its rigid motion between the frames: turned about a pivot, then shifted."""

    shape: Plane | Sphere
    translation: Vector = (0.0, 0.0, 0.0)
    rotation: Vector = (0.0, 0.0, 0.0)  # axis times angle, rad
    pivot: Vector = (0.0, 0.0, 2.0)
    texture: int = 0  # seed

    def move(self, points: Floats) -> Floats:
        """Points (..., 3) of frame 1 where they are in frame 2."""
        pivot = np.array(self.pivot)
        return np.asarray((points - pivot) @ self._turn().T + pivot + np.array(self.translation))

    def trace(self, rays: Floats, moved: bool) -> tuple[Floats, Floats]:
        """Depth (...) of the body along camera rays (..., 3) with z = 1, and the points of frame 1 that are met.

        Once the body has moved, the rays are carried back to where it was.
        """
        origin, back = np.zeros(3), rays
        if moved:
            pivot = np.array(self.pivot)
            origin = (-pivot - np.array(self.translation)) @ self._turn() + pivot
            back = rays @ self._turn()
        depth = self.shape.meet(origin, back)
        return depth, origin + np.where(np.isfinite(depth), depth, 0)[..., None] * back

    def _turn(self) -> Floats:
        return np.asarray(cv2.Rodrigues(np.array(self.rotation, dtype=np.float64))[0])


@dataclass(frozen=True)
class TracedPair:
    """Two frames and what is true of the first."""

    intensity1: npt.NDArray[np.uint8]  # (H, W) grey
    depth1: npt.NDArray[np.float32]  # (H, W) m, 0 = nothing there
    intensity2: npt.NDArray[np.uint8]
    depth2: npt.NDArray[np.float32]
    motion: npt.NDArray[np.float32]  # (H, W, 3) m
    seen: Bools  # (H, W) the point is seen in frame 2 too: in the image and nothing in front of it
    body: npt.NDArray[np.int64]  # (H, W) index of the body, -1 where there is none


def trace_pair(camera: Camera, bodies: Sequence[Body]) -> TracedPair:
    """Both frames of the scene."""
    columns, rows = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    rays = _rays(camera, columns, rows)
    intensity1, depth1, body, points = _frame(bodies, rays, moved=False)
    intensity2, depth2, _, _ = _frame(bodies, rays, moved=True)
    after = points.copy()
    for index, one in enumerate(bodies):
        after[body == index] = one.move(points[body == index])
    seen = (body >= 0) & _seen(camera, bodies, after)
    motion = (after - points).astype(np.float32)
    return TracedPair(intensity1, depth1, intensity2, depth2, motion, seen, body)


def camera_of(width: int, height: int) -> Camera:
    """A Kinect's field of view (62.5 degrees wide) at any size."""
    focal = width / 2 / np.tan(np.deg2rad(62.5) / 2)
    return Camera(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)


def kinect_noise(depth: npt.NDArray[np.float32], noise_mm: float, seed: int) -> npt.NDArray[np.float32]:
    """Depth with a sensor's noise, whose deviation is `noise_mm` at 3 m and grows with the square, in whole mm."""
    noise = noise_mm * (depth / 3) ** 2 * np.random.default_rng(seed).standard_normal(depth.shape)
    return np.where(depth > 0, np.rint(1000 * depth + noise) / 1000, 0).astype(np.float32)


def _frame(
    bodies: Sequence[Body], rays: Floats, moved: bool
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.int64], Floats]:
    """Grey, depth, index of the body and its point in frame 1, of what is nearest along each ray."""
    depth, grey = np.full(rays.shape[:-1], np.inf), np.zeros(rays.shape[:-1])
    body, points = np.full(rays.shape[:-1], -1), np.zeros(rays.shape)
    for index, one in enumerate(bodies):
        z, met = one.trace(rays, moved)
        front = z < depth
        depth[front], body[front], points[front] = z[front], index, met[front]
        grey[front] = _texture(met[front], one.texture)
    return np.rint(grey).astype(np.uint8), np.where(np.isfinite(depth), depth, 0).astype(np.float32), body, points


def _seen(camera: Camera, bodies: Sequence[Body], after: Floats) -> Bools:
    """Whether points (H, W, 3) of frame 2 are in the image and the first thing on their ray."""
    before = after[..., 2] > 0
    z = np.where(before, after[..., 2], 1)
    rays = np.where(before[..., None], after / z[..., None], np.array([0.0, 0.0, 1.0]))
    u, v = rays[..., 0] * camera.fx + camera.cx, rays[..., 1] * camera.fy + camera.cy
    inside = before & (u >= 0) & (u <= camera.width - 1) & (v >= 0) & (v <= camera.height - 1)
    nearest = np.min([one.trace(rays, moved=True)[0] for one in bodies], axis=0)
    return np.asarray(inside & (nearest > z - SAME_POINT_M))


def _rays(camera: Camera, columns: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> Floats:
    ones = np.ones(columns.shape)
    return np.stack([(columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy, ones], axis=-1)


def _texture(points: Floats, seed: int) -> Floats:
    """Grey 8..248 of points (N, 3): waves of 8 to 80 cm in all directions, the long ones stronger."""
    rng = np.random.default_rng([seed, 77])
    directions = rng.standard_normal((TEXTURE_WAVES, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = 0.08 * 10 ** rng.uniform(0, 1, TEXTURE_WAVES)
    gains = np.sqrt(lengths)
    phases = rng.uniform(0, 2 * np.pi, TEXTURE_WAVES)
    waves = np.sin(points @ (2 * np.pi * directions / lengths[:, None]).T + phases) @ gains
    return np.asarray(np.clip(128 + 55 * waves / np.sqrt((gains**2).sum() / 2), 8, 248))
