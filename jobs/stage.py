"""What every sharded stage has in common: identity first, then the shards that are missing, the manifest last."""

from __future__ import annotations

import json
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import click
import pyarrow as pa
import tomli_w

from .. import __version__
from ..pipeline.artefacts import read_report, rejects_name, report_name
from ..pipeline.ladder import Ladder
from ..pipeline.parquet_files import parquet_bytes, read_parquet
from ..pipeline.retry import retry_name
from ..pipeline.store import Store
from ..pipeline.write_shard import ShardWork
from ..schemas.errors import MotionpipeError
from ..schemas.recipe import Recipe
from ..schemas.report import REJECT_SCHEMA, Identity, Manifest, Reject, ShardReport
from .artefact_lock import artefact_lock
from .options import RunOptions
from .progress import Progress
from .ray_map import map_shards

FORMAT = 1
"""Version of the store's layout; another one is refused."""
WAY_OUT = "use another --name or --store"
Work = ShardWork[Any, Any]
"""What a worker does with the shard of a number, or with one of its recordings alone."""


@dataclass(frozen=True)
class StageResult:
    """What a command did: `fresh` is false where everything was there already."""

    name: str
    counts: dict[str, int]
    seconds: float
    fresh: bool
    exit_code: int = 0
    info: dict[str, Any] = field(default_factory=dict)


def open_artefact(
    store: Store, folder: str, identity: Identity, recipe: Recipe, info: dict[str, Any], way_out: str = WAY_OUT
) -> bool:
    """Start or go on with an artefact, whose lock is held; true where it is finished.

    Raises MotionpipeError where the folder holds an artefact of another identity; nothing is overwritten. `way_out`:
    what the user can do then.
    """
    record = {"format": FORMAT, "identity": identity.model_dump(mode="json"), "info": info}
    if store.exists(f"{folder}/identity.json"):
        there = json.loads(store.read_bytes(f"{folder}/identity.json"))
        if there.get("format") != FORMAT:
            raise MotionpipeError(f"{folder} in {store.uri} was written by another version of motionpipe; {way_out}")
        asked = Identity(
            stage=identity.stage, section=identity.section, data=identity.data | info, parents=identity.parents
        )
        made = Identity.model_validate(there["identity"])
        made = made.model_copy(update={"data": made.data | there["info"]})
        _require_same(store, folder, made, asked, way_out)
    else:
        store.write_bytes(f"{folder}/recipe.toml", recipe_toml(recipe))
        store.write_bytes(f"{folder}/identity.json", json.dumps(record, indent=1, sort_keys=True).encode())
    store.remove_unfinished(folder)
    return store.exists(f"{folder}/manifest.json")


def run_sharded(
    store: Store,
    folder: str,
    sizes: Sequence[int],
    make_worker: Callable[[], Work],
    options: RunOptions,
    unit: str = "recordings",
    did: Counter[str] | None = None,
) -> Iterator[ShardReport]:
    """Work on the shards without a report, or with recordings to attempt again; then the reports of all, one by one.

    `sizes`: units in each shard. `did` is filled with the totals of the shards that this call worked on.
    """
    counted = _counted(folder)
    names = set(store.list(folder))
    missing = [n for n in range(len(sizes)) if report_name(n) not in names or retry_name(n) in names]
    progress = Progress(folder, sum(sizes[shard] for shard in missing), unit, counted=counted)
    for report in map_shards(make_worker, missing, options, Ladder(store, folder)):
        progress.add(report.read, things=report.totals.get(counted, 0) if counted else 0)
        if did is not None:
            did.update(report.totals)
    progress.close()
    # not a list: the memory of the driver must not grow with the number of recordings
    return (read_report(store, folder, shard) for shard in range(len(sizes)))


def finish_artefact(
    store: Store, folder: str, identity: Identity, reports: Iterable[ShardReport], info: dict[str, Any]
) -> Manifest:
    """Write the rejects table and, last, the manifest."""
    rejects: list[Reject] = []

    def noting_rejects() -> Iterator[ShardReport]:
        for report in reports:
            rejects.extend(report.rejects)
            yield report

    versions = {"motionpipe": __version__, "python": platform.python_version()}
    manifest = Manifest.of(identity, noting_rejects(), info | versions)
    table = pa.Table.from_pylist([reject.model_dump() for reject in rejects], schema=REJECT_SCHEMA)
    store.write_bytes(rejects_name(folder), parquet_bytes(table))
    store.write_bytes(f"{folder}/manifest.json", manifest.model_dump_json(indent=1).encode())
    return manifest


def run_stage(
    store: Store,
    folder: str,
    identity: Identity,
    recipe: Recipe,
    sizes: Callable[[], Sequence[int]],
    make_worker: Callable[[], Work],
    options: RunOptions,
) -> StageResult:
    """A whole sharded stage: identity, the missing shards, manifest; nothing where it is finished.

    The manifest's `rate`: pairs or rows a second of wall time, of the command that finished the artefact alone.
    """
    start = time.monotonic()
    with artefact_lock(store, folder):
        finished = open_artefact(store, folder, identity, recipe, {})
        if not finished:
            did = Counter[str]()
            reports = run_sharded(store, folder, sizes(), make_worker, options, "samples", did)
            seconds = round(time.monotonic() - start, 3)
            info: dict[str, Any] = {"seconds": seconds, "workers": options.workers, "device": options.device}
            if counted := _counted(folder):
                info |= {"counted": counted, "rate": round(did[counted] / max(seconds, 1e-3), 3)}
            finish_artefact(store, folder, identity, reports, info)
    return stage_result(store, folder, time.monotonic() - start, not finished, options)


def stage_result(store: Store, folder: str, seconds: float, fresh: bool, options: RunOptions) -> StageResult:
    """Say what a finished artefact holds, and the exit code that its rejects ask for."""
    manifest = Manifest.model_validate_json(store.read_bytes(f"{folder}/manifest.json"))
    totals = manifest.totals
    if fresh:
        click.echo(
            f"{folder}: {totals['read']} read = {totals['written']} written + {totals['rejected']} rejected, "
            f"{len(manifest.shards)} shards, {seconds:.1f} s{_rate(manifest)}"
        )
    else:
        click.echo(f"{folder}: finished already ({totals['written']} written), nothing to do")
    code = _report_rejects(store, folder, totals, options)
    return StageResult(folder, totals, seconds, fresh, code)


def _counted(folder: str) -> str | None:
    """The total whose rate says how fast an artefact is made; None where it is that of recordings or samples."""
    return {"flow": "pairs", "embeddings": "rows"}.get(folder.split("/", 1)[0])


def _rate(manifest: Manifest) -> str:
    info = manifest.info
    return f", {info['rate']:.1f} {info['counted']}/s" if info.get("rate") else ""


def _report_rejects(store: Store, folder: str, totals: dict[str, int], options: RunOptions) -> int:
    if not totals["rejected"]:
        return 0
    rejects = read_parquet(store, rejects_name(folder)).to_pylist()
    for reject in rejects[:10]:
        click.echo(f"  rejected {reject['path']}: {reject['reason']}: {reject['detail']}", err=True)
    if len(rejects) > 10:
        click.echo(f"  … and {len(rejects) - 10} more in {rejects_name(folder)}", err=True)
    return 3 if totals["rejected"] > options.max_reject_rate * totals["read"] else 0


def _require_same(store: Store, folder: str, there: Identity, asked: Identity, way_out: str) -> None:
    differences = there.differences(asked)
    renewed = [name.removeprefix("parent ") for name, _, _ in differences if name.startswith("parent ")]
    if differences and len(renewed) == len(differences):
        raise MotionpipeError(
            f"{folder} in {store.uri} was made from another {' and '.join(renewed)} than the one that stands here now; "
            f"nothing is mixed: give another --name, or remove {folder} and make it again"
        )
    if differences:
        text = "; ".join(f"{name} is {old!r} there and {new!r} here" for name, old, new in differences[:5])
        raise MotionpipeError(f"{folder} in {store.uri} was made otherwise: {text}; {way_out}")


def recipe_toml(recipe: Recipe) -> bytes:
    """The resolved recipe as TOML; fields without a value are left out."""
    return tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True)).encode()
