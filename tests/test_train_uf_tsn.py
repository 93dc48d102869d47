"""UF-TSN through the command line, on a small RGB store: its stages, what each keeps, and what is made from them."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from motionpipe.jobs.classify_small import main as classify_small
from motionpipe.jobs.cli import main
from motionpipe.models.resnet import ResNet

UF_TSN = """
[train]
model = "uf-tsn"
epochs = 1
clips_per_epoch = 4
global_batch = 4
micro_batch = 4
[uf_tsn]
pyramid_widths = [4, 6, 8]
pyramid_convolutions = 1
flow_widths = [8]
census_radii = [1, 1]
frame_short_side = 48
crop = 32
segments = 2
stack = 2
backbone_width = 4
[finetune]
epochs = 1
clips_per_epoch = 4
global_batch = 4
micro_batch = 4
frozen_epochs = 0
holdout = 0.25
[evaluate]
num_clips = 3
average = "scores"
[embed]
num_clips = 3
"""


def run(*words, code=0):
    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def chain(rgb_chain, tmp_path_factory):
    """A copy of the RGB store with a run of each stage: flow, temporal, spatial, joint."""
    root = tmp_path_factory.mktemp("uf-tsn")
    folder = shutil.copytree(rgb_chain, root / "store")
    recipe = root / "uf-tsn.toml"
    recipe.write_text(UF_TSN)
    options = ("--store", folder, "--recipe", recipe, "--workers", 0)
    train = ("train-cluster", *options, "--stage")
    run(*train, "flow", "--name", "flow")
    run(*train, "classifier", "--stream", "temporal", "--init", "flow", "--name", "temporal")
    run(*train, "classifier", "--stream", "spatial", "--name", "spatial")
    run(*train, "joint", "--init", "temporal", "--name", "joint", "--set", "uf_tsn.flow_rate=1e-3")
    return folder, options


def weights(folder, name, file=None):
    checkpoints = sorted((folder / f"runs/{name}/checkpoints").glob("step-*.pt"))
    path = folder / f"runs/{name}/checkpoints/{file}" if file else checkpoints[-1]
    return torch.load(path, weights_only=True)["model"]


def estimator(model):
    return {name.removeprefix("flow."): value for name, value in model.items() if name.startswith("flow.")}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_flow_network_moves_in_the_flow_and_the_joint_stage_alone(chain):
    folder, _ = chain
    trained = weights(folder, "flow")
    assert not same(weights(folder, "flow", "init.pt"), trained)
    assert same(estimator(weights(folder, "temporal", "init.pt")), trained)
    assert same(estimator(weights(folder, "temporal")), trained)
    assert same(weights(folder, "joint", "init.pt"), weights(folder, "temporal"))
    assert not same(estimator(weights(folder, "joint")), trained)
    assert not estimator(weights(folder, "spatial"))


def test_public_weights_start_a_stream(chain, tmp_path):
    folder, options = chain
    torch.manual_seed(3)
    public = ResNet(2, "resnet18", 1000, 3, 4).state_dict()
    torch.save(public, tmp_path / "public.pt")
    words = ("train-cluster", "--stage", "classifier", "--init", "flow", "--name", "public")
    run(*words, "--weights", tmp_path / "public.pt", *options)
    begun = weights(folder, "public", "init.pt")
    assert torch.equal(begun["backbone.layer2.0.conv1.weight"], public["layer2.0.conv1.weight"])
    assert torch.equal(begun["backbone.conv1.weight"][:, 3], public["conv1.weight"].mean(dim=1))
    assert same(estimator(begun), weights(folder, "flow"))


def test_a_file_that_is_no_weights_leaves_no_run_behind(chain, tmp_path):
    folder, options = chain
    (tmp_path / "bad.pth").write_bytes(b"nothing of the kind")
    words = ("--stage", "classifier", "--stream", "spatial", "--weights", tmp_path / "bad.pth", "--name", "bad")
    assert "bad.pth" in run("train-cluster", *words, *options, code=1)
    assert not (folder / "runs/bad").exists()


def test_metrics_say_what_each_stage_learns(chain):
    folder, _ = chain
    rows = {
        name: json.loads((folder / f"runs/{name}/metrics.jsonl").read_text().splitlines()[-1])
        for name in ("flow", "temporal", "joint")
    }
    assert {"census", "smooth", "motion"} <= set(rows["flow"])
    assert "census" not in rows["temporal"]
    assert {"census", "accuracy", "held_out_accuracy"} <= set(rows["joint"])


def test_embeddings_come_from_the_temporal_stream(chain):
    folder, options = chain
    run("embed", "--run", "joint", *options)
    table = pq.read_table(folder / "embeddings/joint/000000.parquet").to_pylist()
    assert all(len(row["embedding"]) == 32 for row in table)
    assert len({row["row_id"] for row in table}) == len(table)
    assert {row["frame_end"] - row["frame_start"] for row in table} == {3}
    assert np.std([row["embedding"] for row in table], axis=0).max() > 0


def test_every_frame_has_a_row_of_either_stream_and_both_classify_together(chain, tmp_path):
    folder, options = chain
    for name in ("spatial", "temporal"):
        run("embed", "--run", name, "--per", "frame", "--set", "embed.num_clips=1000", *options)
    rows = pq.read_table(folder / "embeddings/temporal-frame/000000.parquet").to_pylist()
    frames = {key: [r["frame_start"] for r in rows if r["key"] == key] for key in {r["key"] for r in rows}}
    assert all(numbers == list(range(len(numbers))) and len(numbers) > 3 for numbers in frames.values())
    assert all(row["frame_end"] == row["frame_start"] + 1 for row in rows)
    first, middle = np.array(rows[0]["embedding"]), np.array(rows[2]["embedding"])
    assert np.array_equal(first, rows[1]["embedding"])  # frame 0 has nothing before it: frames 0 to 2 for both
    assert not np.array_equal(first, middle)
    embeddings = json.loads((folder / "embeddings/temporal-frame/manifest.json").read_text())["identity"]["data"]
    assert embeddings["learned_from"] == [["folder", "split"]]
    words = [str(folder), "--percepts", "spatial-frame", "--fuse", "temporal-frame", "--per-class", "0"]
    assert classify_small([*words, "--steps", "2", "--out", str(tmp_path / "out.jsonl")]) == 0
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {name for line in lines for name in line["top1"]} == {"spatial-frame", "temporal-frame", "fused"}


def test_a_run_of_the_flow_stage_has_no_features(chain):
    _, options = chain
    assert "--stage classifier" in run("embed", "--run", "flow", "--name", "none", *options, code=1)


def scores(folder, name, place="split"):
    table = pq.read_table(folder / f"evaluations/{name}/{place}/predictions.parquet")
    return np.array(table["scores"].to_pylist())


def test_two_streams_are_fused_by_their_scores(chain):
    folder, options = chain
    shown = run("evaluate", "--run", "spatial", "--with", "temporal", "--weights", "3:1", *options)
    assert "spatial+temporal" in shown
    assert shown.count("top-1") == 1
    expected = 0.75 * scores(folder, "spatial") + 0.25 * scores(folder, "temporal")
    np.testing.assert_allclose(scores(folder, "spatial+temporal"), expected)
    assert not np.allclose(scores(folder, "spatial").sum(axis=1), 1)  # they are no probabilities
    metrics = json.loads((folder / "evaluations/spatial+temporal/split/metrics.json").read_text())
    assert (metrics["n_test"], metrics["init"]) == (2, "0.75:0.25")
    assert np.sum(metrics["confusion"]) == 2


def test_weights_are_chosen_on_what_both_runs_held_out(chain):
    folder, options = chain
    run("evaluate", "--run", "joint", "--with", "spatial", "--weights", "held-out", *options)
    assert "held-out" in json.loads((folder / "evaluations/joint+spatial/split/metrics.json").read_text())["init"]


def test_weights_that_cannot_be_chosen_leave_nothing_begun(chain):
    folder, options = chain
    train = ("train-cluster", "--stage", "classifier", "--stream", "spatial")
    run(*train, "--name", "all", "--set", "finetune.holdout=0", *options)
    words = ("evaluate", "--run", "all", "--with", "spatial", *options)
    assert "needs recordings that both runs held out" in run(*words, "--weights", "held-out", code=1)
    assert not (folder / "evaluations/all+spatial").exists()
    run(*words)


def test_a_joint_run_holds_nothing_out_that_its_classifier_has_learned(chain):
    folder, options = chain
    train = ("train-cluster", *options, "--stage")
    run(*train, "classifier", "--init", "flow", "--name", "learned-all", "--set", "finetune.holdout=0")
    assert "holdout = 0.0 and" in run(*train, "joint", "--init", "learned-all", "--name", "x", code=1)
    assert not (folder / "runs/x").exists()


def test_fused_evaluations_belong_to_their_parts(chain):
    folder, options = chain
    run("evaluate", "--run", "joint", "--with", "temporal", *options)
    run("verify", "--store", folder, "--workers", 0)


def test_ten_crops_stand_beside_one(chain):
    folder, options = chain
    for crops in (1, 10):
        run("evaluate", "--run", "temporal", "--set", f"evaluate.crops={crops}", *options)
    ten = json.loads((folder / "evaluations/temporal/split-10-crops/metrics.json").read_text())
    assert ten["clips"] == 2 * 3 * 10
    assert not np.allclose(scores(folder, "temporal"), scores(folder, "temporal", "split-10-crops"))


def test_a_run_serves_as_a_method_of_flow(chain):
    folder, options = chain
    run("flow", "--method", "learned", "--run", "joint", "--set", "flow.stride=1", *options)
    identity = json.loads((folder / "flow/joint/manifest.json").read_text())["identity"]
    assert identity["data"]["learned_from"] == [["folder", "split"]]
    identity = json.loads((folder / "flow/joint/manifest.json").read_text())["identity"]
    assert identity["parents"]["run"] == json.loads((folder / "runs/joint/manifest.json").read_text())["hash"]
    assert identity["section"]["run"] == "joint"
    run(
        "flow",
        "--preview",
        "train_left_v1",
        "--method",
        "learned",
        "--run",
        "flow",
        "--out",
        folder / "p.png",
        *options,
    )
    run("verify", "--deep", "--store", folder, "--workers", 0)


def test_a_temporal_stream_of_stored_flow(chain):
    folder, options = chain
    run("flow", "--method", "dis", "--name", "px", "--set", "flow.keep=pixels", "--set", "flow.stride=1", *options)
    words = ("train-cluster", "--stage", "classifier", "--name")
    run(*words, "of-dis", "--set", "uf_tsn.flow=px", *options)
    identity = json.loads((folder / "runs/of-dis/manifest.json").read_text())["identity"]
    assert identity["parents"]["flow"] == json.loads((folder / "flow/px/manifest.json").read_text())["hash"]
    run("evaluate", "--run", "of-dis", "--set", "evaluate.crops=10", *options)
    shown = run("evaluate", "--run", "of-dis", *options)  # beside the figures of ten crops
    assert "10 crops" in shown
    assert sum(line.startswith("of-dis ") for line in shown.splitlines()) == 2
    for crops in (1, 10):
        run("evaluate", "--run", "spatial", "--with", "of-dis", "--set", f"evaluate.crops={crops}", *options)
    run("embed", "--run", "of-dis", *options)
    run("verify", "--store", folder, "--workers", 0)
    assert "flow.keep=pixels" in run(*words, "x", "--set", "uf_tsn.flow=dis", *options, code=1)
    assert "estimates no flow" in run("flow", "--method", "learned", "--run", "of-dis", *options, code=1)


def test_a_sample_without_stored_flow_is_left_out(chain, tmp_path):
    folder, options = chain
    copy = shutil.copytree(folder, tmp_path / "store")
    options = ("--store", copy, *options[2:])
    report = copy / "flow/px/000000.json"
    content = json.loads(report.read_text())
    at = next(number for number, sample in enumerate(content["samples"]) if sample["key"].startswith("train"))
    lost = content["samples"].pop(at)["key"]
    report.write_text(json.dumps(content))
    words = ("train-cluster", "--stage", "classifier", "--name", "fewer", "--set", "uf_tsn.flow=px", "--init", "none")
    shown = run(*words, *options)
    assert "1 of" in shown
    assert "have no flow in flow/px" in shown
    assert lost not in (copy / "runs/fewer/samples.npz").read_bytes().decode("latin-1")


def test_flow_is_scored_beside_the_others_on_the_same_pairs(chain):
    folder, options = chain
    shown = run("evaluate", "--on", "flow", "--run", "flow", "--pairs", 3, *options)
    record = json.loads((folder / "report/flow-quality/flow-split.json").read_text())
    assert record["pairs"] == 3
    assert [row["method"] for row in record["rows"]] == ["flow", "still", "tv-l1", "dis-fast", "dis", "deepflow"]
    by_method = {row["method"]: row for row in record["rows"]}
    assert by_method["tv-l1"]["l1"] < 0.7 * by_method["still"]["l1"]  # textures that move one pixel a frame
    assert all(row["method"] in shown for row in record["rows"])
    assert (folder / "report/flow-quality/flow-split.png").read_bytes().startswith(b"\x89PNG")
    run("evaluate", "--run", "temporal", "--with", "spatial", *options)
    run("report", "--store", folder)
    page = (folder / "report/index.html").read_text()
    assert all(text in page for text in ("Learned flow", "deepflow", "temporal+spatial"))
    assert "uf-tsn, classifier, spatial</dd>" in page
    assert "method learned, run joint</span>" in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train-cluster", "--stage", "classifier", "--name", "x"], "--init RUN of --stage flow"),
        (["train-cluster", "--stage", "flow", "--init", "flow", "--name", "x"], "leave --init out"),
        (["train-cluster", "--stage", "joint", "--name", "x"], "temporal classifier"),
        (["train-cluster", "--stage", "joint", "--init", "flow", "--name", "x"], "a classifier here"),
        (["train-cluster", "--stage", "classifier", "--init", "temporal", "--name", "x"], "a pre-training run here"),
        (
            ["train-cluster", "--stage", "classifier", "--stream", "spatial", "--init", "flow", "--name", "x"],
            "begins from no run",
        ),
        (
            ["train-cluster", "--stage", "classifier", "--init", "flow", "--name", "x", "--set", "uf_tsn.radius=2"],
            "uf_tsn.radius is 3 there and 2 here",
        ),
        (
            ["train-cluster", "--stage", "classifier", "--init", "flow", "--name", "x", "--set", "uf_tsn.finest=2"],
            "uf_tsn.finest is 4 there and 2 here",
        ),
        (["train-cluster", "--stage", "classifier", "--init", "a", "--name", "x"], "a run of atomic-flow"),
        (["train-cluster", "--stage", "joint", "--init", "of-dis", "--name", "x"], "has no flow network to train"),
        (["flow", "--method", "learned", "--name", "x"], "needs a run"),
        (["flow", "--method", "learned", "--run", "spatial"], "estimates no flow"),
        (["evaluate", "--run", "spatial", "--with", "temporal", "--weights", "1"], "expected two numbers"),
        (["evaluate", "--run", "spatial", "--with", "spatial"], "both name spatial"),
        (["predict", "--run", "flow"], "estimates flow and predicts none"),
        (
            ["train-cluster", "--stage", "flow", "--name", "flow", "--set", "uf_tsn.radius=2"],
            "otherwise: data.network.radius is 3 there and 2 here; use",
        ),
    ],
)
def test_one_clear_line_says_what_does_not_fit(chain, words, message):
    _, options = chain
    shared = options if words[0] != "predict" else options[:2]
    assert message in run(*words, *shared, code=1)


def test_a_flow_network_of_another_split_does_not_slip_into_a_joint_run(chain):
    folder, options = chain
    mixed = shutil.copytree(folder / "runs/temporal", folder / "runs/mixed")
    manifest = json.loads((mixed / "manifest.json").read_text())
    manifest["identity"]["data"]["learned_from"].append(["folder", "split2"])
    (mixed / "manifest.json").write_text(json.dumps(manifest))
    message = run("train-cluster", "--stage", "joint", "--init", "mixed", "--name", "x", *options, code=1)
    shutil.rmtree(mixed)
    assert "run mixed is of split, its flow network of split2" in message
