"""What a new run stands on, whatever its model: the identity and the job that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..pipeline.artefacts import SHARDS, read_manifest
from ..pipeline.clip_plan import TrainSample
from ..pipeline.labelled_share import labelled_share
from ..pipeline.splits import resolve_protocol
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from ..schemas.flow_section import FlowSection
from ..schemas.recipe import Recipe, canonical_hash
from ..schemas.report import Identity, Manifest
from ..schemas.training import FinetuneSection, LoopSection
from .begin_from import Init, init_data, init_text
from .options import RunOptions
from .provenance import learned_data
from .run_training import Artefact, require_runnable
from .train_data import labelled_samples
from .train_job import TrainJob


@dataclass(frozen=True)
class Ground:
    """A run's shards and protocol, and what its model says of itself.

    recipe: as resolved, which is kept beside the run. network: the model's section. stated: what the identity holds of
    it. seen: the fields of `[flow]` that say how far apart the frames of clips are. parents: hashes of what is read
    beside the shards. reads: manifests of those among them that may have learned from recordings.
    """

    store: Store
    run: str
    shards: Manifest
    protocol: str
    recipe: Recipe
    network: Any
    stated: dict[str, Any]
    seen: dict[str, Any]
    parents: dict[str, str] = field(default_factory=dict)
    reads: tuple[Manifest, ...] = ()


def open_shards(store: Store, recipe: Recipe, loop: LoopSection, options: RunOptions) -> tuple[Manifest, str]:
    """The shards and the protocol of a run to be; errors where it cannot run here."""
    require_runnable(store, loop, options)
    shards = read_manifest(store, SHARDS, "motionpipe shard --dataset … --source …")
    return shards, resolve_protocol(shards.identity.data["dataset"], recipe.data.protocol)


def pretraining(
    ground: Ground, data: dict[str, Any] | None = None, info: dict[str, Any] | None = None, **job: Any
) -> tuple[TrainJob, Artefact]:
    """A run of `[train]`. data, info, job: what the identity, the artefact and the job say besides."""
    recipe = ground.recipe
    identity = Identity(
        stage="train",
        section=recipe.train.model_dump(mode="json"),
        data=_data(ground, "pretrain") | (data or {}),
        parents={"shards": ground.shards.hash, **ground.parents},
    )
    return _job(ground, identity, recipe.train.model, **job), Artefact(identity, recipe, info or {})


def classifier(
    ground: Ground, labels: Sequence[int], begun: Init | None, data: dict[str, Any] | None = None, **job: Any
) -> tuple[TrainJob, Artefact]:
    """A run of `[finetune]` that tells `labels` apart, begun from another run or from nothing."""
    recipe = ground.recipe
    identity = Identity(
        stage="finetune",
        section=recipe.finetune.model_dump(mode="json"),
        data=_data(ground, "classify", begun) | {"labels": list(labels)} | init_data(begun) | (data or {}),
        parents={"shards": ground.shards.hash, **ground.parents, **({"init": begun.manifest.hash} if begun else {})},
    )
    learned = {"finetune": recipe.finetune, "labels": labels, "init": begun.checkpoint if begun else None}
    made = _job(ground, identity, f"{recipe.train.model}/classify", **learned, **job)
    return made, Artefact(identity, recipe, {"init": init_text(ground.store, begun)})


def learned_samples(
    store: Store, shards: Manifest, protocol: str, modality: str, seen: FlowSection, finetune: FinetuneSection
) -> list[TrainSample]:
    """Labelled training samples that have the modality's streams: all, or the share of them that the recipe names."""
    samples = labelled_samples(store, shards, protocol, "train", modality, seen)
    return labelled_share(samples, finetune.labelled, finetune.seed)


def require_classes(samples: Sequence[TrainSample], protocol: str) -> tuple[int, ...]:
    """The class indices that the training part shows; one clear error where there are fewer than two."""
    labels = tuple(sorted({sample.label for sample in samples}))
    if len(labels) < 2:
        raise MotionpipeError(f"the training part of {protocol} shows {len(labels)} class here; two or more are needed")
    return labels


def _data(ground: Ground, task: str, begun: Init | None = None) -> dict[str, Any]:
    own = (ground.shards.identity.data["dataset"], ground.protocol)
    others = (*ground.reads, begun.manifest) if begun else ground.reads
    return {
        **learned_data(own, others),
        "protocol": ground.protocol,
        "task": task,
        "flow": ground.seen,
        "model": ground.recipe.train.model,
        "network": ground.stated,
    }


def _job(ground: Ground, identity: Identity, learner: str, **job: Any) -> TrainJob:
    return TrainJob(
        store=ground.store,
        run=ground.run,
        learner=learner,
        made_from=canonical_hash(identity.model_dump(mode="json")),
        network=ground.network,
        train=ground.recipe.train,
        cell=int(ground.seen["cell"]),
        **job,
    )
