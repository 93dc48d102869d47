import pytest
import torch
from motionpipe.models.action_cnn import ActionCnn
from motionpipe.models.resnet import count_parameters


@pytest.mark.parametrize(
    ("widths", "millions"), [((64, 64, 128, 128, 256, 512), 5.27), ((64, 128, 128, 128, 256, 512), 5.60)]
)
def test_both_variants_have_their_parameters(widths, millions):
    with torch.device("meta"):
        net = ActionCnn(9, widths, 101)
    assert count_parameters(net) / 1e6 == pytest.approx(millions, abs=5e-3)


@pytest.mark.parametrize("size", [(16, 28, 28), (5, 10, 10), (1, 4, 4)])
def test_maps_of_any_size_have_scores(size):
    torch.manual_seed(0)
    net = ActionCnn(9, (4, 4, 4, 4, 4, 4), 7)
    assert net(torch.randn(2, 9, *size)).shape == (2, 7)
    assert [tuple(m.stride) for m in net.convs if isinstance(m, torch.nn.Conv3d)] == [(1, 2, 2)] + [(2, 2, 2)] * 5
