"""The whole chain through the command line, on a small generated set."""

import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import webdataset as wds
from click.testing import CliRunner
from motionpipe.jobs.artefact_lock import artefact_lock
from motionpipe.jobs.classify_small import main as classify_small
from motionpipe.jobs.cli import main
from motionpipe.jobs.codebook import read_codebook
from motionpipe.jobs.pretrain_atomic_flow import find_parents, resolve_modality
from motionpipe.jobs.recipe_files import load_recipe
from motionpipe.jobs.train_data import flow_samples
from motionpipe.models.codebook import codebook_tensors, encode
from motionpipe.pipeline.artefacts import read_manifest, read_samples
from motionpipe.pipeline.batches_atomic_flow import build_batch
from motionpipe.pipeline.clip_plan import ClipRef
from motionpipe.pipeline.generate_ntu import GeneratorConfig, list_recordings, write_recording
from motionpipe.pipeline.read_sample import read_array
from motionpipe.pipeline.splits import planned_by_recording
from motionpipe.pipeline.store import Store
from motionpipe.pipeline.stored_clips import StoredClips

# performers 1, 2 are training subjects of xsub and 3 is a test subject; cameras 2, 3 train xview and 1 tests it
SET = GeneratorConfig(
    subjects=(1, 2, 3),
    cameras=(1, 2),
    actions=(8, 9),
    num_frames=12,
    fps=10.0,
    depth_size=(128, 106),
    rgb_size=(96, 54),
    truth=False,
)
RECIPE = """
[shard]
short_side = 72
recordings_per_shard = 5
[flow]
iterations = 15
[codebook]
size = 8
sample_cells = 20000
[atomic_flow]
frame_short_side = 72
crop = 64
widths = [4, 4, 8, 8, 8]
hidden = 8
deconv_widths = [8, 8]
steps = 3
[train]
epochs = 3
clips_per_epoch = 16
global_batch = 4
micro_batch = 2
checkpoint_every = 1
[embed]
num_clips = 3
clip_frames = 4
[classify]
folds = 2
"""


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ntu")
    for recording in list_recordings(SET):
        write_recording(folder, recording)
    return folder


@pytest.fixture(scope="session")
def recipe(tmp_path_factory):
    file = tmp_path_factory.mktemp("recipe") / "test.toml"
    file.write_text(RECIPE)
    return file


def run(*words, code=0):
    """Call the command line in this process; returns what it printed."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def common(store, recipe, workers=0):
    return ("--store", store, "--recipe", recipe, "--workers", workers)


def to_targets(store, source, recipe, workers):
    options = common(store, recipe, workers)
    run("shard", "--dataset", "ntu", "--source", source, *options)
    run("flow", *options)
    run("codebook", *options)


def hashes(store):
    """sha256 of every tar, codebook and manifest hash below a store."""
    found = {}
    for file in sorted(Path(store).glob("*/**/*")):
        if file.suffix in (".tar", ".npz", ".parquet") and file.name != "rejects.parquet":
            found[str(file.relative_to(store))] = hashlib.sha256(file.read_bytes()).hexdigest()
        if file.name == "manifest.json":
            found[str(file.relative_to(store))] = json.loads(file.read_text())["hash"]
    return found


@pytest.fixture(scope="session")
def store(tmp_path_factory, source, recipe):
    """A store made without Ray, from shard to embeddings."""
    folder = tmp_path_factory.mktemp("store")
    to_targets(folder, source, recipe, 0)
    options = common(folder, recipe)
    run("train-cluster", "--model", "atomic-flow", "--name", "a", *options)
    run("embed", "--run", "a", *options)
    return folder


def test_every_recording_is_accounted_for_in_every_artefact(store):
    for name in ("shards", "flow/pd", "targets/pd-kmeans-8", "embeddings/a", "embeddings/a@init"):
        totals = json.loads((store / name / "manifest.json").read_text())["totals"]
        assert totals["read"] == totals["written"] == 12
        assert totals["rejected"] == 0


def test_a_finished_stage_does_nothing_and_says_so(store, source, recipe):
    before = hashes(store)
    options = common(store, recipe)
    for words in (
        ("shard", "--dataset", "ntu", "--source", source),
        ("flow",),
        ("codebook",),
        ("train-cluster", "--name", "a"),
        ("embed", "--run", "a"),
    ):
        assert "nothing to do" in run(*words, *options)
    assert hashes(store) == before


def test_plain_webdataset_opens_a_shard(store):
    samples = list(wds.WebDataset(str(store / "shards/000000.tar"), shardshuffle=False).decode("rgb8"))
    assert len(samples) == 5
    assert samples[0]["rgb.0000.jpg"].shape == (72, 87, 3)  # in the depth frame
    assert samples[0]["json"]["recording_id"] == samples[0]["__key__"]
    flow = list(wds.WebDataset(str(store / "flow/pd/000000.tar"), shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in flow] == [sample["__key__"] for sample in samples]
    assert flow[0]["flow.npy"].shape == (11, 3, 18, 21)


def brightness(store, name):
    """What scene flow asked brightness constancy of, by recording."""
    reports = [json.loads(file.read_text()) for file in sorted((store / "flow" / name).glob("0*.json"))]
    return {sample["recording_id"]: sample["brightness"] for report in reports for sample in report["samples"]}


def test_registered_rgb_is_the_brightness_of_scene_flow(store):
    registrations = json.loads((store / "shards/registration.json").read_text())
    assert [(fit["setup"], fit["camera"]) for fit in registrations["fits"]] == [(1, 1), (1, 2)]
    assert max(fit["mean_px"] for fit in registrations["fits"]) < 2
    assert set(brightness(store, "pd").values()) == {"rgb"}


@pytest.fixture(scope="module")
def partly_registered(tmp_path_factory, source, recipe):
    """A store whose camera 2 has no skeletons."""
    root = tmp_path_factory.mktemp("partly")
    shutil.copytree(source, root / "ntu")
    for file in (root / "ntu/nturgb+d_skeletons").glob("S001C002*"):
        file.unlink()
    output = run("shard", "--dataset", "ntu", "--source", root / "ntu", *common(root / "store", recipe))
    assert "S001C001 affine: reprojection error mean" in output
    assert "S001C002 stays unregistered: no recording has a skeleton" in output
    return root / "store"


def test_rgb_that_is_not_registered_is_not_used(partly_registered, recipe):
    options = common(partly_registered, recipe)
    run("flow", *options)
    kinds = brightness(partly_registered, "pd")
    assert all(kind == ("rgb" if "C001" in name else "shading") for name, kind in kinds.items())
    output = run("flow", "--name", "strict", "--set", "flow.intensity=rgb", *options, code=3)
    assert "12 read = 6 written + 6 rejected" in output
    assert "unregistered" in output
    run("codebook", "--flow", "pd", *options)
    modality = ("--set", "atomic_flow.modality=rgbd", "--set", "train.epochs=1")
    assert "4 of 8 training samples" in run("train-cluster", "--name", "rgbd", *modality, *options)
    assert "6 written + 6 rejected" in run("embed", "--run", "rgbd", *options, code=3)


def test_without_registration_rgb_keeps_its_own_frame(source, recipe, tmp_path):
    options = (*common(tmp_path / "off", recipe), "--set", "shard.registration=none")
    run("shard", "--dataset", "ntu", "--source", source, *options)
    assert not (tmp_path / "off/shards/registration.json").exists()
    (sample, *_) = wds.WebDataset(str(tmp_path / "off/shards/000000.tar"), shardshuffle=False).decode("rgb8")
    assert sample["rgb.0000.jpg"].shape == (54, 96, 3)
    assert sample["json"]["registration"] is None
    run("flow", *options)
    run("codebook", *options)
    words = ("train-cluster", "--name", "rgb", "--set", "atomic_flow.modality=rgb", *options)
    assert "RGB is not registered to depth; set atomic_flow.modality=depth" in run(*words, code=1)


def test_parquet_opens_in_pyarrow_and_duckdb_with_a_fixed_size_list(store):
    table = pq.read_table(store / "embeddings/a/000000.parquet")
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 8)
    assert table.schema.metadata[b"run"] == b"a"
    assert set(table["splits"][0].as_py()) >= {"xsub:train", "xview:test"}
    rows = f"'{store}/embeddings/a/*.parquet'"
    count, dim = duckdb.sql(f"select count(*), min(len(embedding)) from {rows}").fetchall()[0]
    assert (count, dim) == (36, 8)


def test_trained_and_untrained_embeddings_have_the_same_rows_and_other_values(store):
    trained, initial = (pq.read_table(store / f"embeddings/{name}/000000.parquet") for name in ("a", "a@init"))
    assert trained["row_id"].to_pylist() == initial["row_id"].to_pylist()
    assert trained["embedding"].to_pylist() != initial["embedding"].to_pylist()


@pytest.mark.ray
@pytest.mark.parametrize("workers", [1, 2])
def test_ray_workers_write_the_same_bytes_as_this_process(store, source, recipe, workers, tmp_path):
    to_targets(tmp_path / "other", source, recipe, workers)
    options = common(tmp_path / "other", recipe, workers)
    mine = hashes(store)
    assert hashes(tmp_path / "other").items() <= mine.items()
    # the same weights embed to the same bytes, too
    (tmp_path / "other/runs").symlink_to(store / "runs")
    run("embed", "--run", "a", *options)
    theirs = hashes(tmp_path / "other")
    assert {name: value for name, value in mine.items() if "embeddings" in name}.items() <= theirs.items()


@pytest.mark.ray
def test_two_workers_train_on_the_same_clips_as_one_and_twice_to_the_same_bits(store, recipe, tmp_path):
    other = tmp_path / "store"
    shutil.copytree(store, other)
    # rows at steps 1, 2, 4, … 20: two steps make an epoch, and each ends with a look at the held-out clips
    settings = ("--set", "train.epochs=10", "--set", "train.clips_per_epoch=8", "--set", "train.holdout=0.3")
    for name, workers in (("one", 0), ("two", 2), ("again", 2)):
        run("train-cluster", "--name", name, *settings, *common(other, recipe, workers))
    one, two, again = (metrics_of(other, name) for name in ("one", "two", "again"))
    assert [row["step"] for row in one] == [row["step"] for row in two] == [1, *range(2, 21, 2)]
    for mine, theirs in zip(one, two, strict=True):
        losses = [name for name in mine if name.endswith(("loss", "unweighted"))]
        assert [theirs[name] for name in losses] == pytest.approx([mine[name] for name in losses], rel=1e-4)
    assert two == again
    states = [torch.load(other / f"runs/{n}/checkpoints/step-00000020.pt", weights_only=True) for n in ("two", "again")]
    assert all(torch.equal(states[0]["model"][name], states[1]["model"][name]) for name in states[0]["model"])
    assert (states[0]["position"]["epoch"], states[0]["position"]["cursor"], states[0]["step"]) == (10, 0, 20)


def metrics_of(store, name):
    """Logged rows without what the clock says."""
    rows = map(json.loads, (Path(store) / f"runs/{name}/metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in row.items() if k not in ("clips_per_s", "data_wait")} for row in rows]


@pytest.mark.slow
def test_shards_killed_in_the_middle_resume_to_the_same_bytes(store, source, recipe, tmp_path):
    other = tmp_path / "killed"
    words = ("shard", "--dataset", "ntu", "--source", source, *common(other, recipe))
    kill_when(words, (other / "shards/000000.json").exists)
    assert not (other / "shards/manifest.json").exists()
    run(*words)
    mine = hashes(store)
    assert {name: value for name, value in mine.items() if name.startswith("shards/0")} == {
        name: value for name, value in hashes(other).items() if name.startswith("shards/0")
    }
    assert not list(other.rglob("*.tmp-*"))


@pytest.mark.slow
def test_a_run_killed_in_the_middle_resumes_to_the_same_weights(store, recipe):
    words = ("train-cluster", "--name", "killed", *common(store, recipe))
    checkpoints = store / "runs/killed/checkpoints"
    kill_when(words, lambda: len(list(checkpoints.glob("step-*.pt"))) == 2)
    assert not (store / "runs/killed/manifest.json").exists()
    run(*words)
    whole, resumed = (
        torch.load(store / f"runs/{name}/checkpoints/step-00000012.pt", weights_only=True)["model"]
        for name in ("a", "killed")
    )
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert metrics_of(store, "killed") == metrics_of(store, "a")


def kill_when(words, condition):
    """Run the command line in a process of its own and kill it as soon as the condition holds."""
    assert stop_when(words, condition, signal.SIGKILL) == -signal.SIGKILL


def stop_when(words, condition, number):
    """The same with any signal; returns the exit code."""
    command = [sys.executable, "-m", "motionpipe", *map(str, words)]
    # a test run in the background ignores interrupts, and would hand that down
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        signal.signal(signal.SIGINT, before)
        deadline = time.monotonic() + 120
        while not condition():
            assert process.poll() is None, "it ended before it could be stopped"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        os.kill(process.pid, number)
        code = process.wait(timeout=120)
        said.seek(0)
        print(said.read().decode(errors="replace")[-4000:])  # shown where the code is not as expected
    return code


def test_classify_scores_both_networks_and_keeps_the_predictions(store, recipe):
    output = run("classify", "--probe", "linear", "--embeddings", "a", *common(store, recipe))
    assert "a@init" in output
    metrics = json.loads((store / "probes/a/xsub-linear/metrics.json").read_text())
    assert (metrics["n_train"], metrics["n_test"], metrics["chance"]) == (8, 4, 0.5)
    assert metrics["classes"] == ["sit down", "stand up"]
    assert sum(map(sum, metrics["confusion"])) == 4
    assert pq.read_table(store / "probes/a/xsub-linear/predictions.parquet").num_rows == 4


def test_a_protocol_whose_test_part_was_trained_on_is_refused(store, recipe):
    words = ("classify", "--probe", "knn", "--embeddings", "a", "--protocol", "xview", *common(store, recipe))
    assert "--allow-leak" in run(*words, code=1)
    assert "LEAK" in run(*words, "--allow-leak")


def test_fine_tuning_on_another_protocol_is_marked_as_a_leak(store, recipe, tmp_path):
    other = tmp_path / "store"
    shutil.copytree(store, other)
    options = ("--set", "finetune.epochs=1", "--set", "finetune.global_batch=4", *common(other, recipe))
    options = ("--set", "finetune.micro_batch=4", "--set", "evaluate.num_clips=2", *options)
    words = ("train-cluster", "--task", "classify", "--init", "a", "--protocol", "xview", "--name", "view")
    run(*words, *options)
    refused = run("evaluate", "--run", "view", *options, code=1)
    assert "began from, or reads, what was trained on xsub" in refused
    assert "LEAK" in run("evaluate", "--run", "view", "--allow-leak", *options)
    assert "was trained on xview" in run("evaluate", "--run", "view", "--protocol", "xsub", *options, code=1)
    run("embed", "--run", "view", *options)
    probe = ("classify", "--probe", "linear", "--embeddings", "view", "--protocol", "xview", *options)
    assert "began from, or reads, what was trained on xsub" in run(*probe, code=1)


def test_what_percepts_have_learned_from_is_known_to_all_that_read_them(store, recipe, tmp_path, capsys):
    other = tmp_path / "store"
    shutil.copytree(store, other)
    every = ("--per", "frame", "--set", "embed.num_clips=1000")
    run("embed", "--run", "a", "--name", "p", *every, *common(other, recipe))
    sizes = ("lstm.input=percepts", "lstm.percepts=p", "lstm.output=gaussian", "lstm.hidden=4", "lstm.layers=1")
    sizes += ("lstm.input_frames=2", "lstm.future_frames=1", "finetune.epochs=1", "train.epochs=1")
    sizes += ("finetune.clip_frames=2", "evaluate.num_clips=2")
    options = [word for size in sizes for word in ("--set", size)]
    options += [*common(other, recipe), "--protocol", "xview"]
    train = ("train-cluster", "--model", "lstm", *options)
    run(*train, "--task", "classify", "--init", "none", "--name", "c")
    run(*train, "--name", "q")
    for words in (("--run", "c"), ("--on", "prediction", "--run", "q")):
        refused = run("evaluate", *words, *options, code=1)
        assert "began from, or reads, what was trained on xsub" in refused
    small = [str(other), "--percepts", "p", "--per-class", "0", "--protocol", "xview", "--out", str(tmp_path / "o")]
    assert classify_small([*small, "--steps", "1"]) == 1
    assert "embeddings/p began from, or reads, what was trained on xsub" in capsys.readouterr().err


def test_a_run_of_a_generated_set_is_fine_tuned_on_msr_action3d(store, recipe, tmp_path):
    data = os.environ.get("MOTIONPIPE_TEST_DATA")
    if not data:
        pytest.skip("MOTIONPIPE_TEST_DATA is not set")
    options = common(tmp_path / "msr", recipe)
    run("shard", "--dataset", "msr-action3d", "--source", Path(data, "fixtures/msraction3d"), *options)
    words = ("train-cluster", "--task", "classify", "--init", f"{store}:a", "--name", "moved")
    settings = ("--set", "finetune.epochs=2", "--set", "finetune.frozen_epochs=1", "--set", "evaluate.num_clips=2")
    output = run(*words, *settings, *options)
    assert "runs/moved: " in output
    begun, given = (
        torch.load(file, weights_only=True)["model"]
        for file in (tmp_path / "msr/runs/moved/checkpoints/init.pt", store / "runs/a/checkpoints/step-00000012.pt")
    )
    assert torch.equal(begun["encoder.lstm.gates.weight"], given["encoder.lstm.gates.weight"])
    assert "moved" in run("evaluate", "--run", "moved", *settings, *options)
    assert "stale" not in run("status", "--store", tmp_path / "msr")
    misfit = run(*words[:-1], "wide", "--set", "atomic_flow.hidden=16", *settings, *options, code=1)
    assert "atomic_flow.hidden is 8 there and 16 here" in misfit


def test_single_frames_are_embedded_under_a_name_of_their_own(store, recipe):
    run("embed", "--run", "a", "--per", "frame", *common(store, recipe))
    table = pq.read_table(store / "embeddings/a-frame/000000.parquet")
    assert all(row["frame_end"] - row["frame_start"] == 1 for row in table.to_pylist())


def test_unflipped_codes_of_training_batches_are_the_stored_targets(store, recipe):
    place = Store.at(str(store))
    config = load_recipe(str(recipe))
    parents = find_parents(place, config, None)
    network = resolve_modality(config.atomic_flow, parents.flow)
    samples = flow_samples(place, parents.flow_name, parents.flow, parents.protocol, network)
    clips = StoredClips(place, "flow/pd", 4, network)
    book, _ = read_codebook(place, parents.book)
    targets = read_manifest(place, f"targets/{parents.book}", "")
    stored = {entry.key: (shard, entry) for shard, entry in read_samples(place, f"targets/{parents.book}", targets)}
    for sample in samples:
        refs = [ClipRef(0, start, 0.0, 0.0, False) for start in range(sample.num_starts)]
        batch = build_batch(clips, [sample], refs, network)
        codes = encode(batch.flow, *codebook_tensors(book))
        audited = torch.from_numpy(read_array(place, f"targets/{parents.book}", *stored[sample.key], "codes.npy"))
        for clip, ref in enumerate(refs):
            for step, pair in enumerate(sample.future_pairs(ref.start, network.steps)):
                expected, valid = audited[pair, :16, :16].long(), batch.valid[clip, step]
                assert torch.equal(valid, expected != 255)
                assert torch.equal(codes[clip, step][valid], expected[valid])


def test_readme_commands_take_a_folder_of_videos_to_a_report(tmp_path, write_video, moving_square):
    """The block of README, with small settings: RGB, optical flow, no option that names the modality."""
    for label, step in (("left", 1), ("right", 2)):
        (tmp_path / "videos" / label).mkdir(parents=True)
        for number in range(4):
            grey = moving_square(12, 72, 96, x=4 + 5 * number, step=step, side=20)
            write_video(tmp_path / "videos" / label / f"{number}.mkv", np.repeat(grey[..., None], 3, axis=3), fps=10)
    small = tmp_path / "small.toml"
    small.write_text(RECIPE)
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    block = readme.split("## Your own recordings")[1].split("```")[1].strip().splitlines()
    commands = [shlex.split(line, comments=True)[1:] for line in block]
    assert [words[0] for words in commands][0::6] == ["shard", "report"]
    for words in commands:
        extra = ["--store", str(tmp_path / "store")]
        if words[0] == "shard":
            words[words.index("--source") + 1] = str(tmp_path / "videos")
            extra += ["--recipe", str(small)]
        run(*words, *extra, *([] if words[0] == "report" else ["--workers", "0"]))
    assert (tmp_path / "store/report/index.html").exists()
    identity = json.loads((tmp_path / "store/runs/first/identity.json").read_text())["identity"]
    assert identity["data"]["network"]["modality"] == "rgb"


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["shard", "flow", "train-cluster"])
def test_an_interrupt_exits_with_130_and_the_same_command_goes_on(stage, store, source, recipe, tmp_path):
    other = tmp_path / "store"
    words = {
        "shard": ("shard", "--dataset", "ntu", "--source", source, "--set", "shard.recordings_per_shard=1"),
        "flow": ("flow", "--set", "flow.iterations=400"),
        "train-cluster": ("train-cluster", "--name", "stopped", "--set", "train.epochs=40"),
    }[stage]
    if stage != "shard":
        shutil.copytree(store, other)
    if stage == "flow":
        shutil.rmtree(other / "flow")
    begun = {
        "shard": (other / "shards/plan.parquet").exists,  # all shards are still to be made
        "flow": (other / "flow/pd/000000.json").exists,
        "train-cluster": (other / "runs/stopped/metrics.jsonl").exists,
    }[stage]
    words = (*words, *common(other, recipe))
    assert stop_when(words, begun, signal.SIGINT) == 130
    assert not list(other.rglob(".lock"))
    run(*words)


@pytest.mark.ray
def test_an_interrupt_of_ray_workers_in_training_exits_with_130(store, recipe, tmp_path):
    other = tmp_path / "store"
    shutil.copytree(store, other)
    words = ("train-cluster", "--name", "stopped", "--set", "train.epochs=400", *common(other, recipe, 2))
    assert stop_when(words, (other / "runs/stopped/metrics.jsonl").exists, signal.SIGINT) == 130


def test_a_second_writer_is_told_to_wait(source, recipe, tmp_path):
    words = ("shard", "--dataset", "ntu", "--source", source, *common(tmp_path / "store", recipe))
    with artefact_lock(Store(str(tmp_path / "store")), "shards"):
        assert f"shards is being written by process {os.getpid()}" in run(*words, code=1)
    run(*words)


def test_stages_after_shard_go_on_with_its_recipe(store):
    assert "nothing to do" in run("flow", "--store", store, "--workers", 0)


def test_predict_draws_test_samples_beside_the_truth(store, tmp_path):
    lines = run("predict", "--run", "a", "--store", store).splitlines()
    assert lines
    for line in lines:
        assert Path(line).read_bytes().startswith(b"\x89PNG")
    keys = {row.recording.splits["xsub"]: row.key for row in planned_by_recording(Store(str(store))).values()}
    run("predict", "--run", "a", "--store", store, "--key", keys["test"], "--start", 0, "--out", tmp_path / "one.png")
    assert (tmp_path / "one.png").exists()
    for words, message in (
        (("--key", keys["train"]), "is no test sample of xsub"),
        (("--key", keys["test"], "--start", 99), "has clips from frames 0 to"),
        (("--key", keys["test"] + "-s7"), f"predicts of {keys['test']} {keys['test']}, not {keys['test']}-s7"),
        (("--run", "other"), "motionpipe train-cluster"),
        (("--out", tmp_path / "three.png"), "choose its sample with --key"),
    ):
        assert message in run("predict", "--run", "a", "--store", store, *words, code=1)
