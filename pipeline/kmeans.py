"""k-means over blocks of vectors that may lie on many machines: k-means|| seeding, then whole Lloyd passes.

Every step asks each block for a small part (`BlockTask`) and reduces the parts in the order of the blocks, so the
result has the same bits wherever and in whatever order the blocks are worked on. Sums are float64.

Sources: Bahmani et al. 2012, Scalable k-means++; Efraimidis and Spirakis 2006, Weighted random sampling.
Shapes: N vectors of C components in a block, R centres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ..schemas.errors import MotionpipeError
from .nearest_centre import nearest_centre, sums_by_code

Vectors = npt.NDArray[np.float32]
Held = npt.NDArray[np.bool_]
BlockTask = Callable[[int, Vectors], Any]
"""What is asked of a block, by its number and vectors; picklable, and its answer is small."""
OverBlocks = Callable[[BlockTask], list[Any]]
"""Asks every block, and returns the answers in the order of the blocks."""

ROUNDS = 5
"""Rounds of k-means||; Bahmani et al. find no gain after five."""
_MOST_ROUNDS = 50
_TRIES = 4
"""Seedings of the candidates, of which the best is kept; they cost little beside one pass."""


@dataclass(frozen=True)
class Part:
    """A block's part of a Lloyd pass: vectors of each centre (R,), their sums (R, C), and their squared distances."""

    counts: npt.NDArray[np.int64]
    sums: npt.NDArray[np.float64]
    inertia: float


@dataclass(frozen=True)
class Fit:
    """Fitted centres (R, C), and the inertia before each Lloyd iteration and at the end."""

    centres: Vectors
    inertia: tuple[float, ...]


def fit_blocks(over_blocks: OverBlocks, held: Held, iterations: int, seed: int) -> Fit:
    """Centres whose components stay 0 where `held` (R, C) says so; centre 0 must be held as a whole.

    Raises MotionpipeError where the blocks hold fewer distinct vectors than centres.
    """
    centres = lloyd_start(seed_centres(over_blocks, held.shape, seed), held)
    inertia: list[float] = []
    for _ in range(iterations):
        total = lloyd_pass(over_blocks, centres)
        inertia.append(total.inertia)
        moved = _moved(centres, total, held)
        empty = np.flatnonzero((total.counts == 0) & ~held.any(axis=1))
        if len(empty):
            farthest = _farthest(over_blocks, moved, len(empty))
            moved[empty[: len(farthest)]] = farthest
        if np.array_equal(moved, centres):
            break
        centres = moved
    inertia.append(lloyd_pass(over_blocks, centres).inertia)
    return Fit(centres, tuple(inertia))


def lloyd_pass(over_blocks: OverBlocks, centres: Vectors) -> Part:
    """Counts, sums and inertia of all blocks, added up in their order."""
    parts: list[Part] = over_blocks(partial(assign_block, centres))
    counts, sums, inertia = parts[0].counts.copy(), parts[0].sums.copy(), parts[0].inertia
    for part in parts[1:]:
        counts, sums, inertia = counts + part.counts, sums + part.sums, inertia + part.inertia
    return Part(counts, sums, inertia)


def assign_block(centres: Vectors, block: int, vectors: Vectors) -> Part:
    """One block's part of a Lloyd pass."""
    codes, squared = nearest_centre(vectors, centres)
    counts, sums = sums_by_code(vectors, codes, len(centres))
    return Part(counts, sums, float(squared.sum(dtype=np.float64)))


def lloyd_start(centres: Vectors, held: Held) -> Vectors:
    """Seeds with the held components at 0: those rows come first that have the least to lose by it."""
    centres = centres.copy()
    for row in range(1, len(held)):
        if held[row].any():
            loss = np.square(np.where(held[row], centres[row:], 0)).sum(axis=1)
            nearest = row + int(loss.argmin())
            centres[[row, nearest]] = centres[[nearest, row]]
    return np.where(held, np.float32(0), centres)


def seed_centres(over_blocks: OverBlocks, shape: tuple[int, int], seed: int) -> Vectors:
    """Starting centres (R, C), the first of them zero, by k-means||.

    Each round draws 2 R vectors with probabilities that grow with their squared distance to all candidates so far.
    The candidates, weighted by the vectors nearest to them, are reduced to R by weighted k-means++.
    """
    size, channels = shape
    candidates = np.zeros((1, channels), dtype=np.float32)
    for number in range(_MOST_ROUNDS):
        if number >= ROUNDS and len(candidates) >= size:
            break
        drawn = over_blocks(partial(draw_block, candidates, 2 * size, [seed, number]))
        keys = np.concatenate([keys for keys, _ in drawn])
        vectors = np.concatenate([vectors for _, vectors in drawn])
        if not len(vectors):
            break
        chosen = vectors[np.argsort(keys, kind="stable")[: 2 * size]]
        candidates = np.concatenate([candidates, np.unique(chosen, axis=0)])
    if len(candidates) < size:
        raise MotionpipeError(
            f"{len(candidates)} distinct flow vectors cannot make {size} codewords; lower codebook.size"
        )
    weights = lloyd_pass(over_blocks, candidates).counts
    return reduce_candidates(candidates, weights.astype(np.float64), size, np.random.default_rng([seed, _MOST_ROUNDS]))


def draw_block(
    candidates: Vectors, most: int, seed: list[int], block: int, vectors: Vectors
) -> tuple[npt.NDArray[np.float64], Vectors]:
    """Keys and vectors of a block's draw; the `most` smallest keys of all blocks are the draw of all.

    An exponential key of rate d² makes the chances of a vector proportional to its squared distance d².
    """
    _, squared = nearest_centre(vectors, candidates)
    far = np.flatnonzero(squared)
    generator = np.random.default_rng([*seed, block])
    keys = generator.standard_exponential(len(vectors))[far] / squared[far]
    first = np.argpartition(keys, most)[:most] if len(keys) > most else np.arange(len(keys))
    first = first[np.argsort(keys[first], kind="stable")]
    return keys[first], vectors[far[first]]


def reduce_candidates(
    candidates: Vectors, weights: npt.NDArray[np.float64], size: int, generator: np.random.Generator
) -> Vectors:
    """`size` of the weighted candidates by greedy k-means++, candidate 0 among them; the best of a few tries."""
    squared = np.square(candidates[:, None].astype(np.float64) - candidates[None]).sum(axis=2)
    tries = [_plus_plus(squared, weights, size, generator) for _ in range(_TRIES)]
    costs = [float((weights * squared[:, chosen].min(axis=1)).sum()) for chosen in tries]
    return candidates[tries[int(np.argmin(costs))]]


def _plus_plus(
    squared: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], size: int, generator: np.random.Generator
) -> list[int]:
    """Each next one is the best of a few draws with probability weight · d² (Arthur and Vassilvitskii 2007)."""
    trials = 2 + int(np.log(size))
    chosen, nearest = [0], squared[:, 0].copy()
    for _ in range(size - 1):
        chances = weights * nearest
        if not chances.any():  # what is left weighs nothing: take the farthest
            chances = nearest.copy()
        drawn = generator.choice(len(chances), trials, p=chances / chances.sum())
        costs = (weights[:, None] * np.minimum(nearest[:, None], squared[:, drawn])).sum(axis=0)
        best = int(drawn[costs.argmin()])
        chosen.append(best)
        nearest = np.minimum(nearest, squared[:, best])
    return chosen


def _moved(centres: Vectors, total: Part, held: Held) -> Vectors:
    """Means of the vectors of each centre, 0 where held; a centre without any stays."""
    means = total.sums / np.maximum(total.counts, 1)[:, None]
    moved = np.where(total.counts[:, None] > 0, means, centres)
    return np.where(held, 0, moved).astype(np.float32)


def farthest_of_block(
    centres: Vectors, most: int, block: int, vectors: Vectors
) -> tuple[npt.NDArray[np.float32], Vectors]:
    """Squared distances and values of the distinct vectors of a block that lie farthest from all centres."""
    _, squared = nearest_centre(vectors, centres)
    values, rows = np.unique(vectors, axis=0, return_index=True)
    order = np.argsort(-squared[rows], kind="stable")[:most]
    return squared[rows[order]], values[order]


def _farthest(over_blocks: OverBlocks, centres: Vectors, most: int) -> Vectors:
    """Up to `most` distinct vectors that lie farthest from all centres: where empty centres go."""
    found = over_blocks(partial(farthest_of_block, centres, most))
    squared = np.concatenate([distances for distances, _ in found])
    values, rows = np.unique(np.concatenate([vectors for _, vectors in found]), axis=0, return_index=True)
    order = np.argsort(-squared[rows], kind="stable")[:most]
    return values[order[squared[rows[order]] > 0]]
