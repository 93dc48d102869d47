import gc

import pytest
import torch
import torch.nn.functional as F
from motionpipe.models.cost_volume import cost_volume


def by_unfolding(first, second, radius):
    """The (2d + 1)²-fold copy that the function does without."""
    n, c, h, w = first.shape
    moved = F.unfold(F.pad(second, (radius,) * 4), 2 * radius + 1).view(n, c, -1, h, w)
    return (first[:, :, None] * moved).mean(dim=1)


def maps(*shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=dtype, requires_grad=True) for _ in range(2)]


def kept_bytes(function, *inputs):
    """Bytes that autograd keeps for the backward pass, each storage once, beside the inputs'."""
    storages = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        out = function(*inputs)
    for tensor in inputs:
        storages.pop(tensor.untyped_storage().data_ptr(), None)
    del out
    gc.collect()
    return sum(storages.values())


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_values_and_gradients_are_those_of_unfolded_features(radius):
    first, second = maps(2, 3, 6, 5)
    weights = torch.randn(2, (2 * radius + 1) ** 2, 6, 5, dtype=torch.float64)
    ours, naive = cost_volume(first, second, radius), by_unfolding(first, second, radius)
    torch.testing.assert_close(ours, naive)
    expected = torch.autograd.grad((naive * weights).sum(), (first, second))
    torch.testing.assert_close(torch.autograd.grad((ours * weights).sum(), (first, second)), expected)


def test_gradients_agree_with_differences():
    assert torch.autograd.gradcheck(lambda a, b: cost_volume(a, b, 1), maps(1, 2, 3, 4))


def test_content_that_moved_fits_best_at_its_displacement():
    features = torch.randn(1, 128, 12, 12, generator=torch.Generator().manual_seed(1))
    moved = features.roll((1, -2), dims=(2, 3))  # one down, two to the left
    costs = cost_volume(features, moved, 3)[0, :, 4:8, 4:8]
    assert (costs.argmax(dim=0) == (3 + 1) * 7 + (3 - 2)).all()


def test_autograd_keeps_no_copy_for_each_displacement():
    first, second = maps(1, 8, 32, 32, dtype=torch.float32)
    one = first.untyped_storage().nbytes()
    assert kept_bytes(lambda a, b: by_unfolding(a, b, 3), first, second) >= 49 * one
    assert kept_bytes(lambda a, b: cost_volume(a, b, 3), first, second) < 2 * one
