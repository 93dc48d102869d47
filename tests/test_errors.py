import pickle

import pytest
from motionpipe.schemas.errors import BadSampleError, MotionpipeError


def test_bad_sample_names_its_reason_and_what_to_do():
    error = BadSampleError("empty-file", "a.avi has 0 bytes; copy it again")
    assert (error.reason, error.detail) == ("empty-file", "a.avi has 0 bytes; copy it again")
    assert str(error) == "empty-file: a.avi has 0 bytes; copy it again"


def test_the_two_errors_are_apart():
    assert not issubclass(BadSampleError, MotionpipeError)
    assert not issubclass(MotionpipeError, BadSampleError)
    with pytest.raises(MotionpipeError, match="one line"):
        raise MotionpipeError("one line")


def test_a_plain_error_crosses_a_process_border():
    assert str(pickle.loads(pickle.dumps(MotionpipeError("one line")))) == "one line"


def test_a_bad_sample_crosses_a_process_border():
    error = pickle.loads(pickle.dumps(BadSampleError("too-short", "2 frames")))
    assert (error.reason, error.detail) == ("too-short", "2 frames")
