"""Experiments on Moving MNIST, in a process that can import torch and NumPy and nothing that they do not need."""

import gzip
import json
import math
import os
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
from motionpipe.jobs.mnist_run import DEFAULTS
from motionpipe.jobs.plain_curve import curve_svg
from motionpipe.jobs.run_files import load_checkpoint
from motionpipe.jobs.train_mnist import PUBLISHED, VARIANTS, main, summary_lines
from motionpipe.models.lstm import SequenceBatch
from motionpipe.pipeline.read_ahead import ReadAhead
from motionpipe.pipeline.store import Store
from motionpipe.schemas.lstm_section import LSTMSection

ABSENT = ("ray", "av", "cv2", "webdataset", "pyarrow", "numba", "sklearn", "scipy", "pydantic", "click", "upath")
SMALL = ["--set", "hidden=8", "--set", "layers=1", "--set", "batch=4", "--test-sequences", "6"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mnist")
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        images = rng.integers(0, 256, (20, 28, 28), dtype=np.uint8)
        data = struct.pack(">IIII", 0x803, *images.shape) + images.tobytes()
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(data, mtime=0))
    return folder


def run(digits, out, *words):
    return main([str(digits), "--out", str(out), *SMALL, *words])


def test_the_defaults_are_those_of_the_recipe():
    fields = {name: value for name, value in DEFAULTS.items() if name in LSTMSection.model_fields}
    assert LSTMSection.model_validate(fields) == LSTMSection(start="orthogonal")
    for variant in VARIANTS.values():
        LSTMSection.model_validate(variant)
    assert set(PUBLISHED) < set(VARIANTS)


def test_experiments_need_torch_and_numpy_alone(digits, tmp_path):
    out = tmp_path / "out"
    words = [str(digits), "--out", str(out), *SMALL, "--steps", "3", "--set", "precision=bf16"]
    words += [word for name in VARIANTS for word in ("--variant", name)]
    code = f"""
import sys
class Bare:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {ABSENT!r} else self.finder.find_spec(name, path, target)
sys.meta_path[:] = [Bare(finder) for finder in sys.meta_path]
from motionpipe.jobs.train_mnist import main
sys.exit(main({words!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [row["variant"] for row in rows] == list(VARIANTS)
    for row in rows:
        assert set(row["test"]) == set(VARIANTS[row["variant"]]["decoders"])
        assert (row["trained_steps"], len(row["test"][next(iter(row["test"]))]["by_frame"])) == (3, 10)
        names = {path.name for path in (out / row["variant"]).iterdir()}
        assert names >= {"metrics.jsonl", "curve.svg", "checkpoint.pt", "sequence-0.png", "sequence-0-animated.png"}
        assert ("activity.png" in names) == ("future" in VARIANTS[row["variant"]]["decoders"])
    assert "341.2" in done.stdout
    before = (out / "results.jsonl").read_bytes()
    assert main(words) == 0  # everything is there
    assert (out / "results.jsonl").read_bytes() == before


def test_an_interrupted_run_goes_on_to_the_same_bits(digits, tmp_path, monkeypatch):
    words = ["--variant", "composite-conditional-future", "--steps", "6"]
    words += ["--set", "truth_share=0.5", "--set", "truth_share_end=0.5"]
    assert run(digits, tmp_path / "whole", *words) == 0
    monkeypatch.setattr("motionpipe.jobs.mnist_run.SAVE_EVERY_S", -1.0)  # a checkpoint after every step
    take = __import__("motionpipe.pipeline.read_ahead", fromlist=["ReadAhead"]).ReadAhead.take
    taken = []

    def interrupted(self):
        taken.append(1)
        if len(taken) == 4:
            raise KeyboardInterrupt
        return take(self)

    monkeypatch.setattr("motionpipe.pipeline.read_ahead.ReadAhead.take", interrupted)
    assert run(digits, tmp_path / "cut", *words) == 130
    assert run(digits, tmp_path / "cut", *words) == 0
    assert len(taken) == 4 + 3
    states = [
        load_checkpoint(Store.at(str(tmp_path / name)), "composite-conditional-future/checkpoint.pt")["model"]
        for name in ("whole", "cut")
    ]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_an_interrupt_ends_the_step_and_saves(digits, tmp_path, monkeypatch, capsys):
    words = ["--variant", "future", "--steps", "6"]
    assert run(digits, tmp_path / "whole", *words) == 0
    take, taken = ReadAhead.take, []

    def interrupted(self):
        taken.append(1)
        if len(taken) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return take(self)

    monkeypatch.setattr(ReadAhead, "take", interrupted)
    assert run(digits, tmp_path / "cut", *words) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert run(digits, tmp_path / "cut", *words) == 0
    assert len(taken) == 6
    rows = [json.loads((tmp_path / name / "results.jsonl").read_text())["test"] for name in ("whole", "cut")]
    assert rows[0] == rows[1]


def test_weights_that_diverge_are_no_result(digits, tmp_path, monkeypatch, capsys):
    take, taken = ReadAhead.take, []

    def diverging(self):
        taken.append(1)
        batch = take(self)
        return SequenceBatch(batch.frames * math.nan) if len(taken) == 3 else batch

    monkeypatch.setattr(ReadAhead, "take", diverging)
    assert run(digits, tmp_path, "--variant", "future", "--steps", "3") == 1
    assert "lower learning_rate" in capsys.readouterr().err
    assert not (tmp_path / "results.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--variant", "future"], "give --minutes or --steps"),
        (["--variant", "future", "--steps", "1", "--set", "units=3"], "--set units=3"),
        (["--variant", "future", "--steps", "1", "--set", "hidden=big"], "hidden is a int"),
        (["--variant", "future", "--steps", "1", "--graph"], "none here"),
        (["--variant", "future", "--steps", "1", "--pause-after", "nan"], "minutes from 0"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_clear_line(digits, tmp_path, capsys, words, message):
    if "--graph" in words and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert run(digits, tmp_path, *words) == 1
    assert message in capsys.readouterr().err


def test_training_ends_by_the_clock(digits, tmp_path):
    assert run(digits, tmp_path, "--variant", "future", "--minutes", "0.0005") == 0
    row = json.loads((tmp_path / "results.jsonl").read_text())
    assert row["trained_steps"] >= 1
    assert row["seconds"] >= 0.03 - 0.06  # rounded to a tenth


def test_a_command_that_pauses_goes_on(digits, tmp_path, capsys):
    words = ["--variant", "future", "--steps", "3"]
    assert run(digits, tmp_path / "paused", *words, "--pause-after", "0") == 0
    assert "33% done, 1 steps; the same command goes on" in capsys.readouterr().out
    assert not (tmp_path / "paused/results.jsonl").exists()
    assert run(digits, tmp_path / "paused", *words) == 0
    assert run(digits, tmp_path / "whole", *words) == 0
    rows = [json.loads((tmp_path / name / "results.jsonl").read_text()) for name in ("paused", "whole")]
    assert rows[0]["test"] == rows[1]["test"]


def test_checkpoints_of_other_settings_are_refused(digits, tmp_path, capsys):
    assert run(digits, tmp_path, "--variant", "future", "--steps", "1") == 0
    assert run(digits, tmp_path, "--variant", "future", "--steps", "2") == 1
    assert "other settings" in capsys.readouterr().err


def test_the_published_figure_stands_beside_the_same_task_alone():
    score = {"loss": 1.0, "constant": 2.0, "floor": 0.0}
    row = {"variant": "future", "settings": dict(DEFAULTS), "trained_steps": 1, "test": {"future": score}}
    assert "350.2" in summary_lines([row])[1]
    row["settings"] = DEFAULTS | {"future_frames": 5}
    assert "350.2" not in summary_lines([row])[1]


def test_a_folder_that_cannot_be_made_is_one_clear_line(digits, capsys):
    assert run(digits, "/proc/nope", "--variant", "future", "--steps", "1") == 1
    assert "/proc/nope" in capsys.readouterr().err


def test_a_curve_holds_its_points():
    svg = curve_svg({"loss < 1": [(0, 3), (10, 1)]}, "step", "nats")
    assert "loss &lt; 1" in svg
    assert '<polyline fill="none" stroke="#3b82c4" stroke-width="1.5" points="64.0,16.0 704.0,320.0"/>' in svg
    assert curve_svg({}, "step", "nats").startswith("<svg")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_graph_of_the_step_learns_what_the_step_learns(digits, tmp_path):
    for name, words in (("eager", ()), ("graph", ("--graph",))):
        assert run(digits, tmp_path / name, "--variant", "composite", "--steps", "20", *words) == 0
    rows = [json.loads((tmp_path / name / "results.jsonl").read_text()) for name in ("eager", "graph")]
    assert rows[0]["test"]["future"]["loss"] == pytest.approx(rows[1]["test"]["future"]["loss"], rel=1e-3)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("optimiser=Adam", "adam or momentum"),
        ("precision=bfloat16", "float32 or bf16"),
        ("output=foo", "bernoulli or gaussian"),
        ("start=paper", "released or orthogonal"),
        ("seed=-1", "expected 0 to 2.14748e+09"),
        ("batch=0", "expected 1 to 1e+06"),
        ("truth_share_end=2", "expected 0 to 1"),
        ("truth_share_until=0", "expected 1e-06 to 1"),
        ("truth_share=0", "would rise from 0.0 to 1.0"),
        ("learning_rate=nan", "expected 1e-09 to 1000"),
        ("learning_rate=-1", "expected 1e-09 to 1000"),
        ("grad_clip=0", "expected 1e-09 to 1e+12"),
        ("warmup=2", "expected 0 to 1"),
        ("weight_decay=-1", "expected 0 to 1000"),
        ("peephole=5", "peephole is a bool"),
        ("hidden=999999999", "expected 1 to 65536"),
        ("seed=4294967296", "expected 0 to"),
        ("future_frames=11", "21 frames"),
    ],
)
def test_settings_that_make_no_sense_are_one_line(digits, tmp_path, capsys, assignment, words):
    assert run(digits, tmp_path / "o", "--variant", "future", "--steps", "1", "--set", assignment) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("words", [("--steps", "0"), ("--minutes", "-1"), ("--test-sequences", "0", "--steps", "1")])
def test_budgets_are_positive(digits, tmp_path, words):
    with pytest.raises(SystemExit) as ended:
        run(digits, tmp_path / "o", "--variant", "future", *words)
    assert ended.value.code == 2


def test_a_large_seed_draws_shares_too(digits, tmp_path):
    words = ("--set", "seed=20261120", "--set", "truth_share_end=0", "--steps", "2")
    assert run(digits, tmp_path / "o", "--variant", "conditional-future", *words) == 0
