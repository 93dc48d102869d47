import pytest
from motionpipe.schemas.cgm_net import CgmNetSection
from pydantic import ValidationError


def test_defaults_are_the_sizes_of_the_paper():
    config = CgmNetSection()
    assert (config.clip_frames, config.crop, config.scale) == (16, 112, 4)
    assert (config.taps_lr, config.taps_hr, config.dilation_hr) == (9, 25, 1)


def test_interpolated_filters_keep_their_taps_and_are_dilated():
    config = CgmNetSection(upsampling="bilinear", scale=8)
    assert (config.taps_lr, config.taps_hr, config.dilation_hr) == (9, 9, 8)


def test_scale_1_has_one_kind_of_maps_with_the_wide_filters():
    config = CgmNetSection(scale=1, pipeline="hr", lambda_class=10.0)
    assert (config.taps_lr, config.taps_hr, config.dilation_hr) == (25, 25, 1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"crop": 110}, "multiple of scale"),
        ({"kernel_lr": 4}, "must be odd"),
        ({"kernel_lr": 7}, "smaller than kernel_lr"),
        ({"scale": 1, "upsampling": "nearest"}, "nothing to upsample"),
        ({"scale": 1, "lambda_class": 10.0}, "no LR maps"),
        ({"scale": 3}, "scale"),
        ({"backbone": "slowfast50", "clip_frames": 18}, "multiple of 4"),
        ({"backbone": "slowfast50", "backbone_width": 12}, "multiple of 8"),
        ({"backbone": "resnext101", "backbone_width": 20}, "multiple of 16"),
        ({"motion_channels": 5}, "multiple of 2"),
    ],
)
def test_sizes_that_do_not_meet_are_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        CgmNetSection(**fields)
