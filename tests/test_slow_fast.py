import pytest
import torch
from motionpipe.models.resnet import count_parameters
from motionpipe.models.slow_fast import SLOWFAST_BLOCKS, SlowFast


def on_meta(*args, **kwargs):
    with torch.device("meta"):
        return SlowFast(*args, **kwargs)


@pytest.mark.parametrize(
    ("name", "alpha", "lateral_time", "published_millions"),
    [("slowfast50", 4, 7, 34.57), ("slowfast50", 8, 5, 34.48), ("slowfast101", 4, 5, 62.83)],
)
def test_parameters_are_the_published_ones(name, alpha, lateral_time, published_millions):
    net = on_meta(SLOWFAST_BLOCKS[name], 400, alpha=alpha, lateral_time=lateral_time)
    assert count_parameters(net) / 1e6 == pytest.approx(published_millions, abs=5e-3)


def test_16x8_sees_64_frames_and_keeps_every_fourth_in_the_slow_pathway():
    net = on_meta(SLOWFAST_BLOCKS["slowfast50"], 400)
    maps = net(torch.empty(1, 3, 64, 224, 224, device="meta"))
    assert maps.shape == (1, 2048 + 4 * 256, 16, 7, 7)
    assert net.classify(maps).shape == (1, 400)


def small():
    torch.manual_seed(0)
    return SlowFast(SLOWFAST_BLOCKS["slowfast-small"], 3, width=8).eval()


def test_maps_hold_the_fast_frames_in_order_and_pool_to_the_pathways_means():
    net = small()
    maps = torch.zeros(1, net.channels, 2, 1, 1)
    fast = torch.arange(net.fast_channels * 8.0).view(1, net.fast_channels, 8, 1, 1)  # 8 frames, 2 slow steps of 4
    maps[:, net.slow_channels :] = fast.view(1, net.fast_channels, 2, 4, 1, 1).movedim(3, 2).flatten(1, 2)
    pooled = net.pool(maps)
    assert pooled.shape == (1, net.slow_channels + net.fast_channels)
    torch.testing.assert_close(pooled[0, net.slow_channels :], fast.mean(dim=(0, 2, 3, 4)))


def test_the_fast_pathway_sees_frames_that_the_slow_one_does_not():
    net = small()
    clip = torch.randn(1, 3, 8, 32, 32)
    other = clip.clone()
    other[:, :, 2] += 1  # frames 0 and 4 are the slow pathway's
    slow = net.slow_stem(clip[:, :, ::4])
    assert torch.equal(slow, net.slow_stem(other[:, :, ::4]))
    with torch.no_grad():
        assert not torch.allclose(net(clip), net(other))


def test_width_must_be_shared_with_the_fast_pathway():
    with pytest.raises(ValueError, match="multiple of 1 / beta = 8"):
        on_meta(SLOWFAST_BLOCKS["slowfast-small"], None, width=12)
