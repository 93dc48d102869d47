import threading

import pytest
from motionpipe.pipeline.read_ahead import AHEAD, read_ahead


@pytest.mark.parametrize("threads", [0, 1, 2, 5])
def test_results_come_in_the_order_of_their_items(threads):
    with read_ahead(lambda n: n * n, range(50), threads) as results:
        assert [results.take() for _ in range(50)] == [n * n for n in range(50)]
        with pytest.raises(StopIteration):
            results.take()
    assert results.wait_s >= 0


@pytest.mark.parametrize("threads", [0, 2])
def test_what_the_work_raises_is_raised_at_its_turn(threads):
    def work(number):
        if number == 3:
            raise ValueError("bad clip")
        return number

    with read_ahead(work, range(10), threads) as results:
        assert [results.take() for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ValueError, match="bad clip"):
            results.take()


def test_only_a_few_items_are_read_ahead_and_none_after_the_block():
    begun, gate = [], threading.Event()

    def work(number):
        begun.append(number)
        gate.wait(10)
        return number

    gate.set()
    with read_ahead(work, range(1000), 2) as results:
        results.take()
    assert len(begun) <= 2 + 2 * AHEAD
