"""Experiments from a pack, in a process that can import torch and NumPy and nothing that they do not need."""

import json
import subprocess
import sys

import numpy as np
import pytest
from motionpipe.jobs.train_pack import main
from motionpipe.pipeline.clip_plan import TrainSample
from motionpipe.pipeline.frame_input import Grid
from motionpipe.pipeline.pack import Pack, PackedClips, PackedSample, pack_bytes, read_pack
from motionpipe.schemas.codebook import Codebook
from motionpipe.schemas.errors import MotionpipeError
from motionpipe.schemas.recipe import Recipe

NETWORK = {
    "modality": "depth",
    "frame_short_side": 32,
    "crop": 32,
    "widths": [4, 4, 4, 4, 4],
    "hidden": 4,
    "deconv_widths": [4, 4],
    "steps": 2,
}
RECIPE = Recipe.model_validate(
    {
        "atomic_flow": NETWORK,
        "train": {"epochs": 1, "global_batch": 4, "micro_batch": 2},
        "finetune": {"epochs": 2, "frozen_epochs": 1, "global_batch": 4, "micro_batch": 2, "clip_frames": 3},
        "evaluate": {"num_clips": 2},
        "embed": {"num_clips": 2, "clip_frames": 3},
    }
)
GRID = Grid(8, 12, 4)
ABSENT = ("ray", "av", "cv2", "webdataset", "pyarrow", "numba", "sklearn", "scipy", "pydantic", "click", "simplejpeg")


def packed(number):
    """A near square that goes right or left; subjects 0 and 1 train, 2 tests. Test samples have no flow."""
    direction, subject = (1 if number % 2 else -1), number // 4
    rng = np.random.default_rng(number)
    depth = rng.integers(2900, 3100, (7, *GRID.frame_size)).astype(np.uint16)
    for t in range(7):
        x = 18 + 2 * direction * t
        depth[t, 8:20, x : x + 12] = 1500
    depth[:, :4] = 0
    sample = TrainSample(0, f"k{number}", f"r{number}", f"subject-{subject}", 7, 1, np.ones(6, np.float32), number % 2)
    flow = rng.normal(0, 0.1, (6, 3, GRID.rows, GRID.cols)).astype(np.float16)
    valid = rng.random((6, GRID.rows, GRID.cols)) < 0.5
    flow *= valid[:, None]
    if subject == 2:
        return PackedSample(sample, "test", depth, GRID)
    return PackedSample(sample, "train", depth, GRID, flow, valid)


@pytest.fixture
def pack():
    centres = np.array([[0, 0, 0], [0.1, 0, 0], [-0.1, 0, 0], [0, 0.1, 0]], np.float32)
    book = Codebook(centres, np.array([9, 3, 3, 3]), np.full(3, 0.2, np.float32))
    meta = {
        name: getattr(RECIPE, name).model_dump(mode="json") for name in ("finetune", "evaluate", "embed", "classify")
    }
    meta["train"] = RECIPE.train.model_dump(mode="json")
    meta["atomic_flow"] = RECIPE.atomic_flow.model_dump(mode="json") | {"code_side": RECIPE.atomic_flow.code_side}
    meta |= {"shards": "s", "flow": "f", "dataset": "fake", "protocol": "xsub", "step_s": 0.1}
    return Pack(meta, [packed(number) for number in range(12)], {"book": book})


@pytest.fixture
def file(pack, tmp_path):
    path = tmp_path / "fake.pack"
    path.write_bytes(pack_bytes(pack))
    return path


def test_a_pack_gives_back_what_went_in(pack, file):
    again = read_pack(file)
    assert again.meta.items() >= pack.meta.items()
    np.testing.assert_array_equal(again.books["book"].centres, pack.books["book"].centres)
    assert [p.part for p in again.samples] == ["train"] * 8 + ["test"] * 4
    for a, b in zip(pack.samples, again.samples, strict=True):
        np.testing.assert_array_equal(a.depth, b.depth)
        assert (a.grid, a.sample.key, a.sample.label) == (b.grid, b.sample.key, b.sample.label)
        assert (a.flow is None) == (b.flow is None)
        if a.flow is not None:
            np.testing.assert_array_equal(a.flow, b.flow)
            np.testing.assert_array_equal(a.valid, b.valid)
    clips = PackedClips(again)
    flow, weight = clips.flow(again.samples[3].sample, [1, 3], GRID)
    np.testing.assert_array_equal(flow, pack.samples[3].flow[[1, 3]].astype(np.float32))
    assert set(np.unique(weight)) == {0, 1}
    assert pack_bytes(pack) == pack_bytes(again)


def test_a_file_that_is_no_pack_is_one_clear_line(tmp_path, capsys):
    (tmp_path / "x").write_bytes(b"PK\3\4 not a pack")
    with pytest.raises(MotionpipeError, match="is no pack"):
        read_pack(tmp_path / "x")
    assert main([str(tmp_path / "x"), "--out", str(tmp_path), "--variant", "none"]) == 1
    assert capsys.readouterr().err.startswith("Error: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--variant", "8=other"], "the pack has the codebooks book"),
        (["--variant", "none", "--set", "finetune.epoch=3"], "unknown key finetune.epoch"),
        (["--variant", "8=book,atomic_flow.crop=64"], "what the pack was made for"),
        (["--variant", "8=book", "--set", "steps=3"], "expected section.field=value"),
        (["--variant", "8=book", "--set", "train.micro_batch=3"], "must be a multiple"),
        (["--variant", "8=book", "--set", "train.patience=2"], "set train.holdout too"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_clear_line(file, tmp_path, capsys, words, message):
    assert main([str(file), "--out", str(tmp_path / "out"), *words]) == 1
    assert message in capsys.readouterr().err


def test_experiments_need_torch_and_numpy_alone(file, tmp_path):
    out = tmp_path / "out"
    words = [str(file), "--out", str(out), "--variant", "none", "--variant", "2-step=book"]
    words += ["--variant", "1-step=book,atomic_flow.steps=1", "--seeds", "2", "--set", "finetune.precision=bf16"]
    code = f"""
import sys
class Bare:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {ABSENT!r} else self.finder.find_spec(name, path, target)
sys.meta_path[:] = [Bare(finder) for finder in sys.meta_path]
from motionpipe.jobs.train_pack import main
sys.exit(main({words!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert {(row["variant"], row["seed"]) for row in rows} == {
        (v, s) for v in ("none", "2-step", "1-step") for s in (0, 1)
    }
    assert all(row["test"]["n"] == 4 and sum(map(sum, row["test"]["confusion"])) == 4 for row in rows)
    assert all(("probe" in row) == (row["variant"] != "none") for row in rows)
    assert "± " in done.stdout
    before = (out / "results.jsonl").read_bytes()
    assert main(words) == 0  # everything is there
    assert main([*words, "--set", "finetune.epochs=1"]) == 1  # lines of other settings are no part of its table
    assert (out / "results.jsonl").read_bytes() == before
