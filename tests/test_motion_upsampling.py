import pytest
import torch
from motionpipe.models.motion_upsampling import ContextGuidedUpsampling, InterpolatedUpsampling, shuffle, similarity
from motionpipe.models.pixel_adaptive import identity_filter, synthesise
from motionpipe.schemas.cgm_net import CgmNetSection


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("scale", "kernel"), [(4, 5), (2, 3)])
def test_shuffle_has_the_channel_order_of_equation_5(scale, kernel):
    c5 = kernel**2
    channels = torch.arange(scale**2 * c5).view(1, -1, 1, 1).expand(1, -1, 2, 3)
    places = torch.arange(6).view(1, 1, 2, 3)
    out = shuffle(channels * 10 + places, scale)
    assert out.shape == (1, c5, 2 * scale, 3 * scale)
    for y in range(2 * scale):
        for x in range(3 * scale):
            for c in range(c5):
                channel = c5 * scale * (y % scale) + c5 * (x % scale) + c
                assert out[0, c, y, x] == channel * 10 + (y // scale) * 3 + x // scale


def test_similarity_under_the_identity_is_the_mean_product():
    context, motion = random(2, 4, 5, 6), random(2, 4, 5, 6, seed=1)
    maps = identity_filter(3).double().view(1, 9, 1, 1).expand(2, 9, 5, 6)
    torch.testing.assert_close(similarity(context, motion, maps), (context * motion).mean(dim=1, keepdim=True))


def test_similarity_is_equation_2():
    context, motion, maps = random(1, 2, 4, 5), random(1, 2, 4, 5, seed=1), random(1, 9, 4, 5, seed=2)
    expected = torch.zeros(1, 1, 4, 5, dtype=torch.float64)
    for y in range(4):
        for x in range(5):
            for c in range(2):
                for m in (-1, 0, 1):
                    for n in (-1, 0, 1):
                        if 0 <= y - n < 4 and 0 <= x - m < 5:
                            weight = maps[0, (m + 1) * 3 + n + 1, y, x]
                            expected[0, 0, y, x] += weight * motion[0, c, y, x] * context[0, c, y - n, x - m] / 2
    torch.testing.assert_close(similarity(context, motion, maps, "zero"), expected)


def test_the_layer_has_the_papers_parameters_and_starts_as_the_identity():
    config = CgmNetSection()
    layer = ContextGuidedUpsampling(config)
    assert sum(p.numel() for p in layer.parameters()) == (4 * 128 + 1) * 9 * 16 * 25 + 16 * 25
    hr = layer(torch.randn(2, 128, 3, 3), torch.randn(2, 128, 3, 3), torch.randn(2, 9, 3, 3))
    assert torch.equal(hr, identity_filter(5).view(1, 25, 1, 1).expand(2, 25, 12, 12))
    (hr * torch.randn_like(hr)).sum().backward()
    assert layer.head.conv.weight.grad.abs().sum() > 0


def test_features_are_concatenated_in_the_order_of_equation_4():
    layer = ContextGuidedUpsampling(CgmNetSection(motion_channels=2, scale=2, kernel_lr=1, kernel_hr=1)).double()
    seen = []
    layer.head.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    context, motion, maps = random(1, 2, 3, 3), random(1, 2, 3, 3, seed=1), random(1, 1, 3, 3, seed=2)
    layer(context, motion, maps)
    s = similarity(context, motion, maps)
    torch.testing.assert_close(seen[0], torch.cat((context, motion, s, s * context, s * motion), dim=1))


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_an_interpolated_shift_moves_full_size_frames_by_its_scale(mode):
    maps = torch.zeros(1, 9, 4, 4)
    maps[:, 2 * 3 + 1] = 1  # one LR pixel to the right
    hr = InterpolatedUpsampling(4, mode)(maps)
    frames = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(synthesise(frames, hr, dilation=4)[..., 4:], frames[..., :-4])
