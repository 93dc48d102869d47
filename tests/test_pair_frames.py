import pytest
from motionpipe.pipeline.coded_stream import CodedFrame
from motionpipe.pipeline.pair_frames import pair_frames


def frames(text, **options):
    """A frame for each letter, `.` where one is missing."""
    return iter([CodedFrame(i, letter.encode(), **options) for i, letter in enumerate(text) if letter != "."])


def rows_of(frozen=3, **streams):
    return list(pair_frames(streams, frozen))


def test_frames_of_one_slot_stand_together():
    rows = rows_of(rgb=frames("ab.d"), depth=frames("AB" + "C"))
    assert [(row.slot, sorted(row.frames)) for row in rows] == [
        (0, ["depth", "rgb"]),
        (1, ["depth", "rgb"]),
        (2, ["depth"]),
        (3, ["rgb"]),
    ]
    assert rows[1].frames["depth"].data == b"B"


@pytest.mark.parametrize(
    ("text", "frozen"),
    [
        ("abcdef", ""),
        ("aabbcc", ""),
        ("abbbcd", "23"),
        ("aaaaaa", "12345"),
        ("abbbbb", "2345"),
        ("abb.bb", ""),
        ("aaabbb", "1245"),
        ("aa", ""),
    ],
)
def test_all_but_the_first_of_many_identical_frames_are_frozen(text, frozen):
    for streams in ({"rgb": frames(text)}, {"rgb": frames(text), "depth": frames("ABCDEF")}):
        rows = rows_of(**streams)
        assert "".join(str(row.slot) for row in rows if row.frozen) == frozen
        assert all(row.is_damaged == bool(row.frozen) for row in rows)


@pytest.mark.parametrize("length", [2, 5, 10])
def test_how_many_are_a_run(length):
    assert sum(bool(row.frozen) for row in rows_of(length, rgb=frames("abc" + "d" * length))) == length - 1
    assert not any(row.frozen for row in rows_of(length, rgb=frames("abc" + "d" * (length - 1))))


def test_frames_without_content_are_not_frozen():
    assert not any(row.frozen for row in rows_of(depth=frames("aaaaaa", blank=True)))


def test_a_frozen_stream_does_not_freeze_the_other():
    rows = rows_of(rgb=frames("aaaa"), depth=frames("ABCD"))
    assert [sorted(row.frozen) for row in rows] == [[], ["rgb"], ["rgb"], ["rgb"]]


def test_few_rows_wait():
    taken = []

    def endless():
        for i in range(1000):
            taken.append(i)
            yield CodedFrame(i, b"same")

    rows = pair_frames({"rgb": endless()}, 5)
    for i in range(100):
        assert next(rows).slot == i
        assert len(taken) <= i + 6
