"""Passes over the training part of a flow artefact, shard by shard, in Ray workers or in this process.

What a shard answers is small: counts, sums and its share of the sample. Sums of floats are added in the order of the
shards, so every pass gives the same bits for any number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ..pipeline.artefacts import read_report
from ..pipeline.cell_survey import STATIC, CellSurvey, classify_motion, no_cells, survey_cells
from ..pipeline.codebook_file import distortion
from ..pipeline.fit_codebook import Draw, Vectors, draw_cells, static_threshold, training_vectors, valid_vectors
from ..pipeline.kmeans import BlockTask, OverBlocks
from ..pipeline.quantise import quantise
from ..pipeline.read_flow import read_flow_cells
from ..pipeline.store import Store
from ..schemas.codebook import Codebook
from ..schemas.flow import FlowCells
from ..schemas.recipe import CodebookSection
from .options import RunOptions
from .ray_map import map_shards

R = TypeVar("R")
ShardTask = Callable[[int, Iterator[FlowCells]], R]
"""What is asked of a shard, by its number and training samples; picklable."""


@dataclass(frozen=True)
class TrainingFlow:
    """The training samples of a flow artefact: keys of each shard that has any; `cell` is the side of a cell [px]."""

    store: Store
    folder: str
    cell: int
    keys: Mapping[int, frozenset[str]]

    def samples(self, shard: int) -> Iterator[FlowCells]:
        """Flow of the training samples of a shard, in the order of its report."""
        for entry in read_report(self.store, self.folder, shard).samples:
            if entry.key in self.keys[shard]:
                yield read_flow_cells(self.store, self.folder, shard, entry, self.cell)

    def ask(self, task: ShardTask[R], options: RunOptions) -> Iterator[tuple[int, R]]:
        """(shard, answer) as the shards finish."""
        return map_shards(partial(_worker, self, task), sorted(self.keys), options)

    def ask_in_order(self, task: ShardTask[R], options: RunOptions) -> list[R]:
        """Answers in the order of the shards."""
        return [answer for _, answer in sorted(self.ask(task, options), key=lambda pair: pair[0])]


def _worker(flow: TrainingFlow, task: ShardTask[R]) -> Callable[[int], tuple[int, R]]:
    import torch

    torch.set_num_threads(1)
    return lambda shard: (shard, task(shard, flow.samples(shard)))


def survey(
    flow: TrainingFlow, channels: int, config: CodebookSection, options: RunOptions
) -> tuple[CellSurvey, dict[str, Draw]]:
    """What the cells of `channels` components are made of, and each sample's share of the draw."""
    num_samples = sum(map(len, flow.keys.values()))
    total, draws = no_cells(channels), dict[str, Draw]()
    for _, (part, drawn) in flow.ask(partial(survey_shard, channels, num_samples, config), options):
        total += part  # whole numbers: the order does not matter
        draws |= drawn
    return total, draws


def survey_shard(
    channels: int, num_samples: int, config: CodebookSection, shard: int, samples: Iterator[FlowCells]
) -> tuple[CellSurvey, dict[str, Draw]]:
    """One shard's part of `survey`."""
    total, draws = no_cells(channels), dict[str, Draw]()
    for cells in samples:
        total += survey_cells(cells, static_threshold(channels, config))
        draws[cells.key] = draw_cells(cells, num_samples, config)
    return total, draws


def shard_blocks(flow: TrainingFlow, clip: Vectors, options: RunOptions) -> OverBlocks:
    """All training cells as blocks of k-means, a shard each; every pass reads the shards again."""
    return lambda task: flow.ask_in_order(partial(kmeans_shard, task, clip), options)


def kmeans_shard(task: BlockTask, clip: Vectors, shard: int, samples: Iterator[FlowCells]) -> Any:
    """One shard's answer to a task of k-means."""
    return task(shard, training_vectors(samples, len(clip), clip))


@dataclass(frozen=True)
class Use:
    """Cells of each codeword: counts (K,). Of the static and the moving cells: how many they are, cells (2,), and the
    sums of their squared differences to their codewords on each axis, squared (2, C).
    """

    counts: npt.NDArray[np.int64]
    cells: npt.NDArray[np.int64]
    squared: npt.NDArray[np.float64]

    def __add__(self, other: Use) -> Use:
        return Use(self.counts + other.counts, self.cells + other.cells, self.squared + other.squared)

    def rms(self) -> npt.NDArray[np.float64]:
        """RMS of what quantisation costs on each axis, over the static and over the moving cells (2, C)."""
        return np.asarray(np.sqrt(self.squared / np.maximum(self.cells, 1)[:, None]))


def use(flow: TrainingFlow, book: Codebook, config: CodebookSection, options: RunOptions) -> Use:
    """How the training cells use a codebook, and what quantisation costs them."""
    parts = flow.ask_in_order(partial(use_shard, book, config), options)
    return sum(parts[1:], parts[0])


def use_shard(book: Codebook, config: CodebookSection, shard: int, samples: Iterator[FlowCells]) -> Use:
    """One shard's part of `use`."""
    components = book.centres.shape[1]
    total = Use(np.zeros(book.size, np.int64), np.zeros(2, np.int64), np.zeros((2, components)))
    for cells in samples:
        vectors = valid_vectors(cells, components)
        codes = quantise(cells, book).codes[cells.cell_is_valid()]
        moves = classify_motion(vectors, static_threshold(book.flow_components, config)) != STATIC
        counts = np.bincount(codes, minlength=book.size)
        squared = [distortion(book, vectors[rows], codes[rows]) for rows in (~moves, moves)]
        total += Use(counts, np.array([(~moves).sum(), moves.sum()]), np.stack(squared))
    return total
