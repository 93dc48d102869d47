"""`motionpipe train-cluster --task classify`: a network becomes a classifier, from a run's weights or from none."""

from __future__ import annotations

from pathlib import Path

from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import Recipe
from .options import RunOptions
from .stage import StageResult
from .train_job import LoopOptions


def finetune(
    store: Store,
    recipe: Recipe,
    init: str,
    run: str,
    options: RunOptions,
    loop: LoopOptions | None = None,
    weights: Path | None = None,
) -> StageResult:
    """Train the classifier `run` on the labelled training part; `init`: a run, STORE:RUN, or "none".

    weights: cgm-net alone, a file of public weights.
    """
    match recipe.train.model:
        case "atomic-flow":
            from .classify_atomic_flow import classify_atomic_flow as classify
        case "cgm-net":
            from .classify_cgm_net import classify_cgm_net

            return classify_cgm_net(store, recipe, init, run, options, loop or LoopOptions(), weights)
        case "lstm":
            from .classify_lstm import classify_lstm as classify
        case "uf-tsn":
            raise MotionpipeError("uf-tsn has three stages in place of tasks: give --stage, not --task")
    return classify(store, recipe, init, run, options, loop or LoopOptions())
