import torch
from motionpipe.models.dominant_motion import dominant_motion
from motionpipe.models.pixel_adaptive import identity_filter, synthesise


def maps_of(filters, height=4, width=6):
    return filters.flatten().view(1, -1, 1, 1).expand(1, filters.numel(), height, width)


def test_the_identity_moves_nothing():
    assert torch.equal(dominant_motion(maps_of(identity_filter(5))), torch.zeros(1, 2, 4, 6))


def test_it_is_the_shift_that_synthesis_makes():
    taps = torch.zeros(5, 5)
    taps[2 + 1, 2 - 2] = 1  # one to the right, two up
    moved = dominant_motion(maps_of(taps, 9, 9))
    assert torch.equal(moved[0, :, 0, 0], torch.tensor([1.0, -2.0]))
    frame = torch.zeros(1, 1, 9, 9)
    frame[..., 5, 3] = 1  # y = 5, x = 3
    assert synthesise(frame, maps_of(taps, 9, 9))[0, 0, 3, 4] == 1


def test_interpolating_filters_give_parts_of_pixels_and_dilated_ones_their_multiples():
    taps = torch.zeros(3, 3)
    taps[1, 1], taps[2, 1] = 0.6, 0.4
    torch.testing.assert_close(dominant_motion(maps_of(taps))[0, :, 0, 0], torch.tensor([0.4, 0.0]))
    torch.testing.assert_close(dominant_motion(maps_of(taps), dilation=4)[0, :, 0, 0], torch.tensor([1.6, 0.0]))


def test_negative_weights_take_no_part_and_nothing_positive_means_no_motion():
    taps = torch.zeros(3, 3)
    taps[1, 1], taps[0, 0] = 1.2, -0.2
    assert torch.equal(dominant_motion(maps_of(taps)), torch.zeros(1, 2, 4, 6))
    assert torch.equal(dominant_motion(maps_of(-torch.ones(3, 3))), torch.zeros(1, 2, 4, 6))
