"""A recording's frames in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .camera import Camera


@dataclass(frozen=True)
class Clip:
    """Consecutive frames of one recording.

    rgb: uint8 (T, H, W, 3) or None; depth: uint16 (T, H', W') in millimetres, 0 = invalid, or None;
    timestamps_us: int64 (T,), strictly increasing; depth_camera: intrinsics of the depth frames, needed with depth;
    source_slots: int64 (T,), place of each frame in the source, None where none is missing.
    """

    key: str
    timestamps_us: npt.NDArray[np.int64]
    rgb: npt.NDArray[np.uint8] | None = None
    depth: npt.NDArray[np.uint16] | None = None
    depth_camera: Camera | None = None
    source_slots: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        frames = len(self.timestamps_us)
        if self.rgb is None and self.depth is None:
            raise ValueError(f"{self.key}: a clip needs rgb, depth or both")
        if frames > 1 and not (np.diff(self.timestamps_us) > 0).all():
            raise ValueError(f"{self.key}: timestamps must increase")
        if self.rgb is not None:
            _check(self.key, "rgb", self.rgb, np.uint8, (frames, None, None, 3))
        if self.depth is not None:
            _check(self.key, "depth", self.depth, np.uint16, (frames, None, None))
            if self.depth_camera is None:
                raise ValueError(f"{self.key}: depth needs the intrinsics of its camera")
            size = (self.depth_camera.height, self.depth_camera.width)
            if self.depth.shape[1:] != size:
                raise ValueError(f"{self.key}: depth is {self.depth.shape[1:]}, its camera {size}")

    def __len__(self) -> int:
        return len(self.timestamps_us)


def _check(
    key: str, name: str, array: npt.NDArray[np.generic], dtype: type[np.generic], shape: tuple[int | None, ...]
) -> None:
    fits = len(array.shape) == len(shape) and all(
        want is None or got == want for got, want in zip(array.shape, shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        raise ValueError(f"{key}: {name} must be {dtype.__name__} {shape}, got {array.dtype} {array.shape}")
