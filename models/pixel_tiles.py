"""How the Triton programs of a kernel share out the pixels of a batch of images.

Fields are planes, (B, C, H, W) contiguous float32. A program computes one tile of one item, the 32 lanes of a warp 32
pixels side by side:

    program (i, j, b)  ->  rows from j * tile.rows and columns from i * tile.columns of item b

The batch is in the grid alone, and the compiler may not fuse products and sums of its own accord: an item's bits depend
neither on the batch that it is in nor on the tiles.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor


class Tile(NamedTuple):
    """Pixels of a program, powers of two, and the warps that compute them."""

    rows: int
    columns: int
    warps: int


# Triton's interpreter takes as long for a tile whatever its size
TILE = Tile(64, 64, 1) if os.environ.get("TRITON_INTERPRET") == "1" else Tile(8, 64, 16)

# of a thread, so that 32 warps fit a multiprocessor; `iterate` would take 92, and none spills with 64
REGISTERS = 64


SIZES = ("height", "width", "fine_height", "fine_width", "coarse_height", "coarse_width")


def kernel(function: Callable[..., Any]) -> Any:
    """`triton.jit` with one machine code for all image sizes.

    Told that rows are multiples of 16 bytes, Triton would give each thread four pixels in a row; a warp's reads of left
    and right neighbours would then touch four times as many cache lines.
    """
    return triton.jit(function, do_not_specialize=SIZES)


def launch(function: Any, image: Tensor, *arguments: Tensor | float) -> None:
    """`function` on each tile of an image like `image` (B, ..., H, W): called with arguments, height, width, tile."""
    batch, (height, width) = image.shape[0], image.shape[-2:]
    grid = (triton.cdiv(width, TILE.columns), triton.cdiv(height, TILE.rows), batch)
    with torch.cuda.device_of(image):  # type: ignore[no-untyped-call]
        options = {"num_warps": TILE.warps, "maxnreg": REGISTERS, "enable_fp_fusion": False}
        function[grid](*arguments, height, width, TILE.rows, TILE.columns, **options)


@kernel
def pixels(height: tl.tensor, width: tl.tensor, rows: tl.constexpr, columns: tl.constexpr) -> tl.tensor:
    """The program's item (64 bits, for offsets into a batch), and y (rows, 1), x (1, columns) of its tile."""
    item = tl.program_id(2).to(tl.int64)
    y = tl.program_id(1) * rows + tl.arange(0, rows)[:, None]
    x = tl.program_id(0) * columns + tl.arange(0, columns)[None, :]
    return item, y, x


@kernel
def place(y: tl.tensor, x: tl.tensor, height: tl.tensor, width: tl.tensor) -> tl.tensor:
    """Offsets of pixels in a plane, and which of them lie in the image."""
    return y * width + x, (y >= 0) & (y < height) & (x >= 0) & (x < width)


@kernel
def load_three(planes: tl.tensor, size: tl.tensor, inside: tl.tensor) -> tl.tensor:
    """The pixels at the pointers `planes`, and those one and two planes of `size` on; 0 where not `inside`."""
    first, second = tl.load(planes, inside, 0.0), tl.load(planes + size, inside, 0.0)
    return first, second, tl.load(planes + 2 * size, inside, 0.0)


@kernel
def store_three(planes: tl.tensor, size: tl.tensor, inside: tl.tensor, values: tl.tensor) -> None:
    """Three values to the planes that `load_three` reads."""
    tl.store(planes, values[0], inside)
    tl.store(planes + size, values[1], inside)
    tl.store(planes + 2 * size, values[2], inside)
