import numpy as np
import pytest
import torch
from motionpipe.models import codebook
from motionpipe.models.codebook import decode_codes, decode_probabilities, encode

CLIP = torch.tensor([0.15, 0.15, 0.15])


def random_centres(size=20, channels=3, seed=0):
    centres = torch.from_numpy(np.random.default_rng(seed).uniform(-0.15, 0.15, (size, channels)).astype(np.float32))
    centres[0] = 0
    return centres


def brute_force_distance(flow, centres, clip):
    """Distance (..., h, w) from every clipped cell to its nearest centre, in float64."""
    cells = np.moveaxis(np.clip(flow, -clip[:, None, None], clip[:, None, None]), -3, -1).astype(np.float64)
    return np.sqrt(((cells[..., None, :] - centres) ** 2).sum(-1)).min(-1)


@pytest.mark.parametrize("channels", [2, 3])
def test_round_trip_error_is_the_distance_to_the_nearest_centre(channels):
    centres, clip = random_centres(channels=channels), CLIP[:channels]
    flow = torch.from_numpy(np.random.default_rng(1).normal(0, 0.1, (2, 3, channels, 7, 5)).astype(np.float32))
    codes = encode(flow, centres, clip)
    clipped = flow.clamp(-0.15, 0.15)
    error = (decode_codes(codes, centres) - clipped).norm(dim=-3)
    assert codes.shape == (2, 3, 7, 5)
    assert codes.dtype == torch.int64
    np.testing.assert_allclose(error, brute_force_distance(flow.numpy(), centres.numpy(), clip.numpy()), atol=1e-6)


def test_components_are_clipped_before_they_are_encoded():
    centres = torch.tensor([[0.0, 0.0], [0.1, 0.1], [0.3, 0.0]])
    flow = torch.tensor([9.0, 0.09]).reshape(2, 1, 1)
    assert encode(flow, centres, torch.tensor([0.1, 0.1])).item() == 1
    assert encode(flow, centres, torch.tensor([9.0, 9.0])).item() == 2


def test_ties_go_to_the_lowest_index():
    centres = torch.tensor([[0.0, 0.0], [0.25, 0.0], [0.25, 0.0], [0.0, 0.25]])
    cells = torch.tensor([[0.125, 0.0], [0.25, 0.0], [0.125, 0.125]]).T.reshape(2, 1, 3)
    assert encode(cells, centres, torch.ones(2)).tolist() == [[0, 1, 0]]


def test_chunks_do_not_change_the_codes(monkeypatch):
    centres, flow = random_centres(), torch.randn(4, 3, 9, 9) * 0.1
    whole = encode(flow, centres, CLIP)
    monkeypatch.setattr(codebook, "CHUNK_CELLS", 10)
    assert torch.equal(encode(flow, centres, CLIP), whole)


def test_half_precision_flow_is_compared_in_the_precision_of_the_centres():
    centres = random_centres()
    flow = (torch.randn(3, 6, 6) * 0.1).half()
    assert torch.equal(encode(flow, centres, CLIP), encode(flow.float(), centres, CLIP))


def test_centres_encode_to_themselves_and_one_hot_probabilities_decode_to_them():
    centres = random_centres()
    codes = torch.arange(20).reshape(4, 5)
    flow = decode_codes(codes, centres)
    assert flow.shape == (3, 4, 5)
    assert torch.equal(encode(flow, centres, CLIP), codes)
    one_hot = torch.nn.functional.one_hot(codes, 20).movedim(-1, 0).float()
    torch.testing.assert_close(decode_probabilities(one_hot, centres), flow)


def test_probabilities_decode_to_their_expectation():
    centres = torch.tensor([[0.0, 0.0], [1.0, 2.0], [-4.0, 8.0]])
    p = torch.tensor([0.5, 0.25, 0.25]).reshape(1, 3, 1, 1)
    assert decode_probabilities(p, centres).flatten().tolist() == [-0.75, 2.5]
