"""Flow cells to codeword indices."""

from __future__ import annotations

import numpy as np

from ..schemas.codebook import Codebook
from ..schemas.flow import FlowCells
from ..schemas.targets import Targets, code_dtype
from .nearest_centre import nearest_centre


def quantise(cells: FlowCells, codebook: Codebook) -> Targets:
    """Codeword of each cell; invalid cells get the dtype's top value.

    The same codes as `models.codebook.encode` gives, without a matrix of distances and for the valid cells alone.
    Raises ValueError where flow and codebook differ in their number of components.
    """
    if cells.flow.shape[1] != codebook.flow_components:
        raise ValueError(
            f"{cells.key}: flow has {cells.flow.shape[1]} components, the codebook is for {codebook.flow_components}"
        )
    valid, scale = cells.cell_is_valid(), codebook.axis_scale()
    kept = cells.flow[:, : codebook.centres.shape[1]]
    vectors = np.moveaxis(kept, 1, -1)[valid].astype(np.float32)
    nearest, _ = nearest_centre(np.clip(vectors, -codebook.clip, codebook.clip) / scale, codebook.centres / scale)
    dtype = code_dtype(codebook.size)
    codes = np.full(valid.shape, np.iinfo(dtype).max, dtype=dtype)
    codes[valid] = nearest
    return Targets(cells.key, codes, codebook.size)
