import pytest
import torch
import torch.nn.functional as F
from motionpipe.models import pixel_adaptive
from motionpipe.models.pixel_adaptive import identity_filter, side_of, synthesise


def by_the_formula(frames, maps, padding, dilation):
    """Equation 1, pixel by pixel."""
    k = side_of(maps)
    rho = k // 2
    height, width = frames.shape[2:]
    out = torch.zeros_like(frames)
    for y in range(height):
        for x in range(width):
            for m in range(-rho, rho + 1):
                for n in range(-rho, rho + 1):
                    from_y, from_x = y - dilation * n, x - dilation * m
                    inside = 0 <= from_y < height and 0 <= from_x < width
                    if inside or padding == "replicate":
                        pixel = frames[:, :, min(max(from_y, 0), height - 1), min(max(from_x, 0), width - 1)]
                        out[:, :, y, x] += maps[:, (m + rho) * k + n + rho, y, x, None] * pixel
    return out


def by_unfolding(frames, maps, dilation=1):
    """The k²-fold copy that the function does without; replicate padding."""
    k, (n, c, h, w) = side_of(maps), frames.shape
    reach = dilation * (k // 2)
    columns = F.unfold(F.pad(frames, (reach,) * 4, "replicate"), k, dilation=dilation).view(n, c, k, k, h, w)
    taps = columns.flip(2, 3).transpose(2, 3).reshape(n, c, k * k, h, w)
    return (taps * maps[:, None]).sum(dim=2)


def random(frames=(2, 3, 5, 6), kernel=3, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    maps = (frames[0], kernel**2, *frames[2:])
    return (
        torch.randn(frames, generator=generator, dtype=dtype),
        torch.randn(maps, generator=generator, dtype=dtype),
    )


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (5, 1), (3, 2), (3, 4)])
@pytest.mark.parametrize("padding", ["replicate", "zero"])
def test_values_are_those_of_equation_1(kernel, dilation, padding):
    frames, maps = random(kernel=kernel)
    expected = by_the_formula(frames, maps, padding, dilation)
    torch.testing.assert_close(synthesise(frames, maps, padding, dilation), expected)


def test_the_identity_filter_leaves_frames_as_they_are():
    frames, _ = random(dtype=torch.float32)
    for kernel in (1, 3, 5):
        maps = identity_filter(kernel).view(1, -1, 1, 1).expand(2, -1, 5, 6)
        assert torch.equal(synthesise(frames, maps), frames)


@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, 1), (-1, 1), (2, -2)])
def test_a_weight_at_m_n_moves_content_right_by_m_and_down_by_n(right, down):
    frames = torch.zeros(1, 1, 9, 9)
    frames[0, 0, 4, 4] = 1
    maps = torch.zeros(1, 25, 9, 9)
    maps[:, (right + 2) * 5 + down + 2] = 1
    moved = synthesise(frames, maps)
    assert moved.sum() == 1
    assert moved[0, 0, 4 + down, 4 + right] == 1


def test_dilated_filters_move_by_multiples():
    frames = torch.zeros(1, 1, 9, 9)
    frames[0, 0, 4, 0] = 1
    maps = torch.zeros(1, 9, 9, 9)
    maps[:, 2 * 3 + 1] = 1
    assert synthesise(frames, maps, "zero", dilation=4)[0, 0, 4, 4] == 1


@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (5, 1), (3, 4)])
def test_values_and_gradients_are_those_of_unfolding(kernel, dilation):
    ours, theirs = ([tensor.requires_grad_() for tensor in random((4, 3, 12, 11), kernel)] for _ in range(2))
    weights = torch.randn(4, 3, 12, 11, dtype=torch.float64)
    out, expected = synthesise(*ours, dilation=dilation), by_unfolding(*theirs, dilation=dilation)
    torch.testing.assert_close(out, expected)
    (out * weights).sum().backward()
    (expected * weights).sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


@pytest.mark.parametrize("padding", ["replicate", "zero"])
def test_gradients_are_right_by_finite_differences(padding):
    frames, maps = (tensor.requires_grad_() for tensor in random((2, 2, 3, 4)))
    assert torch.autograd.gradcheck(lambda f, m: synthesise(f, m, padding), (frames, maps))
    assert torch.autograd.gradcheck(lambda m: synthesise(frames.detach(), m, padding, 2), (maps,))


def test_the_order_of_work_changes_no_bit(monkeypatch):
    frames, maps = random((7, 3, 6, 5), dtype=torch.float32)
    whole = synthesise(frames, maps)
    for number in (1, 3):
        monkeypatch.setattr(pixel_adaptive, "_CPU_BLOCK_BYTES", number * frames[0].nbytes)
        maps.grad = None
        assert torch.equal(synthesise(frames, maps), whole)
    assert torch.equal(synthesise(frames[2:3], maps[2:3]), whole[2:3])
    assert synthesise(frames[:0], maps[:0]).shape == (0, 3, 6, 5)


def test_backward_keeps_frames_and_maps_alone():
    frames, maps = random((2, 3, 16, 16), kernel=5, dtype=torch.float32)
    kept = []
    maps.requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.numel()) or tensor, lambda t: t):
        synthesise(frames, maps)
    assert sorted(kept) == [2 * 3 * 20 * 20, 2 * 25 * 16 * 16]


def test_filters_of_lower_precision_do_not_lower_that_of_frames():
    frames, maps = random(dtype=torch.float32)
    assert synthesise(frames, maps.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("maps", [(2, 4, 5, 6), (2, 8, 5, 6), (2, 9, 5, 5), (1, 9, 5, 6)])
def test_maps_that_are_no_filters_for_the_frames_are_refused(maps):
    with pytest.raises(ValueError, match="filter"):
        synthesise(torch.zeros(2, 3, 5, 6), torch.zeros(maps))
