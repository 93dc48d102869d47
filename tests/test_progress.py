import io
import re

from motionpipe.jobs.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_line_counts_units_and_shows_the_rate_of_what_is_in_them():
    stream = Terminal()
    progress = Progress("flow/pd", 10, "samples", stream, counted="pairs")
    progress.add(2, things=70)
    line = stream.getvalue()
    assert "flow/pd: 2/10 samples" in line
    rate = float(re.search(r"([\d.]+) pairs/s", line)[1])
    progress.add(2, things=10**9)
    assert float(re.findall(r"([\d.]+) pairs/s", stream.getvalue())[-1]) > rate


def test_a_note_stands_apart_and_a_slow_rate_is_not_nothing():
    stream = Terminal()
    progress = Progress("runs/a", 10, "steps", stream)
    progress._start -= 30
    progress.add(1, "loss 0.5")
    assert re.search(r"1/10 steps, 0\.033/s, \d:\d\d left, loss 0\.5$", stream.getvalue())


def test_the_time_left_has_no_sixtieth_second():
    stream = Terminal()
    progress = Progress("shards", 2, "recordings", stream)
    progress._start -= 59.7
    progress.add(1)
    assert ", 1:00 left" in stream.getvalue()


def test_without_a_count_the_units_have_a_rate():
    stream = Terminal()
    Progress("shards", 10, "recordings", stream).add(5)
    assert re.search(r"5/10 recordings, [\d.]+/s, ", stream.getvalue())
