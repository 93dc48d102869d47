"""CGM-Net through the command line on a small RGB store: pre-training, classifiers, frames beside optical flow."""

import csv
import json
import shutil

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from motionpipe.jobs.cli import main
from motionpipe.jobs.learners import LEARNERS
from motionpipe.jobs.motion_table import motion_table
from motionpipe.jobs.recipe_files import load_recipe
from motionpipe.models.cgm_net import CgmNetScorer
from motionpipe.models.resnet import ResNet
from motionpipe.pipeline.measure_frames import METHODS
from motionpipe.pipeline.store import Store
from motionpipe.schemas.errors import MotionpipeError

RECIPE = """
[train]
model = "cgm-net"
epochs = 3
learning_rate = 1e-3
weight_decay = 0.0
global_batch = 4
micro_batch = 2
checkpoint_every = 2
[cgm_net]
clip_frames = 4
frame_short_side = 40
crop = 32
backbone_width = 4
decoder_widths = [8, 8, 8, 8]
motion_channels = 8
action_widths = [4, 4, 4, 4, 4, 8]
[finetune]
clip_frames = 4
epochs = 2
frozen_epochs = 1
global_batch = 4
micro_batch = 2
[evaluate]
num_clips = 2
[embed]
clip_frames = 4
num_clips = 2
"""


def run(*words, code=0):
    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def chain(rgb_chain, tmp_path_factory):
    """A copy of the RGB store with run "frames", pre-trained, and the classifier "tuned" that begins with it."""
    root = tmp_path_factory.mktemp("cgm-net")
    folder, recipe = shutil.copytree(rgb_chain, root / "store"), root / "cgm-net.toml"
    recipe.write_text(RECIPE)
    options = ("--store", folder, "--recipe", recipe, "--workers", 0)
    run("train-cluster", "--name", "frames", "--set", "train.holdout=0.2", *options)
    run("train-cluster", "--task", "classify", "--init", "frames", "--name", "tuned", *options)
    return folder, options


def rows_of(folder, name):
    return [json.loads(line) for line in (folder / f"runs/{name}/metrics.jsonl").read_text().splitlines()]


def weights(folder, name, file=None):
    checkpoints = sorted((folder / f"runs/{name}/checkpoints").glob("step-*.pt"))
    path = folder / f"runs/{name}/checkpoints/{file}" if file else checkpoints[-1]
    return torch.load(path, weights_only=True)["model"]


def test_the_first_step_errs_as_copying_does(chain):
    rows = rows_of(chain[0], "frames")
    assert rows[0]["step"] == 1
    assert rows[0]["hr"] == rows[0]["copy"]
    assert rows[0]["loss"] == pytest.approx(rows[0]["hr"] + rows[0]["lr"], rel=1e-4)
    assert rows[-1]["hr"] != rows[-1]["copy"]
    assert {"held_out_hr", "held_out_next", "held_out_copy"} <= rows[-1].keys()
    assert "class" not in rows[0]


def test_a_run_that_was_stopped_ends_with_the_same_weights(chain, tmp_path):
    folder, options = chain
    again = shutil.copytree(folder, tmp_path / "store")
    whole = weights(folder, "frames")
    (again / "runs/frames/manifest.json").unlink()
    for file in sorted((again / "runs/frames/checkpoints").glob("step-*.pt"))[1:]:
        file.unlink()
    run("train-cluster", "--name", "frames", "--set", "train.holdout=0.2", "--store", again, *options[2:])
    resumed = weights(again, "frames")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_classifier_begins_with_everything_that_does_not_belong_to_classes(chain):
    folder, _ = chain
    given, begun = weights(folder, "frames"), weights(folder, "tuned", "init.pt")
    learned = {name for name in given if "running" not in name and "num_batches" not in name}
    assert all(torch.equal(given[name], begun[name]) for name in learned)
    assert {name.split(".")[0] for name in begun.keys() - given.keys()} == {"encoder", "actions"}
    identity = json.loads((folder / "runs/tuned/manifest.json").read_text())["identity"]
    assert identity["data"]["network"]["lambda_class"] == 10
    assert rows_of(folder, "tuned")[0].keys() >= {"hr", "lr", "class", "accuracy"}


def test_costs_of_each_pipeline_are_shown_beside_the_papers(chain):
    _, options = chain
    shown = run("train-cluster", "--task", "classify", "--init", "none", "--name", "costs", *options)
    lines = [line.split() for line in shown.splitlines()]
    assert [line[0] for line in lines if "(33.20," in line or "(53.63," in line] == ["backbone", "lr+hr"]
    assert "lr+hr *" in shown


def test_a_backbone_alone_learns_from_classes_alone_and_may_begin_with_any_motion_modules(chain):
    folder, options = chain
    alone = ("cgm_net.lambda_hr=0", "cgm_net.lambda_lr=0", "cgm_net.pipeline=backbone", "cgm_net.motion_channels=16")
    sets = [word for one in alone for word in ("--set", one)]
    run("train-cluster", "--task", "classify", "--init", "frames", "--name", "alone", *sets, *options)
    assert rows_of(folder, "alone")[0].keys() >= {"loss", "class", "accuracy"}
    assert "hr" not in rows_of(folder, "alone")[0]
    given, begun = weights(folder, "frames"), weights(folder, "alone", "init.pt")
    assert torch.equal(given["encoder.conv1.weight"], begun["encoder.conv1.weight"])
    run("evaluate", "--run", "alone", *options)
    assert "synthesises no frames" in run("predict", "--run", "alone", "--store", folder, code=1)
    assert "synthesises no frames" in run("evaluate", "--on", "motion", "--run", "alone", *options, code=1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--name", "x", "--set", "train.micro_batch=1"), "set micro_batch=2 or more"),
        (("--name", "x", "--set", "cgm_net.scale=1", "--set", "cgm_net.lambda_hr=0"), "nothing would be learned"),
        (
            (
                *("--task", "classify", "--init", "none", "--name", "x", "--set", "cgm_net.backbone=slowfast-small"),
                *("--set", "cgm_net.backbone_width=8", "--set", "cgm_net.clip_frames=8"),
                *("--set", "finetune.clip_frames=6"),
            ),
            "clip_frames must be a multiple of 4",
        ),
        (("--model", "lstm", "--name", "x", "--weights"), "uf-tsn and cgm-net"),
        (("--name", "x", "--weights"), "of another network"),
    ],
)
def test_what_cannot_be_learned_is_one_line(chain, tmp_path, words, message):
    folder, options = chain
    torch.save({"conv1.weight": torch.zeros(4, 3, 7, 7, 7)}, tmp_path / "w.pt")
    given = (*words, tmp_path / "w.pt") if words[-1] == "--weights" else words
    shown = run("train-cluster", *given, *options, code=2 if "lstm" in words else 1)
    assert message in " ".join(shown.split())
    assert not (folder / "runs/x").exists()


def test_public_weights_start_the_encoder_or_the_context(chain, tmp_path):
    folder, options = chain
    torch.manual_seed(5)
    network = load_recipe(str(options[3])).cgm_net
    files = {
        "encoder": ResNet(3, "resnet18", 400, width=network.backbone_width),
        "context": ResNet(2, "resnet18", 1000, width=network.motion_channels // 2),
    }
    for part, public in files.items():
        torch.save(public.state_dict(), tmp_path / f"{part}.pt")
        run("train-cluster", "--name", part, "--weights", tmp_path / f"{part}.pt", *options)
        begun = weights(folder, part, "init.pt")
        assert torch.equal(begun[f"{part}.layer2.1.conv2.weight"], public.state_dict()["layer2.1.conv2.weight"])
    words = ("--task", "classify", "--init", "none", "--weights", tmp_path / "encoder.pt")
    run("train-cluster", *words, "--name", "public-tuned", *options)
    begun = weights(folder, "public-tuned", "init.pt")
    assert torch.equal(begun["encoder.conv1.weight"], files["encoder"].state_dict()["conv1.weight"])


def test_a_classifier_at_scale_one_reads_its_one_kind_of_maps(chain):
    _, options = chain
    shown = run(
        "train-cluster", "--task", "classify", "--init", "none", "--name", "one", "--set", "cgm_net.scale=1", *options
    )
    assert "hr *" in shown


def test_runs_of_other_sizes_or_models_do_not_fit(chain):
    folder, options = chain
    words = ("train-cluster", "--task", "classify", "--name", "unfit", *options)
    refused = run(*words, "--init", "frames", "--set", "cgm_net.motion_channels=16", code=1)
    assert "cgm_net.motion_channels is 8 there and 16 here" in refused
    other = run(*words, "--init", "a", code=1)
    assert "is a run of atomic-flow; this is cgm-net: pass --model atomic-flow" in other
    assert "pool_grid must be 1" in run(*words, "--init", "none", "--set", "finetune.pool_grid=2", code=1)
    assert not (folder / "runs/unfit").exists()


def test_labels_take_part_in_pre_training_where_the_recipe_says_so(chain):
    folder, options = chain
    run("train-cluster", "--name", "both", "--set", "cgm_net.lambda_class=10", *options)
    first = rows_of(folder, "both")[0]
    assert first["loss"] == pytest.approx(first["hr"] + first["lr"] + 10 * first["class"], rel=1e-5)
    net = LEARNERS["cgm-net"].restore(
        load_recipe(None, ("cgm_net.lambda_class=10",), RECIPE.encode()).cgm_net, weights(folder, "both")
    )
    assert net.encoder.fc.out_features == 2


def test_fewer_labels_are_fewer_recordings(chain):
    folder, options = chain
    half = ("--set", "finetune.labelled=0.5", "--name", "half")
    run("train-cluster", "--task", "classify", "--init", "none", *half, *options)
    with np.load(folder / "runs/half/samples.npz", allow_pickle=False) as arrays:
        assert sorted(arrays["label"].tolist()) in ([0, 0, 1, 1], [0, 0, 1, 1, 1])  # a recording may be in two segments
    run("evaluate", "--run", "half", *options)
    assert json.loads((folder / "evaluations/half/split/metrics.json").read_text())["n_train"] == 4


def test_evaluations_embeddings_probes_and_pictures_know_the_model(chain):
    folder, options = chain
    run("evaluate", "--run", "tuned", *options)
    metrics = json.loads((folder / "evaluations/tuned/split/metrics.json").read_text())
    assert (metrics["n_train"], metrics["n_test"], metrics["init"]) == (8, 2, "frames")
    scores = pq.read_table(folder / "evaluations/tuned/split/predictions.parquet")["scores"].to_pylist()
    np.testing.assert_allclose([sum(row) for row in scores], 1, rtol=1e-5)
    run("embed", "--run", "frames", *options)
    tables = [pq.read_table(file) for file in sorted((folder / "embeddings/frames").glob("*.parquet"))]
    assert {len(row) for table in tables for row in table["embedding"].to_pylist()} == {32}
    spans = {row["frame_end"] - row["frame_start"] for table in tables for row in table.to_pylist()}
    assert spans == {4}
    run("classify", "--embeddings", "frames", "--probe", "knn", *options)
    for name in ("frames", "tuned"):
        pictures = run("predict", "--run", name, "--store", folder).split()
        assert [cv2.imread(file) is not None for file in pictures] == [True, True]
    assert "clips from frames 0 to 5" in run(
        "predict", "--run", "frames", "--key", "test_left_v9", "--start", 6, "--store", folder, code=1
    )
    assert "is no test sample" in run("predict", "--run", "frames", "--key", "train_left_v1", "--store", folder, code=1)


def test_frames_are_measured_beside_copying_and_optical_flow(chain):
    folder, options = chain
    shown = run("evaluate", "--on", "motion", "--run", "frames", *options)
    record = json.loads((folder / "evaluations/frames/split-motion-32/metrics.json").read_text())
    assert motion_table(record)[1:] == shown.splitlines()[-len(METHODS) - 2 :]
    assert record["methods"].keys() == set(METHODS)
    assert (record["clips"], record["side"], record["leak"]) == (2, 32, "")
    with open(folder / "evaluations/frames/split-motion-32/clips.csv") as file:
        names = [row["recording"] for row in csv.DictReader(file)]
    assert names == ["test/left/v9.mkv", "test/right/v4.mkv"]
    rows = pq.read_table(folder / "evaluations/frames/split-motion-32/clips.parquet").to_pylist()
    for method in METHODS:
        own = [row for row in rows if row["method"] == method]
        assert record["methods"][method]["next_psnr"] == pytest.approx(np.mean([row["next_psnr"] for row in own]))
        assert all((row["kept_l1"] is None) == (method in ("run", "copy")) for row in own)
    assert "finished already" in run("evaluate", "--on", "motion", "--run", "frames", *options)


def test_larger_frames_and_classifiers_are_measured_too(chain):
    folder, options = chain
    run("evaluate", "--on", "motion", "--run", "tuned", "--set", "evaluate.motion_side=48", *options)
    record = json.loads((folder / "evaluations/tuned/split-motion-48/metrics.json").read_text())
    assert record["side"] == 48
    refused = run("evaluate", "--on", "motion", "--run", "tuned", "--set", "evaluate.motion_side=50", *options, code=1)
    assert "50 must be a multiple of the run's scale 4" in refused
    assert "run a synthesises no frames" in run("evaluate", "--on", "motion", "--run", "a", *options, code=1)


def test_status_report_and_verify_know_them(chain, tmp_path):
    folder, options = chain
    copied = shutil.copytree(folder, tmp_path / "store")
    run("evaluate", "--on", "motion", "--run", "frames", "--store", copied, *options[2:])
    assert "evaluations/frames/split-motion-32" in run("status", "--store", copied)
    run("verify", "--store", copied, "--workers", 0)
    run("report", "--store", copied)
    page = (copied / "report/index.html").read_text()
    assert "Synthesised frames" in page
    assert "frames, split, 32x32 px, 2 clips" in page
    (copied / "evaluations/frames/split-motion-32/clips.csv").write_text("recording,start\n")
    assert "clips.csv" in run("verify", "--store", copied, "--workers", 0, code=1)


def test_recordings_need_no_labels(write_video, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(4):
        image = cv2.GaussianBlur(rng.integers(0, 255, (48, 64, 3)).astype(np.uint8), (0, 0), 2)
        frames = np.stack([np.roll(image, i, axis=1) for i in range(3 if number else 1)])
        (tmp_path / "videos").mkdir(exist_ok=True)
        write_video(tmp_path / f"videos/v{number}.mkv", frames, 10)
    (tmp_path / "list.csv").write_text("path,label,split\n" + "".join(f"videos/v{n}.mkv,,train\n" for n in range(4)))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    options = ("--store", tmp_path / "store", "--recipe", recipe, "--workers", 0)
    run("shard", "--dataset", "folder", "--source", tmp_path / "list.csv", *options)
    shown = run("train-cluster", "--name", "frames", "--set", "train.epochs=1", *options)
    assert "1 of 4 samples have no pair of RGB frames" in shown
    assert rows_of(tmp_path / "store", "frames")[0]["hr"] > 0  # shorter than a clip: looped, and all real pairs count
    asked = ("--set", "cgm_net.lambda_class=10", "--name", "labels")
    assert "shows 0 class" in run("train-cluster", *asked, *options, code=1)
    nothing = ("--set", "cgm_net.lambda_hr=0", "--set", "cgm_net.lambda_lr=0", "--name", "nothing")
    assert "nothing would be learned" in run("train-cluster", *nothing, *options, code=1)


def test_shipped_recipes_are_of_this_model_and_their_sizes_agree():
    for size in ("tiny", "small", "paper"):
        recipe = load_recipe(f"cgm-net/{size}")
        assert recipe.train.model == "cgm-net"
        assert recipe.network("cgm-net") is recipe.cgm_net
        assert recipe.embed.clip_frames == recipe.cgm_net.clip_frames
    with pytest.raises(MotionpipeError, match="crop 112 does not fit in frames of shorter side 100"):
        load_recipe("cgm-net/paper", ("cgm_net.frame_short_side=100",))


def test_a_restored_classifier_gives_logits_of_its_averaged_probabilities(chain):
    folder, _ = chain
    identity = json.loads((folder / "runs/tuned/manifest.json").read_text())["identity"]
    network = load_recipe(None, (), RECIPE.encode()).cgm_net.model_validate(identity["data"]["network"])
    net = LEARNERS["cgm-net/classify"].restore(network, weights(folder, "tuned"))
    assert isinstance(net, CgmNetScorer)
    with torch.no_grad():
        logits = net(torch.zeros(2, 4, 3, 32, 32))
    torch.testing.assert_close(logits.exp().sum(dim=1), torch.ones(2))
    assert Store.at(str(folder)).exists("runs/tuned/manifest.json")
