"""Frames of one camera resampled into the other's image, and what goes with them: joints, intrinsics, nominal sizes.

    stored depth pixel -> nominal depth -> nominal colour (+ parallax / Z) -> pixel of the given image

Pixel centres lie at integers, so an image of n pixels spans [-0.5, n - 0.5] at every size. Legend: (H, W) image.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from ..schemas.camera import Camera
from ..schemas.recording import Recording
from ..schemas.registration import RegisteredFrame, Registration
from .depth_codec import DepthFrame
from .registration import Floats, apply, jacobian, scale_at
from .skeleton import COLUMNS

Image = npt.NDArray[np.uint8]
Size = tuple[int, int]
"""(width, height)."""


def warp_to_depth(
    image: Image, registration: Registration, stored_size: Size, depth: DepthFrame | None = None
) -> Image:
    """An 8-bit image (H, W) or (H, W, C) of the colour camera, of any size, as the depth camera would see it.

    stored_size: (width, height) of the result. depth: the stored depth frame, which "affine+depth" asks for each
    pixel's Z; where it is 0 or not given the reference depth stands in. Black where the colour camera does not look.
    The image is averaged down to the result's resolution first, so nothing aliases.
    """
    step = _pixels_apart(registration, _size(image), stored_size)
    width, height = (max(1, round(side / max(1.0, step))) for side in _size(image))
    if (width, height) != _size(image):
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    matrix = _between(registration, (width, height), stored_size)
    if depth is not None and registration.model == "affine+depth":
        x, y = _with_parallax(registration, matrix, (width, height), depth)
        warped = cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
    else:
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        warped = cv2.warpPerspective(image, matrix, stored_size, flags=flags, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(warped, dtype=np.uint8)


def warp_to_rgb(depth: DepthFrame, registration: Registration, stored_size: Size) -> DepthFrame:
    """A depth frame (H, W) of any size as the colour camera would see it, by the nearest pixel; 0 outside its view."""
    to_stored = _between(registration, stored_size, _size(depth))
    places = np.rint(apply(_inverse(to_stored), _pixels(stored_size))).astype(np.int64)
    inside = np.all((places >= 0) & (places < _size(depth)), axis=-1)
    column, row = np.where(inside[..., None], places, 0).transpose(2, 0, 1)
    return np.where(inside, depth[row, column], 0).astype(np.uint16)


def outside_share(registration: Registration, stored_size: Size, frame: RegisteredFrame) -> float:
    """Share of the stored pixels that the other camera does not see."""
    pixels = _pixels(stored_size)
    if frame == "depth":
        size = registration.color_size
        seen = apply(_between(registration, size, stored_size), pixels)
    else:
        size = registration.depth_size
        seen = apply(_inverse(_between(registration, stored_size, size)), pixels)
    inside = np.all((seen >= -0.5) & (seen <= np.array(size) - 0.5), axis=-1)
    return round(1.0 - float(inside.mean()), 4)


def registered_recording(recording: Recording, registration: Registration, frame: RegisteredFrame) -> Recording:
    """The recording with the shared frame's nominal size, and intrinsics of the depth in it."""
    if frame == "depth":
        return replace(recording, color_size=registration.depth_size)
    assert recording.depth_camera is not None
    return replace(recording, depth_camera=_camera_in_rgb(recording.depth_camera, registration))


def registered_joints(
    joints: npt.NDArray[np.float32], registration: Registration, frame: RegisteredFrame
) -> npt.NDArray[np.float32]:
    """Joints (…, 8) whose places in both images are nominal pixels of the shared frame."""
    z, depth, color = (COLUMNS.index(name) for name in ("z", "depth_x", "color_x"))
    matrix, moved = _reference_matrix(registration), joints.copy()
    parallax = np.array(registration.parallax_px_m)
    if frame == "depth":
        with np.errstate(divide="ignore"):
            shift = parallax * (1 / joints[..., z : z + 1].astype(np.float64) - 1 / registration.reference_m)
        places = joints[..., color : color + 2] - shift
        moved[..., color : color + 2] = apply(_inverse(matrix), places)
    else:
        moved[..., depth : depth + 2] = apply(matrix, joints[..., depth : depth + 2].astype(np.float64))
    return moved


def _reference_matrix(registration: Registration) -> Floats:
    """Nominal depth to nominal colour pixels, for what is at the reference depth."""
    matrix = np.array(registration.matrix)
    matrix[:2, 2] += np.array(registration.parallax_px_m) / registration.reference_m
    return matrix


def _between(registration: Registration, image_size: Size, stored_size: Size) -> Floats:
    """Stored depth pixels to pixels of the colour image at a size, for what is at the reference depth."""
    to_nominal = _resizing(stored_size, registration.depth_size)
    return _resizing(registration.color_size, image_size) @ _reference_matrix(registration) @ to_nominal


def _resizing(before: Size, after: Size) -> Floats:
    """Pixels of an image (width, height) to those of it at another size."""
    sx, sy = after[0] / before[0], after[1] / before[1]
    return np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5], [0, 0, 1]])


def _pixels_apart(registration: Registration, image_size: Size, stored_size: Size) -> float:
    """Pixels of the image between two neighbours of the result, at its centre."""
    return scale_at(_between(registration, image_size, stored_size), (np.array(stored_size) - 1) / 2)


def _with_parallax(
    registration: Registration, matrix: Floats, image_size: Size, depth: DepthFrame
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Where each stored pixel lies in the image: x and y, both (H, W)."""
    per_m = np.where(depth > 0, 1000 / np.maximum(depth, 1), 1 / registration.reference_m)
    scale = np.array(image_size) / np.array(registration.color_size)
    parallax = np.array(registration.parallax_px_m) * scale
    places = apply(matrix, _pixels(_size(depth))) + parallax * (per_m - 1 / registration.reference_m)[..., None]
    x, y = places.astype(np.float32).transpose(2, 0, 1)
    return np.ascontiguousarray(x), np.ascontiguousarray(y)


def _camera_in_rgb(camera: Camera, registration: Registration) -> Camera:
    """The depth camera's intrinsics in the colour image; the fit's small rotation (under a degree) is left out."""
    matrix, centre = _reference_matrix(registration), np.array([camera.cx, camera.cy])
    slope, (cx, cy) = jacobian(matrix, centre), apply(matrix, centre).tolist()
    width, height = registration.color_size
    return Camera(camera.fx * float(slope[0, 0]), camera.fy * float(slope[1, 1]), cx, cy, width, height)


def _pixels(size: Size) -> Floats:
    """Places (H, W, 2) of the pixels of an image (width, height)."""
    x, y = np.meshgrid(np.arange(size[0], dtype=np.float64), np.arange(size[1], dtype=np.float64))
    return np.stack([x, y], axis=-1)


def _inverse(matrix: Floats) -> Floats:
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def _size(image: npt.NDArray[np.generic]) -> Size:
    return image.shape[1], image.shape[0]
