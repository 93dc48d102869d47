"""`motionpipe status` on finished and half-made stores."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from motionpipe.jobs.cli import main
from motionpipe.jobs.flow import flow
from motionpipe.jobs.inventory import list_artefacts
from motionpipe.jobs.metrics_log import read_metrics
from motionpipe.jobs.options import RunOptions
from motionpipe.jobs.recipe_files import load_recipe
from motionpipe.jobs.shard import shard
from motionpipe.jobs.status import file_size, status_lines
from motionpipe.schemas.report import Identity

HERE = RunOptions(workers=0)
ROW = {"step": 3, "epoch": 1, "loss": 2.5, "unweighted": 2.25, "accuracy": 0.5, "learning_rate": 0.001}


@pytest.fixture
def rgb_store(tmp_path, store, write_video):
    """Five recordings of 8 frames in three shards, four of them for training, and their optical flow."""
    for number in range(5):
        rgb = np.random.default_rng(number).integers(0, 255, (8, 32, 48, 3)).astype(np.uint8)
        write_video(tmp_path / f"v{number}.mkv", rgb, 10)
    rows = [f"v{number}.mkv,jump,{'test' if number == 4 else 'train'}" for number in range(5)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,split", *rows]) + "\n")
    recipe = load_recipe(None, ["shard.recordings_per_shard=2"])
    shard(store, recipe, "folder", tmp_path / "list.csv", HERE)
    flow(store, recipe, None, HERE)
    return store


def begin_run(store, metrics, **data):
    train = load_recipe(None, ["train.epochs=7", "train.global_batch=2", "train.micro_batch=1"]).train
    identity = Identity(
        stage="train", section=train.model_dump(mode="json"), data={"protocol": "split", **data}, parents={}
    )
    record = {"identity": identity.model_dump(mode="json"), "info": {"flow": "dis", "codebook": "gone", "steps": 14}}
    store.write_bytes("runs/first/identity.json", json.dumps(record).encode())
    store.write_bytes("runs/first/metrics.jsonl", metrics.encode())


def line_of(store, folder):
    (line,) = [line for line in status_lines(store) if line.startswith(f"{folder} ")]
    return line


def test_finished_artefacts_show_their_counts(rgb_store):
    assert status_lines(rgb_store)[0] == f"{rgb_store.uri}: dataset folder"
    assert "finished" in line_of(rgb_store, "shards")
    assert "5 read = 5 written + 0 rejected, 40 frames" in line_of(rgb_store, "shards")
    assert re.search(r"35 pairs, .*[1-9][\d.]* pairs/s", line_of(rgb_store, "flow/dis"))
    missing = status_lines(rgb_store)[-5:]
    assert missing[0] == f"codebook: not finished; motionpipe codebook --store {rgb_store.uri}"


def test_unfinished_artefacts_show_shards_done_of_planned(rgb_store):
    rgb_store.remove("flow/dis/manifest.json")
    rgb_store.remove("flow/dis/000001.json")
    assert "2 of 3 shards (66 %)" in line_of(rgb_store, "flow/dis")
    rgb_store.remove("shards/manifest.json")
    for number in range(3):
        rgb_store.remove(f"shards/00000{number}.json")
    assert "0 of 3 shards (0 %)" in line_of(rgb_store, "shards")


def test_a_stage_that_has_only_begun_is_not_taken_for_done(rgb_store):
    rgb_store.write_bytes("codebook/b/identity.json", rgb_store.read_bytes("flow/dis/identity.json"))
    assert line_of(rgb_store, "codebook/b").split()[1:] == ["begun"]


def test_a_run_shows_its_last_row_and_step_of_planned(rgb_store):
    begin_run(rgb_store, json.dumps(ROW | {"step": 1, "epoch": 0}) + "\n" + json.dumps(ROW) + "\n")
    line = line_of(rgb_store, "runs/first")
    assert "3 of 14 steps (21 %)" in line  # four training clips, two a step, seven epochs
    assert "step 3, epoch 2 of 7: loss 2.5, unweighted 2.25, accuracy 0.5, learning rate 0.001" in line


def test_a_line_that_is_still_being_written_is_left_out(rgb_store):
    begin_run(rgb_store, json.dumps(ROW) + '\n{"step": 4, "epo')
    assert read_metrics(rgb_store, "runs/first") == [ROW]
    begin_run(rgb_store, "")
    assert "nothing logged yet" in line_of(rgb_store, "runs/first")


def test_codebooks_are_asked_for_where_a_run_learns_from_them(rgb_store):
    begin_run(rgb_store, "", model="lstm")
    assert "codebook: " not in "\n".join(status_lines(rgb_store))
    begin_run(rgb_store, "", model="atomic-flow")
    assert "codebook: not finished" in "\n".join(status_lines(rgb_store))
    rgb_store.remove("runs/first/identity.json")
    recipe = rgb_store.read_bytes("shards/recipe.toml").replace(b'"atomic-flow"', b'"cgm-net"')
    rgb_store.write_bytes("shards/recipe.toml", recipe)
    assert "codebook: " not in "\n".join(status_lines(rgb_store))


def test_artefacts_come_in_data_order(rgb_store):
    begin_run(rgb_store, "")
    assert [artefact.kind for artefact in list_artefacts(rgb_store)] == ["shards", "flow", "runs"]


def test_status_writes_nothing(rgb_store):
    before = sorted(rgb_store.local_path("").rglob("*"))
    assert CliRunner().invoke(main, ["status", "--store", rgb_store.uri]).exit_code == 0
    assert sorted(rgb_store.local_path("").rglob("*")) == before


def test_a_folder_without_a_store_is_one_line_and_exit_1(tmp_path):
    result = CliRunner().invoke(main, ["status", "--store", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert "holds no store" in result.output
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (41_871_360, "41.9 MB"), (2e15, "2000.0 TB")])
def test_file_size(count, text):
    assert file_size(count) == text
