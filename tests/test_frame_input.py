import numpy as np
import pytest
from motionpipe.pipeline.fit_frames import fit_frames
from motionpipe.pipeline.frame_input import RGB_MEAN, RGB_STD, Grid, crop_corner, crop_input, network_grid
from motionpipe.schemas.atomic_flow import AtomicFlowSection

SAME = AtomicFlowSection(modality="depth", frame_short_side=96, crop=64, cell=4)  # frames of 96 px keep their size
HALF = AtomicFlowSection(
    modality="depth", frame_short_side=48, crop=32, cell=2, deconv_widths=(8, 8, 8)
)  # 2:1, a cell stays a cell
POOL = AtomicFlowSection(
    modality="depth", frame_short_side=96, crop=64, cell=8, deconv_widths=(8,)
)  # four stored cells become one


@pytest.mark.parametrize(
    ("stored", "stored_cell", "config", "expected"),
    [
        ((24, 32), 4, SAME, Grid(24, 32, 4)),
        ((24, 32), 4, HALF, Grid(24, 32, 2)),
        ((24, 32), 4, POOL, Grid(12, 16, 8)),
        ((48, 64), 4, SAME, Grid(24, 32, 4)),
        ((20, 40), 4, SAME, Grid(20, 40, 4)),  # never enlarged
        ((10, 40), 4, SAME, Grid(16, 40, 4)),  # but stretched to the crop where a side is shorter than that
        (
            (106 // 4, 128 // 4),
            4,
            AtomicFlowSection(modality="depth", frame_short_side=76, crop=64, deconv_widths=(8, 8)),
            Grid(19, 23, 4),
        ),
    ],
)
def test_the_grid_follows_the_frame(stored, stored_cell, config, expected):
    assert network_grid(stored, stored_cell, config) == expected
    assert expected.frame_size == (expected.rows * expected.cell, expected.cols * expected.cell)


def test_corners_lie_on_cells_and_reach_every_place():
    grid = Grid(24, 32, 4)
    corners = [crop_corner(grid, 64, y / 100, x / 100) for y in range(100) for x in range(100)]
    assert {y for y, _ in corners} == {i * 4 for i in range(24 - 16 + 1)}
    assert {x for _, x in corners} == {i * 4 for i in range(32 - 16 + 1)}
    assert crop_corner(grid, 64, 0, 0) == (0, 0)
    assert crop_corner(grid, 64, 0.5, 0.5) == (16, 32)
    assert crop_corner(Grid(16, 16, 4), 64, 0.99, 0.5) == (0, 0)


def cell_numbers(height, width, cell, size):
    """(row, column) of the stored cell of each pixel of a frame (H, W), (H, W, 2)."""
    rows, cols = np.mgrid[: size[0], : size[1]] // cell
    return np.stack([rows.clip(max=height - 1), cols.clip(max=width - 1)], axis=-1)


def as_depth(numbers):
    """Depth that tells the cell: 1000 mm + 100 a row + 1 a column."""
    return (1000 + 100 * numbers[..., 0] + numbers[..., 1]).astype(np.uint16)[None]


@pytest.mark.parametrize("size", [(96, 128), (98, 131)], ids=["whole cells", "a rest"])
@pytest.mark.parametrize("config", [SAME, HALF], ids=["1:1", "2:1"])
@pytest.mark.parametrize("place", [(0.0, 0.0), (0.5, 0.5), (0.99, 0.3)])
def test_pixels_of_the_crop_belong_to_the_cells_of_the_crop(size, config, place):
    numbers = cell_numbers(24, 32, 4, size)
    grid = network_grid((24, 32), 4, config)
    y, x = crop_corner(grid, config.crop, *place)
    covered = (96 / size[0], 128 / size[1])
    frames = crop_input(fit_frames({"depth": as_depth(numbers)}, covered, grid), config, (y, x))
    assert frames.shape == (1, 2, config.crop, config.crop)
    code = np.round((frames[0, 0] + 3) * 1000).astype(int) - 1000
    side = config.crop // config.cell
    expected = np.arange(side).repeat(config.cell)
    np.testing.assert_array_equal(code // 100, np.broadcast_to(expected[:, None] + y // grid.cell, code.shape))
    np.testing.assert_array_equal(code % 100, np.broadcast_to(expected[None, :] + x // grid.cell, code.shape))


@pytest.mark.parametrize("config", [SAME, HALF], ids=["1:1", "2:1"])
def test_colours_are_aligned_with_depth_of_another_size(config):
    depth_numbers, rgb_numbers = cell_numbers(24, 32, 4, (98, 131)), cell_numbers(24, 32, 8, (196, 262))
    rgb = np.stack([rgb_numbers[..., 0] * 8, rgb_numbers[..., 1] * 7, 0 * rgb_numbers[..., 0]], axis=-1)
    streams = {"rgb": rgb[None].astype(np.uint8), "depth": as_depth(depth_numbers)}
    grid = network_grid((24, 32), 4, config)
    frames = crop_input(
        fit_frames(streams, (96 / 98, 128 / 131), grid), config, crop_corner(grid, config.crop, 0.4, 0.7)
    )
    assert frames.shape == (1, 5, config.crop, config.crop)
    rows, cols, blue = (frames[0, :3] * RGB_STD + RGB_MEAN) * 255
    code = np.round((frames[0, 3] + 3) * 1000).astype(int) - 1000
    np.testing.assert_allclose(rows / 8, code // 100, atol=0.1)
    np.testing.assert_allclose(cols / 7, code % 100, atol=0.1)
    np.testing.assert_allclose(blue, 0, atol=1e-3)


def test_depth_is_metres_beyond_three_and_knows_what_is_invalid():
    depth = np.full((1, 96, 128), 2500, np.uint16)
    depth[0, :4, :4], depth[0, :4, 4:8], depth[0, :4, 8:12] = 0, 8001, 8000
    frames = crop_input(fit_frames({"depth": depth}, (1, 1), Grid(24, 32, 4)), SAME, (0, 0))
    assert frames.dtype == np.float32
    assert frames[0, 0, 0, [0, 4, 8, 12]].tolist() == [0, 0, 5, -0.5]
    assert frames[0, 1, 0, [0, 4, 8, 12]].tolist() == [0, 0, 1, 1]


def test_channels_are_colour_first():
    streams = {"depth": np.full((2, 96, 128), 4000, np.uint16), "rgb": np.zeros((2, 96, 128, 3), np.uint8)}
    frames = crop_input(fit_frames(streams, (1, 1), Grid(24, 32, 4)), SAME, (0, 0))
    np.testing.assert_allclose(frames[1, :, 0, 0], [-RGB_MEAN / RGB_STD] * 3 + [1, 1], rtol=1e-6)


def test_a_frame_shorter_than_the_crop_is_stretched():
    short = {"depth": np.full((1, 40, 160), 2000, np.uint16)}
    frames = crop_input(fit_frames(short, (1, 1), Grid(16, 40, 4)), SAME, (0, 96))
    assert frames.shape == (1, 2, 64, 64)
    assert frames[0, 1].all()
