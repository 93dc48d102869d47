import dataclasses

import pytest
from motionpipe.schemas.camera import Camera
from motionpipe.schemas.recording import PLAN_SCHEMA, PlannedRecording, Recording, plan_table, planned_recordings

FULL = Recording(
    recording_id="S001C002P003R001A004",
    path="S001C002P003R001A004",
    files={"rgb": "nturgb+d_rgb/x.avi", "depth": "nturgb+d_depth/x"},
    label=3,
    label_name="brush hair",
    splits={"xsub": "test", "xview": "train"},
    subject=3,
    camera=2,
    setup=1,
    group="film 7",
    fps=30.0,
    depth_camera=Camera(365.5, 366.5, 257.25, 210.5, 512, 424),
    depth_unit_mm=5.12,
    color_size=(1920, 1080),
    relative_time=True,
)
BARE = Recording("b/ü.mp4", "b/ü.mp4", {"rgb": "b/ü.mp4"})


def test_a_plan_survives_its_table():
    rows = [PlannedRecording(0, "S001C002P003R001A004", FULL), PlannedRecording(7, "b_", BARE)]
    table = plan_table(rows)
    assert table.schema == PLAN_SCHEMA
    assert planned_recordings(table) == rows


def test_an_empty_plan_has_the_same_columns():
    assert plan_table([]).schema == PLAN_SCHEMA
    assert planned_recordings(plan_table([])) == []


def test_the_plan_has_a_column_for_every_field_of_a_recording():
    assert PLAN_SCHEMA.names == ["shard", "key", *(field.name for field in dataclasses.fields(Recording))]


def test_equal_plans_make_equal_tables_whatever_the_order_of_files():
    turned = dataclasses.replace(FULL, files=dict(reversed(FULL.files.items())))
    assert plan_table([PlannedRecording(0, "a", FULL)]).equals(plan_table([PlannedRecording(0, "a", turned)]))


def test_a_planned_recording_shows_whose_it_is():
    row = PlannedRecording(0, "key", BARE)
    assert (row.recording_id, row.path) == ("b/ü.mp4", "b/ü.mp4")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"recording_id": ""}, "an id and a path"),
        ({"path": ""}, "an id and a path"),
        ({"label": None}, "come together"),
        ({"label_name": None}, "come together"),
        ({"splits": {"xsub": "val"}}, "train or test"),
        ({"splits": {"xsub": ""}}, "train or test"),
    ],
)
def test_recordings_that_make_no_sense_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(FULL, **changed)
