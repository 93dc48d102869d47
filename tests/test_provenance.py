from motionpipe.jobs.provenance import leak_of, learned_data, learned_from
from motionpipe.schemas.recording import PlannedRecording, Recording
from motionpipe.schemas.report import Identity, Manifest


def made(data):
    return Manifest.of(Identity(stage="train", section={}, data=data, parents={}), [], {})


def planned(splits):
    recordings = {name: Recording(name, name, {"rgb": name}, splits=parts) for name, parts in splits.items()}
    return {name: PlannedRecording(0, name, recording) for name, recording in recordings.items()}


def test_what_was_learned_from_is_handed_on():
    flow = made(learned_data(("hmdb51", "split1"), []))
    stream = made(learned_data(("hmdb51", "split2"), [flow]))
    percepts = made(learned_data(None, [stream]))
    assert learned_from(percepts) == [("hmdb51", "split1"), ("hmdb51", "split2")]
    assert learned_data(None, [made({"encoder": "resnet18"})]) == {}


def test_a_leak_says_whose_it_is():
    plan = planned({"a": {"one": "train", "two": "test"}, "b": {"one": "test", "two": "train"}, "c": {"one": "train"}})
    run = made(learned_data(("folder", "one"), []))
    assert leak_of(plan, "folder", "one", run, "run r", "one") == ""
    assert leak_of(plan, "other", "two", run, "run r", "one") == ""
    said = leak_of(plan, "folder", "two", run, "run r", "one")
    assert said == "run r was trained on one, with 1 test recordings of two"
    later = made(learned_data(("folder", "two"), [run]))
    said = leak_of(plan, "folder", "two", later, "run s", "two")
    assert said == "run s began from, or reads, what was trained on one, with 1 test recordings of two"
