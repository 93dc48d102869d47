"""Batches of UF-TSN: pairs of frames for the flow network, snippets of the segments of a recording for the streams.

A clip's `start` in the plan is a seed here: it says how far apart a pair is and where it begins, or where in each of
its segments a recording is seen, and at which size. Frames are reduced to the recipe's shorter side first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

import cv2
import numpy as np
import numpy.typing as npt
import torch

from ..models.uf_tsn import UNLABELLED, UfTsnBatch
from .clip_plan import ClipRef, TrainSample
from .fit_frames import resize_frames
from .frame_input import Float
from .frame_size import reduced_size

if TYPE_CHECKING:
    from ..schemas.uf_tsn import UfTsnSection

Frames = npt.NDArray[np.uint8]
Images = npt.NDArray[Any]
"""Frames uint8 (T, H, W, 3), or flow float32 (T, H, W, 2) in pixels."""
_SEEDS = 1 << 31
_CORNERS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
CENTRE = (0.5, 0.5)


class RgbSource(Protocol):
    """Where RGB frames come from (`stored_frames`)."""

    def rgb(self, sample: TrainSample, numbers: Sequence[int]) -> Frames:
        """Frames (T, H, W, 3) as they are stored."""


class FlowSource(Protocol):
    """Where dense flow comes from (`stored_flow`), for the temporal stream that has no flow network."""

    def flow(self, sample: TrainSample, pairs: Sequence[int]) -> Float:
        """Flow (n, 2, H, W) in pixels, as it is stored, of pairs by their first frames."""


ClipSource = RgbSource | FlowSource


def clip_seeds(sample: TrainSample, chance: float) -> Sequence[int]:
    """What a plan of clips draws from in place of first frames."""
    return range(_SEEDS)


def build_batch(
    clips: ClipSource,
    samples: Sequence[TrainSample],
    refs: Sequence[ClipRef],
    config: UfTsnSection,
    labels: Sequence[int] = (),
) -> UfTsnBatch:
    """The clips of one micro-batch; `labels` are the class indices that are told apart."""
    if config.stage == "flow":
        frames = cast(RgbSource, clips)
        snippets = np.stack([read_pair(frames, samples[ref.sample], ref, config) for ref in refs])
    else:
        snippets = np.stack([read_snippets(clips, samples[ref.sample], ref, config) for ref in refs])
    place = {label: index for index, label in enumerate(labels)}
    classes = [place.get(samples[ref.sample].label, UNLABELLED) for ref in refs]
    return UfTsnBatch(torch.from_numpy(snippets), torch.tensor(classes, dtype=torch.int64))


def read_pair(clips: RgbSource, sample: TrainSample, ref: ClipRef, config: UfTsnSection) -> Float:
    """Two frames as one snippet (1, 2, 3, S, S) in [0, 1], up to `farthest` strides and `pan` px apart.

    Half of the pairs run backwards in time.
    """
    generator = np.random.default_rng(ref.start)
    apart = config.stride * int(generator.integers(1, config.farthest + 1))
    first = int(generator.integers(max(1, sample.num_frames - apart)))
    frames = _read(clips, sample, [first, min(first + apart, sample.num_frames - 1)], config)
    corner = _corner(frames, config.crop, (ref.crop_y, ref.crop_x))
    reach = round(float(config.pan ** generator.random())) if config.pan else 0
    panned = generator.integers(-reach, reach + 1, 2) * int(generator.random() < 0.5)
    room = np.array(frames.shape[1:3]) - config.crop
    moved = np.clip(corner + panned, 0, room)
    pair = [
        frame[top : top + config.crop, left : left + config.crop]
        for frame, (top, left) in zip(frames, (corner, moved), strict=True)
    ]
    ordered = np.stack(pair[::-1] if generator.random() < 0.5 else pair)
    return _network_input(ordered, ref.flip)[None]


def read_snippets(clips: ClipSource, sample: TrainSample, ref: ClipRef, config: UfTsnSection) -> Float:
    """A snippet of each segment (K, F, 3, S, S) in [0, 1], or of stored flow (K, L, 2, S, S), cut at one place."""
    generator = np.random.default_rng(ref.start)
    numbers = random_snippets(sample.num_frames, config, generator)
    scale = float(generator.choice(config.crop_scales))
    frames = _look(clips, sample, numbers, config)
    side = min(round(scale * config.crop), *frames.shape[1:3])
    cut = _cut(frames, side, config.crop, (ref.crop_y, ref.crop_x))
    return _network_input(cut, ref.flip).reshape(len(numbers), -1, frames.shape[-1], config.crop, config.crop)


def read_test_snippets(
    clips: ClipSource, sample: TrainSample, numbers: Sequence[Sequence[int]], crops: int, config: UfTsnSection
) -> Float:
    """Snippets of these frames, each cut `crops` times: (N * crops, F, 3, S, S) in [0, 1], a snippet's cuts together.

    Of stored flow (N * crops, L, 2, S, S). crops = 1: the centre; 10: the corners and it, and all five mirrored.
    """
    frames = _look(clips, sample, numbers, config)
    places = (CENTRE,) if crops == 1 else (*_CORNERS, CENTRE)
    cuts = [_cut(frames, config.crop, config.crop, place) for place in places]
    inputs = [_network_input(cut, flip) for flip in ((False,) if crops == 1 else (False, True)) for cut in cuts]
    side = (frames.shape[-1], config.crop, config.crop)
    return np.stack([cut.reshape(len(numbers), -1, *side) for cut in inputs], axis=1).reshape(
        len(numbers) * crops, -1, *side
    )


def random_snippets(num_frames: int, config: UfTsnSection, generator: np.random.Generator) -> list[list[int]]:
    """Frame numbers of a snippet somewhere in each of equal segments, as TSN draws them."""
    room = num_frames - (config.snippet_frames - 1) * config.stride  # first frames that a snippet may have
    drawn = generator.random(config.segments)
    starts = [int((segment + part) * max(room, 1) / config.segments) for segment, part in enumerate(drawn.tolist())]
    return [_snippet(start, num_frames, config) for start in starts]


def middle_snippets(num_frames: int, segments: int, config: UfTsnSection) -> list[list[int]]:
    """Frame numbers of the snippets in the middle of equal segments; those that coincide are made once."""
    room = max(1, num_frames - (config.snippet_frames - 1) * config.stride)
    starts = sorted({int((segment + 0.5) * room / segments) for segment in range(segments)})
    return [_snippet(start, num_frames, config) for start in starts]


def snippet_around(frame: int, num_frames: int, config: UfTsnSection) -> list[int]:
    """Frame numbers of the snippet that has a frame in its middle, or as near to it as the recording allows."""
    reach = (config.snippet_frames - 1) * config.stride
    return _snippet(max(0, min(frame - reach // 2, num_frames - 1 - reach)), num_frames, config)


def reduce_frames(frames: Images, config: UfTsnSection) -> Images:
    """Frames or flow (T, H, W, C) at the recipe's shorter side, never enlarged except where a crop would not fit."""
    height, width = frames.shape[1:3]
    cols, rows = reduced_size(width, height, config.frame_short_side)
    short = min(rows, cols)
    if short < config.crop:
        rows, cols = (max(config.crop, round(side * config.crop / short)) for side in (rows, cols))
    return resized(frames, rows, cols)


def resized(images: Images, rows: int, cols: int) -> Images:
    """Frames (T, H, W, 3) at (rows, cols): by area where they shrink, bilinear where they grow.

    Flow (T, H, W, 2) too, whose vectors become those of the new pixels.
    """
    height, width = images.shape[1:3]
    if rows <= height and cols <= width:
        sized = resize_frames(images, rows, cols)
    else:
        sized = np.stack([cv2.resize(one, (cols, rows), interpolation=cv2.INTER_LINEAR) for one in images])
    if _is_flow(images):
        return np.asarray(sized * np.array([cols / width, rows / height], dtype=np.float32), dtype=np.float32)
    return np.asarray(sized, dtype=np.uint8)


def _is_flow(images: Images) -> bool:
    return bool(images.shape[-1] == 2)


def _snippet(start: int, num_frames: int, config: UfTsnSection) -> list[int]:
    """Consecutive frames; past the end of a recording its last frame stands still."""
    return [min(start + i * config.stride, num_frames - 1) for i in range(config.snippet_frames)]


def _read(clips: RgbSource, sample: TrainSample, numbers: Sequence[int], config: UfTsnSection) -> Images:
    return reduce_frames(clips.rgb(sample, numbers), config)


def _look(clips: ClipSource, sample: TrainSample, snippets: Sequence[Sequence[int]], config: UfTsnSection) -> Images:
    """Frames (K F, H, W, 3) of all snippets, or flow (K L, H, W, 2) between them; what is stored is read once."""
    if config.flow is None:
        unique, places = np.unique(np.array(snippets), return_inverse=True)
        return _read(cast(RgbSource, clips), sample, unique.tolist(), config)[places.ravel()]
    firsts = np.array(snippets)[:, :-1].ravel()
    still = firsts == np.array(snippets)[:, 1:].ravel()  # past the end of a recording
    unique, places = np.unique(np.minimum(firsts, max(0, sample.num_frames - 1 - config.stride)), return_inverse=True)
    flow = cast(FlowSource, clips).flow(sample, unique.tolist()).transpose(0, 2, 3, 1)
    return np.where(still[:, None, None, None], np.float32(0), reduce_frames(flow, config)[places.ravel()])


def _cut(frames: Images, side: int, crop: int, place: tuple[float, float]) -> Images:
    """A square of `side` px of frames (T, H, W, 3), at fractions of the room it has, resized to `crop`."""
    top, left = _corner(frames, side, place)
    square = frames[:, top : top + side, left : left + side]
    return square if side == crop else resized(square, crop, crop)


def _corner(frames: Images, side: int, place: tuple[float, float]) -> tuple[int, int]:
    """Top and left of a square of `side` px at fractions of the room that it has."""
    rooms = (frames.shape[1] - side, frames.shape[2] - side)
    top, left = (min(int(part * (room + 1)), room) for part, room in zip(place, rooms, strict=True))
    return top, left


def _network_input(images: Images, flip: bool) -> Float:
    """(T, H, W, 3) bytes to (T, 3, H, W) in [0, 1]; flow stays in pixels, and what is mirrored goes the other way."""
    turned = images[:, :, ::-1] if flip else images
    planes = np.ascontiguousarray(turned.transpose(0, 3, 1, 2), dtype=np.float32)
    if not _is_flow(images):
        return planes / np.float32(255)
    return planes * np.array([-1 if flip else 1, 1], dtype=np.float32)[:, None, None]
