import pytest
from motionpipe.pipeline.plan import plan_shards, write_plan
from motionpipe.pipeline.splits import planned_by_recording, recordings_in, resolve_protocol
from motionpipe.schemas.errors import MotionpipeError
from motionpipe.schemas.recording import Recording


def test_the_default_protocol_is_the_datasets_first():
    assert resolve_protocol("ntu", None) == "xsub"
    assert resolve_protocol("ntu", "xview") == "xview"
    assert resolve_protocol("folder", None) == "split"


def test_an_unknown_protocol_is_answered_with_the_known_ones():
    with pytest.raises(MotionpipeError, match="protocol 'split1' is not one of ntu's: xsub, xview"):
        resolve_protocol("ntu", "split1")


def test_parts_of_a_protocol(store):
    parts = {"a": {"xsub": "train", "xview": "test"}, "b": {"xsub": "test"}, "c": {}, "d": {"xsub": "train"}}
    recordings = [Recording(name, f"{name}.avi", {}, splits=splits) for name, splits in parts.items()]
    write_plan(store, plan_shards(recordings, 2))
    plan = planned_by_recording(store)
    assert {name: row.recording.splits for name, row in plan.items()} == parts
    assert recordings_in(plan, "xsub", "train") == {"a", "d"}
    assert recordings_in(plan, "xsub", "test") == {"b"}
    assert recordings_in(plan, "xview", "train") == frozenset()
    assert recordings_in(plan, "xview", "test") == {"a"}
