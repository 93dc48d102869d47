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


@pytest.mark.parametrize("widths", [(64, 64, 128, 128, 256, 512), (64, 128, 128, 128, 256, 512)])
def test_parameters_of_the_pipelines_are_those_of_table_8(widths):
    costs = pipeline_costs(CgmNetSection(action_widths=widths), 101)
    assert [cost.pipeline for cost in costs] == ["backbone", "lr", "hr", "lr+hr"]
    for cost in costs:
        assert cost.parameters / 1e6 == pytest.approx(PAPER[cost.pipeline][0], rel=0.01)
    macs = [cost.macs for cost in costs]
    assert macs == sorted(macs)


def test_the_backbones_operations_are_counted_once_each():
    """conv1 alone: 16 x 56² outputs of 64 channels, 3 x 7³ products each; 8.3 GMAC in all for 3D-ResNet-18."""
    (backbone, *_) = pipeline_costs(CgmNetSection(), 101)
    assert backbone.macs > 16 * 56**2 * 64 * 3 * 343
    assert backbone.macs / 1e9 == pytest.approx(8.308, abs=1e-3)


def test_interpolated_maps_cost_no_parameters_of_their_own():
    bilinear = pipeline_costs(CgmNetSection(upsampling="bilinear", **TINY), 5)
    assert bilinear[1].parameters == bilinear[2].parameters
    assert [cost.pipeline for cost in pipeline_costs(CgmNetSection(scale=1, **TINY), 5)] == ["backbone", "hr"]
