"""Exact scene flow of the figure's surface, the file that holds it, and its way back onto the depth image.

Legend: T frames, (H, W) depth image, (h, w) crop of it around the figure, N pixels on the figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..schemas.camera import Camera
from .capsule_figure import Capsules
from .posed_camera import project
from .ray_cast import NEAR, Hits, covered_box, nearest_depth

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Truth:
    """Exact scene flow of the figure between frames i and i + stride, cropped to where the figure ever is.

    Off the figure the scene stands still: `flow` is 0 and `valid` False there, and everywhere outside the crop.
    """

    flow: npt.NDArray[np.float16]  # (T - stride, h, w, 3) m: right, down, away in the depth camera's axes
    valid: Bools  # (T - stride, h, w) on the figure, and that surface point is seen in both frames
    crop: tuple[int, int]  # column and row of the crop's first pixel
    intrinsics: Camera  # of the depth images
    stride: int  # frames, >= 1
    fps: float

    def __post_init__(self) -> None:
        if self.flow.ndim != 4 or self.flow.shape[3] != 3 or self.valid.shape != self.flow.shape[:3]:
            raise ValueError(f"truth: flow (P, h, w, 3) and valid (P, h, w), got {self.flow.shape} {self.valid.shape}")
        (left, top), (rows, columns) = self.crop, self.flow.shape[1:3]
        width, height = self.depth_size
        if not 0 <= left <= width - columns or not 0 <= top <= height - rows:
            raise ValueError(f"truth: a crop of {columns}x{rows} at {self.crop} does not lie in {width}x{height}")
        if self.stride < 1:
            raise ValueError(f"truth: stride {self.stride} is not positive")

    @property
    def depth_size(self) -> tuple[int, int]:
        """Width and height of the whole depth image."""
        return self.intrinsics.width, self.intrinsics.height


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


def truth_of(camera: Camera, hits: list[Hits], seen: list[Capsules], stride: int, fps: float) -> Truth:
    """The truth of T frames: what each pixel hits, and the capsules of each moment in camera axes."""
    rows, columns = covered_box(camera, hits, margin=0)
    size = (len(hits) - stride, rows.stop - rows.start, columns.stop - columns.start)
    flow, valid = np.zeros((*size, 3), dtype=np.float16), np.zeros(size, dtype=bool)
    for pair, (now, then) in enumerate(zip(seen, seen[stride:], strict=False)):
        row, column = np.divmod(hits[pair].pixel, camera.width)
        at = (pair, row - rows.start, column - columns.start)
        flow[at], valid[at] = scene_flow(camera, hits[pair], now, then)
    return Truth(flow, valid, (columns.start, rows.start), camera, stride, fps)


def save_truth(path: Path, truth: Truth) -> None:
    """Write a compressed .npz."""
    camera = truth.intrinsics
    np.savez_compressed(
        path,
        flow=truth.flow,
        valid=truth.valid,
        crop=np.array(truth.crop),
        depth_size=np.array(truth.depth_size),
        intrinsics=np.array([camera.fx, camera.fy, camera.cx, camera.cy]),
        stride=np.array(truth.stride),
        fps=np.array(truth.fps),
    )


def load_truth(root: Path, recording_id: str) -> Truth:
    """Read the truth of one recording of a generated set."""
    with np.load(root / "truth" / f"{recording_id}.npz", allow_pickle=False) as arrays:
        left, top = arrays["crop"].tolist()
        camera = Camera(*arrays["intrinsics"].tolist(), *arrays["depth_size"].tolist())
        stride, fps = int(arrays["stride"]), float(arrays["fps"])
        return Truth(arrays["flow"], arrays["valid"], (left, top), camera, stride, fps)


def truth_frame(truth: Truth, pair: int) -> tuple[npt.NDArray[np.float32], Bools]:
    """Flow (H, W, 3) in metres and valid (H, W) of one pair of frames, on the whole depth image."""
    (left, top), (width, height) = truth.crop, truth.depth_size
    rows, columns = truth.flow.shape[1:3]
    flow = np.zeros((height, width, 3), dtype=np.float32)
    valid = np.zeros((height, width), dtype=bool)
    flow[top : top + rows, left : left + columns] = truth.flow[pair]
    valid[top : top + rows, left : left + columns] = truth.valid[pair]
    return flow, valid
