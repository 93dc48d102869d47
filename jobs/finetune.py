"""`motionpipe train-cluster --task classify`: an encoder becomes a classifier, from a run's weights or from none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..pipeline.artefacts import SHARDS, read_manifest, read_report
from ..pipeline.clip_plan import TrainSample
from ..pipeline.labelled_share import labelled_share
from ..pipeline.read_sample import has_stream
from ..pipeline.splits import resolve_protocol
from ..pipeline.store import Store
from ..schemas.atomic_flow import AtomicFlowSection
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import FlowSection, Recipe, canonical_hash
from ..schemas.report import Identity, Manifest
from .find_run import find_run, run_text
from .options import RunOptions
from .run_files import RunFiles
from .run_training import Artefact, require_runnable, run_training
from .stage import StageResult
from .train_data import FLOW_SEEN, labelled_samples
from .train_job import LoopOptions, TrainJob

ENCODER = ("modality", "frame_short_side", "crop", "cell", "widths", "hidden", "deconv_widths")
"""Fields of `[atomic_flow]` that say what the encoder is and what it sees."""


@dataclass(frozen=True)
class Init:
    """A finished pre-training run that gives the encoder's weights."""

    files: RunFiles
    manifest: Manifest
    dataset: str

    @property
    def config(self) -> AtomicFlowSection:
        """Its network and what that sees."""
        return AtomicFlowSection.model_validate(self.manifest.identity.data["network"])

    @property
    def settings(self) -> dict[str, Any]:
        """Its schedule and its network."""
        identity = self.manifest.identity
        return identity.section | {"network": identity.data["network"]}

    @property
    def checkpoint(self) -> tuple[Store, str]:
        """Its last weights."""
        return self.files.store, f"{self.files.folder}/{self.manifest.shards[0].file}"


def finetune(
    store: Store, recipe: Recipe, init: str, run: str, options: RunOptions, loop: LoopOptions | None = None
) -> StageResult:
    """Train the classifier `run` on the labelled training part; `init`: a run, STORE:RUN, or "none"."""
    if recipe.train.model == "cgm-net":
        from .classify_cgm_net import classify_cgm_net

        return classify_cgm_net(store, recipe, init, run, options, loop or LoopOptions())
    if recipe.train.model == "lstm":
        from .finetune_lstm import finetune_lstm

        return finetune_lstm(store, recipe, init, run, options, loop or LoopOptions())
    require_runnable(store, recipe.finetune, options)
    shards = read_manifest(store, SHARDS, "motionpipe shard --dataset … --source …")
    protocol = resolve_protocol(shards.identity.data["dataset"], recipe.data.protocol)
    begun = None if init == "none" else find_init(store, init, recipe.train.model)
    network = resolve_modality(recipe.atomic_flow, store, shards, begun)
    if begun:
        require_fit(network, recipe.flow, begun)
    samples = labelled_samples(store, shards, protocol, "train", network.modality, recipe.flow)
    samples = labelled_share(samples, recipe.finetune.labelled, recipe.finetune.seed)
    labels = require_classes(samples, protocol)
    recipe = recipe.model_copy(update={"atomic_flow": network})
    identity = Identity(
        stage="finetune",
        section=recipe.finetune.model_dump(mode="json"),
        data={
            "protocol": protocol,
            "task": "classify",
            "flow": recipe.flow.model_dump(mode="json", include=set(FLOW_SEEN)),
            "labels": list(labels),
            "model": recipe.train.model,
            "network": {name: value for name, value in network.model_dump(mode="json").items() if name in ENCODER},
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
        loop or LoopOptions(),
    )


def settings_hash(section: dict[str, Any]) -> str:
    """What runs that differ by their seed alone have in common."""
    return canonical_hash({name: value for name, value in section.items() if name != "seed"})


def find_init(store: Store, init: str, model: str, task: str = "pretrain") -> Init:
    """The run RUN of this store, or STORE:RUN of another, of a model and a task; one clear error where it is none."""
    files = find_run(store, init, "--init")
    manifest = read_manifest(files.store, files.folder, "motionpipe train-cluster --name …")
    found = manifest.identity.data["task"]
    if found != task:
        words = {"pretrain": "a pre-training run", "classify": "a classifier"}
        raise MotionpipeError(f"{files.folder} in {files.store.uri} is {words[found]}; --init takes {words[task]} here")
    trained = manifest.identity.data["model"]
    if trained != model:
        raise MotionpipeError(
            f"{files.folder} in {files.store.uri} is a run of {trained}; this is {model}: pass --model {trained}"
        )
    shards = read_manifest(files.store, SHARDS, "motionpipe shard")
    return Init(files, manifest, shards.identity.data["dataset"])


def resolve_modality(config: AtomicFlowSection, store: Store, shards: Manifest, init: Init | None) -> AtomicFlowSection:
    """ "auto" becomes what the initial run was trained on, else depth where any sample has depth, else RGB."""
    if config.modality != "auto":
        return config
    if init:
        return config.model_copy(update={"modality": init.config.modality})
    reports = (read_report(store, SHARDS, summary.shard) for summary in shards.shards)
    depth = any(has_stream(entry, "depth") for report in reports for entry in report.samples)
    return config.model_copy(update={"modality": "depth" if depth else "rgb"})


def require_fit(network: AtomicFlowSection, flow: FlowSection, init: Init) -> None:
    """Raise one line where the encoder of the initial run is not the one that the recipe asks for."""
    asked: dict[str, Any] = {f"atomic_flow.{name}": getattr(network, name) for name in ENCODER}
    there: dict[str, Any] = {f"atomic_flow.{name}": getattr(init.config, name) for name in ENCODER}
    asked |= {f"flow.{name}": getattr(flow, name) for name in FLOW_SEEN}
    there |= {f"flow.{name}": init.manifest.identity.data["flow"][name] for name in FLOW_SEEN}
    differing = [
        f"{name} is {there[name]!r} there and {asked[name]!r} here" for name in asked if asked[name] != there[name]
    ]
    if differing:
        recipe = f"--recipe {Path(init.files.store.uri, init.files.folder, 'recipe.toml')}"
        raise MotionpipeError(
            f"run {init.files.name} does not fit: {'; '.join(differing)}; give its own recipe: {recipe}"
        )


def require_classes(samples: Sequence[TrainSample], protocol: str) -> tuple[int, ...]:
    """The class indices that the training part shows; one clear error where there are fewer than two."""
    labels = tuple(sorted({sample.label for sample in samples}))
    if len(labels) < 2:
        raise MotionpipeError(f"the training part of {protocol} shows {len(labels)} class here; two or more are needed")
    return labels
