"""Bad input: one clear line, the right exit code, and nothing lost."""

import ast
import json
import re
import socket
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from motionpipe.jobs.cli import main

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture
def videos(tmp_path, write_video, moving_square):
    """Two classes of three small videos each."""
    folder = tmp_path / "videos"
    for name, step in (("left", 0), ("right", 1)):
        (folder / name).mkdir(parents=True)
        for number in range(3):
            grey = moving_square(8, 48, 64, x=4 + number, step=step)
            write_video(folder / name / f"{number}.mkv", np.repeat(grey[..., None], 3, axis=3))
    return folder


def call(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def shard(source, store, *more):
    return call("shard", "--dataset", "folder", "--source", source, "--store", store, "--workers", 0, *more)


def one_line(result, code, *texts):
    """The command ended with this code and one line of error that holds the texts."""
    assert result.exit_code == code, result.output
    errors = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, result.output
    assert "Traceback" not in result.output
    for text in texts:
        assert text in errors[0]


def test_a_missing_folder_leaves_no_store(tmp_path):
    one_line(shard(tmp_path / "nowhere", tmp_path / "store"), 1, "nowhere", "does not exist")
    assert not (tmp_path / "store").exists()


def test_an_empty_folder_is_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    one_line(shard(tmp_path / "empty", tmp_path / "store"), 1, "holds no videos")


def test_an_unknown_recipe_key_names_the_known_ones(videos, tmp_path):
    one_line(shard(videos, tmp_path / "s", "--set", "shard.shortside=64"), 1, "shard.shortside", "short_side")
    one_line(shard(videos, tmp_path / "s", "--set", "shards.short_side=64"), 1, "shards", "shard")
    one_line(shard(videos, tmp_path / "s", "--set", "shard.short_side=2"), 1, "shard.short_side", "16")
    one_line(shard(videos, tmp_path / "s", "--set", "short_side"), 1, "section.field=value")
    one_line(shard(videos, tmp_path / "s", "--recipe", "no/such"), 1, "no/such", "atomic-flow/small")


def test_wrong_usage_exits_with_2(tmp_path):
    assert call("shard", "--dataset", "nope", "--source", tmp_path).exit_code == 2
    assert call("train-cluster", "--store", tmp_path).exit_code == 2
    assert call("shard", "--no-such-option").exit_code == 2
    assert "1.5 is neither" in call("flow", "--gpus-per-worker", 1.5, "--store", tmp_path).output


def test_damaged_videos_are_rejected_with_a_reason_and_the_others_are_written(videos, tmp_path):
    (videos / "left/empty.mp4").write_bytes(b"")
    (videos / "right/text.mp4").write_text("this is no video")
    whole = (videos / "left/0.mkv").read_bytes()
    (videos / "left/cut.mkv").write_bytes(whole[: len(whole) // 3])
    store = tmp_path / "store"
    result = shard(videos, store)
    assert result.exit_code == 3
    assert "9 read = 6 written + 3 rejected" in result.output
    rejects = {row["path"]: row["reason"] for row in pq.read_table(store / "shards/rejects.parquet").to_pylist()}
    assert rejects["left/empty.mp4"] == "empty-file"
    assert rejects["right/text.mp4"] == "unreadable-video"
    assert "left/cut.mkv" in rejects
    assert shard(videos, store, "--max-reject-rate", 0.5).exit_code == 0


def test_a_listed_file_that_is_missing_is_a_reject(videos, tmp_path):
    csv = tmp_path / "list.csv"
    csv.write_text("path,label,split\nvideos/left/0.mkv,left,train\nvideos/left/gone.mkv,left,test\n")
    result = shard(csv, tmp_path / "store")
    assert result.exit_code == 3
    assert "2 read = 1 written + 1 rejected" in result.output


def test_a_store_of_another_recipe_is_left_alone(videos, tmp_path):
    store = tmp_path / "store"
    assert shard(videos, store).exit_code == 0
    before = {file: file.read_bytes() for file in store.rglob("*") if file.is_file()}
    one_line(shard(videos, store, "--set", "shard.short_side=32"), 1, "shard.short_side", "256", "32")
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.mkv").write_bytes((videos / "left/0.mkv").read_bytes())
    one_line(shard(other, store), 1, "videos", "other")
    assert {file: file.read_bytes() for file in store.rglob("*") if file.is_file()} == before


def test_stages_out_of_order_name_the_command_that_is_missing(videos, tmp_path):
    options = ("--store", tmp_path / "store", "--workers", 0)
    one_line(call("flow", *options), 1, "shards", "motionpipe shard")
    shard(videos, tmp_path / "store")
    one_line(call("codebook", *options), 1, "motionpipe flow")
    one_line(call("train-cluster", "--name", "a", *options), 1, "motionpipe codebook")
    one_line(call("embed", *options), 1, "motionpipe train-cluster")
    one_line(call("classify", *options), 1, "motionpipe embed")


def test_an_unknown_protocol_lists_the_known_ones(videos, tmp_path):
    options = ("--store", tmp_path / "store", "--workers", 0)
    shard(videos, tmp_path / "store")
    assert call("flow", *options).exit_code == 0
    one_line(call("codebook", "--protocol", "xsub", *options), 1, "xsub", "split")


def test_a_method_whose_stream_no_sample_has_leaves_nothing(videos, tmp_path):
    shard(videos, tmp_path / "store")
    result = call("flow", "--method", "pd", "--store", tmp_path / "store", "--workers", 0)
    one_line(result, 1, "pd", "depth")
    assert not (tmp_path / "store/flow").exists()


def test_a_cluster_that_does_not_answer_is_one_line(videos, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, but nothing listens
        address = f"127.0.0.1:{free.getsockname()[1]}"
        words = ("shard", "--dataset", "folder", "--source", videos, "--store", tmp_path / "store")
        one_line(call(*words, "--workers", 1, "--address", address), 1, "no Ray cluster answers", address)


def test_micro_batches_that_cannot_be_shared_are_refused(videos, tmp_path):
    words = ("train-cluster", "--name", "a", "--store", tmp_path / "store", "--workers", 3)
    one_line(call(*words), 1, "micro-batches", "--workers")


def test_the_seeded_split_is_written_into_the_plan(videos, tmp_path):
    shard(videos, tmp_path / "store", "--set", "data.test_fraction=0.5")
    plan = pq.read_table(tmp_path / "store/shards/plan.parquet").to_pylist()
    parts = [dict(row["splits"])["split"] for row in plan]
    assert set(parts) <= {"train", "test"}
    recipe = (tmp_path / "store/shards/recipe.toml").read_text()
    assert "test_fraction = 0.5" in recipe
    identity = json.loads((tmp_path / "store/shards/identity.json").read_text())["identity"]
    assert identity["data"]["test_fraction"] == 0.5


def test_readme_lists_every_command_with_its_own_summary():
    table = dict(re.findall(r"^\| `motionpipe ([a-z-]+)[^`]*` \| (.+?) \|$", README.read_text(), flags=re.MULTILINE))
    commands = {name: command.get_short_help_str(200) for name, command in main.commands.items()}
    assert table == commands


def test_readme_names_every_source_file_with_its_own_summary():
    tree = README.read_text().split("## The tree")[1].split("```")[1]
    listed, room = {}, ""
    for line in tree.strip().splitlines():
        name, _, summary = line.strip().partition(" ")
        room = name if not line.startswith(" ") else room
        listed[room + (name if line.startswith(" ") else "")] = summary.strip()
    root = README.parent
    for folder in ("schemas", "models", "pipeline", "jobs"):
        files = {file.name: file for file in (root / folder).glob("*.py") if file.name != "__init__.py"}
        for name, file in files.items():
            summary = ast.get_docstring(ast.parse(file.read_text())).splitlines()[0]
            assert listed.get(f"{folder}/{name}") == summary, f"README's tree: {folder}/{name} is: {summary}"
        named = {key.split("/")[1] for key in listed if key.startswith(f"{folder}/") and key.endswith(".py")}
        assert named == set(files)


@pytest.mark.parametrize(
    ("factor", "turned", "stage", "reason"),
    [
        (1, False, None, None),
        (5, False, "flow", "depth-unit"),  # 5000 a metre, as TUM's files have it, where the layout means millimetres
        (0.001, False, "flow", "depth-unit"),
        (0, False, "flow", "no-valid-depth"),
        (1, True, "shard", "depth-aspect"),
    ],
)
def test_depth_in_a_wrong_unit_or_turned_is_a_reject_that_says_what_to_do(
    tmp_path, write_depth, factor, turned, stage, reason
):
    source, options = tmp_path / "ntu", ("--store", tmp_path / "s", "--workers", 0)
    depth = np.full((6, 53, 64), 3200, np.uint16) + np.arange(64, dtype=np.uint16)
    stored = np.rint(depth * factor).astype(np.uint16)
    write_depth(
        source / "nturgb+d_depth_masked/S001C001P001R001A001", stored.transpose(0, 2, 1).copy() if turned else stored
    )
    result = call("shard", "--dataset", "ntu", "--source", source, *options)
    if stage != "shard":
        assert result.exit_code == 0, result.output
        result = call("flow", "--set", "flow.iterations=10", *options)
    assert result.exit_code == (3 if reason else 0), result.output
    rejected = call("rejects", "list", "--store", tmp_path / "s").output
    if reason:
        assert reason in rejected
        told = {"depth-unit": "flow.depth_range_m", "no-valid-depth": "again", "depth-aspect": "swapped"}[reason]
        assert told in result.output


def test_a_folder_of_depth_images_alone_is_no_dataset_of_videos(tmp_path, write_depth):
    """`folder` has no intrinsics and reads no depth: it says so, and makes nothing up."""
    write_depth(tmp_path / "mine/wave/clip", np.full((3, 48, 64), 2000, np.uint16))
    one_line(shard(tmp_path / "mine", tmp_path / "store"), 1, "holds no videos")
    assert not (tmp_path / "store").exists()


def test_optical_flow_takes_no_gpu(videos, tmp_path):
    assert shard(videos, tmp_path / "s").exit_code == 0
    result = call("flow", "--gpus-per-worker", 1, "--store", tmp_path / "s", "--workers", 0)
    one_line(result, 1, "method dis computes on the CPU")
