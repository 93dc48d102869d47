from motionpipe.pipeline.ntu_actions import ACTION_NAMES


def test_different_names():
    assert list(ACTION_NAMES) == list(range(1, 121))
    assert len(set(ACTION_NAMES.values())) == 120
    assert all(name == " ".join(name.split()) and name for name in ACTION_NAMES.values())


def test_names_stand_at_their_numbers():
    known = {
        1: "drink water",
        8: "sit down",
        9: "stand up",
        24: "kick something",
        43: "fall down",
        50: "punch other person",
        61: "put on headphone",
        75: "cut nails",
        90: "take object out of bag",
        96: "cross arms",
        105: "blow nose",
        112: "high-five",
        120: "rock-paper-scissors",
    }
    assert {number: ACTION_NAMES[number] for number in known} == known
    assert ACTION_NAMES[58] == "shake hands"
