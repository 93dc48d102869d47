"""Names of files in an artefact's folder, and reading what finished stages say of themselves."""

from __future__ import annotations

from ..schemas.errors import MotionpipeError
from ..schemas.report import Manifest, SampleEntry, ShardReport
from .store import Store

SHARDS = "shards"


def tar_name(shard: int) -> str:
    """Tar of a shard, in any artefact."""
    return f"{shard:06d}.tar"


def report_name(shard: int) -> str:
    """Report of a shard: its done mark."""
    return f"{shard:06d}.json"


def rejects_name(folder: str) -> str:
    """The rejects table of an artefact; beside embeddings it lies one folder down, so that *.parquet are rows alone."""
    return f"{folder}/_rejects/rejects.parquet" if folder.startswith("embeddings/") else f"{folder}/rejects.parquet"


def read_manifest(store: Store, folder: str, made_by: str) -> Manifest:
    """Manifest of a finished artefact; one clear error where it is absent or unfinished."""
    name = f"{folder}/manifest.json"
    if not store.exists(name):
        state = "is not finished" if store.exists(folder) else "does not exist"
        raise MotionpipeError(f"{folder} {state} in {store.uri}; run: {made_by}")
    return Manifest.model_validate_json(store.read_bytes(name))


def read_report(store: Store, folder: str, shard: int) -> ShardReport:
    """Report of one finished shard."""
    return ShardReport.model_validate_json(store.read_bytes(f"{folder}/{report_name(shard)}"))


def read_samples(store: Store, folder: str, manifest: Manifest) -> list[tuple[int, SampleEntry]]:
    """(shard, entry) of every sample of a finished artefact, in order."""
    return [
        (summary.shard, entry)
        for summary in manifest.shards
        for entry in read_report(store, folder, summary.shard).samples
    ]


def only_artefact(store: Store, folder: str, option: str, made_by: str) -> str:
    """The name of the one finished artefact in `folder`; an error that names `option` where there are more or none."""
    names = [name for name in store.list(folder) if "@" not in name and store.exists(f"{folder}/{name}/manifest.json")]
    if not names:
        raise MotionpipeError(f"{folder}/ holds nothing finished in {store.uri}; run: {made_by}")
    if len(names) > 1:
        raise MotionpipeError(f"{folder}/ holds {', '.join(names)}; choose one with {option}")
    return names[0]
