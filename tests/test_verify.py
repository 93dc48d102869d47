"""Every kind of damage is found, by the level that is there for it; an intact store passes."""

import hashlib
import io
import json
import shutil
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from motionpipe.jobs.cli import main
from motionpipe.pipeline.artefacts import read_manifest, read_report
from motionpipe.pipeline.retry import stored_members
from motionpipe.pipeline.store import Store
from motionpipe.pipeline.write_shard import Sample, write_tar_shard
from motionpipe.schemas.report import Manifest

BLOCK = 512


@pytest.fixture
def copy(rgb_chain, tmp_path):
    """A copy of the store that a test may damage."""
    return shutil.copytree(rgb_chain, tmp_path / "copy")


def verify(store, *more, workers=0):
    result = CliRunner().invoke(main, ["verify", "--store", str(store), "--workers", str(workers), *more])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def found(store, *texts, deep=False):
    """A line that holds all the texts, and exit code 1."""
    code, output = verify(store, *(["--deep"] if deep else []))
    assert code == 1, output
    assert any(all(text in line for text in texts) for line in output.splitlines()), output
    return output


def edit(file, change):
    value = json.loads(file.read_text())
    change(value)
    file.write_text(json.dumps(value))


def test_an_intact_store_passes_both_levels_and_says_what_was_checked(rgb_chain):
    before = {file: file.stat().st_mtime_ns for file in rgb_chain.rglob("*")}
    for more in ((), ("--deep",)):
        code, output = verify(rgb_chain, *more)
        assert code == 0, output
        assert "everything is in order; 9 artefacts, 15 shards, 55 samples" in output
    assert {file: file.stat().st_mtime_ns for file in rgb_chain.rglob("*")} == before


@pytest.mark.ray
def test_workers_find_the_same(copy):
    (copy / "flow/dis/000001.tar").unlink()
    here, there = verify(copy), verify(copy, workers=1)
    assert here[0] == there[0] == 1
    assert [line for line in here[1].splitlines() if "flow" in line] == [
        line for line in there[1].splitlines() if "flow" in line
    ]


def test_a_key_in_two_shards(copy):
    key = read_report(Store(str(copy)), "shards", 0).samples[0].key

    def rename(report):
        report["samples"][0]["key"] = key

    edit(copy / "shards/000001.json", rename)
    found(copy, f"key {key} stands in 2 places")


@pytest.mark.parametrize("folder", ["shards", "flow/dis", "targets/dis-kmeans-8"])
def test_a_flipped_byte_in_a_tar(copy, folder):
    file = copy / folder / "000001.tar"
    data = bytearray(file.read_bytes())
    data[BLOCK + 100] ^= 1
    file.write_bytes(data)
    output = found(
        copy, f"{folder}/000001.tar", "its bytes are not those of its report", "then run: motionpipe", "--recipe"
    )
    assert output.count("000001.tar:") == 1


def test_a_tar_that_is_cut_on_a_member_boundary(copy):
    file = copy / "shards/000000.tar"
    with tarfile.open(file) as tar:
        place = tar.getmembers()[5].offset
    file.write_bytes(file.read_bytes()[:place])
    found(copy, "shards/000000.tar", "without the closing blocks")
    found(copy, "shards/000000.tar", "is in the report and not in the tar")


def test_a_member_that_the_report_does_not_list(copy):
    edit(copy / "shards/000002.json", lambda report: report["samples"][0]["members"].pop("rgb.0003.jpg"))
    found(copy, "shards/000002.tar", "rgb.0003.jpg is not in the report")


def test_a_sample_that_the_report_does_not_list_any_more(copy):
    edit(copy / "flow/dis/000000.json", lambda report: report["samples"].pop(1))
    found(copy, "flow/dis/000000.json", "1 samples are neither written nor rejected")


def test_two_tars_in_each_others_place(copy):
    swap(copy / "flow/dis/000000.tar", copy / "flow/dis/000001.tar")
    found(copy, "flow/dis/000000.tar", "in the tar and not in the report")


def test_two_shards_in_each_others_place_with_their_reports(copy):
    for suffix in ("tar", "json"):
        swap(copy / f"shards/000000.{suffix}", copy / f"shards/000001.{suffix}")
    found(copy, "shards/000000.json", "not the report of which the manifest tells")
    found(copy, "shards/000000.json", "do not belong here")


def swap(one, two):
    data = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(data)


def test_an_edited_manifest(copy):
    edit(copy / "shards/manifest.json", lambda manifest: manifest["totals"].update(frames=7))
    found(copy, "shards/manifest.json", "totals", "frames 7 for 115")
    edit(copy / "flow/dis/manifest.json", lambda manifest: manifest["shards"][0].update(written=3, rejected=1))
    found(copy, "flow/dis/manifest.json", "edited or damaged")
    edit(copy / "targets/dis-kmeans-8/manifest.json", lambda manifest: manifest["identity"]["parents"].update(flow="x"))
    found(copy, "targets/dis-kmeans-8/manifest.json", "differs from identity.json in parent flow")


@pytest.mark.parametrize("name", ["manifest.json", "identity.json"])
def test_a_record_that_is_no_json(copy, name):
    (copy / "flow/dis" / name).write_text("{")
    found(copy, f"flow/dis/{name}", "not readable")


def test_a_plan_that_is_gone_or_damaged(copy):
    (copy / "shards/plan.parquet").write_bytes(b"PAR1 nothing")
    found(copy, "shards/plan.parquet", "not readable")
    (copy / "shards/plan.parquet").unlink()
    found(copy, "shards/plan.parquet", "missing")


def test_missing_files(copy):
    (copy / "shards/000001.tar").unlink()
    (copy / "flow/dis/000001.json").unlink()
    (copy / "flow/dis/rejects.parquet").unlink()
    (copy / "embeddings/a/000001.parquet").unlink()
    found(copy, "shards/000001.tar", "is missing")
    found(copy, "flow/dis/000001.json", "is missing")
    found(copy, "flow/dis/rejects.parquet", "is missing")
    found(copy, "embeddings/a/000001.parquet", "is missing")


def test_an_unfinished_artefact(copy):
    (copy / "targets/dis-kmeans-8/manifest.json").unlink()
    found(copy, "targets/dis-kmeans-8", "is not finished", "go on with: motionpipe codebook")


def test_another_codebook(copy):
    file = copy / "codebook/dis-kmeans-8/codebook.npz"
    file.write_bytes(file.read_bytes() + b"x")
    found(copy, "codebook.npz", "another sha256", deep=True)


def test_another_codebook_with_its_report(copy):
    edit(copy / "codebook/dis-kmeans-8/report.json", lambda report: report.update(sha256="0" * 64))
    output = found(copy, "targets/dis-kmeans-8", "made from another codebook/dis-kmeans-8")
    assert "runs/a: made from another codebook" in output
    assert "embeddings/a: its parent runs/a is stale" in output


def test_another_checkpoint(copy):
    checkpoint = next((copy / "runs/a/checkpoints").glob("step-*.pt"))
    checkpoint.write_bytes(checkpoint.read_bytes() + b"x")
    (copy / "runs/a/checkpoints/init.pt").write_bytes(b"x")
    found(copy, "runs/a/checkpoints/step-", "another sha256")
    found(copy, "runs/a/checkpoints/init.pt", "another sha256")


def rewrite_plan(store, change):
    file = store / "shards/plan.parquet"
    table = pq.read_table(file)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)


def test_a_group_or_a_subject_in_both_parts(copy):
    def share(rows):
        for row in rows:
            row["group"] = "film-1"
            row["subject"] = 1  # protocol `split` is not one of subjects

    rewrite_plan(copy, share)
    output = found(copy, "protocol split: group film-1 is in both parts", "(test)", "(train)")
    assert "subject 1" not in output


def test_the_same_video_in_both_parts(tmp_path, rgb_chain):
    identity = json.loads((rgb_chain / "shards/identity.json").read_text())
    source = tmp_path / "videos"
    shutil.copytree(identity["info"]["source"], source)
    shutil.copy(source / "train/right/v0.mkv", source / "test/right/another_name.mkv")
    words = ["shard", "--dataset", "folder", "--source", str(source), "--store", str(tmp_path / "s"), "--workers", "0"]
    assert CliRunner().invoke(main, words).exit_code == 0
    found(tmp_path / "s", "source", "in both parts", "another_name.mkv (test)", "v0.mkv (train)")


def rewrite_tar(store, folder, change):
    """Write shard 0 again with other content under hashes that fit: what only decoding can find."""
    opened = Store.at(str(store))
    report = read_report(opened, folder, 0)

    def build(entry):
        members = change(entry.key, stored_members(opened, folder, 0, entry))
        counts = dict.fromkeys(report.totals, 0)
        yield Sample(
            entry.key, members, entry.num_frames, entry.fps, entry.source_hash, entry.stride, entry.motion, counts
        )

    samples = {entry.key: entry for entry in report.samples}
    new = write_tar_shard(opened, folder, 0, list(samples.values()), build)
    new = new.model_copy(update={"totals": report.totals, "read": report.read, "written": report.written})
    (store / folder / "000000.json").write_text(new.model_dump_json())
    old = read_manifest(opened, folder, "")
    reports = [new, *(read_report(opened, folder, n) for n in range(1, len(old.shards)))]
    manifest = Manifest.of(old.identity, reports, old.info)
    (store / folder / "manifest.json").write_text(manifest.model_dump_json())


@pytest.mark.parametrize(
    ("member", "content", "text"),
    [
        ("rgb.0002.jpg", b"\xff\xd8 no picture", "rgb.0002.jpg does not decode"),
        ("json", b"{", "no readable json"),
    ],
)
def test_frames_that_do_not_decode_are_found_by_deep_alone(copy, member, content, text):
    rewrite_tar(copy, "shards", lambda key, members: members | {member: content} if key.endswith("v3") else members)
    assert text not in verify(copy)[1]
    found(copy, "shards/000000.tar", text, deep=True)


def test_times_that_do_not_increase_and_frames_of_another_size(copy):
    def change(_, members):
        meta = json.loads(members["json"])
        meta["timestamps_us"][2] = 0
        meta["sizes"]["rgb"] = [1, 1]
        return members | {"json": json.dumps(meta).encode()}

    rewrite_tar(copy, "shards", change)
    found(copy, "shards/000000.tar", "timestamps that must increase", deep=True)
    found(copy, "shards/000000.tar", "its json says 1x1", deep=True)


def test_flow_of_another_shape(copy):
    def array(data):
        return np.load(io.BytesIO(data))

    def npy(values):
        buffer = io.BytesIO()
        np.save(buffer, values)
        return buffer.getvalue()

    rewrite_tar(copy, "flow/dis", lambda _, m: {name: npy(array(data)[:-1]) for name, data in m.items()})
    assert verify(copy)[1].count("flow/dis/000000.tar") == 0
    found(copy, "flow/dis/000000.tar", "pairs on", deep=True)
    # with another flow its codes are not compared: that they are stale is what is told
    output = found(copy, "codebook/dis-kmeans-8", "made from another flow/dis", deep=True)
    assert "codes are not" not in output


def test_codes_that_are_not_the_codebooks(copy):
    def change(_, members):
        codes = np.load(io.BytesIO(members["codes.npy"]))
        codes[0, 0, 0] = (codes[0, 0, 0] + 1) % 8
        buffer = io.BytesIO()
        np.save(buffer, codes)
        return {"codes.npy": buffer.getvalue()}

    rewrite_tar(copy, "targets/dis-kmeans-8", change)
    found(copy, "targets/dis-kmeans-8/000000.tar", "1 of ", "codes are not the codebook's", deep=True)


def test_embedding_rows_of_other_frames_or_labels(copy):
    file = copy / "embeddings/a/000000.parquet"
    table = pq.read_table(file)
    column = pa.array([number + 5 for number in table["label"].to_pylist()])
    pq.write_table(table.set_column(table.schema.get_field_index("label"), table.schema.field("label"), column), file)
    sha256, size = hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_size
    edit(copy / "embeddings/a/000000.json", lambda report: report.update(sha256=sha256, size_bytes=size))
    found(copy, "embeddings/a/000000.parquet", "label or splits differ", deep=True)


def test_dense_flow_is_checked_against_its_cells(copy):
    for words in (
        ["flow", "--name", "dense", "--set", "flow.keep=pixels", "--store", str(copy), "--workers", "0"],
        ["verify", "--deep", "--store", str(copy), "--workers", "0"],
    ):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output

    def changed(name, change):
        def rewritten(_, members):
            array = np.load(io.BytesIO(members[name])).copy()
            buffer = io.BytesIO()
            np.save(buffer, change(array))
            return members | {name: buffer.getvalue()}

        return rewritten

    def shifted(flow):
        flow[1, :, 8:16, 8:16] += 3
        return flow

    def lost(valid):
        valid[0, 3, 3] = 2
        return valid

    for name, change, told in (
        ("flow_px.npy", shifted, "cells of pair 1 are not the means"),
        ("flow_px.npy", lambda flow: flow[:-1], "dense flow is not readable"),
        ("flow_px.npy", lambda flow: flow.astype(np.float32), "must be float16"),
        ("valid_px.npy", lost, "0 or 1"),
    ):
        shard = (copy / "flow/dense/000000.tar").read_bytes(), (copy / "flow/dense/000000.json").read_bytes()
        rewrite_tar(copy, "flow/dense", changed(name, change))
        found(copy, "flow/dense/000000.tar", told, deep=True)
        (copy / "flow/dense/000000.tar").write_bytes(shard[0])
        (copy / "flow/dense/000000.json").write_bytes(shard[1])
    rewrite_tar(copy, "flow/dense", lambda _, members: {n: d for n, d in members.items() if n != "valid_px.npy"})
    found(copy, "flow/dense/000000.tar", "valid_px.npy is missing", deep=True)
