"""Commands on a whole store: report, status, verify, trace, rejects; and the demo."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .cli_options import (
    address_option,
    gpus_option,
    open_store,
    run_options,
    store_option,
    workers_option,
)
from .data_order_group import DataOrderGroup
from .options import RunOptions

if TYPE_CHECKING:
    from ..pipeline.store import Store
    from .stage import StageResult


@click.command()
@store_option
def report(store_uri: str | None) -> None:
    """Write one HTML page of what the store holds and how well it does."""
    from .report import report as run

    run(open_store(store_uri))


@click.command()
@store_option
def status(store_uri: str | None) -> None:
    """Show what is in the store and how far unfinished stages are."""
    from .status import status as run

    run(open_store(store_uri))


@click.command()
@click.option("--deep", is_flag=True, help="Decode everything, and join flow, targets and embeddings with the shards.")
@store_option
@workers_option
@address_option
def verify(deep: bool, store_uri: str | None, workers: int, address: str | None) -> None:
    """Check that everything in the store is whole and belongs together.

    \b
    Manifests: present, of the recorded identity; hashes and counts right; parents unchanged; splits disjoint.
    Structure: every byte hashed, every member where its report says, every sample written or rejected.
    --deep:    every frame and array decoded; flow, codes and rows fit frames, codebook and plan.

    A line for each finding, with what to do. Exit 0 where there is none, else 1. Nothing is written.
    """
    from .verify import verify as run

    sys.exit(run(open_store(store_uri), deep, RunOptions(workers, address)))


@click.command()
@click.argument("name", metavar="KEY|ROW_ID")
@store_option
def trace(name: str, store_uri: str | None) -> None:
    """Show where a sample or an embedding row comes from: source file, frames, times, bytes.

    KEY is a sample's key (a recording's id or path will do), ROW_ID a row_id of the embeddings: KEY:start-end.
    """
    from .trace import trace as run

    run(open_store(store_uri), name)


@click.group(cls=DataOrderGroup)
def rejects() -> None:
    """List, show or retry the recordings that a stage could not use."""


stage_option = click.option("--stage", default=None, help="One artefact (flow/pd) or one kind of them (flow).")


@rejects.command("list")
@stage_option
@store_option
def rejects_list(stage: str | None, store_uri: str | None) -> None:
    """Every reject: stage, key, reason, attempts, path."""
    from .rejects import list_rejects

    list_rejects(open_store(store_uri), stage)


@rejects.command("show")
@click.argument("key")
@store_option
def rejects_show(key: str, store_uri: str | None) -> None:
    """Everything about the rejects of one KEY, and the command to try it again."""
    from .rejects import show_reject

    show_reject(open_store(store_uri), key)


@rejects.command("retry")
@stage_option
@click.option("--key", default=None, help="Only this key.")
@click.option("--reason", default=None, help="Only rejects of this reason.")
@gpus_option
@run_options
def rejects_retry(
    store: Store, options: RunOptions, stage: str | None, key: str | None, reason: str | None
) -> list[StageResult]:
    """Attempt rejected recordings again, with the recipe that made the artefact.

    Only the chosen recordings are built; the other samples of their shards are copied (rows of embeddings are built
    again, which gives the same). Each shard is replaced whole, then the manifest: the result is what a fresh run on the
    mended source would write. A kill on the way is gone on from by the stage's own command.

    Where content changes, the manifest's hash does. What was made from the artefact before (flow from shards, targets
    from flow, …) then shows as stale in `status` and `verify`, and no command mixes the two: make it again under
    another --name, or remove it first. Plan, keys, labels and splits stay as they are.
    """
    from .rejects import retry_rejects

    return retry_rejects(store, stage, key, reason, options)


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("motionpipe-demo"),
    show_default=True,
    help="Folder to work in.",
)
@click.option(
    "--seeds", type=click.IntRange(1), default=1, show_default=True, help="Networks to train, each from its own seed."
)
@workers_option
def demo(out: Path, seeds: int, workers: int) -> None:
    """Run the whole chain on a generated RGB-D set, without a download."""
    from .demo import demo as run

    run(out.expanduser().resolve(), seeds, RunOptions(workers))
