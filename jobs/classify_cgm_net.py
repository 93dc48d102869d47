"""`motionpipe train-cluster --model cgm-net --task classify`: equation 7 with labels, from a run's weights or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..pipeline.store import Store
from ..schemas.cgm_net import CgmNetSection
from ..schemas.errors import MotionpipeError
from ..schemas.flow_section import FlowSection
from ..schemas.recipe import Recipe
from .begin_from import Init, find_init, require_same
from .cgm_net_table import echo_costs
from .ground import Ground, classifier, learned_samples, open_shards, require_classes
from .learn_cgm_net import needs_motion
from .options import RunOptions
from .pretrain_cgm_net import clip_steps, require_batch
from .public_weights import weights_stated
from .recipe_files import first_problem
from .run_training import run_training
from .stage import StageResult
from .train_job import LoopOptions

LAMBDA_CLASS = 10.0
"""λ2 of the paper's recognition experiments."""
ENCODER = ("backbone", "backbone_width")
MOTION = ("decoder_widths", "motion_channels", "scale", "upsampling", "kernel_lr", "kernel_hr", "padding")
"""Fields of `[cgm_net]` in which a classifier must agree with the run that it begins from: MOTION only where it
makes motion maps."""


def classify_cgm_net(
    store: Store,
    recipe: Recipe,
    init: str,
    run: str,
    options: RunOptions,
    loop: LoopOptions,
    weights: Path | None = None,
) -> StageResult:
    """Train the classifier `run` on the labelled training part; `init`: a run, STORE:RUN, or "none".

    weights: a file of public weights that the encoder or the context extractor begins with instead.
    """
    if recipe.finetune.pool_grid != 1:
        raise MotionpipeError("cgm-net averages over the whole picture: finetune.pool_grid must be 1")
    shards, protocol = open_shards(store, recipe, recipe.finetune, options)
    begun = find_init(store, init, recipe.train.model)
    network = classifying(recipe)
    require_batch(network, recipe.finetune)
    if begun:
        require_fit(network, begun)
    steps = clip_steps(network)
    seen = FlowSection.model_validate(steps)
    samples = learned_samples(store, shards, protocol, "rgb", seen, recipe.finetune)
    labels = require_classes(samples, protocol)
    echo_costs(network, len(labels))
    resolved = recipe.model_copy(update={"cgm_net": network})
    ground = Ground(store, run, shards, protocol, resolved, network, network.model_dump(mode="json"), steps)
    told, given = weights_stated(weights)
    job, artefact = classifier(ground, labels, begun, data=told, **given)
    return run_training(job, samples, artefact, options, loop)


def classifying(recipe: Recipe) -> CgmNetSection:
    """The network as a classifier: with labels in its loss, clips of `[finetune]`'s length, mirrored as it says."""
    config, finetune = recipe.cgm_net, recipe.finetune
    changed: dict[str, Any] = {
        "lambda_class": config.lambda_class or LAMBDA_CLASS,
        "clip_frames": finetune.clip_frames,
        "flip": finetune.flip,
    }
    if config.scale == 1 and "pipeline" not in config.model_fields_set:
        changed["pipeline"] = "hr"  # there are no LR maps
    try:
        return CgmNetSection.model_validate(config.model_dump() | changed)
    except ValidationError as error:
        raise MotionpipeError(f"the classifier of [cgm_net] and [finetune]: {first_problem(error)}") from error


def require_fit(network: CgmNetSection, init: Init) -> None:
    """Raise one line where the network of the initial run is not the one that the recipe asks for."""
    there, here = init.manifest.identity.data["network"], network.model_dump(mode="json")
    fields = (*ENCODER, *MOTION) if needs_motion(network) else ENCODER
    asked, found = ({f"cgm_net.{name}": values[name] for name in fields} for values in (here, there))
    require_same(init, asked, found)
