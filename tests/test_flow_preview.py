"""`flow --preview` through the command line: one picture, nothing else."""

import shutil

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from motionpipe.jobs.cli import main
from motionpipe.jobs.flow_preview import most_changing_pair
from motionpipe.schemas.clip import Clip
from motionpipe.schemas.flow_section import FlowSection


@pytest.fixture(scope="module")
def shards(rgb_chain, tmp_path_factory):
    """A store that holds shards only."""
    store = tmp_path_factory.mktemp("preview") / "store"
    shutil.copytree(rgb_chain / "shards", store / "shards")
    return store


def preview(store, *words):
    return CliRunner().invoke(main, ["flow", "--store", str(store), *map(str, words)])


def files(store):
    return {file.relative_to(store).as_posix() for file in store.rglob("*") if file.is_file()}


def test_one_picture_is_written_and_its_place_printed(shards):
    before = files(shards)
    result = preview(shards, "--preview", "test_right_v4", "--pair", 2)
    assert result.exit_code == 0, result.output
    new = files(shards) - before
    assert new == {"report/preview/test_right_v4-dis-0002.png"}
    assert result.output.splitlines()[-1] == f"{shards}/{new.pop()}"
    assert "frames 2 and 3, 100 ms; dis" in result.output
    shutil.rmtree(shards / "report")


def test_the_recipe_at_hand_is_what_is_shown(shards, tmp_path):
    out = tmp_path / "new folder" / "a.png"
    result = preview(
        shards, "--preview", "test_right_v4", "--out", out, "--method", "farneback", "--set", "flow.stride=2"
    )
    assert result.exit_code == 0, result.output
    assert "farneback" in result.output
    assert "200 ms" in result.output
    picture = cv2.imread(str(out))
    assert picture.shape[1] == 1650
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 500
    # frames roll one pixel to the left a frame: two pixels in two frames
    mean = float(result.output.split("cells move ")[1].split(" px")[0])
    assert 1.5 < mean < 2.5
    assert "report" not in {path.split("/")[0] for path in files(shards)}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--preview", "test_right_v9"), 1, "no sample test_right_v9"),
        (("--preview", "test_right_v4", "--pair", 9), 1, "has pairs 0 to 8"),
        (("--preview", "test_right_v4", "--set", "flow.stride=50"), 1, "too-short"),
        (("--preview", "test_right_v4", "--method", "pd"), 1, "no-depth"),
        (("--preview", "test_right_v4", "--gpus-per-worker", 1), 1, "torch cannot use a GPU here"),
        (("--pair", 3), 2, "--preview KEY"),
        (("--out", "x.png"), 2, "--preview KEY"),
    ],
)
def test_what_cannot_be_shown_is_one_clear_line(shards, words, code, told):
    result = preview(shards, *words)
    assert result.exit_code == code, result.output
    errors = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert told in errors[0]


def test_the_pair_that_changes_most():
    rgb = np.zeros((5, 20, 20, 3), np.uint8)
    rgb[3:, 4:9] = 90
    clip = Clip("c", np.arange(5), rgb=rgb)
    assert most_changing_pair(clip, 1, FlowSection(method="dis")) == 2
    assert most_changing_pair(clip, 2, FlowSection(method="dis")) == 1
    gappy = Clip("c", np.arange(5), rgb=rgb, source_slots=np.array([0, 1, 2, 9, 10]))
    assert most_changing_pair(gappy, 1, FlowSection(method="dis")) != 2
