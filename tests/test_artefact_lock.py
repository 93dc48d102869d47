import signal
import subprocess
import sys

import pytest
from motionpipe.jobs.artefact_lock import artefact_lock
from motionpipe.pipeline.store import Store
from motionpipe.schemas.errors import MotionpipeError

HOLD = """
import sys, time
from motionpipe.jobs.artefact_lock import artefact_lock
from motionpipe.pipeline.store import Store
with artefact_lock(Store(sys.argv[1]), "flow/x"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


def test_one_holder_at_a_time(store, tmp_path):
    with artefact_lock(store, "flow/x"):
        with pytest.raises(MotionpipeError, match="flow/x is being written by process"), artefact_lock(store, "flow/x"):
            raise AssertionError
        with artefact_lock(store, "flow/y"):
            pass
    with artefact_lock(store, "flow/x"):
        pass
    assert not any((tmp_path / "flow").iterdir())


def test_a_killed_holder_holds_nothing(store, tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(MotionpipeError, match=f"process {holder.pid} on"), artefact_lock(store, "flow/x"):
            raise AssertionError
        holder.send_signal(signal.SIGKILL)
    assert (tmp_path / "flow/x/.lock").exists()
    with artefact_lock(store, "flow/x"):
        (tmp_path / "flow/x/written").touch()
    assert [file.name for file in (tmp_path / "flow/x").iterdir()] == ["written"]
