import pydantic
import pytest
from motionpipe.schemas.report import REJECT_SCHEMA, Identity, Manifest, Reject, SampleEntry, ShardReport

IDENTITY = Identity(
    stage="flow", section={"cell": 4, "method": "dis"}, data={"dataset": "fake"}, parents={"shards": "1"}
)
ENTRY = SampleEntry(key="a", recording_id="id", source_hash="0", num_frames=9, fps=30.0, members={"json": (512, 20)})
REJECT = Reject(stage="shards", key="b", recording_id="b", path="b.avi", reason="empty-file", detail="0 bytes")


def report(shard=0, **changed):
    values = {
        "shard": shard,
        "file": f"{shard:06d}.tar",
        "sha256": "ab",
        "size_bytes": 10240,
        "read": 2,
        "written": 1,
        "samples": (ENTRY,),
        "rejects": (REJECT,),
        "totals": {"frames": 9},
    }
    return ShardReport(**values | changed)


@pytest.mark.parametrize("changed", [{"read": 3}, {"written": 2}, {"rejects": ()}])
def test_what_was_read_is_written_or_rejected(changed):
    with pytest.raises(pydantic.ValidationError, match="shard 0: read"):
        report(**changed)


def test_a_report_survives_json():
    assert ShardReport.model_validate_json(report().model_dump_json()) == report()


def test_unknown_keys_are_refused():
    with pytest.raises(pydantic.ValidationError, match="Extra inputs"):
        report(skipped=1)


def test_a_reject_fits_its_arrow_schema():
    assert REJECT_SCHEMA.names == list(REJECT.model_dump())
    assert REJECT_SCHEMA.field("attempts").type == "int32"


def test_identities_name_the_fields_that_differ():
    other = Identity(
        stage="flow", section={"cell": 8, "method": "dis"}, data={"dataset": "ntu"}, parents={"shards": "2", "run": "3"}
    )
    assert IDENTITY.differences(other) == [
        ("data.dataset", "fake", "ntu"),
        ("flow.cell", 4, 8),
        ("parent run", None, "3"),
        ("parent shards", "1", "2"),
    ]
    assert IDENTITY.differences(IDENTITY) == []


def test_of_nested_values_those_that_differ_are_named():
    networks = ({"crop": 32, "widths": [4, 8]}, {"crop": 64, "widths": [4, 8], "flow": None})
    one, two = (Identity(stage="train", section={}, data={"network": network}, parents={}) for network in networks)
    assert one.differences(two) == [("data.network.crop", 32, 64)]


def test_an_identity_survives_json_without_a_difference():
    section = {"widths": [1, 2], "rate": 1e-4, "limit": None}
    identity = Identity(stage="train", section=section, data={}, parents={})
    assert identity.differences(Identity.model_validate_json(identity.model_dump_json())) == []


def test_a_manifest_adds_up_its_shards():
    manifest = Manifest.of(IDENTITY, [report(0), report(1, read=1, written=1, rejects=())], {})
    assert manifest.totals == {"read": 3, "written": 2, "rejected": 1, "samples": 2, "bytes": 20480, "frames": 18}
    assert [(s.shard, s.file, s.read, s.written, s.rejected) for s in manifest.shards] == [
        (0, "000000.tar", 2, 1, 1),
        (1, "000001.tar", 1, 1, 0),
    ]


def test_the_hash_of_a_manifest_does_not_depend_on_info():
    one, two = Manifest.of(IDENTITY, [report()], {"seconds": 1}), Manifest.of(IDENTITY, [report()], {"host": "b"})
    assert one.hash == two.hash
    assert one.info != two.info


@pytest.mark.parametrize(
    ("identity", "reports"),
    [
        (IDENTITY, [report(sha256="cd")]),
        (IDENTITY, [report(read=1, rejects=())]),
        (IDENTITY, [report(0), report(1)]),
        (IDENTITY, []),
        (IDENTITY.model_copy(update={"section": {"cell": 8, "method": "dis"}}), [report()]),
        (IDENTITY.model_copy(update={"parents": {"shards": "2"}}), [report()]),
        (IDENTITY.model_copy(update={"data": {"dataset": "ntu"}}), [report()]),
    ],
)
def test_the_hash_of_a_manifest_depends_on_identity_and_content(identity, reports):
    assert Manifest.of(identity, reports, {}).hash != Manifest.of(IDENTITY, [report()], {}).hash


def test_a_manifest_survives_json():
    manifest = Manifest.of(IDENTITY, [report()], {"seconds": 1.5})
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest
