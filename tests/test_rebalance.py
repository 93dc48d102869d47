import math

import pytest
import torch
from motionpipe.models.rebalance import (
    class_weights,
    rebalanced_cross_entropy,
    rebalanced_soft_cross_entropy,
    smoothed_prior,
)


def prior_of(*p):
    return torch.tensor(p, dtype=torch.float64)


def test_weights_of_the_worked_example():
    assert class_weights(prior_of(0.9, 0.1), 0.5).tolist() == pytest.approx([0.8824, 2.0588], abs=5e-5)


def test_full_smoothing_gives_ones():
    assert class_weights(prior_of(0.7, 0.2, 0.1, 0.0), 1.0).tolist() == pytest.approx([1, 1, 1, 1])


def test_no_smoothing_gives_the_inverse_of_k_times_the_prior():
    p = prior_of(0.7, 0.2, 0.1)
    assert class_weights(p, 0.0).tolist() == pytest.approx((1 / (3 * p)).tolist())


@pytest.mark.parametrize("smoothing", [0.01, 0.3, 0.5, 0.9, 1.0])
def test_expected_weight_under_the_prior_is_one(smoothing):
    p = torch.rand(50, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) ** 4
    p[7] = 0
    p /= p.sum()
    assert (p * class_weights(p, smoothing)).sum().item() == pytest.approx(1)


def test_ninety_percent_static_cells_give_the_expected_ratio():
    p = torch.cat((prior_of(0.9), torch.zeros(1, dtype=torch.float64), torch.full((123,), 0.1 / 123).double()))
    w = class_weights(p, 0.5)
    assert (w[1] / w[0]).item() == pytest.approx((0.45 + 0.5 / 125) / (0.5 / 125))


def test_unsmoothed_weight_of_a_codeword_that_never_occurs_is_refused():
    with pytest.raises(ValueError, match="rebalance_lambda"):
        class_weights(prior_of(1.0, 0.0), 0.0)


def test_cross_entropy_by_hand():
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])).T.reshape(1, 1, 3, 1, 2)
    codes = torch.tensor([[0, 1]]).reshape(1, 1, 1, 2)
    weighted, unweighted = rebalanced_cross_entropy(
        logits, codes, torch.ones(1, 1, 1, 2, dtype=torch.bool), torch.tensor([0.5, 3.0, 7.0])
    )
    assert weighted.item() == pytest.approx((0.5 * math.log(2) + 3 * math.log(1.25)) / 2, rel=1e-5)
    assert unweighted.item() == pytest.approx((math.log(2) + math.log(1.25)) / 2, rel=1e-5)


def test_invalid_cells_change_neither_the_loss_nor_the_gradients():
    torch.manual_seed(0)
    valid = torch.rand(2, 3, 4, 4) > 0.4
    weights = torch.rand(5)
    codes = torch.randint(5, (2, 3, 4, 4))
    logits = torch.randn(2, 3, 5, 4, 4)
    garbage_codes = torch.where(valid, codes, 255)
    garbage_logits = torch.where(valid[:, :, None], logits, 1e4)
    results = []
    for values, targets in ((logits, codes), (garbage_logits, garbage_codes)):
        leaf = values.clone().requires_grad_()
        weighted, unweighted = rebalanced_cross_entropy(leaf, targets, valid, weights)
        weighted.backward()
        results.append((weighted.detach(), unweighted.detach(), leaf.grad))
    torch.testing.assert_close(results[0], results[1])
    assert not results[1][2].movedim(2, -1)[~valid].any()


def test_a_batch_without_valid_cells_costs_nothing():
    logits = torch.randn(1, 1, 4, 2, 2, requires_grad=True)
    none = torch.zeros(1, 1, 2, 2, dtype=torch.bool)
    weighted, unweighted = rebalanced_cross_entropy(logits, none.long(), none, torch.ones(4))
    weighted.backward()
    assert weighted.item() == unweighted.item() == 0
    assert not logits.grad.any()


def test_smoothing_over_the_codewords_that_occur():
    p = prior_of(0.6, 0.3, 0.1, 0.0)
    w = class_weights(p, 0.5, nonzero=True)
    q = 0.5 * p[:3] + 0.5 / 3
    torch.testing.assert_close(w[:3], (1 / q) / (p[:3] / q).sum())
    assert w[3] == w[2]  # a codeword that never occurs gets the largest weight
    assert torch.isfinite(class_weights(p, 0.0, nonzero=True)).all()


def test_a_smoothed_prior_gives_mass_to_neighbours_and_keeps_its_sum():
    p = prior_of(0.9, 0.1, 0.0)
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.0], [9.0, 0.0]])
    smooth = smoothed_prior(p, centres, 0.5)
    assert smooth.sum().item() == pytest.approx(1)
    share = math.exp(-2) / (1 + math.exp(-2))
    assert smooth.tolist() == pytest.approx([0.9 - 0.8 * share, 0.1 + 0.8 * share, 0], abs=1e-9)
    assert torch.equal(smoothed_prior(p, centres, 0.0), p)


def test_weights_from_a_smoothed_prior_still_average_to_one_over_the_training_cells():
    p, mixed = prior_of(0.9, 0.1), prior_of(0.7, 0.3)
    w = class_weights(p, 0.5, mixed)
    assert (p * w).sum().item() == pytest.approx(1)
    assert (w[1] / w[0]).item() == pytest.approx((0.35 + 0.25) / (0.15 + 0.25))


def test_one_hot_soft_targets_cost_what_hard_ones_cost():
    torch.manual_seed(0)
    logits, codes = torch.randn(2, 3, 5, 4, 4), torch.randint(5, (2, 3, 4, 4))
    valid, weights = torch.rand(2, 3, 4, 4) > 0.4, torch.rand(5)
    soft = torch.nn.functional.one_hot(codes, 5).movedim(-1, 2).float()
    hard = rebalanced_cross_entropy(logits, codes, valid, weights)
    torch.testing.assert_close(rebalanced_soft_cross_entropy(logits, soft, codes, valid, weights), hard)


def test_soft_cross_entropy_by_hand():
    logits = torch.log(torch.tensor([0.5, 0.25, 0.25])).reshape(1, 1, 3, 1, 1)
    soft = torch.tensor([0.5, 0.5, 0.0]).reshape(1, 1, 3, 1, 1)
    one, codes = torch.ones(1, 1, 1, 1, dtype=torch.bool), torch.zeros(1, 1, 1, 1, dtype=torch.long)
    weighted, unweighted = rebalanced_soft_cross_entropy(logits, soft, codes, one, torch.tensor([3.0, 7.0, 9.0]))
    assert unweighted.item() == pytest.approx(1.5 * math.log(2))
    assert weighted.item() == pytest.approx(4.5 * math.log(2))
