"""The empty room around the figure as a camera sees it: floor, walls and ceiling with textures.

Legend: N rays, (H, W) image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .posed_camera import PosedCamera, rays_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

HALF_ROOM = (2.6, 2.6, 2.3)  # m: the walls are x = ±2.6, z = 2.3 and, behind the cameras, z = -4.5; ceiling y = 2.6


@dataclass(frozen=True)
class Background:
    """An empty room seen by one camera."""

    depth: Floats  # (H, W) m
    rgb: Bytes  # (H, W, 3)
    floor: Bools  # (H, W) the floor rather than a wall


def room(camera: PosedCamera, seed: int) -> Background:
    """The empty room: floor, walls and ceiling with textures, for one camera that stands inside it."""
    width, height = camera.intrinsics.width, camera.intrinsics.height
    rays = rays_of(camera.intrinsics, np.arange(width * height)) @ camera.rotation
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
    return Background(
        depth=depth.reshape(height, width),
        rgb=np.clip(rgb * fade, 0, 255).astype(np.uint8).reshape(height, width, 3),
        floor=((face == 1) & (point[:, 1] < 1.0)).reshape(height, width),
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
