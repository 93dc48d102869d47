import pytest
from motionpipe.models.cgm_net_costs import PAPER, pipeline_costs
from motionpipe.schemas.cgm_net import CgmNetSection

TINY = {
    "clip_frames": 2,
    "crop": 16,
    "backbone_width": 4,
    "decoder_widths": (4, 4, 4, 4),
    "motion_channels": 4,
    "action_widths": (4, 4, 4, 4, 4, 4),
}


def by_hand():
    """Products of 3D-ResNet-18 at 16x112x112 with 101 classes: outputs times inputs times kernel, layer by layer."""
    places = [8 * 28**2, 4 * 14**2, 2 * 7**2, 4**2]
    total = 16 * 56**2 * 64 * 3 * 343 + places[0] * 4 * 64 * 64 * 27
    for stage in (1, 2, 3):
        width, before = 64 << stage, 32 << stage
        total += places[stage] * width * (27 * (before + 3 * width) + before)
    return total + 512 * 101


def test_costs_are_those_of_table_8():
    costs = pipeline_costs(CgmNetSection(), 101)
    assert [cost.pipeline for cost in costs] == ["backbone", "lr", "hr", "lr+hr"]
    for cost in costs:
        assert cost.parameters / 1e6 == pytest.approx(PAPER[cost.pipeline][0], rel=0.01)
    macs = [cost.macs for cost in costs]
    assert macs == sorted(macs)
    assert macs[0] == by_hand()


def test_interpolated_maps_cost_no_parameters_of_their_own():
    bilinear = pipeline_costs(CgmNetSection(upsampling="bilinear", **TINY), 5)
    assert bilinear[1].parameters == bilinear[2].parameters
    assert [cost.pipeline for cost in pipeline_costs(CgmNetSection(scale=1, **TINY), 5)] == ["backbone", "hr"]
