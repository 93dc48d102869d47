"""Pinhole intrinsics of one image size."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Camera:
    """Pinhole camera: focal lengths and principal point in pixels of a (width, height) image.

    Pixel centres lie at integer coordinates, so the image spans [-0.5, width - 0.5].
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        if not (self.fx > 0 and self.fy > 0):
            raise ValueError(f"focal lengths must be positive, got fx={self.fx}, fy={self.fy}")
        if self.width < 1 or self.height < 1:
            raise ValueError(f"image size must be positive, got {self.width}x{self.height}")

    def resized(self, width: int, height: int) -> Camera:
        """The same camera after resizing the image to (width, height)."""
        sx, sy = width / self.width, height / self.height
        cx, cy = (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5
        return Camera(self.fx * sx, self.fy * sy, cx, cy, width, height)
