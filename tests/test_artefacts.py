from types import SimpleNamespace

import pytest
from motionpipe.pipeline.artefacts import only_artefact, read_manifest, read_report, read_samples, report_name, tar_name
from motionpipe.pipeline.write_shard import Sample, write_tar_shard
from motionpipe.schemas.errors import MotionpipeError
from motionpipe.schemas.report import Identity, Manifest


def finish(store, folder, shards=1):
    reports = []
    for shard in range(shards):
        items = [SimpleNamespace(key=f"{shard}{c}", recording_id=f"{shard}{c}", path="p") for c in "ba"]
        reports.append(
            write_tar_shard(store, folder, shard, items, lambda i: [Sample(i.key, {"json": b"{}"}, 2, 5.0, "h")])
        )
    manifest = Manifest.of(Identity(stage="shard", section={}, data={}, parents={}), reports, {})
    store.write_bytes(f"{folder}/manifest.json", manifest.model_dump_json().encode())
    return manifest


def test_names_sort_like_their_numbers():
    assert (tar_name(0), report_name(12)) == ("000000.tar", "000012.json")
    assert sorted(tar_name(i) for i in (10, 9, 100_000)) == ["000009.tar", "000010.tar", "100000.tar"]


def test_a_finished_artefact_is_read_back_in_order(store):
    manifest = finish(store, "shards", 2)
    assert read_manifest(store, "shards", "motionpipe shard") == manifest
    assert [(s, e.key) for s, e in read_samples(store, "shards", manifest)] == [
        (0, "0b"),
        (0, "0a"),
        (1, "1b"),
        (1, "1a"),
    ]
    assert read_report(store, "shards", 1).shard == 1


def test_an_artefact_that_is_absent_or_unfinished_is_one_clear_error(store):
    with pytest.raises(MotionpipeError, match=r"flow/pd does not exist in .*; run: motionpipe flow"):
        read_manifest(store, "flow/pd", "motionpipe flow")
    store.write_bytes("flow/pd/000000.tar", b"")
    with pytest.raises(MotionpipeError, match=r"flow/pd is not finished in .*; run: motionpipe flow"):
        read_manifest(store, "flow/pd", "motionpipe flow")


def test_the_only_finished_artefact_is_the_default(store):
    with pytest.raises(MotionpipeError, match=r"flow/ holds nothing finished .*; run: motionpipe flow"):
        only_artefact(store, "flow", "--flow", "motionpipe flow")
    store.write_bytes("flow/half/000000.tar", b"")
    finish(store, "flow/pd")
    assert only_artefact(store, "flow", "--flow", "motionpipe flow") == "pd"
    finish(store, "flow/dis")
    with pytest.raises(MotionpipeError, match="holds dis, pd; choose one with --flow"):
        only_artefact(store, "flow", "--flow", "motionpipe flow")
