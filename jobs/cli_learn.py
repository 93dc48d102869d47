"""Commands that learn and score: training, embeddings, probes, predictions, evaluations."""

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


@click.command("train-cluster")
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
    help="uf-tsn: an image classifier's weights (torchvision's names) that the stream's ResNet starts from. cgm-net: "
    "those of a 3D network (names of 3D-ResNets-PyTorch) for the encoder, or of a ResNet-18 for the context extractor.",
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
    if stage is not None or stream is not None:
        raise click.UsageError("--stage and --stream are for --model uf-tsn")
    if weights is not None and chosen.train.model != "cgm-net":
        raise click.UsageError("--weights is for --model uf-tsn and cgm-net")
    if (task == "classify") != (init is not None):
        raise click.UsageError("--task classify needs --init RUN, STORE:RUN or none, and no other task takes it")
    if init is not None:
        if book is not None:
            raise click.UsageError("--codebook is for pre-training; a classifier reads none")
        from .finetune import finetune

        return finetune(store, chosen, init, run_name, options, loop, weights)
    from .train import train_cluster as run

    return run(store, chosen, book, run_name, options, loop, weights)


@click.command()
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


@click.command()
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


@click.command()
@click.option("--run", "run_name", default=None, help="Run that predicts.")
@click.option("--key", default=None, help="Test sample to predict [default: three of different classes].")
@click.option("--start", type=click.IntRange(0), default=None, help="First frame [default: before most motion].")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=None, help="PNG to write, with --key.")
@store_option
def predict(run_name: str | None, key: str | None, start: int | None, out: Path | None, store_uri: str | None) -> None:
    """Draw what a run expects to move next, or the frames that it makes, beside what came."""
    from .predict import predict as run

    run(open_store(store_uri), run_name, key, start, out)


@click.command()
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
