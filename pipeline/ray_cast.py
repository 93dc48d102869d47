"""Exact depth of capsules along the rays of a camera.

Everything is in camera axes, so that intrinsics are all that it needs to know of the camera.

Legend: C capsules, N rays or pixels hit, K candidate pairs (ray, capsule).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..schemas.camera import Camera
from .capsule_figure import Capsules
from .posed_camera import rays_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NEAR = 0.05  # m: nothing closer is seen


@dataclass(frozen=True)
class Hits:
    """The pixels that see a capsule, in no particular order of depth."""

    pixel: Ints  # (N,) row * width + column
    capsule: Ints  # (N,)
    depth: Floats  # (N,) m
    point: Floats  # (N, 3) m, camera axes
    local: Floats  # (N, 3) m, axes of the rigid part that carries the capsule


def cast_image(camera: Camera, seen: Capsules) -> Hits:
    """Ray-cast capsules: for each pixel the nearest surface."""
    pixel, capsule = _candidate_pixels(camera, seen)
    depth = intersect(rays_of(camera, pixel), seen, capsule)
    hit = np.flatnonzero(np.isfinite(depth))
    # Assigning from far to near leaves the nearest hit of every pixel.
    far_to_near = hit[np.argsort(-depth[hit], kind="stable")]
    nearest = np.full(camera.width * camera.height, -1)
    nearest[pixel[far_to_near]] = far_to_near
    kept = nearest[nearest >= 0]
    point = rays_of(camera, pixel[kept]) * depth[kept, None]
    part = seen.part[capsule[kept]]
    local = np.matvec(seen.rotation.transpose(0, 2, 1)[part], point - seen.origin[part])
    return Hits(pixel[kept], capsule[kept], depth[kept], point, local)


def covered_box(camera: Camera, hits: list[Hits], margin: int) -> tuple[slice, slice]:
    """Rows and columns that the figure covers in any of the frames, and a margin (px)."""
    row, column = np.divmod(np.concatenate([hit.pixel for hit in hits]), camera.width)
    rows = slice(max(int(row.min()) - margin, 0), min(int(row.max()) + 1 + margin, camera.height))
    return rows, slice(max(int(column.min()) - margin, 0), min(int(column.max()) + 1 + margin, camera.width))


def nearest_depth(rays: Floats, seen: Capsules) -> Floats:
    """Depth (N,) in metres of the first capsule along each ray (N, 3) with z = 1; inf where there is none."""
    low, high = _projected_boxes(seen)
    inside = np.ones((len(seen.radius), len(rays)), dtype=bool)
    for axis in range(2):
        inside &= (rays[:, axis] >= low[:, axis, None]) & (rays[:, axis] <= high[:, axis, None])
    capsule, ray = np.nonzero(inside)
    nearest = np.full(len(rays), np.inf)
    np.minimum.at(nearest, ray, intersect(rays[ray], seen, capsule))
    return nearest


def intersect(rays: Floats, seen: Capsules, capsule: Ints) -> Floats:
    """Depth (K,) at which ray k, from the camera, enters capsule[k]; inf where it misses. rays (K, 3), z = 1.

    The quadratic of the infinite cylinder first, then that of the nearer end sphere for rays that pass an end.
    """
    axis, start = seen.end - seen.start, seen.start
    aa, sa, ss = _dot(axis, axis), _dot(start, axis), _dot(start, start)
    constant = aa * (ss - seen.radius**2) - sa * sa
    along, across, dd = _dot(axis[capsule], rays), _dot(start[capsule], rays), _dot(rays, rays)
    aa, sa = aa[capsule], sa[capsule]
    a = np.maximum(aa * dd - along * along, 1e-12)
    b = aa * across - sa * along
    discriminant = b * b - a * constant[capsule]
    depth = (b - np.sqrt(np.maximum(discriminant, 0.0))) / a
    height = along * depth - sa
    outside = np.flatnonzero((discriminant >= 0) & ((height <= 0) | (height >= aa)))
    depth[outside] = _intersect_ends(rays[outside], seen, capsule[outside], height[outside] > 0)
    depth[(discriminant < 0) | (depth < NEAR)] = np.inf
    return depth


def _intersect_ends(rays: Floats, seen: Capsules, capsule: Ints, at_end: Bools) -> Floats:
    centre = np.where(at_end[:, None], seen.end[capsule], seen.start[capsule])
    b, dd = _dot(centre, rays), _dot(rays, rays)
    discriminant = b * b - dd * (_dot(centre, centre) - seen.radius[capsule] ** 2)
    depth = (b - np.sqrt(np.maximum(discriminant, 0.0))) / dd
    return np.where(discriminant >= 0, depth, np.inf)


def _projected_boxes(seen: Capsules) -> tuple[Floats, Floats]:
    """Bounds (C, 2) of x/z and y/z over each capsule: the union of those of its two end spheres."""
    low, high = np.full((len(seen.radius), 2), np.inf), np.full((len(seen.radius), 2), -np.inf)
    for centre in (seen.start, seen.end):
        z = np.maximum(centre[:, 2:], seen.radius[:, None] + NEAR)
        tangent = z**2 - seen.radius[:, None] ** 2
        middle = centre[:, :2] * z / tangent
        half = seen.radius[:, None] * np.sqrt(centre[:, :2] ** 2 + tangent) / tangent
        low, high = np.minimum(low, middle - half), np.maximum(high, middle + half)
    return low, high


def _candidate_pixels(camera: Camera, seen: Capsules) -> tuple[Ints, Ints]:
    """Flat pixel and capsule indices (K,) of all pixels inside each capsule's projected bounding box."""
    low, high = _projected_boxes(seen)
    focal, centre = np.array([camera.fx, camera.fy]), np.array([camera.cx, camera.cy])
    limit = np.array([camera.width, camera.height])
    first = np.clip(np.ceil(low * focal + centre), 0, limit).astype(np.int64)
    after = np.clip(np.floor(high * focal + centre) + 1, first, limit).astype(np.int64)
    pixels = []
    for (left, top), (right, bottom) in zip(first.tolist(), after.tolist(), strict=True):
        rows = np.arange(top, bottom) * camera.width
        pixels.append((rows[:, None] + np.arange(left, right)).ravel())
    counts = [len(p) for p in pixels]
    return np.concatenate(pixels), np.repeat(np.arange(len(counts)), counts)


def _dot(a: Floats, b: Floats) -> Floats:
    product: Floats = np.vecdot(a, b)
    return product
