import pytest
import torch
from motionpipe.jobs.device import mention_idle_gpu, require_device
from motionpipe.jobs.options import RunOptions
from motionpipe.schemas.errors import MotionpipeError


def test_a_gpu_that_torch_cannot_use_is_one_clear_line(monkeypatch):
    require_device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MotionpipeError, match="torch cannot use a GPU here") as error:
        require_device("cuda")
    assert "\n" not in str(error.value)


def test_an_idle_gpu_is_mentioned_where_it_would_have_worked(monkeypatch, capsys):
    for found, options, told in (
        (True, RunOptions(), True),
        (True, RunOptions(gpus_per_worker=0.5), False),
        (True, RunOptions(address="head:6379"), False),
        (False, RunOptions(), False),
    ):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=found: found)
        mention_idle_gpu(options)
        assert ("--gpus-per-worker" in capsys.readouterr().err) == told
