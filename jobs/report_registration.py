"""RGB-depth registration in the report: how well it fits, and depth edges over RGB for a few samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..pipeline.artefacts import SHARDS
from ..pipeline.depth_codec import DepthFrame
from ..pipeline.plan_registration import read_registrations
from ..pipeline.read_sample import read_frames
from ..pipeline.registration_overlay import registration_overlay
from ..pipeline.store import Store
from ..schemas.recording import PlannedRecording
from ..schemas.registration import Registration, Registrations
from .inventory import shard_numbers
from .report_samples import Image, choose, entries_of, jpeg

_HEIGHT = 420
_MARGIN = 0.08


@dataclass(frozen=True)
class Overlay:
    """Registered RGB around the body, the edges of the depth drawn over it."""

    key: str
    label: str
    frame: int
    fit: Registration
    image: Image


@dataclass(frozen=True)
class RegistrationSheet:
    """The frozen fits, the worst first, and overlays of a few samples."""

    registrations: Registrations
    fits: tuple[Registration, ...]
    overlays: tuple[Overlay, ...]


def registration_sheet(
    store: Store, candidates: Sequence[PlannedRecording], count: int = 6
) -> RegistrationSheet | None:
    """None where no (setup, camera) films RGB and depth, or registration was not asked for."""
    registrations = read_registrations(store)
    if not registrations.fits and not registrations.unregistered:
        return None
    done = set(shard_numbers(store, SHARDS))
    rows = [row for row in candidates if row.shard in done and {"rgb", "depth"} <= row.recording.files.keys()]
    overlays = []
    for row, entry in entries_of(store, SHARDS, choose(rows, count)):
        fit = registrations.of(row.recording.setup, row.recording.camera)
        if fit is None or entry.registered is None:
            continue
        frame = entry.num_frames // 2
        rgb, depth = (read_frames(store, SHARDS, row.shard, entry, name, [frame])[0] for name in ("rgb", "depth"))
        body = _around(depth)
        zoom = max(1, round(_HEIGHT / (body[0].stop - body[0].start)))
        picture = registration_overlay(np.ascontiguousarray(rgb[body]), np.ascontiguousarray(depth[body]), zoom)
        overlays.append(Overlay(entry.key, row.recording.label_name or "", frame, fit, jpeg(picture)))
    fits = tuple(sorted(registrations.fits, key=lambda fit: -fit.mean_px))
    return RegistrationSheet(registrations, fits, tuple(overlays))


def _around(depth: DepthFrame) -> tuple[slice, slice]:
    """Rows and columns of everything with depth, and a margin; the whole frame where nothing has any."""
    if not depth.any():
        return slice(0, depth.shape[0]), slice(0, depth.shape[1])
    margin = round(_MARGIN * max(depth.shape))
    spans = []
    for axis, size in enumerate(depth.shape):
        places = np.flatnonzero((depth > 0).any(axis=1 - axis))
        spans.append(slice(max(0, int(places[0]) - margin), min(size, int(places[-1]) + 1 + margin)))
    return spans[0], spans[1]
