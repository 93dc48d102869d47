import pytest
from motionpipe.jobs.fresh_process import resident_mb, watch_memory
from motionpipe.schemas.errors import MotionpipeError


def test_memory_that_is_held_is_seen():
    before = resident_mb()
    held = bytearray(b"x" * 50_000_000)
    assert 40 < resident_mb() - before < 120
    del held


def test_a_limit_below_what_a_worker_holds_at_its_start_is_one_clear_error():
    with pytest.raises(MotionpipeError, match="--memory 5 MB is too little"):
        watch_memory(5, lambda _: None)
    watch_memory(None, lambda _: None)
