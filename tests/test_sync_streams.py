import pytest
from motionpipe.pipeline.sync_streams import nearest_in_relative_time


@pytest.mark.parametrize(
    ("count", "other", "expected"),
    [
        (4, 4, [0, 1, 2, 3]),
        (5, 7, [0, 2, 3, 4, 6]),
        (5, 3, [0, 0, 1, 2, 2]),
        (3, 5, [0, 2, 4]),
        (1, 9, [0]),
        (3, 1, [0, 0, 0]),
    ],
)
def test_the_nearest_frame_is_chosen(count, other, expected):
    assert nearest_in_relative_time(count, other) == expected


@pytest.mark.parametrize(("count", "other"), [(200, 203), (203, 200), (60, 31)])
def test_ends_meet_and_no_frame_is_further_than_half_a_frame(count, other):
    numbers = nearest_in_relative_time(count, other)
    assert (numbers[0], numbers[-1], len(numbers)) == (0, other - 1, count)
    assert all(abs(i / (count - 1) - n / (other - 1)) <= 0.5 / (other - 1) + 1e-9 for i, n in enumerate(numbers))


@pytest.mark.parametrize(("count", "other"), [(0, 3), (3, 0)])
def test_a_stream_without_frames(count, other):
    with pytest.raises(ValueError, match="need frames"):
        nearest_in_relative_time(count, other)
