"""Fine-tuning and evaluation through the command line, on a small RGB store and from one store to another."""

import json
import shutil
import tomllib

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from motionpipe.jobs.cli import main
from motionpipe.jobs.evaluation_table import by_settings, evaluation_table

FINETUNE = """
[finetune]
epochs = 2
frozen_epochs = 1
clip_frames = 3
global_batch = 4
micro_batch = 2
[evaluate]
num_clips = 4
"""


def run(*words, code=0):
    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def chain(rgb_chain, tmp_path_factory):
    """A copy of the RGB store with a recipe for fine-tuning, and classifiers from run "a" and from none, two seeds."""
    root = tmp_path_factory.mktemp("finetune")
    folder = shutil.copytree(rgb_chain, root / "store")
    recipe = root / "finetune.toml"
    recipe.write_text((rgb_chain.parent / "chain.toml").read_text() + FINETUNE)
    options = ("--store", folder, "--recipe", recipe, "--workers", 0)
    for name, init, seed in (("tuned", "a", 0), ("none", "none", 0), ("none-s1", "none", 1)):
        words = ("train-cluster", "--task", "classify", "--init", init, "--name", name)
        run(*words, "--set", f"finetune.seed={seed}", *options)
        run("evaluate", "--run", name, *options)
    return folder, options


def weights(folder, name, file=None):
    checkpoints = sorted((folder / f"runs/{name}/checkpoints").glob("step-*.pt"))
    path = folder / f"runs/{name}/checkpoints/{file}" if file else checkpoints[-1]
    return torch.load(path, weights_only=True)["model"]


def test_a_classifier_begins_with_the_encoder_of_its_run_and_none_with_random_weights(chain):
    folder, _ = chain
    given, begun = weights(folder, "a"), weights(folder, "tuned", "init.pt")
    encoder = [name for name in given if name.startswith("encoder.")]
    assert len(encoder) > 10
    assert all(torch.equal(given[name], begun[name]) for name in encoder)
    random = weights(folder, "none", "init.pt")
    assert not torch.equal(random["encoder.conv.0.weight"], begun["encoder.conv.0.weight"])
    assert {name: value.shape for name, value in random.items()} == {name: value.shape for name, value in begun.items()}


def test_evaluations_count_test_recordings_and_keep_predictions(chain):
    folder, _ = chain
    metrics = json.loads((folder / "evaluations/tuned/split/metrics.json").read_text())
    assert (metrics["n_train"], metrics["n_test"], metrics["n_test_planned"]) == (8, 2, 2)
    assert metrics["classes"] == ["left", "right"]
    assert (metrics["init"], metrics["init_protocol"], metrics["leak"]) == ("a", "split", "")
    assert np.sum(metrics["confusion"]) == 2
    table = pq.read_table(folder / "evaluations/tuned/split/predictions.parquet")
    assert table.num_rows == 2
    np.testing.assert_allclose([sum(row) for row in table["scores"].to_pylist()], 1)
    assert np.mean(np.array(table["label"]) == np.array(table["predicted"])) == metrics["top1"]


def test_status_report_verify_and_trace_know_them(chain):
    folder, options = chain
    status = [line.split()[:3] for line in run("status", "--store", folder).splitlines()]
    assert ["evaluations/tuned/split", "finished", "top-1"] in status
    run("report", "--store", folder)
    page = (folder / "report/index.html").read_text()
    assert "<h2>Fine-tuning</h2>" in page
    assert "2 seeds" in page
    assert "everything is in order" in run("verify", "--deep", "--store", folder, "--workers", 0)
    table = pq.read_table(folder / "evaluations/tuned/split/predictions.parquet")
    assert "evaluations/tuned/split: class" in run("trace", table["recording_id"][0].as_py(), "--store", folder)
    assert "nothing to do" in run("train-cluster", "--task", "classify", "--init", "a", "--name", "tuned", *options)
    assert "nothing to do" in run("evaluate", "--run", "tuned", *options)


def test_verify_finds_a_prediction_that_was_changed(chain, tmp_path):
    folder = shutil.copytree(chain[0], tmp_path / "store")
    with (folder / "evaluations/tuned/split/metrics.json").open("a") as stream:
        stream.write(" ")
    assert "is not the file" in run("verify", "--store", folder, "--workers", 0, code=1)


def test_a_classifier_is_stale_when_its_run_is_made_anew(chain, tmp_path):
    folder = shutil.copytree(chain[0], tmp_path / "store")
    manifest = json.loads((folder / "runs/a/manifest.json").read_text())
    (folder / "runs/a/manifest.json").write_text(json.dumps(manifest | {"hash": "other"}))
    status = run("status", "--store", folder)
    assert "runs/tuned is stale: made from another runs/a" in status
    assert "evaluations/tuned/split is stale" in status
    assert "runs/none is stale" not in status


def test_a_classifier_embeds_too(chain, tmp_path):
    folder = shutil.copytree(chain[0], tmp_path / "store")
    run("embed", "--run", "tuned", "--store", folder, "--recipe", chain[1][3], "--workers", 0)
    assert pq.read_table(folder / "embeddings/tuned/000000.parquet").num_rows > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--init", "b"), "runs/b does not exist"),
        (("--init", "none-s1"), "is a classifier"),
        (("--init", "/nowhere:a"), "holds no store"),
        (("--init", "a", "--set", "atomic_flow.hidden=8"), "atomic_flow.hidden is 4 there and 8 here"),
        (
            ("--init", "a", "--set", "atomic_flow.modality=depth"),
            "atomic_flow.modality is 'rgb' there and 'depth' here",
        ),
        (("--init", "a", "--set", "flow.step_s=0.2"), "flow.step_s is 0.1 there and 0.2 here"),
        (("--init", "none", "--set", "atomic_flow.modality=depth"), "has depth frames"),
        (("--init", "none", "--set", "finetune.holdout=0.2", "--set", "finetune.patience=0"), "patience"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(chain, words, message):
    output = run("train-cluster", "--task", "classify", "--name", "new", *words, *chain[1], code=1)
    assert message in output
    assert len(output.strip().splitlines()) == 1
    assert not (chain[0] / "runs/new").exists()


def test_the_recipe_beside_a_run_says_how_its_flow_was_made(chain):
    """Whatever the command that trained it asked of flow: it is the recipe to fine-tune with."""
    folder, options = chain
    store = shutil.copytree(folder, folder.parent / "strided")
    words = ("train-cluster", "--name", "short", "--set", "train.epochs=1", "--set", "flow.step_s=0.3")
    run(*words, *options[2:], "--store", store)
    recipe = tomllib.loads((store / "runs/short/recipe.toml").read_text())
    assert recipe["flow"]["step_s"] == 0.1
    tuned = ("train-cluster", "--task", "classify", "--init", "short", "--name", "fits", "--set", "finetune.epochs=1")
    run(*tuned, "--recipe", store / "runs/short/recipe.toml", "--workers", 0, "--store", store)


def test_usage_of_init_and_task(chain):
    assert "needs --init" in run("train-cluster", "--task", "classify", "--name", "new", *chain[1], code=2)
    assert "needs --init" in run("train-cluster", "--init", "a", "--name", "new", *chain[1], code=2)
    assert "choose one with --run" in run("evaluate", *chain[1], code=1)
    assert "trained with --task classify" in run("evaluate", "--run", "a", *chain[1], code=1)


def test_seeds_stand_together_and_other_settings_apart():
    def row(run, settings, top1):
        figures = {"top1": top1, "mean_class_accuracy": top1, "mean_ap": top1, "chance": 0.5, "majority": 0.5}
        counts = {"n_train": 8, "n_test": 2, "n_test_planned": 2, "leak": ""}
        return {"run": run, "init": "none", "protocol": "xsub", "settings": settings, **figures, **counts}

    rows = [row("b-s1", "x", 0.5), row("a", "y", 0.1), row("b-s0", "x", 0.7)]
    assert [[r["run"] for r in group] for group in by_settings(rows)] == [["a"], ["b-s0", "b-s1"]]
    assert "  2 seeds: top-1 0.600 ± 0.141" in evaluation_table(rows)[4]
