import math

import pytest
import torch
from motionpipe.models.soft_census import census_distance, census_error, grey


def picture(*shape):
    return 0.2 + 0.6 * torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def by_the_formula(first, second, radius, y, x):
    """One pixel of grey images (H, W)."""
    total = 0.0
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            signs = []
            for one in (255 * first, 255 * second):
                delta = float(one[y + dy, x + dx] - one[y, x])
                signs.append(delta / math.sqrt(0.81 + delta**2))
            apart = (signs[0] - signs[1]) ** 2
            total += apart / (0.1 + apart)
    return (total**2 + 0.001**2) ** 0.45


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_values_are_those_of_the_formula(radius):
    first, second = picture(2, 1, 8, 9)
    found = census_distance(first[None], second[None], radius)
    assert found.shape == (1, 1, 8 - 2 * radius, 9 - 2 * radius)
    for y, x in ((0, 0), (1, 2), (7 - 2 * radius, 8 - 2 * radius)):
        expected = by_the_formula(first[0], second[0], radius, y + radius, x + radius)
        assert found[0, 0, y, x].item() == pytest.approx(expected, rel=1e-9)


def test_equal_images_leave_what_the_penalty_has_at_zero():
    first = picture(1, 3, 10, 10)
    assert census_error(first, first, 2).item() == pytest.approx(0.001**0.9)


def test_added_brightness_does_not_count_and_contrast_hardly():
    first = picture(1, 3, 16, 16)
    nothing, other = census_error(first, first, 2), census_error(first, picture(2, 3, 16, 16)[1:], 2)
    assert census_error(first, first + 0.1, 2).item() == pytest.approx(nothing.item(), abs=1e-6)
    assert nothing < census_error(first, 1.2 * first, 2) < 0.02 * other


def test_mirroring_both_images_changes_nothing():
    first, second = picture(2, 3, 9, 12)[:1], picture(2, 3, 9, 12)[1:]
    flipped = census_distance(first.flip(3), second.flip(3), 2)
    torch.testing.assert_close(flipped, census_distance(first, second, 2).flip(3))


def test_only_counted_pixels_count():
    first, second = picture(2, 1, 9, 9)[:1], picture(2, 1, 9, 9)[1:]
    distance = census_distance(first, second, 2)
    counted = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    counted[0, 0, 4, 5] = counted[0, 0, 0, 0] = 1  # the corner has no patch
    assert census_error(first, second, 2, counted).item() == pytest.approx(distance[0, 0, 2, 3].item())
    assert census_error(first, second, 2, torch.zeros_like(counted)) == 0


def test_images_smaller_than_the_patch_have_no_distance():
    small = picture(1, 3, 4, 20).requires_grad_()
    error = census_error(small, small, 2)
    assert error == 0


def test_gradients():
    first, second = picture(2, 1, 4, 4)
    second = (second[None] + 0.01).requires_grad_()
    assert torch.autograd.gradcheck(lambda two: census_distance(first[None], two, 1), second)


def test_grey_is_luma():
    assert grey(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)).item() == pytest.approx(0.299)
    assert torch.equal(grey(torch.ones(1, 1, 2, 2)), torch.ones(1, 1, 2, 2))
