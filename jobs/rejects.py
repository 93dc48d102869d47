"""`motionpipe rejects`: what could not be used, why, and another attempt when it has been mended."""

from __future__ import annotations

import difflib
import shlex
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import click

from ..pipeline.artefacts import SHARDS, read_report, rejects_name
from ..pipeline.datasets import require_source
from ..pipeline.fetch_files import open_source
from ..pipeline.parquet_files import read_parquet
from ..pipeline.retry import ask_retry
from ..pipeline.store import Store
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import Recipe
from ..schemas.report import Reject
from .inventory import Artefact, list_artefacts, shard_numbers
from .options import RunOptions
from .parents import flow_name, stale_artefacts
from .stage import StageResult
from .verify_manifests import SHARDED


@dataclass(frozen=True)
class Rejected:
    """A reject and the folder of the artefact that lacks the recording."""

    folder: str
    reject: Reject


def list_rejects(store: Store, stage: str | None) -> None:
    """Print a table of all rejects."""
    found = find_rejects(store, stage)
    if not found:
        click.echo("nothing is rejected" + (f" in {stage}" if stage else ""))
        return
    rows = [("stage", "key", "reason", "attempts", "path")]
    rows += [(r.folder, r.reject.key, r.reject.reason, str(r.reject.attempts), r.reject.path) for r in found]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        click.echo("  ".join([*(f"{text:{width}}" for text, width in zip(row, widths, strict=False)), row[4]]))


def show_reject(store: Store, key: str) -> None:
    """Print everything about the rejects of a key, a recording id or a path."""
    found = find_rejects(store, None)
    asked = [r for r in found if key in (r.reject.key, r.reject.recording_id, r.reject.path)]
    if not asked:
        near = difflib.get_close_matches(key, [r.reject.key for r in found], n=3, cutoff=0.5)
        hint = f"; near it: {', '.join(near)}" if near else "; see: motionpipe rejects list"
        raise MotionpipeError(f"{key} is not rejected in {store.uri}{hint}")
    for rejected in asked:
        reject = rejected.reject
        click.echo(f"{reject.key}: rejected from {rejected.folder} after {reject.attempts} attempts")
        click.echo(f"  recording  {reject.recording_id}")
        click.echo(f"  path       {reject.path}")
        click.echo(f"  reason     {reject.reason}")
        click.echo(f"  detail     {reject.detail}")
        words = ["motionpipe", "rejects", "retry", "--stage", rejected.folder, "--key", reject.key]
        click.echo(f"  try again  {shlex.join([*words, '--store', store.uri])}")


def find_rejects(store: Store, stage: str | None) -> list[Rejected]:
    """Rejects of all sharded artefacts, or of one folder (flow/pd) or kind (flow), in data order."""
    artefacts = [a for a in list_artefacts(store) if a.kind in SHARDED]
    if stage and not any(_is_stage(artefact, stage) for artefact in artefacts):
        raise MotionpipeError(f"no stage {stage} in {store.uri}; there are {', '.join(a.folder for a in artefacts)}")
    return [
        Rejected(artefact.folder, reject)
        for artefact in artefacts
        if stage is None or _is_stage(artefact, stage)
        for reject in _rejects_of(store, artefact)
    ]


def _is_stage(artefact: Artefact, stage: str) -> bool:
    return stage in (artefact.folder, artefact.kind) or (stage == "shard" and artefact.kind == SHARDS)


def _rejects_of(store: Store, artefact: Artefact) -> Iterator[Reject]:
    """From the table of a finished artefact, or from the reports that an unfinished one has so far."""
    if artefact.finished:
        for row in read_parquet(store, rejects_name(artefact.folder)).to_pylist():
            yield Reject(**row)
    else:
        for shard in shard_numbers(store, artefact.folder):
            yield from read_report(store, artefact.folder, shard).rejects


def retry_rejects(
    store: Store, stage: str | None, key: str | None, reason: str | None, options: RunOptions
) -> list[StageResult]:
    """Attempt the chosen rejects again, artefact by artefact, in data order."""
    chosen = [
        r for r in find_rejects(store, stage) if key in (None, r.reject.key) and reason in (None, r.reject.reason)
    ]
    if not chosen:
        raise MotionpipeError("no reject is chosen by these options; see: motionpipe rejects list")
    results: list[StageResult] = []
    for folder in dict.fromkeys(rejected.folder for rejected in chosen):
        artefacts = list_artefacts(store)
        stale = stale_artefacts(artefacts)
        if folder in stale:
            click.echo(f"{folder}: left alone, {stale[folder]}; make it again under another --name", err=True)
            continue
        keys = {rejected.reject.key for rejected in chosen if rejected.folder == folder}
        results += _retry_in(store, {a.folder: a for a in artefacts}, folder, keys, options)
    for folder, why in stale_artefacts(list_artefacts(store)).items():
        click.echo(f"  {folder} is stale now: {why}; make it again under another --name, or remove it first", err=True)
    return results


def _retry_in(
    store: Store, artefacts: dict[str, Artefact], folder: str, keys: set[str], options: RunOptions
) -> Sequence[StageResult]:
    artefact = artefacts[folder]
    if artefact.manifest is None:
        raise MotionpipeError(f"{folder} is not finished; finish it first, its rejects are attempted again after that")
    stage = stage_of(store, artefacts, artefact, options)
    for line in artefact.manifest.shards:
        own = {r.key for r in read_report(store, folder, line.shard).rejects} & keys if line.rejected else set()
        if own:
            ask_retry(store, folder, line.shard, own)
    click.echo(f"{folder}: {len(keys)} recordings are attempted again", err=True)
    store.remove(f"{folder}/manifest.json")
    return stage()


def stage_of(
    store: Store, artefacts: dict[str, Artefact], artefact: Artefact, options: RunOptions
) -> Callable[[], Sequence[StageResult]]:
    """The stage that made the artefact, with the recipe that lies beside it."""
    recipe = Recipe.model_validate(tomllib.loads(store.read_bytes(f"{artefact.folder}/recipe.toml").decode()))
    name, data, info = artefact.name, artefact.identity.data, artefact.info
    if artefact.kind != "embeddings" and (artefact.kind, recipe.flow.method) != ("flow", "pd"):
        options = replace(options, gpus_per_worker=0.0)  # a retry may span stages that have no use for one
    match artefact.kind:
        case "shards":
            from .shard import shard

            source = open_source(info["source"])
            require_source(source)
            return lambda: [shard(store, recipe, data["dataset"], source, options)]
        case "flow":
            from .flow import flow

            return lambda: [flow(store, recipe, name, options)]
        case "targets" if name.endswith("@learned"):
            from .codebook import export_learned
            from .run_files import RunFiles

            run = name.removesuffix("@learned")
            return lambda: export_learned(store, recipe, run, RunFiles(store, run).checkpoints()[-1], options)
        case "targets":
            from .codebook import codebook

            return lambda: [codebook(store, recipe, flow_name(artefact, artefacts), name, options)]
        case _:
            from .embed import embed

            return lambda: embed(store, recipe, data["run"], name.removesuffix("@init"), options)
