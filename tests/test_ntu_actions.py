from motionpipe.pipeline.ntu_actions import ACTION_NAMES


def test_sixty_different_names():
    assert list(ACTION_NAMES) == list(range(1, 61))
    assert len(set(ACTION_NAMES.values())) == 60
    assert all(name == " ".join(name.split()) and name for name in ACTION_NAMES.values())


def test_names_stand_at_their_numbers():
    known = {
        1: "drink water",
        8: "sit down",
        9: "stand up",
        24: "kick something",
        43: "fall down",
        50: "punch other person",
    }
    assert {number: ACTION_NAMES[number] for number in known} == known
    assert ACTION_NAMES[58] == "shake hands"
