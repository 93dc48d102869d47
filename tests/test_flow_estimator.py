import torch
from motionpipe.models.flow_estimator import FlowEstimator
from motionpipe.models.resnet import count_parameters


def test_each_convolution_sees_all_that_came_before():
    estimator = FlowEstimator(10, (8, 4))
    assert [conv.in_channels for conv in estimator.convolutions] == [10, 18]
    assert count_parameters(estimator) == (10 * 8 + 18 * 4 + 22 * 2) * 9 + 14
    assert estimator(torch.rand(3, 10, 5, 7)).shape == (3, 2, 5, 7)
