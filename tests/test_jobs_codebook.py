"""The codebook command on stored flow: every kind, the same bytes for any workers, and what it says."""

import json
import shutil

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from motionpipe.jobs.cli import main
from motionpipe.jobs.codebook import read_codebook
from motionpipe.jobs.inventory import list_artefacts
from motionpipe.jobs.options import RunOptions
from motionpipe.jobs.rejects import stage_of
from motionpipe.pipeline.store import Store


def run(*words, code=0):
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


@pytest.fixture(scope="module")
def chain(rgb_chain, tmp_path_factory):
    """A copy of the store of ten recordings, to which codebooks are added."""
    return shutil.copytree(rgb_chain, tmp_path_factory.mktemp("books") / "store")


def options(store, workers=0):
    return ("--store", store, "--recipe", store.parent / "chain.toml", "--workers", workers)


@pytest.fixture(scope="module")
def recipe(chain, rgb_chain):
    return shutil.copy(rgb_chain.parent / "chain.toml", chain.parent / "chain.toml")


def book_of(store, name):
    return read_codebook(Store.at(str(store)), name)[0]


def report_of(store, name):
    return json.loads((store / f"codebook/{name}/report.json").read_text())


def test_uniform_codebooks_are_named_by_their_size(chain, recipe):
    output = run("codebook", "--kind", "uniform", "--set", "codebook.bins=3", *options(chain))
    assert "codebook/dis-uniform-9: 9 codewords (uniform, xy)" in output
    assert "targets/dis-uniform-9: 10 read" not in output  # eleven samples: one recording has two segments
    book = book_of(chain, "dis-uniform-9")
    assert (book.size, book.kind, book.unit) == (9, "uniform", "px")
    np.testing.assert_allclose(book.axis_scale(), book.clip / 2)
    report = report_of(chain, "dis-uniform-9")
    assert sum(report["counts"]) == report["flow_statistics"]["valid"] == report["cells"]
    assert report["unmirrored"] == 0
    assert all(lost <= half + 1e-6 for lost, half in zip(report["distortion"]["static"], book.clip / 2, strict=True))


def test_the_size_of_a_uniform_codebook_is_not_chosen(chain, recipe):
    assert "codebook.bins" in run("codebook", "--kind", "uniform", "--size", 125, *options(chain), code=2)


@pytest.mark.ray
def test_any_number_of_workers_gives_the_same_codebook(chain, recipe):
    for workers in (0, 2):
        run("codebook", "--set", "codebook.iterations=3", "--name", f"w{workers}", *options(chain, workers))
    for name in ("codebook.npz", "report.json"):
        assert len({(chain / f"codebook/w{workers}/{name}").read_bytes() for workers in (0, 2)}) == 1


def test_passes_over_all_cells_do_not_depend_on_the_order_in_which_shards_finish(chain, recipe, monkeypatch):
    def backwards(make_worker, shards, options):
        work = make_worker()
        return (work(shard) for shard in reversed(shards))

    words = ("codebook", "--set", 'codebook.fit_on="all"', "--set", "codebook.iterations=3")
    run(*words, "--name", "forwards", *options(chain))
    monkeypatch.setattr("motionpipe.jobs.codebook_passes.map_shards", backwards)
    run(*words, "--name", "backwards", *options(chain))
    for name in ("codebook.npz", "report.json"):
        assert len({(chain / f"codebook/{book}/{name}").read_bytes() for book in ("forwards", "backwards")}) == 1


def test_all_cells_and_the_sample_give_two_codebooks_that_can_be_compared(chain, recipe):
    run("codebook", "--set", 'codebook.fit_on="all"', "--name", "everything", *options(chain))
    assert report_of(chain, "everything")["fitted_cells"] == report_of(chain, "everything")["cells"]
    output = run("compare-codebooks", "dis-kmeans-8", "everything", "--store", chain)
    assert "8 pairs of codewords" in output
    assert "moved mass" in output
    compared = json.loads(run("compare-codebooks", "dis-kmeans-8", f"{chain}:dis-kmeans-8", "--json", "--store", chain))
    assert compared["total_variation"] == 0
    assert [pair["distance"] for pair in compared["matched"]] == [0] * 8


def test_codebooks_that_are_not_there_are_one_line(chain, recipe):
    output = run("compare-codebooks", "dis-kmeans-8", "nothing", "--store", chain, code=1)
    assert output.startswith("Error: codebook/nothing is not finished in ")
    assert output.count("\n") == 1


def test_a_learnable_codebook_is_learned_and_exported(chain, recipe):
    run("codebook", "--kind", "learnable", *options(chain))
    words = ("train-cluster", "--name", "b", "--codebook", "dis-learnable-8", "--set", "train.learning_rate=0.01")
    assert "codebook/b@learned: 8 codewords (learnable, xy)" in run(*words, *options(chain))
    start, learned = book_of(chain, "dis-learnable-8"), book_of(chain, "b@learned")
    assert not learned.centres[0].any()
    assert np.abs(learned.centres - start.centres).max() > 1e-4
    assert learned.counts.sum() == start.counts.sum()
    last = sorted((chain / "runs/b/checkpoints").glob("*"))[-1]
    state = torch.load(last, weights_only=True)["model"]
    expected = state["start_centres"][1:] + state["scale"] * state["offsets"]
    np.testing.assert_allclose(learned.centres[1:], expected, atol=1e-6)
    row = json.loads((chain / "runs/b/metrics.jsonl").read_text().splitlines()[-1])
    assert {"weighted", "unweighted", "reconstruction", "usage", "perplexity", "temperature"} <= row.keys()
    assert "finished already" in run(*words, *options(chain))
    store = Store.at(str(chain))
    artefacts = {artefact.folder: artefact for artefact in list_artefacts(store)}
    before = store.read_bytes("targets/b@learned/000000.json")
    (chain / "targets/b@learned/000000.json").unlink()
    (chain / "targets/b@learned/manifest.json").unlink()
    again = stage_of(store, artefacts, artefacts["targets/b@learned"], RunOptions(workers=0))
    assert [result.fresh for result in again()] == [True]
    assert store.read_bytes("targets/b@learned/000000.json") == before
    run("embed", "--run", "b", *options(chain))
    run("verify", "--deep", "--workers", 0, "--store", chain)
    shutil.move(chain / "runs/b", chain.parent / "b-before")
    status = run("status", "--store", chain)
    assert "targets/b@learned is stale: its parent codebook/b@learned is stale" in status
    output = run(*words, "--set", "train.seed=1", *options(chain), code=1)
    assert "codebook/b@learned" in output.splitlines()[-1]
    assert "made from another checkpoint" in output
    shutil.rmtree(chain / "runs/b")
    shutil.move(chain.parent / "b-before", chain / "runs/b")


def test_soft_targets_train(chain, recipe):
    words = ("train-cluster", "--name", "soft", "--codebook", "dis-kmeans-8", "--set", 'atomic_flow.target="soft"')
    assert "steps, loss" in run(*words, *options(chain))
