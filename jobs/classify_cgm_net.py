"""`motionpipe train-cluster --model cgm-net --task classify`: equation 7 with labels, from a run's weights or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..pipeline.artefacts import SHARDS, read_manifest
from ..pipeline.labelled_share import labelled_share
from ..pipeline.splits import resolve_protocol
from ..pipeline.store import Store
from ..schemas.cgm_net import CgmNetSection
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import FlowSection, Recipe, canonical_hash
from ..schemas.report import Identity
from .cgm_net_table import echo_costs
from .find_run import run_text
from .finetune import Init, find_init, require_classes, settings_hash
from .learn_cgm_net import needs_motion
from .options import RunOptions
from .pretrain_cgm_net import clip_steps
from .run_training import Artefact, require_runnable, run_training
from .stage import StageResult
from .train_data import labelled_samples
from .train_job import LoopOptions, TrainJob

LAMBDA_CLASS = 10.0
"""λ2 of the paper's recognition experiments."""
ENCODER = ("backbone", "backbone_width")
MOTION = ("decoder_widths", "motion_channels", "scale", "upsampling", "kernel_lr", "kernel_hr", "padding")
"""Fields of `[cgm_net]` in which a classifier must agree with the run that it begins from: MOTION only where it
makes motion maps."""


def classify_cgm_net(
    store: Store, recipe: Recipe, init: str, run: str, options: RunOptions, loop: LoopOptions
) -> StageResult:
    """Train the classifier `run` on the labelled training part; `init`: a run, STORE:RUN, or "none"."""
    require_runnable(store, recipe.finetune, options)
    if recipe.finetune.pool_grid != 1:
        raise MotionpipeError("cgm-net averages over the whole picture: finetune.pool_grid must be 1")
    shards = read_manifest(store, SHARDS, "motionpipe shard --dataset … --source …")
    protocol = resolve_protocol(shards.identity.data["dataset"], recipe.data.protocol)
    begun = None if init == "none" else find_init(store, init, recipe.train.model)
    network = classifying(recipe)
    if begun:
        require_fit(network, begun)
    steps = clip_steps(network)
    samples = labelled_samples(store, shards, protocol, "train", "rgb", FlowSection.model_validate(steps))
    samples = labelled_share(samples, recipe.finetune.labelled, recipe.finetune.seed)
    labels = require_classes(samples, protocol)
    echo_costs(network, len(labels))
    recipe = recipe.model_copy(update={"cgm_net": network})
    identity = Identity(
        stage="finetune",
        section=recipe.finetune.model_dump(mode="json"),
        data={
            "protocol": protocol,
            "task": "classify",
            "flow": steps,
            "labels": list(labels),
            "model": recipe.train.model,
            "network": network.model_dump(mode="json"),
            "init_dataset": begun.dataset if begun else None,
            "init_protocol": begun.manifest.identity.data["protocol"] if begun else None,
            "init_settings": settings_hash(begun.settings) if begun else None,
        },
        parents={"shards": shards.hash, **({"init": begun.manifest.hash} if begun else {})},
    )
    job = TrainJob(
        store=store,
        run=run,
        learner=f"{recipe.train.model}/classify",
        made_from=canonical_hash(identity.model_dump(mode="json")),
        network=network,
        train=recipe.train,
        cell=recipe.flow.cell,
        finetune=recipe.finetune,
        labels=labels,
        init=begun.checkpoint if begun else None,
    )
    return run_training(
        job,
        samples,
        Artefact(identity, recipe, {"init": run_text(store, begun.files) if begun else "none"}),
        options,
        loop,
    )


def classifying(recipe: Recipe) -> CgmNetSection:
    """The network as a classifier: with labels in its loss, clips of `[finetune]`'s length, mirrored as it says."""
    config, finetune = recipe.cgm_net, recipe.finetune
    changed: dict[str, Any] = {
        "lambda_class": config.lambda_class or LAMBDA_CLASS,
        "clip_frames": finetune.clip_frames,
        "flip": finetune.flip,
    }
    return CgmNetSection.model_validate(config.model_dump() | changed)


def require_fit(network: CgmNetSection, init: Init) -> None:
    """Raise one line where the network of the initial run is not the one that the recipe asks for."""
    there = init.manifest.identity.data["network"]
    here = network.model_dump(mode="json")
    fields = (*ENCODER, *MOTION) if needs_motion(network) else ENCODER
    differing = [f"cgm_net.{name} is {there[name]!r} there and {here[name]!r} here" for name in fields]
    differing = [line for name, line in zip(fields, differing, strict=True) if there[name] != here[name]]
    if differing:
        recipe = f"--recipe {Path(init.files.store.uri, init.files.folder, 'recipe.toml')}"
        raise MotionpipeError(
            f"run {init.files.name} does not fit: {'; '.join(differing)}; give its own recipe: {recipe}"
        )
