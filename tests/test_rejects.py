"""What is rejected can be seen, and attempted again when it has been mended."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from motionpipe.jobs import shard as stage
from motionpipe.jobs.cli import main


def call(*words, code=0):
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


@pytest.fixture
def source(tmp_path, write_video, moving_square):
    """Seven whole videos, and b and e damaged; the whole ones of these lie beside."""
    folder, whole = tmp_path / "videos/walk", tmp_path / "whole"
    folder.mkdir(parents=True)
    whole.mkdir()
    for number, name in enumerate("abcdefg"):
        grey = moving_square(8, 32, 48, x=number, step=1)
        write_video(folder / f"{name}.mkv", np.repeat(grey[..., None], 3, axis=3), 10)
    for name in "be":
        shutil.move(folder / f"{name}.mkv", whole / f"{name}.mkv")
        (folder / f"{name}.mkv").write_bytes(b"" if name == "b" else b"no video")
    return tmp_path / "videos"


def options(store):
    return ("--store", store, "--workers", 0)


def shard(source, store, code=0):
    words = ("shard", "--dataset", "folder", "--source", source, "--set", "shard.recordings_per_shard=3")
    return call(*words, *options(store), code=code)


def hashes(store, folder):
    manifest = json.loads((store / folder / "manifest.json").read_text())
    return manifest["hash"], [(store / folder / line["file"]).read_bytes() for line in manifest["shards"]]


@pytest.fixture
def rejecting(source, tmp_path):
    """A store with two rejects in its shards, and flow of the others."""
    shard(source, tmp_path / "store", code=3)
    call("flow", *options(tmp_path / "store"))
    return tmp_path / "store"


def mend(source, *names):
    for name in names:
        shutil.copy(source.parent / "whole" / f"{name}.mkv", source / "walk" / f"{name}.mkv")


def test_list_and_show_say_everything(rejecting):
    lines = call("rejects", "list", "--store", rejecting).splitlines()
    assert lines[0].split() == ["stage", "key", "reason", "attempts", "path"]
    assert lines[1].split() == ["shards", "walk_b", "empty-file", "1", "walk/b.mkv"]
    assert lines[2].split() == ["shards", "walk_e", "unreadable-video", "1", "walk/e.mkv"]
    assert "nothing is rejected in flow" in call("rejects", "list", "--stage", "flow", "--store", rejecting)
    shown = call("rejects", "show", "walk_b", "--store", rejecting)
    assert "reason     empty-file" in shown
    assert "motionpipe rejects retry --stage shards --key walk_b" in shown
    assert "near it: walk_b" in call("rejects", "show", "walk_bb", "--store", rejecting, code=1)
    assert "no stage nope" in call("rejects", "list", "--stage", "nope", "--store", rejecting, code=1)


def test_mended_recordings_give_what_a_fresh_run_gives_and_the_others_are_not_touched(
    source, rejecting, tmp_path, monkeypatch
):
    mend(source, "b", "e")
    built = []
    build = stage.build_samples
    monkeypatch.setattr(stage, "build_samples", lambda row, **more: built.append(row.key) or build(row, **more))
    untouched = (rejecting / "shards/000002.json").stat().st_mtime_ns
    output = call("rejects", "retry", *options(rejecting))
    assert built == ["walk_b", "walk_e"]
    assert "7 read = 7 written + 0 rejected" in output
    assert "flow/dis is stale now: made from another shards" in output
    assert (rejecting / "shards/000002.json").stat().st_mtime_ns == untouched
    shard(source, tmp_path / "fresh")
    assert hashes(rejecting, "shards") == hashes(tmp_path / "fresh", "shards")
    for name in ("000000.json", "000001.json", "rejects.parquet"):
        assert (rejecting / "shards" / name).read_bytes() == (tmp_path / "fresh/shards" / name).read_bytes()
    assert not list(rejecting.rglob("*.retry"))
    # nothing is mixed: the flow of before is stale, and says so wherever it is met
    assert "flow/dis is stale" in call("status", "--store", rejecting)
    assert "flow/dis: made from another shards" in call("verify", *options(rejecting), code=1)
    assert "another --name" in call("flow", *options(rejecting), code=1)
    call("flow", "--name", "new", *options(rejecting))


def test_only_what_is_chosen_is_attempted_and_what_fails_again_counts_its_attempts(source, rejecting):
    mend(source, "b", "e")
    output = call("rejects", "retry", "--reason", "empty-file", *options(rejecting), code=3)
    assert "7 read = 6 written + 1 rejected" in output
    assert [line.split()[1:4] for line in call("rejects", "list", "--store", rejecting).splitlines()[1:]] == [
        ["walk_e", "unreadable-video", "1"]
    ]
    (source / "walk/e.mkv").write_bytes(b"")
    call("rejects", "retry", "--key", "walk_e", "--max-reject-rate", 1, *options(rejecting))
    assert call("rejects", "list", "--store", rejecting).splitlines()[1].split()[2:4] == ["empty-file", "2"]
    assert "no reject is chosen" in call("rejects", "retry", "--key", "walk_b", *options(rejecting), code=1)


def test_a_retry_that_was_killed_is_gone_on_from_by_the_stage(source, rejecting, tmp_path, monkeypatch):
    mend(source, "b", "e")
    build = stage.build_samples

    def die(row, **more):
        if row.key == "walk_e":
            raise KeyboardInterrupt
        return build(row, **more)

    monkeypatch.setattr(stage, "build_samples", die)
    call("rejects", "retry", *options(rejecting), code=130)
    monkeypatch.undo()
    shard(source, rejecting)
    shard(source, tmp_path / "fresh")
    assert hashes(rejecting, "shards") == hashes(tmp_path / "fresh", "shards")


def test_without_its_source_nothing_is_touched(source, rejecting):
    source.rename(source.parent / "away")
    before = hashes(rejecting, "shards")
    assert "does not exist" in call("rejects", "retry", *options(rejecting), code=1)
    assert hashes(rejecting, "shards") == before
    assert not list(rejecting.rglob("*.retry"))


def test_later_stages_are_retried_too(rejecting):
    call("flow", "--name", "short", "--set", "flow.step_s=9", *options(rejecting), code=3)
    assert "too-short" in call("rejects", "list", "--stage", "flow/short", "--store", rejecting)
    output = call("rejects", "retry", "--stage", "flow/short", *options(rejecting), code=3)
    assert "flow/short: 5 read = 0 written + 5 rejected" in output
    assert call("rejects", "list", "--stage", "flow", "--store", rejecting).splitlines()[1].split()[3] == "2"
