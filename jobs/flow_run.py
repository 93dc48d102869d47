"""A trained run as a method of flow: where it lies, and its network."""

from __future__ import annotations

from ..pipeline.artefacts import read_manifest
from ..pipeline.learned_flow import PairFlow, learned_flow
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from ..schemas.report import Manifest
from .find_run import find_run
from .run_files import RunFiles, load_checkpoint
from .train_data import network_of

MADE_BY = "motionpipe train-cluster --model uf-tsn --stage flow --name …"


def find_flow_run(store: Store, run: str) -> tuple[RunFiles, Manifest]:
    """A finished run that estimates flow, RUN or STORE:RUN; one clear error for any other."""
    files = find_run(store, run, "--run")
    manifest = read_manifest(files.store, files.folder, MADE_BY)
    if manifest.identity.data["model"] != "uf-tsn" or not network_of(manifest).estimates_flow:
        raise MotionpipeError(f"run {files.name} estimates no flow; make one with: {MADE_BY}")
    return files, manifest


def load_flow_run(store: Store, run: str, device: str = "cpu") -> PairFlow:
    """The estimator that a run trained, of its flow stage or inside of its temporal stream."""
    from .learn_uf_tsn import restore_estimator

    files, manifest = find_flow_run(store, run)
    model = load_checkpoint(files.store, f"{files.folder}/{manifest.shards[0].file}")["model"]
    return learned_flow(restore_estimator(network_of(manifest), model), device)
