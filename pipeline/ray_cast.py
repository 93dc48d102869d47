"""Exact pictures of capsules in a room: depth, colour, and where each surface point goes.

Camera axes as in images: x right, y down, z away; metres. A ray through a pixel has direction (x, y, 1), so that its
parameter is the depth itself. Kinect images are mirrored, hence world-to-camera rotations have determinant -1.

Legend: C capsules, P rigid parts, N rays or pixels hit, K candidate pairs (ray, capsule), (H, W) image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .capsule_figure import BodyShape, Capsules, Floats, Ints

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

NEAR = 0.05  # m: nothing closer is seen
HALF_ROOM = (2.6, 2.6, 2.3)  # m: the walls are x = ±2.6, z = 2.3 and, behind the cameras, z = -4.5; ceiling y = 2.6
LIGHT = np.array([-0.25, 0.80, -0.55])  # from the ceiling, in front of the figure


@dataclass(frozen=True)
class Camera:
    """A pinhole camera; integer pixel coordinates are pixel centres."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    rotation: Floats  # (3, 3) world to camera
    centre: Floats  # (3,) m, world


@dataclass(frozen=True)
class Hits:
    """The pixels that see a capsule, in no particular order of depth."""

    pixel: Ints  # (N,) row * width + column
    capsule: Ints  # (N,)
    depth: Floats  # (N,) m
    point: Floats  # (N, 3) m, camera axes
    local: Floats  # (N, 3) m, axes of the rigid part that carries the capsule


@dataclass(frozen=True)
class Background:
    """An empty room seen by one camera."""

    depth: Floats  # (H, W) m
    rgb: Bytes  # (H, W, 3)
    floor: Bools  # (H, W) the floor rather than a wall


# --------------------------------------------------------------------------------------------------- cameras


def look_at(target: Floats, distance: float, height: float, azimuth: float) -> tuple[Floats, Floats]:
    """A level camera that looks at a point from a horizontal distance: rotation (3, 3) and centre (3,).

    azimuth (rad): 0 looks along z, negative stands to the left (smaller x). All lengths in metres.
    """
    centre = np.array([target[0] + distance * np.sin(azimuth), height, target[2] - distance * np.cos(azimuth)])
    forward = (target - centre) / np.linalg.norm(target - centre)
    right = np.array([np.cos(azimuth), 0.0, np.sin(azimuth)])
    down = np.array([0.0, -1.0, 0.0]) + forward * forward[1]
    return np.stack([right, down / np.linalg.norm(down), forward]), centre


def to_camera(camera: Camera, points: Floats) -> Floats:
    """World points (..., 3) to camera axes."""
    turned: Floats = (points - camera.centre) @ camera.rotation.T
    return turned


def project(camera: Camera, points: Floats) -> Floats:
    """Points (..., 3) in camera axes to pixels (..., 2): column, row."""
    column = camera.fx * points[..., 0] / points[..., 2] + camera.cx
    row = camera.fy * points[..., 1] / points[..., 2] + camera.cy
    return np.stack([column, row], axis=-1)


def rays_of(camera: Camera, pixel: Ints) -> Floats:
    """Directions (N, 3) with z = 1 through flat pixel indices (N,)."""
    row, column = np.divmod(pixel, camera.width)
    rays = np.ones((len(pixel), 3))
    rays[:, 0] = (column - camera.cx) / camera.fx
    rays[:, 1] = (row - camera.cy) / camera.fy
    return rays


def capsules_in(camera: Camera, capsules: Capsules) -> Capsules:
    """The same capsules with ends and part motions in camera axes."""
    return Capsules(
        start=to_camera(camera, capsules.start),
        end=to_camera(camera, capsules.end),
        radius=capsules.radius,
        part=capsules.part,
        material=capsules.material,
        rotation=camera.rotation @ capsules.rotation,
        origin=to_camera(camera, capsules.origin),
    )


# --------------------------------------------------------------------------------------------------- casting


def cast_image(camera: Camera, seen: Capsules) -> Hits:
    """Ray-cast capsules (camera axes): for each pixel the nearest surface."""
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


# ------------------------------------------------------------------------------------------------ scene flow


def scene_flow(camera: Camera, hits: Hits, now: Capsules, then: Capsules) -> tuple[Floats, Bools]:
    """Follow every hit surface point, fixed to its part, to another moment (both capsule sets in camera axes).

    Returns the flow (N, 3) in metres (right, down, away) and whether the point is seen then, too: inside the image
    and nothing, its own body included, in front of it.
    """
    part = now.part[hits.capsule]
    moved = np.matvec(then.rotation[part], hits.local) + then.origin[part]
    column, row = project(camera, moved).T
    valid = (column >= 0) & (column <= camera.width - 1) & (row >= 0) & (row <= camera.height - 1)
    valid &= moved[:, 2] > NEAR
    index = np.flatnonzero(valid)
    rays = moved[index] / moved[index, 2:]
    valid[index] = nearest_depth(rays, then) > moved[index, 2] - 1e-3
    return moved - hits.point, valid


# ---------------------------------------------------------------------------------------------------- images


def depth_image(camera: Camera, hits: Hits, background: Background) -> Floats:
    """Depth (H, W) in metres of figure and room."""
    depth = background.depth.copy()
    depth.reshape(-1)[hits.pixel] = hits.depth
    return depth


def colour_image(camera: Camera, hits: Hits, seen: Capsules, shape: BodyShape, background: Background) -> Bytes:
    """Colour (H, W, 3), RGB, of figure and room."""
    rgb = background.rgb.copy()
    rgb.reshape(-1, 3)[hits.pixel] = shade(camera, hits, seen, shape)
    return rgb


def shade(camera: Camera, hits: Hits, seen: Capsules, shape: BodyShape) -> Bytes:
    """Colours (N, 3) of hit points: cloth patterns that stick to the parts, one lamp, and ambient light."""
    axis = seen.end - seen.start
    start, along = seen.start[hits.capsule], axis[hits.capsule]
    t = np.clip(_dot(hits.point - start, along) / _dot(along, along), 0.0, 1.0)
    normal = (hits.point - start - t[:, None] * along) / seen.radius[hits.capsule, None]
    lamp = camera.rotation @ (LIGHT / np.linalg.norm(LIGHT))
    light = 0.45 + 0.60 * np.maximum(normal @ lamp, 0.0)
    material = seen.material[hits.capsule]
    phase = np.matvec(shape.wave[material], hits.local) + shape.wave_phase[material]
    pattern = 1.0 + _dot(np.sin(phase), shape.wave_gain[material])
    colour = shape.colour[material] * (255.0 * light * pattern)[:, None]
    shaded: Bytes = np.clip(colour, 0.0, 255.0).astype(np.uint8)
    return shaded


def room(camera: Camera, seed: int) -> Background:
    """The empty room: floor, walls and ceiling with textures, for one camera that stands inside it."""
    rays = rays_of(camera, np.arange(camera.width * camera.height)) @ camera.rotation
    depth, face = _room_depth(camera.centre, rays)
    point = camera.centre + rays * depth[:, None]
    texture = _textures(seed)
    rgb = np.empty((len(rays), 3))
    for index, (u, v) in enumerate([(2, 1), (0, 2), (0, 1)]):  # coordinates that run along walls x, floor, walls z
        on = face == index
        rgb[on] = _sample(texture[index], point[on][:, [u, v]])
    rgb[(face != 1) & (point[:, 1] < 0.10)] *= 0.45  # skirting board
    rgb[(face == 1) & (point[:, 1] > 1.0)] = 225.0  # ceiling
    fade = 0.75 + 0.25 * np.clip(point[:, 1:2] / 2.6, 0, 1)
    size = (camera.height, camera.width)
    return Background(
        depth=depth.reshape(size),
        rgb=np.clip(rgb * fade, 0, 255).astype(np.uint8).reshape(*size, 3),
        floor=((face == 1) & (point[:, 1] < 1.0)).reshape(size),
    )


def _room_depth(centre: Floats, rays: Floats) -> tuple[Floats, Ints]:
    """Depth (N,) at which world rays (N, 3) leave the box of the room, and through which axis (N,)."""
    low, high = np.array([-HALF_ROOM[0], 0.0, -4.5]), np.array(HALF_ROOM)
    with np.errstate(divide="ignore"):
        exits = np.where(rays > 0, high - centre, low - centre) / rays
    exits = np.where(rays == 0, np.inf, exits)
    face = np.argmin(exits, axis=1)
    return np.take_along_axis(exits, face[:, None], axis=1)[:, 0], face


def _textures(seed: int) -> list[Floats]:
    """Three (256, 256, 3) tiles that repeat every 2.56 m: side walls, floor, end walls."""
    rng = np.random.default_rng([seed, 3])
    frequency_squared = np.add.outer(np.fft.fftfreq(256) ** 2, np.fft.fftfreq(256) ** 2)
    tiles = []
    for base, contrast in ((175.0, 16.0), (85.0, 22.0), (195.0, 14.0)):
        tint = base * rng.uniform(0.88, 1.08, 3)
        grain = np.zeros((256, 256))
        for sigma in (1.5, 4.0, 16.0):
            # Blurred in the Fourier domain, because there the tile wraps around.
            blur = np.exp(-2.0 * (np.pi * sigma) ** 2 * frequency_squared)
            noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(256, 256))) * blur).real
            grain += noise / noise.std()
        tiles.append(tint * (1.0 + contrast / base * grain[..., None] / np.sqrt(3.0)))
    return tiles


def _sample(tile: Floats, where: Floats) -> Floats:
    """Bilinear colours (N, 3) of a tile of 1 cm texels at plane coordinates (N, 2) in metres."""
    texel = np.mod(100.0 * where, 256.0)
    low = np.floor(texel).astype(np.int64)
    weight = texel - low
    (u0, v0), (u1, v1) = (low % 256).T, ((low + 1) % 256).T
    wu, wv = weight[:, :1], weight[:, 1:]
    top = tile[v0, u0] * (1 - wu) + tile[v0, u1] * wu
    bottom = tile[v1, u0] * (1 - wu) + tile[v1, u1] * wu
    blended: Floats = top * (1 - wv) + bottom * wv
    return blended
