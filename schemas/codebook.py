"""A codebook of atomic flows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["uniform", "kmeans", "learnable"]


@dataclass(frozen=True)
class SoftStart:
    """Soft assignment of the training cells to the centres that a learnable codebook begins with.

    In squared units of `Codebook.scale`. spread: median squared distance of a moving cell to its nearest centre, the
    unit of the temperature. reconstruction: mean squared distance of a cell to its soft decoding at temperature 1.
    usage: KL divergence of the mean assignment, at temperature 1, from the uniform distribution [nats].
    """

    spread: float
    reconstruction: float
    usage: float

    def __post_init__(self) -> None:
        if not (self.spread > 0 and self.reconstruction >= 0 and self.usage >= 0):
            raise ValueError(f"a soft start must have a positive spread and terms >= 0, got {self}")


@dataclass(frozen=True)
class Codebook:
    """Codewords of flow-cell vectors, with the training split's statistics of their use.

    centres: float32 (K, C), in the unit of the flow (metres or pixels a step); centre 0 is zero, for every kind.
    counts: int64 (K,), training cells assigned to each codeword. clip: float32 (C,), components are clipped to
    [-clip, clip] before they are encoded.

    scale: float32 (C,), the length that counts as 1 on each axis where a cell is compared with centres: half a bin of a
    uniform codebook; half the median distance of neighbouring centres of a k-means codebook, alike on all axes; RMS of
    the moving training cells for a learnable one. Default: 1.
    planar: δz of scene flow was dropped, C = 2 in metres. soft_start: of a learnable codebook alone.
    """

    centres: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int64]
    clip: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32] | None = None
    kind: Kind = "kmeans"
    planar: bool = False
    soft_start: SoftStart | None = None

    def __post_init__(self) -> None:
        if self.centres.ndim != 2 or self.centres.dtype != np.float32 or self.centres.shape[1] not in (2, 3):
            raise ValueError(f"centres must be float32 (K, 2|3), got {self.centres.dtype} {self.centres.shape}")
        if not np.isfinite(self.centres).all():
            raise ValueError("centres must be finite")
        size, channels = self.centres.shape
        if self.counts.shape != (size,) or (self.counts < 0).any():
            raise ValueError(f"counts must be {size} numbers >= 0")
        for name, values in (("clip", self.clip), ("scale", self.axis_scale())):
            if values.shape != (channels,) or not (values > 0).all():
                raise ValueError(f"{name} must be {channels} positive numbers")
        if self.centres[0].any():
            raise ValueError("centre 0 must be the zero codeword")
        if self.planar and channels != 2:
            raise ValueError(f"a planar codebook has 2 components, not {channels}")
        if (self.kind == "learnable") != (self.soft_start is not None):
            raise ValueError("a learnable codebook, and no other, has a soft start")

    @property
    def size(self) -> int:
        """Number of codewords K."""
        return len(self.centres)

    @property
    def flow_components(self) -> int:
        """Components of the flow that it encodes."""
        return 3 if self.planar else self.centres.shape[1]

    @property
    def unit(self) -> Literal["m", "px"]:
        """Unit of the centres, a step."""
        return "m" if self.flow_components == 3 else "px"

    def axis_scale(self) -> npt.NDArray[np.float32]:
        """`scale`, or ones (C,)."""
        return np.ones(self.centres.shape[1], dtype=np.float32) if self.scale is None else self.scale

    def prior(self) -> npt.NDArray[np.float64]:
        """Empirical distribution of the codewords over the training cells (K,), the paper's p̃."""
        total = self.counts.sum()
        if total == 0:
            raise ValueError("no training cell was counted")
        return np.asarray(self.counts / total, dtype=np.float64)
