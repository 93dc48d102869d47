"""The run that a classifier begins from: found, checked, and what of it goes into an identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..pipeline.artefacts import SHARDS, read_manifest
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import canonical_hash
from ..schemas.report import Manifest
from .find_run import find_run, run_text
from .run_files import RunFiles


@dataclass(frozen=True)
class Init:
    """A finished run that gives weights, and the dataset that it learned from."""

    files: RunFiles
    manifest: Manifest
    dataset: str

    @property
    def settings(self) -> dict[str, Any]:
        """Its schedule, its network, and what it began from itself."""
        identity = self.manifest.identity
        return identity.section | identity.data

    @property
    def checkpoint(self) -> tuple[Store, str]:
        """Its last weights."""
        return self.files.store, f"{self.files.folder}/{self.manifest.shards[0].file}"


def find_init(store: Store, init: str, model: str, task: str = "pretrain") -> Init | None:
    """The run RUN of this store, or STORE:RUN of another, of a model and a task; None for "none".

    One clear error where it is none to begin from.
    """
    if init == "none":
        return None
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


def require_same(init: Init, asked: Mapping[str, Any], there: Mapping[str, Any]) -> None:
    """Raise one line where what a recipe asks for, by section.field, is not what the initial run has."""
    differing = [
        f"{name} is {there[name]!r} there and {asked[name]!r} here" for name in asked if asked[name] != there[name]
    ]
    if differing:
        recipe = f"--recipe {Path(init.files.store.uri, init.files.folder, 'recipe.toml')}"
        raise MotionpipeError(
            f"run {init.files.name} does not fit: {'; '.join(differing)}; give its own recipe: {recipe}"
        )


def init_data(begun: Init | None) -> dict[str, Any]:
    """What an identity says of it."""
    return {
        "init_dataset": begun.dataset if begun else None,
        "init_protocol": begun.manifest.identity.data["protocol"] if begun else None,
        "init_settings": settings_hash(begun.settings) if begun else None,
    }


def init_text(store: Store, begun: Init | None) -> str:
    """RUN, STORE:RUN or "none"."""
    return run_text(store, begun.files) if begun else "none"


def settings_hash(section: dict[str, Any]) -> str:
    """What runs that differ by their seed alone have in common."""
    return canonical_hash({name: value for name, value in section.items() if name != "seed"})
