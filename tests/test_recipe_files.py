import pytest
from motionpipe.jobs.recipe_files import load_recipe
from motionpipe.schemas.errors import MotionpipeError


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("cgm_net.crop=31", "cgm_net: crop 31 must be a multiple of scale 4"),
        ("train.epochs=0", "train.epochs: Input should be greater than or equal to 1, got 0"),
        ("lstm.decoders=future", "lstm.decoders: expected a list such as"),
    ],
)
def test_a_value_that_cannot_be_is_one_short_line(assignment, message):
    with pytest.raises(MotionpipeError) as refused:
        load_recipe(None, [assignment])
    assert message in str(refused.value)
    assert len(str(refused.value)) < 160
