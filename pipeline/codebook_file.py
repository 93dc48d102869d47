"""The file of a codebook."""

from __future__ import annotations

import io

import numpy as np

from ..schemas.codebook import Codebook


def codebook_bytes(codebook: Codebook) -> bytes:
    """The codebook as .npz; the same codebook gives the same bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, centres=codebook.centres, counts=codebook.counts, clip=codebook.clip)
    return buffer.getvalue()


def codebook_from_bytes(data: bytes) -> Codebook:
    """The codebook of a .npz file."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return Codebook(arrays["centres"], arrays["counts"], arrays["clip"])
