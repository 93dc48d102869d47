"""A codebook of atomic flows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Codebook:
    """Codewords of flow-cell vectors, with the training split's statistics of their use.

    centres: float32 (K, C), in the unit of the flow (C = 3: metres a step; C = 2: pixels a step); centre 0 is zero.
    counts: int64 (K,), training cells assigned to each codeword. clip: float32 (C,), components are clipped to
    [-clip, clip] before they are encoded.
    """

    centres: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int64]
    clip: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.centres.ndim != 2 or self.centres.dtype != np.float32 or self.centres.shape[1] not in (2, 3):
            raise ValueError(f"centres must be float32 (K, 2|3), got {self.centres.dtype} {self.centres.shape}")
        if not np.isfinite(self.centres).all():
            raise ValueError("centres must be finite")
        size, channels = self.centres.shape
        if self.counts.shape != (size,) or (self.counts < 0).any():
            raise ValueError(f"counts must be {size} numbers >= 0")
        if self.clip.shape != (channels,) or not (self.clip > 0).all():
            raise ValueError(f"clip must be {channels} positive numbers")
        if self.centres[0].any():
            raise ValueError("centre 0 must be the zero codeword")

    @property
    def size(self) -> int:
        """Number of codewords K."""
        return len(self.centres)

    def prior(self) -> npt.NDArray[np.float64]:
        """Empirical distribution of the codewords over the training cells (K,), the paper's p̃."""
        total = self.counts.sum()
        if total == 0:
            raise ValueError("no training cell was counted")
        return np.asarray(self.counts / total, dtype=np.float64)
