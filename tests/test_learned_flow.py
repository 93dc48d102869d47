import numpy as np
import torch
from motionpipe.models.uf_flow import UfFlow
from motionpipe.pipeline.estimate_flow import estimate_flow
from motionpipe.pipeline.learned_flow import learned_flow
from motionpipe.schemas.clip import Clip
from motionpipe.schemas.flow_section import FlowSection
from motionpipe.schemas.uf_tsn import UfTsnSection


def net():
    torch.manual_seed(0)
    tiny = UfTsnSection(
        pyramid_widths=(4, 6, 8), pyramid_convolutions=1, flow_widths=(8,), census_radii=(1, 1), crop=32
    )
    estimator = UfFlow(tiny)
    for parameter in estimator.parameters():  # of some size, so that there is flow to compare
        parameter.data.add_(0.1 * torch.randn(parameter.shape))
    return estimator


def frames():
    return np.random.default_rng(0).integers(0, 256, (4, 38, 50, 3)).astype(np.uint8)


def test_bytes_are_colours_from_0_to_1():
    first, second = frames()[:2]
    estimator = net().eval()
    one, two = (torch.from_numpy(frame).permute(2, 0, 1)[None] / 255 for frame in (first, second))
    with torch.inference_mode():
        expected = estimator.flow(one, two)[0].numpy()
    found = learned_flow(net())(first, second)
    assert found.shape == (2, 38, 50)
    np.testing.assert_allclose(found, expected)
    assert np.abs(found).max() > 0


def test_cells_are_means_of_the_networks_flow():
    clip = Clip("k", np.arange(4, dtype=np.int64) * 100_000, rgb=frames())
    config = FlowSection(method="learned", run="r", stride=2, cell=5)
    estimate = learned_flow(net())
    cells = estimate_flow(clip, 10.0, config, learned=estimate)
    assert cells.flow.shape == (2, 2, 7, 10)
    expected = estimate(frames()[1], frames()[3])[:, :5, :5].mean(axis=(1, 2))
    np.testing.assert_allclose(cells.flow[1, :, 0, 0].astype(np.float32), expected, rtol=2e-3, atol=1e-3)
