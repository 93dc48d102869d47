"""Classifiers from few videos, on percepts that are written as `embed --per frame` writes them."""

import numpy as np
import pytest
from motionpipe.jobs.classify_small import Part, Task, main, runs_of, score_draw, table
from motionpipe.pipeline.fit_sequences import SequenceFit
from motionpipe.pipeline.store import Store
from motionpipe.schemas.errors import MotionpipeError


def part(seed, count, names=("rgb", "flow")):
    """Two classes; their percepts differ in the first value, the second set's in the sign of all."""
    rng = np.random.default_rng(seed)
    labels = [3 if number % 2 else 8 for number in range(count)]
    videos = {
        name: [rng.normal(0, 1, (12, 6)).astype(np.float32) + (2.0 if label == 3 else -2.0) for label in labels]
        for name in names
    }
    return Part(videos, labels)


def test_each_set_is_scored_and_both_together():
    task = Task(Store.at("."), ("rgb", "flow"), (), 8, SequenceFit(steps=30), part(0, 12), part(1, 10))
    row = score_draw(task, "single frame", per_class=2, subset=0)
    assert (row["n_train"], row["n_test"]) == (4, 10)
    assert set(row["top1"]) == {"rgb", "flow", "fused"}
    assert row["top1"]["fused"] == 1.0
    assert row == score_draw(task, "single frame", per_class=2, subset=0)


def test_the_table_has_means_and_spreads():
    rows = [{"classifier": "lstm", "per_class": 4, "top1": {"a": value}} for value in (0.2, 0.4)]
    assert table(rows)[1].split() == ["lstm", "4", "a", "0.300", "±", "0.141", "(2", "draws)"]


def test_an_init_names_a_run_for_each_set():
    assert runs_of("a+b", ("rgb", "flow")) == ("a", "b")
    for init, sets in (("a", ("rgb", "flow")), ("a+b", ("rgb",))):
        with pytest.raises(MotionpipeError, match=r"RUN\+RUN"):
            runs_of(init, sets)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--batch", "0"), ("--hidden", "0"), ("--steps", "0"), ("--subsets", "0"), ("--per-class", "-1")],
)
def test_numbers_that_make_no_sense_are_refused(tmp_path, capsys, option, value):
    words = [str(tmp_path), "--percepts", "x", "--per-class", "4", "--out", str(tmp_path / "o")]
    with pytest.raises(SystemExit):
        main([*words, option, value])
    assert f"argument {option}: invalid" in capsys.readouterr().err


def test_two_sets_are_not_the_same(tmp_path, capsys):
    words = [str(tmp_path), "--percepts", "x", "--per-class", "4", "--out", str(tmp_path / "o")]
    assert main([*words, "--fuse", "x"]) == 1
    assert "both name x" in capsys.readouterr().err


def test_a_store_without_percepts_is_one_clear_line(tmp_path, capsys):
    words = [str(tmp_path), "--percepts", "x", "--per-class", "4", "--out", str(tmp_path / "o")]
    assert main(words) == 1
    assert capsys.readouterr().err.startswith("Error: ")
