"""What artefacts were made from: whether that still stands, and the command that makes one again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from ..pipeline.artefacts import SHARDS
from ..pipeline.store import Store
from .inventory import Artefact, is_elsewhere


def stale_artefacts(artefacts: Sequence[Artefact]) -> dict[str, str]:
    """Folder to why it no longer belongs to what stands in the store."""
    by_folder = {artefact.folder: artefact for artefact in artefacts}
    stale: dict[str, str] = {}
    found = -1
    # a learned codebook is made from a run, which comes after codebooks: go on until nothing more is found
    while len(stale) > found:
        found = len(stale)
        for artefact in artefacts:
            if artefact.folder not in stale and (why := _why_stale(artefact, by_folder, stale)):
                stale[artefact.folder] = why
    return stale


def _why_stale(artefact: Artefact, by_folder: dict[str, Artefact], stale: dict[str, str]) -> str | None:
    for folder, made_from in parents(artefact, by_folder):
        parent = by_folder.get(folder)
        if parent is None:
            return f"its parent {folder} is gone"
        if not parent.finished:
            return f"its parent {folder} is not finished"
        if made_from is not None and current_hash(parent) != made_from:
            return f"made from another {folder} than the one that stands here"
        if folder in stale:
            return f"its parent {folder} is stale"
    return None


def parents(artefact: Artefact, by_folder: dict[str, Artefact]) -> Iterator[tuple[str, str | None]]:
    """(folder, hash) of each parent at the time when the artefact was made; None for a run's untrained weights."""
    for name, made_from in artefact.identity.parents.items():
        match name:
            case "shards":
                yield SHARDS, made_from
            case "flow":
                yield f"flow/{flow_name(artefact, by_folder)}", made_from
            case "codebook":
                book = artefact.name if artefact.kind == "targets" else artefact.info["codebook"]
                yield f"codebook/{book}", made_from
            case "checkpoint" if not is_elsewhere(artefact.identity.data["run"]):
                untrained = artefact.name.endswith("@init")
                yield f"runs/{artefact.identity.data['run']}", None if untrained else made_from
            case "init" if not is_elsewhere(artefact.info["init"]):
                yield f"runs/{artefact.info['init']}", made_from
            case "run" if not is_elsewhere(_run_of(artefact)):
                yield f"runs/{_run_of(artefact)}", made_from
            case "first" | "second":
                yield f"evaluations/{artefact.info[name]}/{artefact.name.split('/', 1)[1]}", made_from
            case "embeddings":
                yield f"embeddings/{_embeddings_of(artefact)}", made_from


def _run_of(artefact: Artefact) -> str:
    """The run that estimated a flow, or that an evaluation scored."""
    return str(artefact.identity.section["run"]) if artefact.kind == "flow" else artefact.name.split("/", 1)[0]


def _embeddings_of(artefact: Artefact) -> str:
    """The embeddings that a run learned from, or that a probe was fitted to."""
    learned = artefact.kind == "runs"
    return str(artefact.identity.data["network"]["percepts"]) if learned else artefact.name.split("/", 1)[0]


def command_again(store: Store, artefact: Artefact, by_folder: dict[str, Artefact]) -> str:
    """The command line that goes on with this artefact, or makes it again: with the recipe that lies beside it."""
    name, info, data = artefact.name, artefact.info, artefact.identity.data
    codebook = ["codebook", "--name", name, "--flow", flow_name(artefact, by_folder)]
    if artefact.kind in ("codebook", "targets") and name.endswith("@learned"):
        codebook = ["train-cluster", "--name", name.removesuffix("@learned")]
    words = {
        "shards": ["shard", "--dataset", str(data.get("dataset")), "--source", str(info.get("source"))],
        "flow": ["flow", "--name", name],
        "codebook": codebook,
        "targets": codebook,
        "runs": ["train-cluster", "--name", name, *_run_words(artefact)],
        "embeddings": ["embed", *_embed_words(artefact), "--name", name.removesuffix("@init")],
        "probes": ["classify", "--embeddings", name.split("/", 1)[0].removesuffix("@init")],
        "evaluations": ["evaluate", *_evaluated(artefact)],
    }[artefact.kind]
    recipe = ["--recipe", f"{store.uri}/{artefact.folder}/recipe.toml"] if store.is_local else []
    return shlex.join(["motionpipe", *words, *recipe, "--store", store.uri])


def _run_words(artefact: Artefact) -> list[str]:
    if artefact.identity.data.get("model") == "uf-tsn":
        return ["--init", str(artefact.info["init"])] if "init" in artefact.info else []
    if artefact.identity.stage == "finetune":
        return ["--task", "classify", "--init", str(artefact.info.get("init"))]
    book = artefact.info.get("codebook")
    return ["--codebook", str(book)] if book else []


def _embed_words(artefact: Artefact) -> list[str]:
    data = artefact.identity.data
    if "encoder" in data:
        return ["--encoder", str(data["encoder"]), "--weights", "FILE"]
    return ["--run", str(data.get("run"))]


def _evaluated(artefact: Artefact) -> list[str]:
    identity, info = artefact.identity, artefact.info
    words = ["--protocol", str(identity.data.get("protocol"))]
    if "first" in info:
        weights = str(identity.data.get("weights"))
        return ["--run", info["first"], "--with", info["second"], "--weights", weights, *words]
    words = ["--run", artefact.name.split("/", 1)[0], *words]
    on = identity.section.get("on")
    return [*words, "--on", str(on)] if on else words


def flow_name(artefact: Artefact, by_folder: dict[str, Artefact]) -> str:
    """Flow artefact that targets, a codebook or a run were made from."""
    owner = by_folder.get(f"codebook/{artefact.name}", artefact) if artefact.kind == "targets" else artefact
    return str(owner.info.get("flow", ""))


def current_hash(artefact: Artefact) -> str:
    """What a child made now would note of this parent."""
    if artefact.kind == "codebook":
        return str(artefact.detail["sha256"])
    return artefact.manifest.hash if artefact.manifest else ""
