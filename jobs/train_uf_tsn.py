"""`motionpipe train-cluster --model uf-tsn`: its three stages, what each begins from, and the run's identity.

--stage flow            pairs of any RGB shards, no labels                        from nothing
--stage classifier      snippets and labels; flow as the initial run estimates it  --init a run of stage flow
--stage joint           the same, gradients through to the flow network            --init a temporal classifier
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..pipeline.artefacts import SHARDS, read_manifest, read_report
from ..pipeline.clip_plan import TrainSample
from ..pipeline.read_sample import has_stream
from ..pipeline.splits import planned_by_recording, recordings_in
from ..pipeline.store import Store
from ..pipeline.train_samples import TrainSamples, samples_from_bytes
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import Recipe
from ..schemas.report import Manifest
from ..schemas.training import FinetuneSection
from ..schemas.uf_tsn import UfTsnSection
from .begin_from import Init, find_init, require_same
from .ground import Ground, classifier, learned_samples, open_shards, pretraining, require_classes
from .inventory import is_elsewhere
from .options import RunOptions
from .provenance import learned_from
from .public_weights import weights_stated
from .run_training import run_training
from .stage import StageResult
from .train_data import FLOW_SEEN, network_of, sample_of, with_stored_flow
from .train_job import LoopOptions

FLOW_NETWORK = (
    "pyramid_widths",
    "pyramid_convolutions",
    "radius",
    "flow_widths",
    "cost_volume",
    "normalise_costs",
    "multi_scale",
    "finest",
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
    shards, protocol = open_shards(store, recipe, recipe.finetune, options)
    begun = _find_begun(store, network, start.init)
    if begun:
        require_same_network(network, begun)
    ground = _ground(store, recipe, run, shards, protocol)
    if network.flow is not None:
        flow = _find_flow_of(store, network, protocol)
        ground = replace(ground, parents={"flow": flow.hash}, reads=(flow,))
    samples = learned_samples(store, shards, protocol, "rgb", recipe.flow, recipe.finetune)
    samples = with_stored_flow(store, network, samples)
    if begun and network.stage == "joint":
        require_same_holdout(recipe.finetune, samples, begun)
    labels = require_classes(samples, protocol)
    if begun and network.stage == "joint" and tuple(begun.manifest.identity.data["labels"]) != labels:
        raise MotionpipeError(f"run {begun.files.name} tells other classes apart than the training part of {protocol}")
    stated, given = weights_stated(start.weights)
    job, artefact = classifier(ground, labels, begun, data={"weights": None} | stated, **given)
    if network.flow is not None:
        artefact = replace(artefact, info=artefact.info | {"flow": network.flow})
    return run_training(job, samples, artefact, options, loop)


def find_flow(store: Store, network: UfTsnSection) -> Manifest:
    """The flow artefact that a temporal stream reads; one clear error where its pixels cannot serve."""
    manifest = read_manifest(store, f"flow/{network.flow}", "motionpipe flow --set flow.keep=pixels")
    section = manifest.identity.section
    if (section["keep"], section["stride"]) != ("pixels", network.stride) or section["method"] == "pd":
        raise MotionpipeError(
            f"flow/{network.flow} cannot be read here: it takes optical flow made with --set flow.keep=pixels "
            f"--set flow.stride={network.stride}"
        )
    return manifest


def _find_flow_of(store: Store, network: UfTsnSection, protocol: str) -> Manifest:
    """The same, refused where a run of another split of this store has estimated it."""
    manifest = find_flow(store, network)
    run = str(manifest.identity.section.get("run") or "")
    if run and not is_elsewhere(run):
        learned = read_manifest(store, f"runs/{run}", "motionpipe train-cluster").identity.data["protocol"]
        if learned != protocol:
            raise MotionpipeError(
                f"flow/{network.flow} was estimated by run {run} of {learned}, which has seen other recordings than "
                f"the training part of {protocol}"
            )
    return manifest


def _train_flow(
    store: Store, recipe: Recipe, init: str | None, run: str, options: RunOptions, loop: LoopOptions
) -> StageResult:
    if init is not None:
        raise MotionpipeError("--stage flow trains the flow network from random weights; leave --init out")
    shards, protocol = open_shards(store, recipe, recipe.train, options)
    samples = rgb_samples(store, shards, protocol, "train", 1 + recipe.uf_tsn.stride)
    job, artefact = pretraining(_ground(store, recipe, run, shards, protocol))
    return run_training(job, samples, artefact, options, loop)


def _ground(store: Store, recipe: Recipe, run: str, shards: Manifest, protocol: str) -> Ground:
    seen = recipe.flow.model_dump(mode="json", include=set(FLOW_SEEN))
    network = recipe.uf_tsn
    return Ground(store, run, shards, protocol, recipe, network, network.model_dump(mode="json"), seen)


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
    if network.flow is not None:
        if init not in (None, "none"):
            raise MotionpipeError("a stream of stored flow has no flow network to begin with; leave --init out")
        return None
    if init is None:
        raise MotionpipeError("the temporal stream needs a flow network: --init RUN of --stage flow, or none")
    begun = find_init(store, init, "uf-tsn", "pretrain" if network.stage == "classifier" else "classify")
    if begun and network.stage == "joint":
        if not network_of(begun.manifest).estimates_flow:
            raise MotionpipeError(
                f"run {begun.files.name} has no flow network to train: a joint run goes on from a temporal classifier "
                "that was begun with --init RUN of --stage flow"
            )
        _require_one_protocol(begun)
    return begun


def _require_one_protocol(begun: Init) -> None:
    """Raise where a classifier's flow network was trained on other recordings of the dataset than the classifier."""
    own = begun.manifest.identity.data["protocol"]
    others = [split for of, split in learned_from(begun.manifest) if of == begun.dataset and split != own]
    if others:
        raise MotionpipeError(
            f"run {begun.files.name} is of {own}, its flow network of {others[0]}, which has seen other recordings; "
            "train both on one protocol"
        )


def require_same_holdout(config: FinetuneSection, samples: Sequence[TrainSample], begun: Init) -> None:
    """Raise one line where a joint run would hold out recordings that its classifier has learned from."""
    held_out = {sample.key for sample in TrainSamples.split(samples, config.holdout, config.seed).held_out}
    learned = samples_from_bytes(begun.files.store.read_bytes(f"{begun.files.folder}/samples.npz")).learned
    if held_out & {sample.key for sample in learned}:
        there = begun.manifest.identity.section
        raise MotionpipeError(
            f"run {begun.files.name} has learned from recordings that this run would hold out: it has "
            f"finetune.holdout = {there['holdout']} and finetune.seed = {there['seed']}; give the same, or --set "
            "finetune.holdout=0"
        )


def require_same_network(network: UfTsnSection, begun: Init) -> None:
    """Raise one line where the run that a stage begins from has another network."""
    there = network_of(begun.manifest)
    fields = FLOW_NETWORK + (CLASSIFIER if network.stage == "joint" else ())
    asked, found = ({f"uf_tsn.{name}": getattr(of, name) for name in fields} for of in (network, there))
    require_same(begun, asked, found)
