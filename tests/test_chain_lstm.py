"""LSTMs through the command line: from digits, patches and percepts to figures and pictures."""

import json
import shutil

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from motionpipe.jobs import classify_small
from motionpipe.jobs.cli import main
from motionpipe.jobs.run_files import load_checkpoint
from motionpipe.models.efficientnet_lite import EfficientNetLite0
from motionpipe.models.lstm import SequenceBatch, build, frame_loss, targets_of
from motionpipe.pipeline.artefacts import read_manifest, read_samples
from motionpipe.pipeline.idx_files import read_idx
from motionpipe.pipeline.moving_mnist import fixed_test_set
from motionpipe.pipeline.parquet_files import read_parquet
from motionpipe.pipeline.read_ahead import ReadAhead
from motionpipe.pipeline.read_sample import read_array
from motionpipe.pipeline.store import Store
from motionpipe.schemas.lstm_section import LSTMSection

SMALL = ["train.epochs=2", "train.global_batch=4", "train.micro_batch=4", "lstm.hidden=8", "lstm.layers=1"]
SHORT = ["lstm.input_frames=4", "lstm.future_frames=3"]


def run(store, *words, code=0, settings=()):
    pairs = [word for setting in settings for word in ("--set", setting)]
    result = CliRunner().invoke(main, [*words, *pairs, "--store", str(store)])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def stage(store, *words, **options):
    return run(store, *words, "--workers", "0", **options)


@pytest.fixture(scope="module")
def digits(tmp_path_factory, write_idx):
    folder = tmp_path_factory.mktemp("digits")
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", rng.integers(0, 256, (12, 28, 28), dtype=np.uint8))
    return folder


@pytest.fixture(scope="module")
def mnist_store(tmp_path_factory, digits):
    folder = tmp_path_factory.mktemp("mnist") / "store"
    sizes = ["data.mnist_train_sequences=12", "data.mnist_test_sequences=6", "train.holdout=0.2"]
    stage(
        folder,
        *("shard", "--dataset", "moving-mnist", "--source", str(digits), "--recipe", "lstm/tiny"),
        settings=[*sizes, *SMALL],
    )
    stage(folder, "train-cluster", "--name", "composite")
    return folder


def test_a_run_logs_its_decoders_beside_floor_and_constant(mnist_store):
    rows = [json.loads(line) for line in (mnist_store / "runs/composite/metrics.jsonl").read_text().splitlines()]
    figures = {"loss", "reconstruction", "future", "floor", "constant"}
    assert figures | {f"held_out_{name}" for name in figures} <= set(rows[-1])
    assert rows[-1]["loss"] == pytest.approx(rows[-1]["reconstruction"] + rows[-1]["future"], rel=1e-4)


def test_the_test_part_is_scored_running_freely(mnist_store):
    output = stage(mnist_store, "evaluate", "--on", "prediction")
    record = json.loads((mnist_store / "evaluations/composite/official-prediction/metrics.json").read_text())
    assert (record["unit"], record["samples"]) == ("nats a frame", 6)
    assert "nats a frame" in output
    store = Store.at(str(mnist_store))
    manifest = read_manifest(store, "runs/composite", "")
    config = LSTMSection.model_validate(manifest.identity.data["network"])
    net = build(config, 4096)
    net.load_state_dict(load_checkpoint(store, f"runs/composite/{manifest.shards[0].file}")["model"])
    shards = read_samples(store, "shards", read_manifest(store, "shards", ""))
    tests = [place for place in shards if place[1].recording_id.startswith("test")]
    stored = np.stack([read_array(store, "shards", *place, "frames.npy") for place in tests])
    batch = SequenceBatch(torch.from_numpy(stored.reshape(6, 20, -1)).float() / 255)
    with torch.no_grad():
        made = net(batch.frames, told=False)["future"]
        expected = frame_loss(made, targets_of(batch.frames, "future", config), config).item()
    assert record["decoders"]["future"]["loss"] == pytest.approx(expected, rel=1e-4)
    assert "finished already" in stage(mnist_store, "evaluate", "--on", "prediction")


def test_the_store_holds_the_fixed_test_set(mnist_store, digits):
    store = Store.at(str(mnist_store))
    images = read_idx(digits / "t10k-images-idx3-ubyte.gz")
    for shard, entry in read_samples(store, "shards", read_manifest(store, "shards", "")):
        if entry.recording_id.startswith("test"):
            number = int(entry.recording_id.split("-")[1])
            made = fixed_test_set(images).frames(number, number + 1)[0]
            np.testing.assert_array_equal(read_array(store, "shards", shard, entry, "frames.npy"), made)


def test_embeddings_pictures_and_the_page(mnist_store, tmp_path):
    stage(mnist_store, "embed", settings=["embed.num_clips=2", "embed.clip_frames=10"])
    files = sorted((mnist_store / "embeddings/composite").glob("*.parquet"))
    table = read_parquet(Store.at(str(mnist_store)), f"embeddings/composite/{files[0].name}")
    assert len(table["embedding"][0]) == 8
    assert table["frame_end"][0].as_py() - table["frame_start"][0].as_py() == 10
    run(mnist_store, "predict", "--key", "test-000001", "--out", str(tmp_path / "p.png"))
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"
    assert b"acTL" in (tmp_path / "p-animated.png").read_bytes()
    assert "no test sample" in run(mnist_store, "predict", "--key", "train-000001", code=1)
    assert "composite-activity.png" in run(mnist_store, "predict", "--run", "composite")
    run(mnist_store, "report")
    page = (mnist_store / "report/index.html").read_text()
    assert "Predicted frames of the test part" in page or "evaluations" not in page
    assert "moving-mnist" in page
    shown = run(mnist_store, "status")
    assert "composite" in shown
    assert "codebook" not in shown
    assert "motionpipe codebook" not in page
    run(mnist_store, "verify", "--workers", "0")


def test_resuming_gives_the_same_bits(mnist_store, monkeypatch):
    take, taken = ReadAhead.take, []

    def interrupted(self):
        taken.append(1)
        if len(taken) == 4:
            raise KeyboardInterrupt
        return take(self)

    settings = ["train.checkpoint_every=1"]
    words = ("train-cluster", "--model", "lstm", "--readers", "0", "--name")
    stage(mnist_store, *words, "whole", settings=settings)
    monkeypatch.setattr(ReadAhead, "take", interrupted)
    stage(mnist_store, *words, "cut", settings=settings, code=130)
    monkeypatch.undo()
    stage(mnist_store, *words, "cut", settings=settings)
    store = Store.at(str(mnist_store))
    whole, cut = (
        load_checkpoint(store, f"runs/{name}/{read_manifest(store, f'runs/{name}', '').shards[0].file}")["model"]
        for name in ("whole", "cut")
    )
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_other_digits_are_refused(mnist_store, digits, write_idx):
    path = digits / "train-images-idx3-ubyte.gz"
    before = path.read_bytes()
    write_idx(path, np.zeros((12, 28, 28), np.uint8))
    try:
        assert "not those" in stage(mnist_store, "train-cluster", "--name", "others", code=1)
    finally:
        path.write_bytes(before)


@pytest.fixture(scope="module")
def rgb_store(rgb_chain, tmp_path_factory):
    """Shards of ten RGB recordings, and percepts of a random EfficientNet."""
    folder = tmp_path_factory.mktemp("lstm-rgb") / "store"
    shutil.copytree(rgb_chain / "shards", folder / "shards")
    torch.manual_seed(0)
    weights = folder.parent / "effnet.pt"
    torch.save(EfficientNetLite0().state_dict(), weights)
    stage(
        folder,
        *("embed", "--encoder", "efficientnet-lite0", "--weights", str(weights), "--per", "frame"),
        settings=["embed.num_clips=1000"],
    )
    return folder


def test_percepts_of_every_frame(rgb_store):
    store = Store.at(str(rgb_store))
    rows = sum(
        read_parquet(store, f"embeddings/efficientnet-lite0-frame/{path.name}").num_rows
        for path in (rgb_store / "embeddings/efficientnet-lite0-frame").glob("*.parquet")
    )
    frames = sum(entry.num_frames for _, entry in read_samples(store, "shards", read_manifest(store, "shards", "")))
    assert rows == frames
    assert "linear" in stage(rgb_store, "classify", "--probe", "linear")


def test_percepts_to_a_classifier(rgb_store):
    inputs = ["lstm.input=percepts", "lstm.output=gaussian", *SHORT, *SMALL]
    tuning = ["finetune.epochs=2", "finetune.global_batch=4", "finetune.micro_batch=4", "finetune.clip_frames=8"]
    words = ("train-cluster", "--model", "lstm")
    stage(rgb_store, *words, "--name", "percepts", settings=inputs)
    for init, name in (("percepts", "tuned"), ("none", "scratch")):
        stage(rgb_store, *words, "--task", "classify", "--init", init, "--name", name, settings=[*inputs, *tuning])
        stage(rgb_store, "evaluate", "--run", name, settings=[*inputs, *tuning])
        record = json.loads((rgb_store / f"evaluations/{name}/split/metrics.json").read_text())
        assert record["n_test"] == 2
        assert record["init"] == init
    rows, words_small = (
        rgb_store.parent / "small.jsonl",
        ["--percepts", "efficientnet-lite0-frame", "--init", "percepts"],
    )
    words_small += ["--per-class", "1", "--per-class", "0", "--subsets", "2", "--steps", "2", "--out", str(rows)]
    assert classify_small.main([str(rgb_store), *words_small]) == 0
    lines = rows.read_text().splitlines()
    assert len(lines) == 3 * (2 + 1)
    rows.write_text("".join(f"{line}\n" for line in lines[:-2]))
    assert classify_small.main([str(rgb_store), *words_small]) == 0  # goes on where it was stopped
    assert rows.read_text().splitlines() == lines
    other = [*inputs, *tuning, "lstm.hidden=4"]
    output = stage(rgb_store, *words, "--task", "classify", "--init", "percepts", "--name", "x", settings=other, code=1)
    assert "lstm.hidden is 8 there and 4 here" in output
    assert "half the squared error" in stage(rgb_store, "evaluate", "--on", "prediction", "--run", "percepts")
    assert "no pictures" in run(rgb_store, "predict", "--run", "percepts", code=1)
    assert "stale" not in run(rgb_store, "status")


def test_patches(rgb_store, tmp_path):
    inputs = ["lstm.input=patches", "lstm.output=gaussian", "lstm.patch_px=16", "lstm.patches=2", *SHORT, *SMALL]
    stage(rgb_store, "train-cluster", "--model", "lstm", "--name", "patches", settings=inputs)
    stage(rgb_store, "evaluate", "--on", "prediction", "--run", "patches")
    record = json.loads((rgb_store / "evaluations/patches/split-prediction/metrics.json").read_text())
    assert record["decoders"]["future"]["floor"] == 0
    assert len(record["decoders"]["future"]["by_frame"]) == 3
    run(rgb_store, "predict", "--run", "patches")
    run(rgb_store, "report")
    bernoulli = [setting for setting in inputs if "output" not in setting]
    assert "gaussian" in stage(rgb_store, "train-cluster", "--name", "y", settings=bernoulli, code=1)


def test_what_does_not_go_together_is_one_clear_line(mnist_store, rgb_store, tmp_path):
    assert "--weights FILE" in stage(rgb_store, "embed", "--encoder", "vgg16", code=2)
    (tmp_path / "w.pt").write_bytes(b"nothing")
    embed = ("embed", "--encoder", "vgg16", "--weights", str(tmp_path / "w.pt"))
    assert "w.pt" in stage(rgb_store, *embed, code=1)
    torch.save(EfficientNetLite0().state_dict(), tmp_path / "w.pt")
    assert "weights of vgg16 hold nothing" in stage(rgb_store, *embed, code=1)
    assert " rgb frames" in stage(
        mnist_store, "train-cluster", "--name", "z", code=1, settings=["lstm.input=patches", "lstm.output=gaussian"]
    )
    classifier = ("train-cluster", "--task", "classify", "--init", "composite", "--name", "z")
    assert "has generated frames" in stage(mnist_store, *classifier, code=1)
    assert "predicts frames" in stage(mnist_store, "train-cluster", "--name", "z", "--codebook", "b", code=1)
