"""`motionpipe train-cluster`: pre-training of a network; the same name resumes."""

from __future__ import annotations

from pathlib import Path

from ..pipeline.store import Store
from ..schemas.recipe import Recipe
from .options import RunOptions
from .stage import StageResult
from .train_job import LoopOptions


def train_cluster(
    store: Store,
    recipe: Recipe,
    book: str | None,
    run: str,
    options: RunOptions,
    loop: LoopOptions | None = None,
    weights: Path | None = None,
) -> StageResult:
    """Pre-train `run` to its last epoch, from wherever it stands.

    book: for models that predict codewords. weights: cgm-net alone, a file of public weights.
    """
    match recipe.train.model:
        case "atomic-flow":
            from .pretrain_atomic_flow import pretrain_atomic_flow

            return pretrain_atomic_flow(store, recipe, book, run, options, loop or LoopOptions())
        case "cgm-net":
            from .pretrain_cgm_net import pretrain_cgm_net

            return pretrain_cgm_net(store, recipe, run, options, loop or LoopOptions(), weights)
        case "lstm":
            from .pretrain_lstm import pretrain_lstm

            return pretrain_lstm(store, recipe, book, run, options, loop or LoopOptions())
        case "uf-tsn":
            from .train_uf_tsn import Start, train_uf_tsn

            return train_uf_tsn(store, recipe, Start(), run, options, loop or LoopOptions())
