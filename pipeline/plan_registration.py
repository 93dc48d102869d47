"""The frozen registrations of a plan: which recordings are read, the fit for each (setup, camera), and its file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from ..schemas.errors import BadSampleError
from ..schemas.recipe import ShardSection
from ..schemas.recording import PlannedRecording, Recording
from ..schemas.registration import Registration, Registrations, Row, Unregistered
from .fetch_files import SourcePath, blaming_files, local_files
from .joints import read_joints
from .registration import Fit, Floats, fit_joints, scale_at, tracked_joints
from .store import Store

REGISTRATION_FILE = "shards/registration.json"
_MOST_JOINTS = 20_000
_LEAST_INLYING = 0.5

Place = tuple[int, int]
"""(setup, camera)."""


def write_registrations(store: Store, registrations: Registrations) -> None:
    """Freeze the registrations beside the plan."""
    store.write_bytes(REGISTRATION_FILE, registrations.model_dump_json(indent=1).encode())


def read_registrations(store: Store) -> Registrations:
    """The frozen registrations; none where the recipe asked for none."""
    if not store.exists(REGISTRATION_FILE):
        return Registrations()
    return Registrations.model_validate_json(store.read_bytes(REGISTRATION_FILE))


def fit_registrations(rows: Iterable[PlannedRecording], base: SourcePath, config: ShardSection) -> Registrations:
    """Fit every (setup, camera) that films RGB and depth; skeleton files alone are read.

    Skeletons of all splits take part: the fit says how two cameras stand, nothing about what they film.
    """
    filmed, skeletons = set(), defaultdict(list)
    for row in rows:
        place = _place(row.recording)
        if place is None:
            continue
        if {"rgb", "depth"} <= row.recording.files.keys():
            filmed.add(place)
        if "skeleton" in row.recording.files:
            skeletons[place].append(row.recording)
    outcomes = [_fit_place(place, skeletons[place], base, config) for place in sorted(filmed)]
    return Registrations(
        fits=tuple(outcome for outcome in outcomes if isinstance(outcome, Registration)),
        unregistered=tuple(outcome for outcome in outcomes if isinstance(outcome, Unregistered)),
    )


def sample_recordings(place: Place, recordings: Sequence[Recording], count: int) -> list[Recording]:
    """At most `count` of the recordings, drawn from a generator that the place seeds; in the order of their names."""
    ordered = sorted(recordings, key=lambda recording: recording.path)
    if len(ordered) <= count:
        return ordered
    chosen = np.random.default_rng(place).choice(len(ordered), size=count, replace=False)
    return [ordered[number] for number in sorted(chosen)]


def _place(recording: Recording) -> Place | None:
    """(setup, camera) of a recording of which both nominal image sizes are known."""
    if recording.setup is None or recording.camera is None:
        return None
    if recording.depth_camera is None or recording.color_size is None:
        return None
    return recording.setup, recording.camera


def _fit_place(
    place: Place, recordings: Sequence[Recording], base: SourcePath, config: ShardSection
) -> Registration | Unregistered:
    setup, camera = place
    if not recordings:
        return Unregistered(setup=setup, camera=camera, reason="no recording has a skeleton")
    chosen = sample_recordings(place, recordings, config.registration_recordings)
    rows = _joints_of(place, chosen, base)
    assert config.registration != "none"
    fit = fit_joints(rows, config.registration)
    reason = _why_unfit(rows, fit, config)
    if reason:
        return Unregistered(setup=setup, camera=camera, reason=reason)
    assert fit is not None
    return _registration(place, chosen, rows, fit)


def _joints_of(place: Place, recordings: Sequence[Recording], base: SourcePath) -> Floats:
    """Tracked joints of the recordings, thinned by a seeded draw; a skeleton that cannot be read gives none."""
    parts = []
    for recording in recordings:
        try:
            with local_files(base, {"skeleton": recording.files["skeleton"]}) as files, blaming_files():
                parts.append(tracked_joints(read_joints(files["skeleton"])))
        except BadSampleError:
            continue  # the recording itself is rejected with this reason when its shard is made
    rows = np.concatenate(parts) if parts else np.zeros((0, 8))
    if len(rows) <= _MOST_JOINTS:
        return rows
    return rows[np.sort(np.random.default_rng(place).choice(len(rows), size=_MOST_JOINTS, replace=False))]


def _why_unfit(rows: Floats, fit: Fit | None, config: ShardSection) -> str:
    """Why a fit is not to be used; empty where it is."""
    if len(rows) < config.registration_min_joints:
        return f"{len(rows)} tracked joints, {config.registration_min_joints} are needed"
    if fit is None:
        return f"{len(rows)} tracked joints do not determine a fit"
    inlying = int(fit.inliers.sum())
    if inlying < max(config.registration_min_joints, _LEAST_INLYING * len(rows)):
        return f"{inlying} of {len(rows)} tracked joints agree"
    mean = float(fit.errors[fit.inliers].mean())
    if mean > config.registration_max_px:
        return f"mean error {mean:.1f} px in the colour image, {config.registration_max_px:g} px are allowed"
    return ""


def _registration(place: Place, chosen: Sequence[Recording], rows: Floats, fit: Fit) -> Registration:
    camera, color_size = chosen[0].depth_camera, chosen[0].color_size
    assert camera is not None
    assert color_size is not None
    errors = fit.errors[fit.inliers]
    scale = scale_at(fit.matrix, np.array([camera.width - 1, camera.height - 1]) / 2)
    mean, median = float(errors.mean()), float(np.median(errors))
    return Registration(
        setup=place[0],
        camera=place[1],
        model=fit.model,
        matrix=(_row(fit.matrix[0]), _row(fit.matrix[1]), _row(fit.matrix[2])),
        parallax_px_m=(_plain(fit.parallax[0]), _plain(fit.parallax[1])),
        reference_m=round(1 / float(np.median(1 / rows[fit.inliers, 2])), 6),
        depth_size=(camera.width, camera.height),
        color_size=color_size,
        recordings=len(chosen),
        joints=len(rows),
        inliers=len(errors),
        mean_px=round(mean, 4),
        median_px=round(median, 4),
        mean_depth_px=round(mean / scale, 4),
        median_depth_px=round(median / scale, 4),
    )


def _row(values: Floats) -> Row:
    x, y, w = values
    return _plain(x), _plain(y), _plain(w)


def _plain(value: float) -> float:
    """To 12 digits: the last bits of a least-squares solution depend on the machine's linear algebra."""
    return float(f"{value:.12g}")
