"""`motionpipe train-cluster --model uf-tsn`: its three stages, what each begins from, and the run's identity.

--stage flow            pairs of any RGB shards, no labels                        from nothing
--stage classifier      snippets and labels; flow as the initial run estimates it  --init a run of stage flow
--stage joint           the same, gradients through to the flow network            --init a temporal classifier
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..pipeline.artefacts import SHARDS, read_manifest, read_report
from ..pipeline.clip_plan import TrainSample
from ..pipeline.read_sample import has_stream
from ..pipeline.splits import planned_by_recording, recordings_in, resolve_protocol
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import Recipe, canonical_hash
from ..schemas.report import Identity, Manifest
from ..schemas.uf_tsn import UfTsnSection
from .find_run import run_text
from .finetune import Init, find_init, require_classes, settings_hash
from .options import RunOptions
from .run_training import Artefact, require_runnable, run_training
from .stage import StageResult
from .train_data import FLOW_SEEN, labelled_samples, network_of, sample_of
from .train_job import LoopOptions, TrainJob

FLOW_NETWORK = (
    "pyramid_widths",
    "pyramid_convolutions",
    "radius",
    "flow_widths",
    "cost_volume",
    "normalise_costs",
    "multi_scale",
)
"""Fields of `[uf_tsn]` that say what the flow network is."""
CLASSIFIER = ("stream", "stack", "flow_clip", "backbone", "backbone_width")
"""Fields that say what classifies, beside the flow network."""


@dataclass(frozen=True)
class Start:
    """What a run begins from. init: a run, STORE:RUN or "none"; weights: public ones of an image classifier."""

    init: str | None = None
    weights: Path | None = None


def train_uf_tsn(
    store: Store, recipe: Recipe, start: Start, run: str, options: RunOptions, loop: LoopOptions
) -> StageResult:
    """Train `run` in the stage that the recipe names."""
    network = recipe.uf_tsn
    if start.weights and network.stage != "classifier":
        raise MotionpipeError("--weights start the backbone of --stage classifier; a joint run goes on from --init RUN")
    if network.stage == "flow":
        return _train_flow(store, recipe, start.init, run, options, loop)
    require_runnable(store, recipe.finetune, options)
    shards = read_manifest(store, SHARDS, "motionpipe shard --dataset … --source …")
    protocol = resolve_protocol(shards.identity.data["dataset"], recipe.data.protocol)
    begun = _find_begun(store, network, start.init)
    if begun:
        require_same_network(network, begun)
    samples = labelled_samples(store, shards, protocol, "train", "rgb", recipe.flow)
    labels = require_classes(samples, protocol)
    identity = Identity(
        stage="finetune",
        section=recipe.finetune.model_dump(mode="json"),
        data={
            **_data(recipe, protocol, "classify"),
            "labels": list(labels),
            "weights": hashlib.sha256(start.weights.read_bytes()).hexdigest() if start.weights else None,
            "init_dataset": begun.dataset if begun else None,
            "init_protocol": begun.manifest.identity.data["protocol"] if begun else None,
            "init_settings": settings_hash(begun.settings) if begun else None,
        },
        parents={"shards": shards.hash, **({"init": begun.manifest.hash} if begun else {})},
    )
    job = TrainJob(
        store=store,
        run=run,
        learner="uf-tsn/classify",
        made_from=canonical_hash(identity.model_dump(mode="json")),
        network=network,
        train=recipe.train,
        cell=recipe.flow.cell,
        finetune=recipe.finetune,
        labels=labels,
        init=begun.checkpoint if begun else None,
        weights=str(start.weights.resolve()) if start.weights else None,
    )
    return run_training(
        job,
        samples,
        Artefact(identity, recipe, {"init": run_text(store, begun.files) if begun else "none"}),
        options,
        loop,
    )


def _train_flow(
    store: Store, recipe: Recipe, init: str | None, run: str, options: RunOptions, loop: LoopOptions
) -> StageResult:
    if init is not None:
        raise MotionpipeError("--stage flow trains the flow network from random weights; leave --init out")
    require_runnable(store, recipe.train, options)
    shards = read_manifest(store, SHARDS, "motionpipe shard --dataset … --source …")
    protocol = resolve_protocol(shards.identity.data["dataset"], recipe.data.protocol)
    samples = rgb_samples(store, shards, protocol, "train", 1 + recipe.uf_tsn.stride)
    identity = Identity(
        stage="train",
        section=recipe.train.model_dump(mode="json"),
        data=_data(recipe, protocol, "pretrain"),
        parents={"shards": shards.hash},
    )
    job = TrainJob(
        store=store,
        run=run,
        learner="uf-tsn",
        made_from=canonical_hash(identity.model_dump(mode="json")),
        network=recipe.uf_tsn,
        train=recipe.train,
        cell=recipe.flow.cell,
    )
    return run_training(job, samples, Artefact(identity, recipe, {}), options, loop)


def _data(recipe: Recipe, protocol: str, task: str) -> dict[str, Any]:
    return {
        "protocol": protocol,
        "task": task,
        "flow": recipe.flow.model_dump(mode="json", include=set(FLOW_SEEN)),
        "model": "uf-tsn",
        "network": recipe.uf_tsn.model_dump(mode="json"),
    }


def rgb_samples(store: Store, shards: Manifest, protocol: str, part: str, least: int) -> list[TrainSample]:
    """Samples of a part of the protocol with at least so many RGB frames, labelled or not; one error where none has."""
    plan = planned_by_recording(store)
    chosen = recordings_in(plan, protocol, part)
    usable = [
        sample_of(summary.shard, entry.model_copy(update={"stride": 1}), plan[entry.recording_id])
        for summary in shards.shards
        for entry in read_report(store, SHARDS, summary.shard).samples
        if entry.recording_id in chosen and has_stream(entry, "rgb") and entry.num_frames >= least
    ]
    if not usable:
        raise MotionpipeError(f"no sample of the {part} part of {protocol} has {least} RGB frames or more")
    return usable


def _find_begun(store: Store, network: UfTsnSection, init: str | None) -> Init | None:
    """The run that a stream begins from, of the stage that it needs."""
    if network.stage == "joint" and init in (None, "none"):
        raise MotionpipeError("--stage joint goes on from a temporal classifier: give --init RUN")
    if network.stream == "spatial":
        if init not in (None, "none"):
            raise MotionpipeError("the spatial stream begins from no run; leave --init out")
        return None
    if init is None:
        raise MotionpipeError("the temporal stream needs a flow network: --init RUN of --stage flow, or none")
    if init == "none":
        return None
    wanted = "pretrain" if network.stage == "classifier" else "classify"
    return find_init(store, init, "uf-tsn", wanted)


def require_same_network(network: UfTsnSection, begun: Init) -> None:
    """Raise one line where the run that a stage begins from has another network."""
    there = network_of(begun.manifest)
    fields = FLOW_NETWORK + (CLASSIFIER if network.stage == "joint" else ())
    differing = [
        f"uf_tsn.{name} is {getattr(there, name)!r} there and {getattr(network, name)!r} here"
        for name in fields
        if getattr(there, name) != getattr(network, name)
    ]
    if differing:
        recipe = f"--recipe {Path(begun.files.store.uri, 'runs', begun.files.name, 'recipe.toml')}"
        raise MotionpipeError(
            f"run {begun.files.name} does not fit: {'; '.join(differing)}; give its own recipe: {recipe}"
        )
