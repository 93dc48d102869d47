"""`motionpipe train-cluster --model lstm --task classify`: a softmax at each step of an encoder, begun anew or not."""

from __future__ import annotations

from pathlib import Path

from ..pipeline.artefacts import SHARDS, read_manifest
from ..pipeline.splits import resolve_protocol
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from ..schemas.lstm_section import LSTMSection
from ..schemas.recipe import FlowSection, Recipe, canonical_hash
from ..schemas.report import Identity
from .find_run import run_text
from .finetune import Init, find_init, require_classes, settings_hash
from .learn_lstm import MODALITIES
from .options import RunOptions
from .pretrain_lstm import SEEN, resolve_input
from .run_training import Artefact, require_runnable, run_training
from .stage import StageResult
from .train_data import labelled_samples
from .train_job import LoopOptions, TrainJob

ENCODER = ("hidden", "layers", "peephole", "input", "patch_px", "percepts")
"""Fields of `[lstm]` that say what the encoder is and what it sees."""


def finetune_lstm(
    store: Store, recipe: Recipe, init: str, run: str, options: RunOptions, loop: LoopOptions
) -> StageResult:
    """Train the classifier `run` on the labelled training part; `init`: a run, STORE:RUN, or "none"."""
    require_runnable(store, recipe.finetune, options)
    shards = read_manifest(store, SHARDS, "motionpipe shard --dataset … --source …")
    protocol = resolve_protocol(shards.identity.data["dataset"], recipe.data.protocol)
    begun = None if init == "none" else find_init(store, init, "lstm")
    network, parents = resolve_input(store, recipe.lstm)
    if begun:
        require_fit(network, begun)
    samples = labelled_samples(store, shards, protocol, "train", MODALITIES[network.input], FlowSection(**SEEN))
    labels = require_classes(samples, protocol)
    recipe = recipe.model_copy(update={"lstm": network})
    identity = Identity(
        stage="finetune",
        section=recipe.finetune.model_dump(mode="json"),
        data={
            "protocol": protocol,
            "task": "classify",
            "flow": SEEN,
            "labels": list(labels),
            "model": recipe.train.model,
            "network": network.model_dump(mode="json", include={*ENCODER, "output"}),
            "init_dataset": begun.dataset if begun else None,
            "init_protocol": begun.manifest.identity.data["protocol"] if begun else None,
            "init_settings": settings_hash(begun.settings) if begun else None,
        },
        parents={"shards": shards.hash, **parents, **({"init": begun.manifest.hash} if begun else {})},
    )
    job = TrainJob(
        store=store,
        run=run,
        learner=f"{recipe.train.model}/classify",
        made_from=canonical_hash(identity.model_dump(mode="json")),
        network=network,
        train=recipe.train,
        cell=SEEN["cell"],
        finetune=recipe.finetune,
        labels=labels,
        init=begun.checkpoint if begun else None,
    )
    info = {"init": run_text(store, begun.files) if begun else "none"}
    return run_training(job, samples, Artefact(identity, recipe, info), options, loop)


def require_fit(network: LSTMSection, init: Init) -> None:
    """Raise one line where the encoder of the initial run is not the one that the recipe asks for."""
    data = init.manifest.identity.data
    if data["model"] != "lstm":
        raise MotionpipeError(f"run {init.files.name} is of the model {data['model']}, not of an lstm")
    there = LSTMSection.model_validate(data["network"])
    asked = [(name, getattr(there, name), getattr(network, name)) for name in ENCODER]
    differing = [f"lstm.{name} is {old!r} there and {new!r} here" for name, old, new in asked if old != new]
    if differing:
        recipe = f"--recipe {Path(init.files.store.uri, init.files.folder, 'recipe.toml')}"
        raise MotionpipeError(
            f"run {init.files.name} does not fit: {'; '.join(differing)}; give its own recipe: {recipe}"
        )
