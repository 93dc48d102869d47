"""One performer acts one action: a variation is drawn, the action played, and the figure moves through the world.

Legend: T frames, P rigid parts, J = 25 Kinect v2 joints; the axes are those of `capsule_figure`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .actions import ACTIONS, Action, smooth
from .body_shape import BodyShape, body_shape
from .capsule_figure import RIGHT, Capsules, Figure, build_figure
from .poses import Pose, between, forward_kinematics, rotation_y, stance

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PerformanceSpec:
    """What is performed: the seed of everything random, who, what, which repetition, and the clock."""

    seed: int
    performer: int
    action: int
    replication: int
    num_frames: int
    fps: float


@dataclass(frozen=True)
class Variation:
    """What differs between repetitions. Every field has the same distribution for an action and its reverse."""

    amplitude: float = 1.0
    tempo: float = 1.0
    hold_start: float = 0.0  # still time before the motion, fraction of the recording
    hold_end: float = 0.0
    skew: float = 0.0  # > 0: the motion is earlier; the skew of the reversed motion is -skew
    side: int = RIGHT  # leading arm and leg
    phase: float = 0.0  # of a periodic action, cycles
    heading: float = 0.0  # rad, > 0 turns the figure towards smaller x
    x: float = 0.0  # where it stands, m
    z: float = 0.0
    sway: tuple[float, ...] = (0.0, 0.0, 0.0)  # phases of three slow idle motions, rad
    sway_gain: float = 1.0


@dataclass(frozen=True)
class Performance:
    """A figure in motion. A point q of part p is at `rotation[t, p] @ q + origin[t, p]` in the world (metres)."""

    shape: BodyShape
    figure: Figure
    rotation: Floats  # (T, P, 3, 3)
    origin: Floats  # (T, P, 3)
    joints: Floats  # (T, J, 3)


def draw_variation(spec: PerformanceSpec) -> Variation:
    """Draw a repetition. The distribution does not depend on the direction of the action."""
    rng = np.random.default_rng([spec.seed, 2, spec.performer, spec.action, spec.replication])
    # NTU's subjects face the left camera in odd and the right camera in even replications, by about 30 degrees.
    facing = 30.0 if spec.replication % 2 else -30.0
    return Variation(
        amplitude=float(rng.uniform(0.92, 1.04)),
        tempo=float(rng.uniform(0.9, 1.1)),
        hold_start=float(rng.uniform(0.02, 0.14)),
        hold_end=float(rng.uniform(0.02, 0.14)),
        skew=float(rng.uniform(-0.35, 0.35)),
        side=int(rng.integers(2)),
        phase=float(rng.uniform(0, 1)),
        heading=float(np.deg2rad(facing + rng.uniform(-8, 8))),
        x=float(rng.uniform(-0.12, 0.12)),
        z=float(rng.uniform(-0.12, 0.12)),
        sway=tuple(rng.uniform(0, 2 * np.pi, 3).tolist()),
        sway_gain=float(rng.uniform(0.5, 1.5)),
    )


def performance(spec: PerformanceSpec) -> Performance:
    """Everything that one performer does in one recording, a function of the spec alone."""
    shape = body_shape(spec.seed, spec.performer)
    return perform(shape, ACTIONS[spec.action], draw_variation(spec), spec.num_frames, spec.fps)


def perform(shape: BodyShape, action: Action, variation: Variation, num_frames: int, fps: float) -> Performance:
    """Play an action; a reversed one is computed forward and then turned around, sway included."""
    pose = _sway(_play(shape, action, variation, num_frames, fps), variation, fps)
    rotation, origin = _place(*forward_kinematics(shape, pose), variation)
    if action.reverse:
        rotation, origin = rotation[::-1], origin[::-1]
    figure = build_figure(shape)
    joints = np.einsum("tjab,jb->tja", rotation[:, figure.joint_part], figure.joint) + origin[:, figure.joint_part]
    return Performance(shape, figure, rotation, origin, joints)


def _play(shape: BodyShape, action: Action, variation: Variation, num_frames: int, fps: float) -> Pose:
    """The motion in pose parameters, without sway."""
    clock: Floats = np.arange(num_frames, dtype=np.float64) / max(num_frames - 1, 1)
    start, end = variation.hold_start, 1.0 - variation.hold_end
    amplitude = shape.amplitude * variation.amplitude
    if action.cycles_per_s > 0:
        rate = action.cycles_per_s * shape.tempo * variation.tempo
        cycles: Floats = variation.phase + rate / fps * np.arange(num_frames, dtype=np.float64)
        moving = action.motion(cycles, variation.side)
        ramp = 0.12
        gain = smooth((clock - 0.5 * start) / ramp) * smooth((0.5 * (1 + end) - clock) / ramp)
        return between(stance(), moving, amplitude * gain)
    u = np.clip((clock - start) / (end - start), 0.0, 1.0)
    eased = smooth(u + variation.skew * u * (1.0 - u))
    resting = action.motion(np.zeros(num_frames), variation.side)
    moving = action.motion(eased, variation.side)
    return between(resting, moving, np.full(num_frames, amplitude))


def _sway(pose: Pose, variation: Variation, fps: float) -> Pose:
    """Add the slow motions of a person who stands still (about a centimetre)."""
    t = np.arange(len(pose.root)) / fps
    rates = (0.31, 0.42, 0.27)  # Hz
    a, b, c = (np.sin(2 * np.pi * f * t + p) for f, p in zip(rates, variation.sway, strict=True))
    gain = variation.sway_gain
    return replace(
        pose,
        root=pose.root + 0.010 * gain * np.stack([a, 0 * a, b], axis=1),
        bend=pose.bend + 0.015 * gain * np.stack([0 * a, b, c], axis=1),
        twist=pose.twist + 0.03 * gain * a,
        nod=pose.nod + 0.03 * gain * c,
    )


def _place(rotation: Floats, origin: Floats, variation: Variation) -> tuple[Floats, Floats]:
    """Turn the figure to its heading and put it where it stands."""
    turn = rotation_y(np.array(variation.heading))
    return turn @ rotation, origin @ turn.T + np.array([variation.x, 0.0, variation.z])


def posed(performance: Performance, frame: int) -> Capsules:
    """The capsules of one frame, in the world."""
    figure = performance.figure
    rotation, origin = performance.rotation[frame], performance.origin[frame]
    turn, shift = rotation[figure.part], origin[figure.part]
    return Capsules(
        start=np.einsum("cab,cb->ca", turn, figure.start) + shift,
        end=np.einsum("cab,cb->ca", turn, figure.end) + shift,
        radius=figure.radius,
        part=figure.part,
        material=figure.material,
        rotation=rotation,
        origin=origin,
    )
