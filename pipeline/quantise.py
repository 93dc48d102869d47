"""Flow cells to codeword indices."""

from __future__ import annotations

import numpy as np
import torch

from ..models.codebook import codebook_tensors, encode
from ..schemas.codebook import Codebook
from ..schemas.flow import FlowCells
from ..schemas.targets import Targets, code_dtype


def quantise(cells: FlowCells, codebook: Codebook) -> Targets:
    """Codeword of each cell; invalid cells get the dtype's top value.

    Raises ValueError where flow and codebook differ in their number of components.
    """
    if cells.flow.shape[1] != codebook.flow_components:
        raise ValueError(
            f"{cells.key}: flow has {cells.flow.shape[1]} components, the codebook is for {codebook.flow_components}"
        )
    flow = torch.from_numpy(cells.flow.astype(np.float32))
    codes = encode(flow, *codebook_tensors(codebook)).numpy()
    dtype = code_dtype(codebook.size)
    codes = np.where(cells.cell_is_valid(), codes, np.iinfo(dtype).max)
    return Targets(cells.key, np.asarray(codes, dtype=dtype), codebook.size)
