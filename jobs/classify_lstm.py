"""`motionpipe train-cluster --model lstm --task classify`: a softmax at each step of an encoder, begun anew or not."""

from __future__ import annotations

from ..pipeline.store import Store
from ..schemas.flow_section import FlowSection
from ..schemas.lstm_section import LSTMSection
from ..schemas.recipe import Recipe
from .begin_from import Init, find_init, require_same
from .ground import Ground, classifier, learned_samples, open_shards, require_classes
from .learn_lstm import MODALITIES
from .options import RunOptions
from .pretrain_lstm import SEEN, as_parents, resolve_input
from .run_training import run_training
from .stage import StageResult
from .train_job import LoopOptions

ENCODER = ("hidden", "layers", "peephole", "input", "patch_px", "percepts")
"""Fields of `[lstm]` that say what the encoder is and what it sees."""


def classify_lstm(
    store: Store, recipe: Recipe, init: str, run: str, options: RunOptions, loop: LoopOptions
) -> StageResult:
    """Train the classifier `run` on the labelled training part; `init`: a run, STORE:RUN, or "none"."""
    shards, protocol = open_shards(store, recipe, recipe.finetune, options)
    begun = find_init(store, init, recipe.train.model)
    network, reads = resolve_input(store, recipe.lstm)
    if begun:
        require_fit(network, begun)
    modality, seen = MODALITIES[network.input], FlowSection(**SEEN)
    samples = learned_samples(store, shards, protocol, modality, seen, recipe.finetune)
    labels = require_classes(samples, protocol)
    resolved = recipe.model_copy(update={"lstm": network})
    stated = network.model_dump(mode="json", include={*ENCODER, "output", "start"})
    ground = Ground(store, run, shards, protocol, resolved, network, stated, SEEN, *as_parents(reads))
    job, artefact = classifier(ground, labels, begun)
    return run_training(job, samples, artefact, options, loop)


def require_fit(network: LSTMSection, init: Init) -> None:
    """Raise one line where the encoder of the initial run is not the one that the recipe asks for."""
    there = LSTMSection.model_validate(init.manifest.identity.data["network"])
    asked, found = ({f"lstm.{name}": getattr(of, name) for name in ENCODER} for of in (network, there))
    require_same(init, asked, found)
