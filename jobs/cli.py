"""The command line: it translates words into calls, and nothing more. Heavy imports stay inside the commands."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..schemas.errors import MotionpipeError
from .cli_options import (
    MakeRecipe,
    address_option,
    gpus_option,
    open_store,
    plain_name,
    run_options,
    stage_options,
    store_option,
    workers_option,
)
from .options import RunOptions

if TYPE_CHECKING:
    from ..pipeline.store import Store
    from .stage import StageResult


_UNUSABLE = (errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR)
"""What an operating system says of a disk or folder that the user has to mend."""


class DataOrderGroup(click.Group):
    """Lists the commands in the order that data takes, and turns expected errors into one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names as they were added."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Exit 1 with one line for an expected error, 130 for an interrupt."""
        try:
            return super().invoke(ctx)
        except MotionpipeError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.errno not in _UNUSABLE:
                raise
            raise click.ClickException(f"{error.filename or 'the store'}: {error.strerror}") from error
        except KeyboardInterrupt:
            click.echo("interrupted; the same command goes on from here", err=True)
            sys.exit(130)


@click.group(cls=DataOrderGroup, context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Folders of videos, RGB and depth, to learned motion representations.

    \b
    videos > shard > flow > codebook > train-cluster > embed > classify > report
    """


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


@main.command()
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


@main.command()
@click.option(
    "--method",
    type=click.Choice(("pd", "dis", "dis-fast", "tv-l1", "farneback", "deepflow", "learned")),
    default=None,
    help="pd: scene flow; the others: optical flow; learned: by a trained run [default: pd where there is depth, "
    "else dis].",
)
@click.option("--run", "run_name", default=None, metavar="RUN|STORE:RUN", help="learned: the run that estimates it.")
@click.option("--name", callback=plain_name, default=None, help="Name of the artefact [default: the method].")
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


@main.command()
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


@main.command("compare-codebooks")
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


@main.command("train-cluster")
@click.option(
    "--model",
    type=click.Choice(("atomic-flow", "cgm-net", "lstm", "uf-tsn")),
    default=None,
    help="Network to train [default: the recipe's train.model].",
)
@click.option(
    "--task",
    type=click.Choice(("pretrain", "classify")),
    default=None,
    help="Learn from motion without labels, or fine-tune a classifier [default: pretrain].",
)
@click.option(
    "--stage",
    type=click.Choice(("flow", "classifier", "joint")),
    default=None,
    help="uf-tsn, in place of --task: the flow network, a stream on it as it is, or both together.",
)
@click.option("--stream", type=click.Choice(("spatial", "temporal")), default=None, help="uf-tsn: what classifies.")
@click.option(
    "--weights",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="uf-tsn: an image classifier's weights (torchvision's names) that the stream's ResNet starts from.",
)
@click.option("--codebook", "book", default=None, help="pretrain: codebook to read.")
@click.option(
    "--init",
    default=None,
    metavar="RUN|STORE:RUN|none",
    help="classify: pre-trained run that the encoder starts from, of this or another store; none = random weights. "
    "uf-tsn: the flow run of a temporal classifier, the classifier of a joint run.",
)
@click.option(
    "--protocol", default=None, help="Split whose training part is learned from [default: the dataset's first]."
)
@click.option(
    "--name", "run_name", callback=plain_name, required=True, help="Name of the run; the same name resumes it."
)
@click.option("--readers", type=click.IntRange(0), default=1, show_default=True, help="Threads that read clips ahead.")
@click.option("--compile", "compiled", is_flag=True, help="torch.compile the network; other last bits.")
@stage_options
def train_cluster(
    store: Store,
    recipe: MakeRecipe,
    options: RunOptions,
    model: str | None,
    task: str | None,
    stage: str | None,
    stream: str | None,
    weights: Path | None,
    book: str | None,
    init: str | None,
    protocol: str | None,
    run_name: str,
    readers: int,
    compiled: bool,
) -> StageResult:
    """Pre-train a network, or fine-tune one, on Ray Train workers."""
    from .train_job import LoopOptions

    chosen = recipe(
        ("train.model", model), ("data.protocol", protocol), ("uf_tsn.stage", stage), ("uf_tsn.stream", stream)
    )
    loop = LoopOptions(0, 1, readers, compiled)
    if chosen.train.model == "uf-tsn":
        if task is not None or book is not None:
            raise click.UsageError("uf-tsn takes --stage, not --task, and reads no codebook")
        from .train_uf_tsn import Start, train_uf_tsn

        return train_uf_tsn(store, chosen, Start(init, weights), run_name, options, loop)
    if stage is not None or stream is not None or weights is not None:
        raise click.UsageError("--stage, --stream and --weights are for --model uf-tsn")
    if (task == "classify") != (init is not None):
        raise click.UsageError("--task classify needs --init RUN, STORE:RUN or none, and no other task takes it")
    if init is not None:
        if book is not None:
            raise click.UsageError("--codebook is for pre-training; a classifier reads none")
        from .finetune import finetune

        return finetune(store, chosen, init, run_name, options, loop)
    from .train import train_cluster as run

    return run(store, chosen, book, run_name, options, loop)


@main.command()
@click.option(
    "--run", "run_name", default=None, metavar="RUN|STORE:RUN", help="Run to embed with, of this or another store."
)
@click.option(
    "--encoder",
    type=click.Choice(("resnet18", "resnet152", "vgg16", "efficientnet-lite0")),
    default=None,
    help="Image network to embed with instead; its weights are --weights.",
)
@click.option(
    "--weights",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="File of the encoder's weights, PyTorch's or safetensors'.",
)
@click.option(
    "--per", type=click.Choice(("clip", "frame")), default=None, help="A row for each clip, or for each single frame."
)
@click.option("--name", callback=plain_name, default=None, help="Name of the embeddings [default: RUN, or RUN-frame].")
@gpus_option
@stage_options
def embed(
    store: Store,
    recipe: MakeRecipe,
    options: RunOptions,
    run_name: str | None,
    encoder: str | None,
    weights: Path | None,
    per: str | None,
    name: str | None,
) -> list[StageResult]:
    """Write a run's embeddings, and those of its untrained weights, to Parquet; or an image network's percepts."""
    chosen = recipe(("embed.per", per))
    if encoder is not None:
        if run_name is not None or weights is None:
            raise click.UsageError("--encoder needs --weights FILE, and no --run")
        from .embed_encoder import embed_with_encoder

        return [embed_with_encoder(store, chosen, encoder, weights, name, options)]  # type: ignore[arg-type]
    if weights is not None:
        raise click.UsageError("--weights is for --encoder")
    from .embed import embed as run

    return run(store, chosen, run_name, name, options)


@main.command()
@click.option("--embeddings", default=None, help="Embeddings to read.")
@click.option(
    "--probe", type=click.Choice(("linear", "knn", "svm")), default=None, help="One probe only [default: all]."
)
@click.option("--protocol", default=None, help="Split to score by [default: the dataset's first].")
@click.option(
    "--allow-leak", is_flag=True, help="Score although pre-training saw test recordings; the figure is marked."
)
@stage_options
def classify(
    store: Store,
    recipe: MakeRecipe,
    options: RunOptions,
    embeddings: str | None,
    probe: str | None,
    protocol: str | None,
    allow_leak: bool,
) -> list[StageResult]:
    """Score probes on embeddings, beside the untrained network's."""
    from .classify import classify as run
    from .classify import figures_table

    chosen = recipe(("data.protocol", protocol))
    kinds = (probe,) if probe else chosen.classify.probes
    results = run(store, chosen, embeddings, kinds, options, allow_leak)  # type: ignore[arg-type]
    if not any(result.fresh for result in results):
        click.echo("probes: finished already, nothing to do")
    click.echo("\n".join(figures_table([result.info for result in results])))
    return results


@main.command()
@click.option("--run", "run_name", default=None, help="Pre-training run that predicts.")
@click.option("--key", default=None, help="Test sample to predict [default: three of different classes].")
@click.option("--start", type=click.IntRange(0), default=None, help="First frame [default: before most motion].")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=None, help="PNG to write, with --key.")
@store_option
def predict(run_name: str | None, key: str | None, start: int | None, out: Path | None, store_uri: str | None) -> None:
    """Draw what a run expects to move next, beside what did."""
    from .predict import predict as run

    run(open_store(store_uri), run_name, key, start, out)


@main.command()
@click.option("--run", "run_name", default=None, help="Run to score.")
@click.option("--with", "with_run", default=None, metavar="RUN", help="Another classifier, whose scores are added.")
@click.option(
    "--weights",
    default=None,
    metavar="A:B|held-out",
    help="With --with: weights of the two [default: 1:1]; held-out = the best on what both held out of training.",
)
@click.option(
    "--on",
    "what",
    type=click.Choice(("action", "motion", "prediction", "flow")),
    default="action",
    show_default=True,
    help="Classes of recordings; frames that a cgm-net synthesises or an lstm predicts; flow that a uf-tsn estimates.",
)
@click.option("--pairs", type=click.IntRange(1), default=None, help="With --on flow: pairs, at most [default: 200].")
@click.option("--protocol", default=None, help="Split to score by [default: the one that it was trained on].")
@click.option("--allow-leak", is_flag=True, help="Score although training saw test recordings; the figure is marked.")
@gpus_option
@stage_options
def evaluate(
    store: Store,
    recipe: MakeRecipe,
    options: RunOptions,
    run_name: str | None,
    with_run: str | None,
    weights: str | None,
    what: str,
    pairs: int | None,
    protocol: str | None,
    allow_leak: bool,
) -> StageResult | None:
    """Score a run on test recordings: a classifier's classes, frames synthesised or predicted, or estimated flow."""
    if what != "action" and (with_run or weights):
        raise click.UsageError("--with and --weights add scores of classes: they go with --on action")
    if (what == "flow" and allow_leak) or (what != "flow" and pairs):
        raise click.UsageError("--on flow takes --pairs and not --allow-leak; the others do not take --pairs")
    if what == "motion":
        from .evaluate_motion import evaluate_motion

        return evaluate_motion(store, recipe(), run_name, protocol, options, allow_leak)
    if what == "prediction":
        from .evaluate_prediction import evaluate_prediction

        return evaluate_prediction(store, recipe(), run_name, protocol, options, allow_leak)
    if what == "flow":
        from .evaluate_flow import evaluate_flow

        evaluate_flow(store, run_name, protocol, pairs or 200, options)
        return None
    if with_run is None:
        if weights is not None:
            raise click.UsageError("--weights goes with --with RUN")
        from .evaluate import evaluate as run

        return run(store, recipe(), run_name, protocol, options, allow_leak)
    if run_name is None:
        raise click.UsageError("--with RUN adds its scores to those of --run RUN: give both")
    from .fuse import evaluate_fused

    return evaluate_fused(store, recipe(), (run_name, with_run), weights or "1:1", protocol, options, allow_leak)


@main.command()
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


@main.command()
@store_option
def report(store_uri: str | None) -> None:
    """Write one HTML page of what the store holds and how well it does."""
    from .report import report as run

    run(open_store(store_uri))


@main.command()
@store_option
def status(store_uri: str | None) -> None:
    """Show what is in the store and how far unfinished stages are."""
    from .status import status as run

    run(open_store(store_uri))


@main.command()
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


@main.command()
@click.argument("name", metavar="KEY|ROW_ID")
@store_option
def trace(name: str, store_uri: str | None) -> None:
    """Show where a sample or an embedding row comes from: source file, frames, times, bytes.

    KEY is a sample's key (a recording's id or path will do), ROW_ID a row_id of the embeddings: KEY:start-end.
    """
    from .trace import trace as run

    run(open_store(store_uri), name)


@main.group(cls=DataOrderGroup)
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


@main.command()
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


if __name__ == "__main__":
    main()
