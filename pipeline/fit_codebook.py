"""k-means over flow cells: sampling, centres, and how well they are used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.cluster import kmeans_plusplus
from sklearn.metrics import pairwise_distances_argmin_min
from threadpoolctl import threadpool_limits

from ..schemas.codebook import Codebook
from ..schemas.errors import MotionpipeError
from ..schemas.flow import FlowCells
from ..schemas.recipe import CodebookSection

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class CellSample:
    """Flow vectors (N, C) that the centres are fitted to, and how many cells they were drawn from."""

    vectors: Vectors
    moving_seen: int
    static_seen: int


@dataclass(frozen=True)
class Fit:
    """Fitted centres (K, C), centre 0 fixed at zero, and the inertia before each Lloyd iteration and at the end."""

    centres: Vectors
    inertia: tuple[float, ...]


def sample_cells(samples: Iterable[FlowCells], num_samples: int, config: CodebookSection) -> CellSample:
    """Draw valid cells of the training samples; at most `static_fraction` of them static.

    Each sample gives up to its share, drawn by a seed of its own key, so the draw does not depend on any order.
    """
    share = -(-config.sample_cells // max(num_samples, 1))
    moving, static, seen = {}, {}, np.zeros(2, dtype=np.int64)
    for cells in samples:
        vectors = np.moveaxis(cells.flow, 1, -1)[cells.cell_is_valid()].astype(np.float32)
        is_moving = np.linalg.norm(vectors, axis=1) >= static_threshold(vectors.shape[1], config)
        seen += (int(is_moving.sum()), int((~is_moving).sum()))
        generator = np.random.default_rng([config.seed, *hashlib.sha256(cells.key.encode()).digest()[:8]])
        moving[cells.key] = _draw(vectors[is_moving], share, generator)
        static[cells.key] = _draw(vectors[~is_moving], share, generator)
    if seen.any() and not seen[0]:
        threshold = "codebook.static_below_m or codebook.static_below_px"
        raise MotionpipeError(f"nothing moves in the {int(seen[1])} training cells; if it should, lower {threshold}")
    if not seen.any():
        raise MotionpipeError("the training split holds no valid flow cell; check the protocol and the flow's rejects")
    sample = _balanced(_in_key_order(moving), _in_key_order(static), seen, config)
    if not len(sample.vectors):
        raise MotionpipeError(
            "no flow cell of the training split moves, and codebook.static_fraction = 0 leaves out the rest"
        )
    return sample


def static_threshold(channels: int, config: CodebookSection) -> float:
    """Length below which a cell counts as static, in the unit of a flow of `channels` components."""
    return config.static_below_m if channels == 3 else config.static_below_px


def clip_range(sample: CellSample, config: CodebookSection) -> Vectors:
    """Largest component kept on each axis (C,): a percentile over the moving cells of the sample."""
    lengths = np.linalg.norm(sample.vectors, axis=1)
    threshold = static_threshold(sample.vectors.shape[1], config)
    moving = sample.vectors[lengths >= threshold] if (lengths >= threshold).any() else sample.vectors
    limits = np.percentile(np.abs(moving), config.clip_percentile, axis=0)
    return np.asarray(np.maximum(limits, 1e-4), dtype=np.float32)


def fit_kmeans(vectors: Vectors, config: CodebookSection) -> Fit:
    """k-means++ and Lloyd iterations over (N, C) vectors with one centre held at zero; one thread, seeded."""
    free = config.size - 1
    distinct = len(np.unique(vectors, axis=0))
    if distinct < config.size:
        raise MotionpipeError(
            f"{distinct} distinct flow vectors cannot make {config.size} codewords; lower codebook.size"
        )
    with threadpool_limits(1):
        start, _ = kmeans_plusplus(vectors, free, random_state=config.seed)
        centres = np.concatenate([np.zeros((1, vectors.shape[1]), dtype=np.float32), start])
        inertia: list[float] = []
        for _ in range(config.iterations):
            codes, distances = pairwise_distances_argmin_min(vectors, centres)
            inertia.append(float(np.square(distances, dtype=np.float64).sum()))
            moved = _means(vectors, codes, centres)
            moved[0] = 0
            if np.array_equal(moved, centres):
                break
            centres = moved
        _, distances = pairwise_distances_argmin_min(vectors, centres)
        inertia.append(float(np.square(distances, dtype=np.float64).sum()))
    order = np.lexsort(centres[1:].T[::-1]) + 1
    return Fit(centres[np.concatenate([[0], order])], tuple(inertia))


def usage(codebook: Codebook) -> dict[str, float | int | list[int]]:
    """How the training cells use the codewords: entropy in bits, perplexity, dead codes."""
    prior = codebook.prior()
    used = prior[prior > 0]
    entropy = float(-(used * np.log2(used)).sum())
    return {
        "cells": int(codebook.counts.sum()),
        "entropy_bits": round(entropy, 6),
        "perplexity": round(2**entropy, 6),
        "dead_codes": np.flatnonzero(codebook.counts == 0).tolist(),
        "zero_code_share": round(float(prior[0]), 6),
    }


def _in_key_order(by_key: dict[str, Vectors]) -> Vectors:
    return np.concatenate([vectors for _, vectors in sorted(by_key.items())])


def _draw(vectors: Vectors, most: int, generator: np.random.Generator) -> Vectors:
    if len(vectors) <= most:
        return vectors
    return vectors[np.sort(generator.choice(len(vectors), most, replace=False))]


def _balanced(moving: Vectors, static: Vectors, seen: npt.NDArray[np.int64], config: CodebookSection) -> CellSample:
    generator = np.random.default_rng(config.seed)
    most_static = int(config.sample_cells * config.static_fraction)
    moving = _draw(moving, config.sample_cells - min(most_static, len(static)), generator)
    if len(moving):
        ratio = config.static_fraction / max(1 - config.static_fraction, 1e-9)
        most_static = min(most_static, int(len(moving) * ratio))
    static = _draw(static, most_static, generator)
    return CellSample(np.concatenate([moving, static]), int(seen[0]), int(seen[1]))


def _means(vectors: Vectors, codes: npt.NDArray[np.int64], centres: Vectors) -> Vectors:
    """Mean of the vectors of each code; a code without any keeps its centre."""
    counts = np.bincount(codes, minlength=len(centres))
    sums = [np.bincount(codes, weights=vectors[:, c], minlength=len(centres)) for c in range(vectors.shape[1])]
    means = np.stack(sums, axis=1) / np.maximum(counts, 1)[:, None]
    return np.where(counts[:, None] > 0, means, centres).astype(np.float32)
