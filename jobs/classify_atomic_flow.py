"""`motionpipe train-cluster --model atomic-flow --task classify`: an encoder and a linear layer on its mean."""

from __future__ import annotations

from typing import Any

from ..pipeline.artefacts import SHARDS, read_report
from ..pipeline.read_sample import has_stream
from ..pipeline.store import Store
from ..schemas.atomic_flow import AtomicFlowSection
from ..schemas.flow_section import FlowSection
from ..schemas.recipe import Recipe
from ..schemas.report import Manifest
from .begin_from import Init, find_init, require_same
from .ground import Ground, classifier, learned_samples, open_shards, require_classes
from .options import RunOptions
from .run_training import run_training
from .stage import StageResult
from .train_data import FLOW_SEEN
from .train_job import LoopOptions

ENCODER = ("modality", "frame_short_side", "crop", "cell", "widths", "hidden", "deconv_widths")
"""Fields of `[atomic_flow]` that say what the encoder is and what it sees."""


def classify_atomic_flow(
    store: Store, recipe: Recipe, init: str, run: str, options: RunOptions, loop: LoopOptions
) -> StageResult:
    """Train the classifier `run` on the labelled training part; `init`: a run, STORE:RUN, or "none"."""
    shards, protocol = open_shards(store, recipe, recipe.finetune, options)
    begun = find_init(store, init, recipe.train.model)
    network = resolve_modality(recipe.atomic_flow, store, shards, begun)
    if begun:
        require_fit(network, recipe.flow, begun)
    samples = learned_samples(store, shards, protocol, network.modality, recipe.flow, recipe.finetune)
    labels = require_classes(samples, protocol)
    ground = Ground(
        store,
        run,
        shards,
        protocol,
        recipe.model_copy(update={"atomic_flow": network}),
        network,
        stated=network.model_dump(mode="json", include=set(ENCODER)),
        seen=recipe.flow.model_dump(mode="json", include=set(FLOW_SEEN)),
    )
    job, artefact = classifier(ground, labels, begun)
    return run_training(job, samples, artefact, options, loop)


def resolve_modality(config: AtomicFlowSection, store: Store, shards: Manifest, init: Init | None) -> AtomicFlowSection:
    """ "auto" becomes what the initial run was trained on, else depth where any sample has depth, else RGB."""
    if config.modality != "auto":
        return config
    if init:
        return config.model_copy(update={"modality": init.manifest.identity.data["network"]["modality"]})
    reports = (read_report(store, SHARDS, summary.shard) for summary in shards.shards)
    depth = any(has_stream(entry, "depth") for report in reports for entry in report.samples)
    return config.model_copy(update={"modality": "depth" if depth else "rgb"})


def require_fit(network: AtomicFlowSection, flow: FlowSection, init: Init) -> None:
    """Raise one line where the encoder of the initial run is not the one that the recipe asks for."""
    data = init.manifest.identity.data
    began = AtomicFlowSection.model_validate(data["network"])
    asked: dict[str, Any] = {f"atomic_flow.{name}": getattr(network, name) for name in ENCODER}
    there: dict[str, Any] = {f"atomic_flow.{name}": getattr(began, name) for name in ENCODER}
    asked |= {f"flow.{name}": getattr(flow, name) for name in FLOW_SEEN}
    there |= {f"flow.{name}": data["flow"][name] for name in FLOW_SEEN}
    require_same(init, asked, there)
