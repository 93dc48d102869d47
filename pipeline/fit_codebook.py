"""Codebooks of every kind: the sample that centres are fitted to, the centres, and the unit of their distances."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial import cKDTree

from ..models.learnable_codebook import fitness, soft_assignment
from ..schemas.codebook import SoftStart
from ..schemas.errors import MotionpipeError
from ..schemas.flow import FlowCells
from ..schemas.recipe import CodebookSection
from .cell_survey import STATIC, CellSurvey, classify_motion
from .kmeans import BlockTask, Fit, OverBlocks, fit_blocks

Vectors = npt.NDArray[np.float32]
BLOCK_CELLS = 65_536
"""Cells of the drawn sample in a block of k-means."""
_SOFT_START_CELLS = 50_000


@dataclass(frozen=True)
class Draw:
    """Vectors (N, C) drawn from one flow sample, those that move and those that do not."""

    moving: Vectors
    static: Vectors


def components_of(flow_components: int, config: CodebookSection) -> int:
    """Components of the flow that a codebook keeps."""
    return 2 if config.components == "xy" else flow_components


def codebook_size(components: int, config: CodebookSection) -> int:
    """Codewords K of a recipe's codebook of vectors with so many components."""
    kind = config.start if config.kind == "learnable" else config.kind
    return config.bins**components if kind == "uniform" else config.size


def static_threshold(flow_components: int, config: CodebookSection) -> float:
    """Length below which a cell counts as static, in the unit of a flow of so many components."""
    return config.static_below_m if flow_components == 3 else config.static_below_px


def valid_vectors(cells: FlowCells, components: int) -> Vectors:
    """The first components (N, C) of the valid cells of a sample."""
    return np.moveaxis(cells.flow[:, :components], 1, -1)[cells.cell_is_valid()].astype(np.float32)


def draw_cells(cells: FlowCells, num_samples: int, config: CodebookSection) -> Draw:
    """Draw a sample's share of the cells, by a seed of its own key: the draw does not depend on any order."""
    share = -(-config.sample_cells // max(num_samples, 1))
    channels = cells.flow.shape[1]
    vectors = valid_vectors(cells, components_of(channels, config))
    moves = classify_motion(vectors, static_threshold(channels, config)) != STATIC
    generator = np.random.default_rng([config.seed, *hashlib.sha256(cells.key.encode()).digest()[:8]])
    return Draw(_draw(vectors[moves], share, generator), _draw(vectors[~moves], share, generator))


def balanced_sample(draws: dict[str, Draw], survey: CellSurvey, config: CodebookSection) -> Draw:
    """The sample that centres are fitted to: `sample_cells` at most, of which `static_fraction` at most are static.

    draws: by key, in any order. Raises MotionpipeError where there is no valid cell, or none that moves.
    """
    if not survey.counts.any():
        raise MotionpipeError("the training split holds no valid flow cell; check the protocol and the flow's rejects")
    in_order = [draw for _, draw in sorted(draws.items())]
    moving, static = (np.concatenate([getattr(draw, name) for draw in in_order]) for name in ("moving", "static"))
    if not len(moving):
        valid, threshold = int(survey.counts.sum()), "codebook.static_below_m or codebook.static_below_px"
        raise MotionpipeError(f"nothing moves in the {valid} training cells; if it should, lower {threshold}")
    generator = np.random.default_rng(config.seed)
    most_static = int(config.sample_cells * config.static_fraction)
    moving = _draw(moving, config.sample_cells - min(most_static, len(static)), generator)
    ratio = config.static_fraction / max(1 - config.static_fraction, 1e-9)
    return Draw(moving, _draw(static, min(most_static, int(len(moving) * ratio)), generator))


def fit_kmeans(over_blocks: OverBlocks, components: int, config: CodebookSection) -> Fit:
    """k-means centres (K, C) with centre 0 held at zero and the others sorted; seeded, the same for any workers.

    A symmetric codebook is fitted to the vectors folded onto δx >= 0, and its centres are unfolded into mirrored pairs;
    where K is even one centre beside zero has δx = 0.
    """
    if not config.symmetric:
        fit = fit_blocks(over_blocks, _held(config.size, components), config.iterations, config.seed)
        return Fit(_sorted_after_zero(fit.centres), fit.inertia)
    unpaired = 2 - config.size % 2
    held = _held(unpaired + (config.size - unpaired) // 2, components)
    held[1:unpaired, 0] = True
    fit = fit_blocks(lambda task: over_blocks(partial(fold_block, task)), held, config.iterations, config.seed)
    mirrored = fit.centres[unpaired:] * mirror(components)
    return Fit(_sorted_after_zero(np.concatenate([fit.centres, mirrored])), fit.inertia)


def fold_block(task: BlockTask, block: int, vectors: Vectors) -> object:
    """A task of k-means on vectors whose δx has lost its sign."""
    return task(block, np.concatenate([np.abs(vectors[:, :1]), vectors[:, 1:]], axis=1))


def mirror(components: int) -> Vectors:
    """What a flip left to right multiplies each component (C,) with."""
    return np.array([-1.0, *[1.0] * (components - 1)], dtype=np.float32)


def sample_blocks(vectors: Vectors) -> OverBlocks:
    """The sample in blocks of a fixed size, worked on in this process."""
    blocks = [vectors[begin : begin + BLOCK_CELLS] for begin in range(0, len(vectors), BLOCK_CELLS)]
    return lambda task: [task(number, block) for number, block in enumerate(blocks)]


def uniform_centres(clip: Vectors, bins: int) -> Vectors:
    """A regular grid (bins ^ C, C) over [-clip, clip], bins odd.

    Zero comes first, then the others in mixed radix, the last axis fastest.
    """
    steps = np.arange(bins) - bins // 2
    axes = [(limit * (steps / np.float32(bins // 2))).astype(np.float32) for limit in clip]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(clip))
    zero = len(grid) // 2
    return np.concatenate([grid[zero : zero + 1], grid[:zero], grid[zero + 1 :]])


def neighbour_scale(centres: Vectors) -> Vectors:
    """Half the median distance of a centre to its nearest neighbour, alike on all axes (C,)."""
    distances, _ = cKDTree(centres).query(centres, k=2)
    half = max(float(np.median(distances[:, 1])) / 2, 1e-6)
    return np.full(centres.shape[1], half, dtype=np.float32)


def soft_start(sample: Draw, survey: CellSurvey, centres: Vectors, clip: Vectors, scale: Vectors) -> SoftStart:
    """Where a learnable codebook begins: over the sample, with as much weight on static cells as all cells have."""
    # every n-th cell is enough for three means, and (cells, K) assignments stay small
    parts = [part[:: len(part) // _SOFT_START_CELLS + 1] for part in (sample.moving, sample.static)]
    cells = torch.from_numpy(np.clip(np.concatenate(parts), -clip, clip) / scale).double()
    scaled = torch.from_numpy(centres / scale).double()
    distances = torch.cat(
        [torch.cdist(chunk, scaled).amin(dim=1).square() for chunk in torch.split(cells, BLOCK_CELLS)]
    )
    spread = max(float(distances[: len(parts[0])].median()), 1e-6)
    moving = survey.counts[survey.moving_classes(len(clip))].sum() / survey.counts.sum()
    shares = (moving, 1 - moving) if len(sample.static) else (1.0, 0.0)
    weights = np.concatenate([np.full(len(p), s / max(len(p), 1)) for p, s in zip(parts, shares, strict=True)])
    assignment = soft_assignment(cells, scaled, spread)
    begin = fitness(cells, torch.from_numpy(weights), scaled, assignment)
    return SoftStart(spread, float(begin.reconstruction), float(begin.usage))


def training_vectors(samples: Iterable[FlowCells], components: int, clip: Vectors) -> Vectors:
    """Clipped vectors (N, C) of all valid cells of some samples: a block of k-means over all training cells."""
    vectors = [valid_vectors(cells, components) for cells in samples]
    together = np.concatenate([np.zeros((0, components), np.float32), *vectors])
    return np.asarray(np.clip(together, -clip, clip))


def _held(size: int, components: int) -> npt.NDArray[np.bool_]:
    held = np.zeros((size, components), dtype=np.bool_)
    held[0] = True
    return held


def _sorted_after_zero(centres: Vectors) -> Vectors:
    order = np.lexsort(centres[1:].T[::-1]) + 1
    return np.asarray(centres[np.concatenate([[0], order])] + np.float32(0))  # no -0.0


def _draw(vectors: Vectors, most: int, generator: np.random.Generator) -> Vectors:
    if len(vectors) <= most:
        return vectors
    return vectors[np.sort(generator.choice(len(vectors), most, replace=False))]
