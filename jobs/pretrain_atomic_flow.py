"""`motionpipe train-cluster --model atomic-flow`: what a run learns from, and its identity."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..pipeline.artefacts import SHARDS, only_artefact, read_manifest
from ..pipeline.estimate_flow import STREAM_OF_METHOD
from ..pipeline.splits import resolve_protocol
from ..pipeline.store import Store
from ..schemas.atomic_flow import AtomicFlowSection
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import Recipe
from ..schemas.report import Manifest
from .codebook import MADE_BY as MAKE_CODEBOOK
from .codebook import export_learned, read_codebook
from .ground import Ground, pretraining
from .options import RunOptions
from .run_files import RunFiles
from .run_training import require_runnable, run_training
from .stage import StageResult
from .train_data import FLOW_SEEN, flow_samples
from .train_job import LoopOptions


@dataclass(frozen=True)
class Parents:
    """What a run is pre-trained on."""

    dataset: str
    protocol: str
    shards: Manifest
    flow_name: str
    flow: Manifest
    book: str


def pretrain_atomic_flow(
    store: Store, recipe: Recipe, book: str | None, run: str, options: RunOptions, loop: LoopOptions
) -> StageResult:
    """Pre-train `run` to its last epoch, from wherever it stands."""
    require_runnable(store, recipe.train, options)
    parents = find_parents(store, recipe, book)
    config, flow = resolve_modality(recipe.atomic_flow, parents.flow), parents.flow.identity.section
    codebook, sha256 = read_codebook(store, parents.book)
    seen = {name: flow[name] for name in FLOW_SEEN}
    # the recipe beside the run is the one to fine-tune with: it says how the flow was made, whatever was asked here
    recipe = recipe.model_copy(update={"atomic_flow": config, "flow": recipe.flow.model_copy(update=seen)})
    ground = Ground(
        store,
        run,
        parents.shards,
        parents.protocol,
        recipe,
        config,
        stated=config.model_dump(mode="json"),
        seen=seen,
        parents={"flow": parents.flow.hash, "codebook": sha256},
        reads=(parents.flow,),
    )
    info = {"flow": parents.flow_name, "codebook": parents.book}
    job, artefact = pretraining(ground, info=info, flow_folder=f"flow/{parents.flow_name}", codebook=codebook)
    samples = flow_samples(store, parents.flow_name, parents.flow, parents.protocol, config)
    result = run_training(job, samples, artefact, options, loop)
    if codebook.kind == "learnable":
        export_learned(store, recipe, run, RunFiles(store, run).checkpoints()[-1], options)
    return result


def resolve_modality(config: AtomicFlowSection, flow: Manifest) -> AtomicFlowSection:
    """ "auto" becomes the stream that the flow's method reads."""
    if config.modality != "auto":
        return config
    return config.model_copy(update={"modality": STREAM_OF_METHOD[flow.identity.section["method"]]})


def find_parents(store: Store, recipe: Recipe, book: str | None) -> Parents:
    """The codebook, its flow and the shards; errors name what is missing."""
    shards = read_manifest(store, SHARDS, "motionpipe shard --dataset … --source …")
    dataset = shards.identity.data["dataset"]
    protocol = resolve_protocol(dataset, recipe.data.protocol)
    book = book or only_artefact(store, "targets", "--codebook", MAKE_CODEBOOK)
    read_manifest(store, f"targets/{book}", MAKE_CODEBOOK)
    report = json.loads(store.read_bytes(f"codebook/{book}/report.json"))
    if report["protocol"] != protocol:
        raise MotionpipeError(
            f"codebook {book} was fitted on the training part of {report['protocol']}, this run asks for {protocol}; "
            f"make one with --protocol {protocol} and another --name"
        )
    flow = read_manifest(store, f"flow/{report['flow']}", MAKE_CODEBOOK)
    return Parents(dataset, protocol, shards, report["flow"], flow, book)
