import os
import signal

import pytest
from motionpipe.jobs.held_interrupt import held_interrupt


@pytest.fixture(autouse=True)
def foreground():
    """A test run in the background ignores interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_interrupt_is_held_and_the_second_is_not():
    with held_interrupt() as asked:
        assert not asked.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        assert asked.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_what_follows_is_interrupted_as_before():
    before = signal.getsignal(signal.SIGINT)
    with held_interrupt():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
