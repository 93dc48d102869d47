"""Quantised motion: one codeword index for each cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


def code_dtype(size: int) -> type[np.uint8] | type[np.uint16]:
    """The smallest unsigned type that holds `size` codewords and, as its top value, "invalid"."""
    if not 1 <= size <= 65_535:
        raise ValueError(f"codebook size must be 1..65535, got {size}")
    return np.uint8 if size <= 255 else np.uint16


@dataclass(frozen=True)
class Targets:
    """Codeword indices (P, h, w) of a recording's flow cells; the dtype's top value marks an invalid cell."""

    key: str
    codes: npt.NDArray[np.unsignedinteger]
    size: int

    def __post_init__(self) -> None:
        if self.codes.ndim != 3 or self.codes.dtype != code_dtype(self.size):
            raise ValueError(f"{self.key}: codes must be {code_dtype(self.size).__name__} (P, h, w)")
        top = np.iinfo(self.codes.dtype).max
        if not ((self.codes < self.size) | (self.codes == top)).all():
            raise ValueError(f"{self.key}: a code is neither below {self.size} nor the invalid value {top}")
