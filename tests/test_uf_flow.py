import pytest
import torch
import torch.nn.functional as F
from motionpipe.models.resnet import count_parameters
from motionpipe.models.uf_flow import UfFlow
from motionpipe.models.unsupervised_flow import unsupervised_loss
from motionpipe.schemas.uf_tsn import UfTsnSection

SMALL = UfTsnSection(
    pyramid_widths=(16, 24, 32, 32), flow_widths=(48, 32, 16), pyramid_convolutions=2, loss_size="full", crop=64
)

HALF = UfTsnSection(
    finest=2, pyramid_widths=(16, 24), flow_widths=(32, 16), pyramid_convolutions=2, loss_size="full", crop=64
)


def textures(count, height, width, seed):
    """Smooth random colours with detail at several sizes."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(count, 3, height, width)
    for cell, weight in ((4, 0.25), (8, 0.35), (16, 0.4)):
        coarse = torch.rand(count, 3, height // cell + 2, width // cell + 2, generator=generator)
        total += weight * F.interpolate(coarse, size=(height, width), mode="bicubic")
    return total.clamp(0, 1)


def sampled(images, x, y):
    """Images (N, 3, H, W) at places (H', W'), cubic."""
    height, width = images.shape[2:]
    grid = torch.stack((2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1), dim=-1)
    return F.grid_sample(images, grid.expand(len(images), *grid.shape), mode="bicubic", align_corners=True)


def moved_pairs(count, seed, shift=(0.0, 0.0), zoom=1.0, side=64, margin=12):
    """Frames and their exact flow: content moves by `shift` and grows by `zoom` around the centre."""
    large = textures(count, side + 2 * margin, side + 2 * margin, seed)
    y, x = torch.meshgrid(torch.arange(float(side)), torch.arange(float(side)), indexing="ij")
    centre = (side - 1) / 2
    u, v = (zoom - 1) * (x - centre) + shift[0], (zoom - 1) * (y - centre) + shift[1]
    back_x, back_y = (x - shift[0] - centre) / zoom + centre, (y - shift[1] - centre) / zoom + centre
    first = sampled(large, x + margin, y + margin)
    return first, sampled(large, back_x + margin, back_y + margin), torch.stack((u, v))[None]


def trained(pairs, steps, rate=2e-3, config=SMALL):
    torch.manual_seed(0)
    net = UfFlow(config)
    optimiser = torch.optim.Adam(net.parameters(), lr=rate)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate * (1 - step / steps) ** 0.5
        first, second, _ = pairs(step)
        optimiser.zero_grad()
        unsupervised_loss(net, first, second)["loss"].backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
    return net.eval()


@torch.inference_mode()
def end_point_error(net, first, second, truth, border=8):
    inside = (..., slice(border, -border), slice(border, -border))
    return (net.flow(first, second) - truth)[inside].norm(dim=1).mean().item()


@pytest.mark.parametrize(
    ("motion", "seed"), [({"shift": (3.0, -2.0)}, 1), ({"zoom": 1.08}, 2)], ids=["a constant shift", "a zoom"]
)
def test_training_without_truth_recovers(motion, seed):
    net = trained(lambda step: moved_pairs(4, 100 + step, **motion), 150)
    first, second, truth = moved_pairs(4, seed, **motion)
    error = end_point_error(net, first, second, truth)
    print(error)
    assert error < 0.2
    assert truth.norm(dim=1).mean() > 1.5


def test_the_parameters_of_the_poster():
    assert count_parameters(UfFlow(UfTsnSection())) == pytest.approx(5.66e6, rel=0.01)
    assert count_parameters(UfFlow(UfTsnSection())) == 5_660_892


def test_levels_have_their_sizes_and_the_finest_is_a_quarter():
    flows = UfFlow(SMALL)(*torch.rand(2, 2, 3, 64, 96))
    assert [tuple(flow.shape) for flow in flows] == [(2, 2, 16, 24), (2, 2, 8, 12), (2, 2, 4, 6)]


def test_a_finest_level_at_half_of_the_frame():
    net = UfFlow(HALF)
    assert [tuple(flow.shape) for flow in net(*torch.rand(2, 2, 3, 64, 96))] == [(2, 2, 32, 48), (2, 2, 16, 24)]
    assert net.flow(*torch.rand(2, 1, 3, 50, 71)).shape == (1, 2, 50, 71)
    alone = UfFlow(HALF.model_copy(update={"multi_scale": False}))
    assert [tuple(flow.shape) for flow in alone(*torch.rand(2, 1, 3, 10, 6))] == [(1, 2, 5, 3)]


def test_flow_of_the_half_sized_level_is_in_pixels_of_the_frame():
    net = trained(lambda step: moved_pairs(4, 100 + step, shift=(3.0, -2.0)), 100, config=HALF)
    first, second, truth = moved_pairs(4, 1, shift=(3.0, -2.0))
    assert end_point_error(net, first, second, truth) < 0.3
    motion = unsupervised_loss(net, first, second)["motion"]
    assert motion.item() == pytest.approx(truth.norm(dim=1).mean().item(), abs=0.6)


def test_ablations():
    first, second = torch.rand(2, 1, 3, 64, 64)
    one = UfFlow(SMALL.model_copy(update={"multi_scale": False}))
    assert [tuple(flow.shape) for flow in one(first, second)] == [(1, 2, 16, 16)]
    assert one.estimators[0].convolutions[0].in_channels == 49 + 24
    features = UfFlow(SMALL.model_copy(update={"cost_volume": False}))
    assert features.estimators[0].convolutions[0].in_channels == 24 + 24 + 2
    assert len(features(first, second)) == 3


@pytest.mark.parametrize("size", [(64, 64), (50, 71), (16, 16), (5, 130)])
def test_frames_of_any_size(size):
    net = UfFlow(SMALL).eval()
    assert net.flow(*torch.rand(2, 2, 3, *size)).shape == (2, 2, *size)


def test_flow_of_a_pair_does_not_depend_on_its_batch():
    torch.manual_seed(0)
    net = UfFlow(SMALL).eval()
    first, second = torch.rand(2, 3, 3, 48, 64)
    together = net.flow(first, second)
    torch.testing.assert_close(net.flow(first[1:2], second[1:2]), together[1:2])
