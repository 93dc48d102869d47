"""What a figure can do: actions as trajectories of poses, and their exact reversals.

A motion maps its phase (T,) and the leading side to a pose for each frame. The phase of a transition runs from 0 to 1;
that of a periodic motion counts cycles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .capsule_figure import LEFT, RIGHT, Point
from .poses import HANGING, Pose, between, stance

Floats = npt.NDArray[np.float64]
Motion = Callable[[Floats, int], Pose]


@dataclass(frozen=True)
class Action:
    """An action: its motion over a phase that runs from 0 to 1 (or counts cycles), played backward or not."""

    name: str
    motion: Motion
    cycles_per_s: float = 0.0  # 0 = one transition that spans the recording
    reverse: bool = False


def smooth(u: Floats) -> Floats:
    """Smoothstep, symmetric under time reversal: s(1 - u) = 1 - s(u)."""
    u = np.clip(u, 0.0, 1.0)
    return u * u * (3.0 - 2.0 * u)


def _one_hand(side: int, hand: Point, other: Point = HANGING[0]) -> tuple[Point, Point]:
    return (hand, other) if side == LEFT else (other, hand)


def _with_hand(pose: Pose, side: int, hand: Floats) -> Pose:
    hands = pose.hands.copy()
    hands[:, side] = hand
    return replace(pose, hands=hands)


def _sit(u: Floats, side: int) -> Pose:
    on_knees = (-0.05, -0.62, -0.50)
    seat = stance(root=(0, -0.46, 0.42), bend=(0.05, 0.05, 0.05), hands=(on_knees, on_knees))
    pose = between(stance(), seat, u)
    # The trunk leans forward on the way, which keeps the weight above the feet.
    lean = np.sin(np.pi * np.clip(u, 0, 1))[:, None] * np.array([0.35, 0.25, 0.1])
    return replace(pose, bend=pose.bend + lean)


def _pick_up(u: Floats, side: int) -> Pose:
    hands = _one_hand(side, (0.0, -0.97, -0.12), (0.02, -0.75, -0.35))
    low = stance(root=(0, -0.40, 0.25), bend=(0.65, 0.45, 0.30), nod=-0.5, hands=hands)
    return between(stance(), low, u)


def _raise_arms(u: Floats, side: int) -> Pose:
    angle = 0.05 + 2.75 * u  # from hanging, through the front, to overhead
    out = 0.10 + 0.25 * u
    hand = 0.95 * np.stack([out, -np.cos(angle), -np.sin(angle)], axis=-1)
    hand *= 0.96 / np.linalg.norm(hand, axis=-1, keepdims=True)
    pose = between(stance(), stance(bend=(0, -0.05, -0.1), nod=-0.15), u)
    return replace(pose, hands=np.stack([hand, hand], axis=1))


def _push(u: Floats, side: int) -> Pose:
    drawn, far = (-0.02, -0.22, -0.38), (-0.06, -0.02, -0.97)
    start = stance(bend=(0, -0.05, -0.08), hands=(drawn, drawn))
    end = stance(root=(0, -0.02, -0.06), bend=(0.12, 0.1, 0.1), hands=(far, far))
    return between(start, end, u)


def _step(u: Floats, side: int) -> Pose:
    length = 0.62
    lead, trail = smooth(u / 0.55), smooth((u - 0.45) / 0.55)
    pose = between(stance(root=(0, -0.03, 0.5 * length)), stance(root=(0, -0.03, -0.5 * length)), u)
    progress = np.stack([trail, lead] if side == RIGHT else [lead, trail], axis=1)  # (T, 2)
    feet = np.zeros((len(u), 2, 3))
    feet[..., 1] = 0.13 * np.sin(np.pi * progress)
    feet[..., 2] = length * (0.5 - progress)
    # Each arm swings with the opposite leg.
    hands = pose.hands.copy()
    hands[..., 2] += 0.35 * (progress - u[:, None])
    hands[..., 1] += 0.10
    return replace(pose, feet=feet, hands=hands)


def _put_hand_to_head(u: Floats, side: int) -> Pose:
    angle = 0.05 + 2.2 * u
    reach = 0.96 - 0.36 * u
    hand = np.stack([0.10 - 0.25 * u, -reach * np.cos(angle), -reach * np.sin(angle)], axis=-1)
    return _with_hand(between(stance(), stance(nod=0.2), u), side, hand)


def _clap(cycles: Floats, side: int) -> Pose:
    apart = 0.5 - 0.5 * np.cos(2 * np.pi * cycles)
    meet, wide = (-0.28, -0.25, -0.62), (0.35, -0.25, -0.62)
    clapping = between(stance(hands=(meet, meet)), stance(hands=(wide, wide)), apart)
    return clapping


def _wave_hand(cycles: Floats, side: int) -> Pose:
    swing = np.sin(2 * np.pi * cycles)
    inner, outer = (-0.10, 0.62, -0.30), (0.62, 0.45, -0.30)
    waving = between(stance(hands=_one_hand(side, inner)), stance(hands=_one_hand(side, outer)), 0.5 + 0.5 * swing)
    return waving


def _kick(cycles: Floats, side: int) -> Pose:
    swing = np.sin(2 * np.pi * cycles)
    forward = np.where(swing > 0, swing, 0.35 * swing)
    foot = np.stack([0 * swing, 0.10 + 0.30 * swing**2, -0.80 * forward], axis=-1)
    pose = between(stance(root=(0, -0.03, 0)), stance(root=(0, -0.03, 0.05), bend=(-0.1, -0.05, 0)), forward)
    feet, hands = np.zeros((len(swing), 2, 3)), pose.hands.copy()
    feet[:, side] = foot
    hands[:, 1 - side, 2] -= 0.40 * forward
    hands[:, :, 1] += 0.08
    return replace(pose, feet=feet, hands=hands)


def _jump(cycles: Floats, side: int) -> Pose:
    height = -np.cos(2 * np.pi * cycles)  # -1 in the crouch, +1 in the air
    root = np.zeros((len(height), 3))
    root[:, 1] = np.where(height < 0, 0.28 * height, 0.32 * height)
    feet = np.zeros((len(height), 2, 3))
    feet[..., 1] = np.maximum(root[:, 1], 0)[:, None]
    back, up = (0.15, -0.85, 0.35), (0.25, 0.10, -0.90)
    pose = between(
        stance(bend=(0.3, 0.2, 0.1), hands=(back, back)), stance(hands=(up, up)), 0.5 + 0.5 * np.sin(np.pi * height / 2)
    )
    return replace(pose, root=root, feet=feet)


def _hop(cycles: Floats, side: int) -> Pose:
    height = -np.cos(2 * np.pi * cycles)
    root = np.zeros((len(height), 3))
    root[:, 0] = 0.05 if side == RIGHT else -0.05
    root[:, 1] = np.where(height < 0, 0.10 * height, 0.16 * height) - 0.02
    feet = np.zeros((len(height), 2, 3))
    feet[..., 1] = np.maximum(root[:, 1], 0)[:, None]
    feet[:, 1 - side] += np.array([0.0, 0.32, 0.18])
    out = (0.35, -0.70, -0.30)
    pose = between(stance(hands=(out, out)), stance(bend=(0.1, 0.1, 0), hands=(out, out)), 0.5 - 0.5 * height)
    return replace(pose, root=root, feet=feet)


def _bow(cycles: Floats, side: int) -> Pose:
    front = (0.05, -0.92, -0.20)
    bowed = stance(root=(0, -0.02, 0.12), bend=(0.45, 0.35, 0.25), nod=0.35, hands=(front, front))
    return between(stance(), bowed, 0.5 - 0.5 * np.cos(2 * np.pi * cycles))


ACTIONS: dict[int, Action] = {
    5: Action("put down", _pick_up, reverse=True),
    6: Action("pick up", _pick_up),
    8: Action("sit down", _sit),
    9: Action("stand up", _sit, reverse=True),
    10: Action("clap", _clap, cycles_per_s=1.5),
    20: Action("put hand to head", _put_hand_to_head),
    21: Action("take hand from head", _put_hand_to_head, reverse=True),
    22: Action("raise arms", _raise_arms),
    23: Action("wave", _wave_hand, cycles_per_s=1.3),
    24: Action("kick", _kick, cycles_per_s=0.8),
    26: Action("hop on one foot", _hop, cycles_per_s=1.4),
    27: Action("jump up", _jump, cycles_per_s=1.1),
    35: Action("bow", _bow, cycles_per_s=0.8),
    38: Action("lower arms", _raise_arms, reverse=True),
    52: Action("push", _push),
    53: Action("pull", _push, reverse=True),
    59: Action("step forward", _step),
    60: Action("step back", _step, reverse=True),
}
"""Number -> action. Numbers are NTU's, and name a like action there (20, 21: a hat; 35: nod head), except for six.

These borrow a number from another NTU action, by whose name and label a reader of NTU knows them: 22 cheer up is raise
arms, 38 salute is lower arms, 52 push other person is push, 53 pat other's back is pull, 59 walk towards each other is
step forward, 60 walk apart from each other is step back.
"""

REVERSED_PAIRS: tuple[tuple[int, int], ...] = ((6, 5), (8, 9), (20, 21), (22, 38), (52, 53), (59, 60))
"""(forward, reversed): the same trajectory read in both directions, so that no single frame tells them apart."""
