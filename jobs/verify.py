"""`motionpipe verify`: is everything in the store whole, and does it belong together?

manifests      present, of the recorded identity, their hashes and counts right; parents unchanged
shards         every byte hashed; members where the reports say; every sample written or rejected; splits disjoint
deep           everything decoded; flow, codes and rows fit the frames, codebook and plan that they came from
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial

import click

from ..pipeline.artefacts import SHARDS, rejects_name
from ..pipeline.parquet_files import read_parquet
from ..pipeline.plan import read_plan
from ..pipeline.store import Store
from ..schemas.finding import Finding
from .inventory import Artefact, list_artefacts
from .options import RunOptions
from .parents import command_again, flow_name, stale_artefacts
from .progress import Progress
from .ray_map import map_shards
from .verify_manifests import SHARDED, check_manifests, check_plan, unreadable_plan, unreadable_records
from .verify_shards import ShardCheck, ShardTask, check_worker


def verify(store: Store, deep: bool, options: RunOptions) -> int:
    """Print a line for each finding and what was checked; returns the exit code."""
    start = time.monotonic()
    counts, count = Counter[str](), 0
    for finding in findings(store, deep, options, counts):
        click.echo(f"  {finding}")
        count += 1
    checked = ", ".join(f"{number} {name}" for name, number in counts.items())
    verdict = f"{count} findings" if count else "everything is in order"
    depth = "manifests, structure, hashes" + (", content and joins" if deep else "; --deep decodes everything")
    click.echo(f"{store.uri}: {verdict}; {checked} ({depth}) in {time.monotonic() - start:.1f} s")
    return 1 if count else 0


def findings(store: Store, deep: bool, options: RunOptions, counts: Counter[str]) -> Iterator[Finding]:
    """Everything that is wrong, level by level; `counts` is filled with what was looked at."""
    broken = [*unreadable_records(store), *unreadable_plan(store)]
    if broken:
        yield from broken
        return
    artefacts = list_artefacts(store)
    counts["artefacts"] = len(artefacts)
    yield from check_manifests(store, artefacts)
    tasks = shard_tasks(store, artefacts, deep)
    make_worker = partial(check_worker, store, tasks)
    checks: list[ShardCheck] = []
    progress = Progress("verify", len(tasks), "shards")
    for check in map_shards(make_worker, range(len(tasks)), options):
        checks.append(check)
        progress.add(1)
    progress.close()
    for check in sorted(checks, key=lambda check: min([f.where for f in check.findings], default="")):
        yield from check.findings
    counts.update({"shards": len(tasks)})
    for name in ("samples", "members", "rejected", "bytes"):
        counts[name] = sum(check.counts.get(name, 0) for check in checks)
    yield from _check_sums(store, artefacts, checks)
    yield from _check_keys(checks)
    yield from check_plan(read_plan(store), {name: value for check in checks for name, value in check.sources.items()})


def shard_tasks(store: Store, artefacts: list[Artefact], deep: bool) -> list[ShardTask]:
    """Every shard of every finished artefact that has shards."""
    by_folder = {artefact.folder: artefact for artefact in artefacts}
    stale = stale_artefacts(artefacts)
    tasks = []
    for artefact in artefacts:
        if artefact.kind not in SHARDED or artefact.manifest is None:
            continue
        flow = by_folder.get(f"flow/{flow_name(artefact, by_folder)}") if artefact.kind == "targets" else artefact
        parent = {"targets": flow.folder if flow else None, SHARDS: None}.get(artefact.kind, SHARDS)
        section = flow.identity.section if flow else {}
        cell = int(section["cell"]) if "cell" in section else 0
        fits = parent if artefact.folder not in stale else None
        command = command_again(store, artefact, by_folder)
        tasks += [
            ShardTask(artefact.folder, line, artefact.identity, fits, deep, command, cell)
            for line in artefact.manifest.shards
        ]
    return tasks


def _check_keys(checks: list[ShardCheck]) -> Iterator[Finding]:
    """Every artefact names samples by their keys alone, so no two shards may hold the same."""
    uses = Counter(key for check in checks for key in check.keys)
    for key in sorted(key for key, count in uses.items() if count > 1):
        yield Finding(SHARDS, f"key {key} stands in {uses[key]} places", "shard into a new store")


def _check_sums(store: Store, artefacts: list[Artefact], checks: list[ShardCheck]) -> Iterator[Finding]:
    """Totals and rejects tables against what the reports of all shards add up to."""
    by_folder = {artefact.folder: artefact for artefact in artefacts}
    for artefact in artefacts:
        own = [check for check in checks if check.folder == artefact.folder and check.counts]
        if artefact.manifest is None or not own:
            continue
        folder, command = artefact.folder, command_again(store, artefact, by_folder)
        again = f"remove it and run: {command}"
        sums = Counter[str]()
        for check in own:
            sums.update(check.counts)
        wrong = [name for name, total in artefact.manifest.totals.items() if sums[name] != total]
        if wrong and len(own) == len(artefact.manifest.shards):
            told = ", ".join(f"{name} {artefact.manifest.totals[name]} for {sums[name]}" for name in wrong)
            yield Finding(f"{folder}/manifest.json", f"its totals are not those of its shards: {told}", again)
        name = rejects_name(folder)
        keys = sorted(key for check in own for key in check.rejects)
        todo = f"remove {folder}/manifest.json and run: {command}"
        if not store.exists(name):
            yield Finding(name, "is missing", todo)
        elif sorted(read_parquet(store, name, ["key"])["key"].to_pylist()) != keys:
            yield Finding(name, "does not list the rejects of the shards", todo)
