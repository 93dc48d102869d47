"""A trained run as a method of flow: where it lies, and its network."""

from __future__ import annotations

from ..pipeline.artefacts import read_manifest
from ..pipeline.learned_flow import PairFlow, learned_flow
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from ..schemas.report import Manifest
from .run_files import RunFiles, load_checkpoint

MADE_BY = "motionpipe train-cluster --model uf-tsn --stage flow --name …"


def _place(store: Store, run: str) -> tuple[Store, str]:
    """The store and the name that RUN or STORE:RUN mean."""
    place, colon, name = run.rpartition(":")
    return (Store.at(place) if colon else store), name


def find_flow_run(store: Store, run: str) -> Manifest:
    """The manifest of a finished run that estimates flow; one clear error for any other."""
    other, name = _place(store, run)
    manifest = read_manifest(other, RunFiles(other, name).folder, MADE_BY)
    data = manifest.identity.data
    spatial = data["network"].get("stage") != "flow" and data["network"].get("stream") == "spatial"
    if data["model"] != "uf-tsn" or spatial:
        raise MotionpipeError(f"run {name} estimates no flow; make one with: {MADE_BY}")
    return manifest


def load_flow_run(store: Store, run: str, device: str = "cpu") -> PairFlow:
    """The estimator that a run trained, of its flow stage or inside of its temporal stream."""
    from .learn_uf_tsn import restore_estimator
    from .train_data import network_of

    manifest, (other, name) = find_flow_run(store, run), _place(store, run)
    checkpoint = f"{RunFiles(other, name).folder}/{manifest.shards[0].file}"
    net = restore_estimator(network_of(manifest), load_checkpoint(other, checkpoint)["model"])
    return learned_flow(net, device)
