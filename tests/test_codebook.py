import numpy as np
import pytest
import torch
from motionpipe.models import codebook
from motionpipe.models.codebook import (
    decode_codes,
    decode_probabilities,
    encode,
    encode_soft,
    mirrored_codes,
    scaled_cells,
)
from motionpipe.pipeline.fit_codebook import fit_kmeans, neighbour_scale, sample_blocks, uniform_centres
from motionpipe.schemas.recipe import CodebookSection

ones = torch.ones
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
    codes = encode(flow, centres, clip, ones(channels))
    clipped = flow.clamp(-0.15, 0.15)
    error = (decode_codes(codes, centres) - clipped).norm(dim=-3)
    assert codes.shape == (2, 3, 7, 5)
    assert codes.dtype == torch.int64
    np.testing.assert_allclose(error, brute_force_distance(flow.numpy(), centres.numpy(), clip.numpy()), atol=1e-6)


def test_components_are_clipped_before_they_are_encoded():
    centres = torch.tensor([[0.0, 0.0], [0.1, 0.1], [0.3, 0.0]])
    flow = torch.tensor([9.0, 0.09]).reshape(2, 1, 1)
    assert encode(flow, centres, torch.tensor([0.1, 0.1]), ones(2)).item() == 1
    assert encode(flow, centres, torch.tensor([9.0, 9.0]), ones(2)).item() == 2


def test_ties_go_to_the_lowest_index():
    centres = torch.tensor([[0.0, 0.0], [0.25, 0.0], [0.25, 0.0], [0.0, 0.25]])
    cells = torch.tensor([[0.125, 0.0], [0.25, 0.0], [0.125, 0.125]]).T.reshape(2, 1, 3)
    assert encode(cells, centres, ones(2), ones(2)).tolist() == [[0, 1, 0]]


def test_chunks_do_not_change_the_codes(monkeypatch):
    centres, flow = random_centres(), torch.randn(4, 3, 9, 9) * 0.1
    whole = encode(flow, centres, CLIP, ones(3))
    monkeypatch.setattr(codebook, "CHUNK_CELLS", 10)
    assert torch.equal(encode(flow, centres, CLIP, ones(3)), whole)


def test_half_precision_flow_is_compared_in_the_precision_of_the_centres():
    centres = random_centres()
    flow = (torch.randn(3, 6, 6) * 0.1).half()
    assert torch.equal(encode(flow, centres, CLIP, ones(3)), encode(flow.float(), centres, CLIP, ones(3)))


def test_centres_encode_to_themselves_and_one_hot_probabilities_decode_to_them():
    centres = random_centres()
    codes = torch.arange(20).reshape(4, 5)
    flow = decode_codes(codes, centres)
    assert flow.shape == (3, 4, 5)
    assert torch.equal(encode(flow, centres, CLIP, ones(3)), codes)
    one_hot = torch.nn.functional.one_hot(codes, 20).movedim(-1, 0).float()
    torch.testing.assert_close(decode_probabilities(one_hot, centres), flow)


def test_probabilities_decode_to_their_expectation():
    centres = torch.tensor([[0.0, 0.0], [1.0, 2.0], [-4.0, 8.0]])
    p = torch.tensor([0.5, 0.25, 0.25]).reshape(1, 3, 1, 1)
    assert decode_probabilities(p, centres).flatten().tolist() == [-0.75, 2.5]


@pytest.mark.parametrize(("channels", "bins"), [(2, 5), (3, 5), (3, 9)])
def test_round_trip_of_a_uniform_codebook_is_within_half_a_bin_diagonal(channels, bins):
    clip = CLIP[:channels] * torch.tensor([1.0, 0.5, 2.0])[:channels]
    centres = torch.from_numpy(uniform_centres(clip.numpy(), bins))
    flow = torch.from_numpy(np.random.default_rng(1).uniform(-0.4, 0.4, (channels, 40, 50)).astype(np.float32))
    codes = encode(flow, centres, clip, clip / (bins - 1))
    error = (decode_codes(codes, centres) - flow.clamp(-clip[:, None, None], clip[:, None, None])).norm(dim=0)
    half_diagonal = (clip / (bins - 1)).norm().item()
    assert 0.8 * half_diagonal < error.max().item() <= half_diagonal + 1e-6


def test_a_scale_decides_which_centre_is_nearest():
    centres = torch.tensor([[0.0, 0.0], [0.3, 0.0], [0.0, 2.0]])
    flow = torch.tensor([0.2, 1.2]).reshape(2, 1, 1)
    assert encode(flow, centres, 9 * ones(2), ones(2)).item() == 2
    assert encode(flow, centres, 9 * ones(2), torch.tensor([0.1, 10.0])).item() == 1


def test_components_that_the_codebook_does_not_have_are_dropped():
    centres = random_centres(channels=2)
    flow = torch.randn(2, 3, 6, 5) * 0.1
    planar = encode(flow, centres, CLIP[:2], ones(2))
    assert torch.equal(planar, encode(flow[:, :2], centres, CLIP[:2], ones(2)))
    assert scaled_cells(flow, CLIP[:2], ones(2)).shape == (2, 6, 5, 2)
    assert decode_codes(planar, centres).shape == (2, 2, 6, 5)


def test_soft_targets_are_gaussians_over_the_five_nearest():
    centres, scale = random_centres(), torch.full((3,), 0.04)
    flow = torch.randn(2, 3, 6, 5) * 0.1
    soft = encode_soft(flow, centres, CLIP, scale)
    assert soft.shape == (2, 20, 6, 5)
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(2, 6, 5))
    assert ((soft > 0).sum(dim=1) == 5).all()
    assert torch.equal(soft.argmax(dim=1), encode(flow, centres, CLIP, scale))
    cell = flow[0, :, 0, 0].clamp(-CLIP, CLIP)
    weights = torch.exp(-0.5 * ((cell - centres) / scale).square().sum(dim=1))
    nearest = weights.topk(5).indices
    torch.testing.assert_close(soft[0, nearest, 0, 0], weights[nearest] / weights[nearest].sum())


def test_soft_targets_far_from_every_centre_stay_distributions():
    centres = torch.tensor([[0.0, 0.0], [0.1, 0.0]])
    soft = encode_soft(torch.full((2, 1, 1), 50.0), centres, 99 * ones(2), 0.01 * ones(2))
    assert soft.sum().item() == pytest.approx(1)


def test_mirrored_codes_of_a_uniform_codebook_are_an_involution_and_those_of_flipped_flow():
    clip = CLIP.clone()
    centres = torch.from_numpy(uniform_centres(clip.numpy(), 5))
    mirrored = mirrored_codes(centres, clip / 4)
    assert torch.equal(mirrored[mirrored], torch.arange(125))
    assert (mirrored == torch.arange(125)).sum() == 25  # those without δx
    flow = torch.randn(3, 20, 20) * 0.1
    flipped = flow * torch.tensor([-1.0, 1, 1])[:, None, None]
    assert torch.equal(encode(flipped, centres, clip, clip / 4), mirrored[encode(flow, centres, clip, clip / 4)])


@pytest.mark.parametrize("size", [16, 17])
def test_a_symmetric_k_means_codebook_mirrors_onto_itself_and_a_plain_one_does_not(size):
    vectors = (np.random.default_rng(0).standard_t(3, (4000, 3)) * 0.03).astype(np.float32)
    broken = []
    for symmetric in (True, False):
        config = CodebookSection(size=size, symmetric=symmetric)
        centres = fit_kmeans(sample_blocks(vectors), 3, config).centres
        assert len(centres) == size
        mirrored = mirrored_codes(torch.from_numpy(centres), torch.from_numpy(neighbour_scale(centres)))
        broken.append(int((mirrored[mirrored] != torch.arange(size)).sum()))
        if symmetric:
            assert torch.equal(
                torch.from_numpy(centres)[mirrored], torch.from_numpy(centres) * torch.tensor([-1, 1, 1])
            )
            assert (centres[:, 0] == 0).sum() == 2 - size % 2  # zero, and one more where K is even
    assert broken[0] == 0 < broken[1]
