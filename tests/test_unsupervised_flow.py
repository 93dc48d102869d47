import math

import pytest
import torch
from motionpipe.models.uf_flow import UfFlow
from motionpipe.models.unsupervised_flow import photometric_error, pyramid_loss, smoothness, unsupervised_loss
from motionpipe.schemas.uf_tsn import UfTsnSection

TINY = {"pyramid_widths": (4, 6, 8, 8, 8), "pyramid_convolutions": 1, "flow_widths": (8, 8), "crop": 32}


def rng():
    return torch.Generator().manual_seed(0)


def ramp(slope, axis):
    """Flow (1, 2, 6, 8) whose u grows by `slope` from pixel to pixel."""
    steps = torch.arange(8.0).expand(6, 8) if axis == 3 else torch.arange(6.0)[:, None].expand(6, 8)
    return torch.stack((slope * steps, torch.zeros(6, 8)))[None]


@pytest.mark.parametrize("slope", [0.5, -2.0])
@pytest.mark.parametrize("axis", [2, 3])
def test_a_ramp_on_a_plain_image_costs_its_slope(slope, axis):
    assert smoothness(ramp(slope, axis), torch.full((1, 3, 6, 8), 0.3), 10.0).item() == pytest.approx(abs(slope))


def test_flow_may_change_at_edges_of_the_image():
    step = torch.zeros(1, 2, 6, 8)
    step[..., 4:] = 1.0
    edge = torch.zeros(1, 3, 6, 8)
    edge[..., 4:] = 0.5
    plain, seen = smoothness(step, torch.zeros_like(edge), 10.0), smoothness(step, edge, 10.0)
    assert plain.item() == pytest.approx(2 / 7)  # both components, one of seven differences
    assert seen.item() == pytest.approx(2 / 7 * math.exp(-5))
    assert smoothness(step, edge, 1.0).item() == pytest.approx(2 / 7 * math.exp(-0.5))


def test_photometric_error_is_a_mean_over_colours_and_counted_pixels():
    first = torch.zeros(1, 3, 2, 2)
    second = first.clone()
    second[0, 0, 0, 0] = 0.9
    assert photometric_error(first, second).item() == pytest.approx(0.9 / 12)
    counted = torch.zeros(1, 1, 2, 2)
    counted[0, 0, 0, 0] = 1
    assert photometric_error(first, second, counted).item() == pytest.approx(0.3)


def flows(config, scale=1.0):
    levels = len(config.pyramid_widths) - 1
    return [scale * torch.randn(2, 2, 16 >> n, 16 >> n, generator=rng()) for n in range(levels)]


@pytest.mark.parametrize("size", ["level", "full"])
def test_mirroring_frames_and_flow_changes_no_loss(size):
    config = UfTsnSection(**TINY, loss_size=size)
    first, second = torch.rand(2, 2, 3, 64, 64, generator=rng())
    mirror = torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    straight = pyramid_loss(config, flows(config), first, second)
    mirrored = pyramid_loss(config, [flow.flip(3) * mirror for flow in flows(config)], first.flip(3), second.flip(3))
    for name, value in straight.items():
        torch.testing.assert_close(mirrored[name], value)


def test_the_loss_weighs_the_sums_over_levels():
    config = UfTsnSection(**TINY, lambda_diff=2.0, lambda_census=0.5, lambda_smooth=3.0)
    first, second = torch.rand(2, 2, 3, 64, 64, generator=rng())
    found = pyramid_loss(config, flows(config), first, second)
    expected = 2 * found["diff"] + 0.5 * found["census"] + 3 * found["smooth"]
    torch.testing.assert_close(found["loss"], expected)


def test_the_true_shift_costs_less_than_none_at_every_size():
    first = torch.rand(1, 3, 96, 128, generator=rng())
    first = torch.nn.functional.avg_pool2d(first, 9, 1, 4)
    second = first.roll(8, dims=3)
    for size in ("level", "full"):
        config = UfTsnSection(loss_size=size)
        none = [torch.zeros(1, 2, 24 >> n, 32 >> n) for n in range(4)]
        true = [torch.tensor([2.0 / 2**n, 0]).view(1, 2, 1, 1).expand_as(flow) for n, flow in enumerate(none)]
        at_rest, moving = (pyramid_loss(config, flow, first, second) for flow in (none, true))
        assert moving["diff"] < 0.5 * at_rest["diff"]
        assert moving["census"] < 0.5 * at_rest["census"]


def test_pixels_that_leave_the_frame_or_are_covered_do_not_count():
    config = UfTsnSection(**TINY, occlusion="forward-backward")
    first, second = torch.rand(2, 1, 3, 64, 64, generator=rng())
    right = [torch.tensor([4.0, 0]).view(1, 2, 1, 1).expand(1, 2, 16 >> n, 16 >> n) for n in range(4)]
    left = [-flow for flow in right]
    assert pyramid_loss(config, right, first, second, left)["visible"].item() == pytest.approx(12 / 16)
    assert pyramid_loss(config, right, first, second, right)["visible"].item() == 0


def test_pixels_beyond_the_frame_do_not_count_without_the_way_back_either():
    first = torch.rand(1, 3, 64, 64, generator=rng())
    second = torch.cat((torch.zeros(1, 3, 64, 16), first[..., :48]), dim=3)  # all moves 16 px to the right
    right = [torch.tensor([4.0 / 2**n, 0]).view(1, 2, 1, 1).expand(1, 2, 16 >> n, 16 >> n) for n in range(4)]
    errors = {
        occlusion: pyramid_loss(UfTsnSection(**TINY, loss_size="full", occlusion=occlusion), right, first, second)
        for occlusion in ("none", "border")
    }
    assert errors["border"]["visible"].item() == pytest.approx(48 / 64)
    assert errors["border"]["diff"] < 1e-5 < errors["none"]["diff"]


def test_a_term_without_weight_is_not_computed():
    config = UfTsnSection(**TINY, lambda_census=0)
    first, second = torch.rand(2, 2, 3, 64, 64, generator=rng())
    assert pyramid_loss(config, flows(config), first, second)["census"].item() == 0


@pytest.mark.parametrize(
    "fields", [{}, {"occlusion": "forward-backward"}, {"multi_scale": False}, {"cost_volume": False}]
)
def test_every_weight_of_the_network_learns(fields):
    torch.manual_seed(0)
    net = UfFlow(UfTsnSection(**TINY, **fields, loss_size="full"))
    first, second = torch.rand(2, 2, 3, 64, 64, generator=rng())
    found = unsupervised_loss(net, first, second)
    found["loss"].backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in net.parameters())
    assert not any(value.requires_grad for name, value in found.items() if name != "loss")


def test_mixed_precision_compares_images_in_full():
    config = UfTsnSection(**TINY)
    first, second = torch.rand(2, 2, 3, 64, 64, generator=rng())
    full = pyramid_loss(config, flows(config), first, second)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = pyramid_loss(config, flows(config), first, second)
        estimated = UfFlow(config)(first, second)
    assert all(torch.equal(full[name], mixed[name]) for name in full)
    assert {flow.dtype for flow in estimated} == {torch.float32}
