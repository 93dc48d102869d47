from motionpipe.pipeline.plan import plan_shards, planned_shard_sizes, read_plan, read_planned_shard, write_plan
from motionpipe.schemas.recording import Recording

PATHS = ["b/2.avi", "a/1.avi", "b/1.avi", "A/1.avi", "c.avi", "b0.avi"]  # b0 comes before b_1, b/1 before b0


def recordings(paths=PATHS):
    return [Recording(path, path, {"rgb": path}, 0, "x", {"split": "train"}, fps=25.0) for path in paths]


def test_recordings_are_dealt_to_shards_in_the_order_of_their_keys():
    rows = plan_shards(recordings(), 2)
    assert [row.key for row in rows] == sorted(row.key for row in rows)
    assert [row.shard for row in rows] == [0, 0, 1, 1, 2, 2]
    assert {row.path for row in rows} == set(PATHS)
    assert all(row.key.startswith(row.path.split(".")[0].replace("/", "_")) for row in rows)


def test_the_plan_does_not_depend_on_the_order_of_the_recordings():
    assert plan_shards(recordings(), 2) == plan_shards(recordings(PATHS[::-1]), 2)


def test_one_large_shard():
    assert {row.shard for row in plan_shards(recordings(), 100)} == {0}


def test_a_plan_is_read_as_it_was_written(store):
    rows = plan_shards(recordings(), 2)
    write_plan(store, rows)
    assert read_plan(store) == rows
    for shard in range(3):
        assert read_planned_shard(store, shard) == [row for row in rows if row.shard == shard]
    assert read_planned_shard(store, 3) == []
    assert planned_shard_sizes(store) == [2, 2, 2]


def test_the_same_plan_is_the_same_file(store, memory_store):
    for place in (store, memory_store):
        write_plan(place, plan_shards(recordings(), 2))
    assert store.read_bytes("shards/plan.parquet") == memory_store.read_bytes("shards/plan.parquet")


def test_a_plan_of_many_recordings(store):
    rows = plan_shards(recordings([f"c{i % 7}/{i:05d}.avi" for i in range(10_001)]), 64)
    write_plan(store, rows)
    sizes = planned_shard_sizes(store)
    assert sizes == [64] * 156 + [17]
    for shard in (0, 63, 64, 156):
        assert read_planned_shard(store, shard) == [row for row in rows if row.shard == shard]
