import pytest
import torch
from motionpipe.models.context_extractor import ContextExtractor
from motionpipe.models.resnet import count_parameters


def test_the_papers_extractor_has_683_thousand_parameters_and_stride_4():
    with torch.device("meta"):
        context = ContextExtractor(128, 4)
        assert context(torch.empty(2, 3, 112, 112)).shape == (2, 128, 28, 28)
    assert count_parameters(context) == 683_072


@pytest.mark.parametrize("scale", [2, 4, 8, 16])
def test_every_scale_has_its_stride_and_the_same_parameters(scale):
    context, reference = ContextExtractor(8, scale), ContextExtractor(8, 4)
    assert context(torch.zeros(1, 3, 48, 48)).shape == (1, 8, 48 // scale, 48 // scale)
    assert {n: v.shape for n, v in context.state_dict().items()} == {
        n: v.shape for n, v in reference.state_dict().items()
    }
