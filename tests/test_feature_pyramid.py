import torch
from motionpipe.models.feature_pyramid import FeaturePyramid
from motionpipe.models.resnet import count_parameters


def test_each_level_halves_the_sides_and_has_its_channels():
    features = FeaturePyramid((4, 6, 8), 2)(torch.rand(2, 3, 32, 48))
    assert [tuple(level.shape) for level in features] == [(2, 4, 16, 24), (2, 6, 8, 12), (2, 8, 4, 6)]


def test_convolutions_count():
    assert count_parameters(FeaturePyramid((4,), 1)) == 3 * 4 * 9 + 4
    assert count_parameters(FeaturePyramid((4,), 3)) == 3 * 4 * 9 + 4 + 2 * (4 * 4 * 9 + 4)
