import pytest
from motionpipe.schemas.uf_tsn import UfTsnSection
from pydantic import ValidationError


def test_a_snippet_holds_one_frame_more_than_flows():
    assert UfTsnSection().snippet_frames == 6
    assert UfTsnSection(stack=1).snippet_frames == 2
    assert UfTsnSection(stage="classifier", stream="spatial").snippet_frames == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"crop": 100}, "multiple of 32"),
        ({"crop": 96, "pyramid_widths": (4, 4, 4, 4, 4, 4), "census_radii": (1, 1, 1, 1, 1)}, "multiple of 64"),
        ({"finest": 3}, "finest"),
        ({"census_radii": (3, 2, 2, 4), "lambda_diff": 0}, "radius 4 does not fit level 3 of 7 px"),
        ({"crop": 32, "census_radii": (8,), "lambda_diff": 0, "loss_size": "full"}, "does not fit level 1 of 16 px"),
        ({"lambda_smooth": float("inf")}, "lambda_smooth"),
        ({"lambda_diff": 0, "lambda_census": 0}, "nothing would be compared"),
        ({"stage": "joint", "stream": "spatial"}, "no flow to train"),
        ({"pyramid_widths": (16,)}, "pyramid_widths"),
        ({"flow_clip": 0}, "flow_clip"),
        ({"flow": "tv-l1"}, "what a temporal classifier reads"),
        ({"flow": "tv-l1", "stage": "classifier", "stream": "spatial"}, "what a temporal classifier reads"),
    ],
)
def test_what_does_not_fit_is_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        UfTsnSection(**fields)


def test_the_last_radius_is_that_of_all_coarser_levels():
    section = UfTsnSection(finest=2, census_radii=(3, 2))
    assert [section.census_radius(level) for level in range(5)] == [3, 2, 2, 2, 2]


def test_one_level_needs_one_radius():
    assert UfTsnSection(multi_scale=False, census_radii=(3,)).coarsest == 4
    assert UfTsnSection(multi_scale=False, finest=2, census_radii=(3,)).coarsest == 2
