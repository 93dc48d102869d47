"""Codebooks as files, and how well a codebook is used."""

from __future__ import annotations

import io
from dataclasses import astuple
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..models.codebook import mirrored_codes
from ..schemas.codebook import Codebook, SoftStart
from ..schemas.errors import MotionpipeError

_ARRAYS = ("centres", "counts", "clip", "scale", "kind", "planar", "soft_start")


def codebook_bytes(codebook: Codebook) -> bytes:
    """The codebook as .npz; the same codebook gives the same bytes."""
    buffer = io.BytesIO()
    start = astuple(codebook.soft_start) if codebook.soft_start else ()
    flags = (np.array(codebook.kind), np.array(codebook.planar), np.array(start, dtype=np.float64))
    arrays = (codebook.centres, codebook.counts, codebook.clip, codebook.axis_scale(), *flags)
    np.savez(buffer, **dict(zip(_ARRAYS, arrays, strict=True)))  # type: ignore[arg-type]
    return buffer.getvalue()


def codebook_from_bytes(data: bytes) -> Codebook:
    """The codebook of a .npz file; MotionpipeError where it lacks what a codebook has."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        missing = [name for name in _ARRAYS if name not in arrays.files]
        if missing:
            raise MotionpipeError(f"a codebook.npz holds no {', '.join(missing)}; make it again under a new --name")
        centres, counts, clip, scale, kind, planar, start = (arrays[name] for name in _ARRAYS)
    begun = SoftStart(*start.tolist()) if start.size else None
    return Codebook(centres, counts, clip, scale, kind.item(), planar.item(), begun)


def usage(codebook: Codebook) -> dict[str, float | int | list[int]]:
    """How the training cells use the codewords: entropy in bits, perplexity, dead codes, and what a flip breaks.

    unmirrored: codewords that mirroring by index, twice, does not lead back to.
    """
    prior = codebook.prior()
    used = prior[prior > 0]
    entropy = float(-(used * np.log2(used)).sum())
    flipped = mirrored_codes(torch.from_numpy(codebook.centres), torch.from_numpy(codebook.axis_scale())).numpy()
    return {
        "cells": int(codebook.counts.sum()),
        "entropy_bits": round(entropy, 6),
        "perplexity": round(2**entropy, 6),
        "dead_codes": np.flatnonzero(codebook.counts == 0).tolist(),
        "zero_code_share": round(float(prior[0]), 6),
        "unmirrored": int((flipped[flipped] != np.arange(codebook.size)).sum()),
    }


def distortion(codebook: Codebook, vectors: npt.NDArray[np.float32], codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Sums over the vectors (N, C) of the squared difference to their codeword on each axis (C,), in float64."""
    return np.asarray(np.square(vectors.astype(np.float64) - codebook.centres[codes]).sum(axis=0))
