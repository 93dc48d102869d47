"""Commands that make data: shards, flow, codebooks, packs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .cli_options import (
    MakeRecipe,
    gpus_option,
    open_store,
    plain_name,
    stage_options,
    store_option,
)
from .options import RunOptions

if TYPE_CHECKING:
    from ..pipeline.store import Store
    from .stage import StageResult


_DATASETS = (
    "ntu",
    "msr-daily",
    "msr-action3d",
    "utd-mhad",
    "ucf101",
    "hmdb51",
    "kinetics",
    "moving-mnist",
    "folder",
)


@click.command()
@click.option("--dataset", required=True, type=click.Choice(_DATASETS), help="Layout of the source.")
@click.option("--source", required=True, metavar="PATH|URI", help="Folder of the dataset, or a CSV path,label,split.")
@click.option("--limit", type=click.IntRange(1), default=None, help="Only the first N recordings.")
@stage_options
def shard(
    store: Store, recipe: MakeRecipe, options: RunOptions, dataset: str, source: str, limit: int | None
) -> StageResult:
    """Decode recordings into WebDataset shards."""
    from ..pipeline.fetch_files import open_source
    from .shard import shard as run

    chosen = recipe(("data.dataset", dataset), ("data.limit", limit))
    return run(store, chosen, dataset, open_source(source), options)


@click.command()
@click.option(
    "--method",
    type=click.Choice(("pd", "dis", "dis-fast", "tv-l1", "farneback", "deepflow", "learned")),
    default=None,
    help="pd: scene flow; the others: optical flow; learned: by a trained run [default: pd where there is depth, "
    "else dis].",
)
@click.option("--run", "run_name", default=None, metavar="RUN|STORE:RUN", help="learned: the run that estimates it.")
@click.option("--name", callback=plain_name, default=None, help="Name of the artefact [default: the method, or RUN].")
@click.option(
    "--preview", metavar="KEY", default=None, help="Only draw the flow of one pair of this sample, with this recipe."
)
@click.option(
    "--pair",
    type=click.IntRange(0),
    default=None,
    help="With --preview: first frame of the pair [default: the pair whose frames differ most].",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="With --preview: the PNG file [default: report/preview/ in the store].",
)
@gpus_option
@stage_options
def flow(
    store: Store,
    recipe: MakeRecipe,
    options: RunOptions,
    method: str | None,
    run_name: str | None,
    name: str | None,
    preview: str | None,
    pair: int | None,
    out: Path | None,
) -> StageResult | None:
    """Estimate the motion between frames: RGB-D scene flow, or optical flow."""
    chosen = recipe(("flow.method", method), ("flow.run", run_name))
    if preview is not None:
        from .flow_preview import preview_flow

        preview_flow(store, chosen, preview, pair, out, options)
        return None
    if pair is not None or out is not None:
        raise click.UsageError("--pair and --out go with --preview KEY")
    from .flow import flow as run

    return run(store, chosen, name, options)


@click.command()
@click.option("--flow", "flow_name", default=None, help="Flow artefact to read.")
@click.option(
    "--kind", type=click.Choice(("uniform", "kmeans", "learnable")), default=None, help="How codewords are chosen."
)
@click.option(
    "--size", type=click.IntRange(2), default=None, help="Number of codewords K [uniform: codebook.bins says it]."
)
@click.option("--protocol", default=None, help="Split whose training part is fitted [default: the dataset's first].")
@click.option("--name", callback=plain_name, default=None, help="Name [default: FLOW-KIND-K].")
@stage_options
def codebook(
    store: Store,
    recipe: MakeRecipe,
    options: RunOptions,
    flow_name: str | None,
    kind: str | None,
    size: int | None,
    protocol: str | None,
    name: str | None,
) -> StageResult:
    """Fit codewords to the training split's flow, and write the quantised targets."""
    from .codebook import codebook as run

    chosen = recipe(("codebook.kind", kind), ("codebook.size", size), ("data.protocol", protocol))
    section = chosen.codebook
    if size is not None and (section.start if section.kind == "learnable" else section.kind) == "uniform":
        raise click.UsageError(
            "a uniform codebook has codebook.bins ^ components codewords: set that instead of --size"
        )
    return run(store, chosen, flow_name, name, options)


@click.command("compare-codebooks")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="All pairs as JSON.")
@store_option
def compare_codebooks(first: str, second: str, as_json: bool, store_uri: str | None) -> None:
    """Match the codewords of two codebooks: distances, and how much mass moved.

    A and B are names of the store's codebooks, or STORE:NAME for those of another store.
    """
    from .compare_codebooks import compare_codebooks as run

    run(open_store(store_uri), first, second, as_json)


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write.")
@click.option("--flow", "flow_name", default=None, help="Flow artefact to pack.")
@click.option(
    "--codebook", "books", multiple=True, help="Codebook to pack [default: all that were fitted to the flow]."
)
@click.option("--protocol", default=None, help="Split to pack [default: the dataset's first].")
@click.option(
    "--largest-mb", type=click.FloatRange(0, min_open=True), default=55.0, show_default=True, help="Refuse more [MB]."
)
@stage_options
def pack(
    store: Store,
    recipe: MakeRecipe,
    options: RunOptions,
    out: Path,
    flow_name: str | None,
    books: tuple[str, ...],
    protocol: str | None,
    largest_mb: float,
) -> None:
    """Write depth, labels and flow to one file, to train where there is torch alone.

    There: python -m motionpipe.jobs.train_pack FILE --out DIR --variant none --variant NAME=CODEBOOK …
    """
    from .pack import pack as run

    run(store, recipe(("data.protocol", protocol)), flow_name, books, out, largest_mb)
