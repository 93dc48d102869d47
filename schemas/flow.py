"""Motion as the flow stage stores it: on the cell grid and, where a recipe asks for it, of every pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class FlowCells:
    """Cell means of the flow between frames i and i + stride, for every i of a recording.

    flow: float16 (P, C, h, w). C = 3: δx right, δy down, δz away, metres a step; C = 2: pixels of the stored frame.
    valid: uint8 (P, h, w), count of valid pixels in each cell of cell x cell pixels; flow is 0 where it is 0.
    """

    key: str
    flow: npt.NDArray[np.float16]
    valid: npt.NDArray[np.uint8]
    stride: int
    cell: int

    def __post_init__(self) -> None:
        if self.flow.dtype != np.float16 or self.flow.ndim != 4 or self.flow.shape[1] not in (2, 3):
            raise ValueError(
                f"{self.key}: flow must be float16 (P, 2|3, h, w), got {self.flow.dtype} {self.flow.shape}"
            )
        pairs, _, rows, cols = self.flow.shape
        if self.valid.dtype != np.uint8 or self.valid.shape != (pairs, rows, cols):
            raise ValueError(f"{self.key}: valid must be uint8 {(pairs, rows, cols)}, got {self.valid.shape}")
        if self.stride < 1 or not 1 <= self.cell <= 15:
            raise ValueError(f"{self.key}: stride {self.stride} or cell {self.cell} out of range")
        if self.valid.size and int(self.valid.max()) > self.cell**2:
            raise ValueError(f"{self.key}: valid counts more pixels than a cell of {self.cell}x{self.cell} has")
        if not np.isfinite(self.flow).all():
            raise ValueError(f"{self.key}: flow is not finite")

    def cell_is_valid(self) -> npt.NDArray[np.bool_]:
        """Cells with at least half of their pixels valid (P, h, w); the others take no part in targets or loss."""
        return self.valid >= 0.5 * self.cell**2

    def motion(self) -> tuple[float, ...]:
        """Mean length of the flow over the valid cells of each pair, 0 where none is valid, to 6 decimals."""
        lengths = np.linalg.norm(self.flow.astype(np.float32), axis=1)
        valid = self.cell_is_valid()
        sums, counts = (lengths * valid).sum(axis=(1, 2)), valid.sum(axis=(1, 2))
        return tuple(round(float(value), 6) for value in sums / np.maximum(counts, 1))


@dataclass(frozen=True)
class FlowPixels:
    """The dense flow that cells are means of, for every pixel of the stored frames.

    flow: float16 (P, C, H, W), components and unit as in FlowCells; valid: uint8 (P, H, W), 1 where the pixel counts;
    flow is 0 where it does not.
    """

    key: str
    flow: npt.NDArray[np.float16]
    valid: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.flow.dtype != np.float16 or self.flow.ndim != 4 or self.flow.shape[1] not in (2, 3):
            raise ValueError(
                f"{self.key}: flow_px must be float16 (P, 2|3, H, W), got {self.flow.dtype} {self.flow.shape}"
            )
        pairs, _, height, width = self.flow.shape
        if self.valid.dtype != np.uint8 or self.valid.shape != (pairs, height, width):
            raise ValueError(f"{self.key}: valid_px must be uint8 {(pairs, height, width)}, got {self.valid.shape}")
        for flow, valid in zip(self.flow, self.valid, strict=True):  # a pair at a time: all take gigabytes
            if valid.max(initial=0) > 1:
                raise ValueError(f"{self.key}: valid_px must be 0 or 1")
            if not np.isfinite(flow).all() or flow[:, valid == 0].any():
                raise ValueError(f"{self.key}: flow_px must be finite, and 0 where it is not valid")
