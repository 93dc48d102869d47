"""A human figure of capsules, and what it does: body shapes, poses, actions and performances.

World axes: x right, y up, z away from the middle camera; metres; the floor is y = 0. The figure faces -z at heading 0.
As in Kinect recordings, whose images are mirrored, its left side lies at smaller x when it faces the camera.

Legend: T frames, P rigid parts, C capsules, J = 25 Kinect v2 joints. Sides are ordered (left, right).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Motion = Callable[[Floats, int], "Pose"]

LEFT, RIGHT = 0, 1
PARTS = (
    *("pelvis", "abdomen", "chest", "head"),
    *("upper_arm_l", "forearm_l", "hand_l", "upper_arm_r", "forearm_r", "hand_r"),
    *("thigh_l", "shank_l", "foot_l", "thigh_r", "shank_r", "foot_r"),
)
PELVIS, ABDOMEN, CHEST, HEAD = range(4)
ARMS = (4, 7)  # first part of each arm: upper arm, forearm, hand
LEGS = (10, 13)  # first part of each leg: thigh, shank, foot
MATERIALS = ("skin", "hair", "shirt", "sleeve", "trousers", "shoes")
SKIN, HAIR, SHIRT, SLEEVE, TROUSERS, SHOES = range(6)


@dataclass(frozen=True)
class BodyShape:
    """One subject: lengths and radii in metres, style without unit, clothing as (materials, 3) colours and waves."""

    height: float
    leg: float  # hip to ankle
    thigh: float
    arm: float  # shoulder to wrist
    upper_arm: float
    hand: float
    abdomen: float
    chest: float
    shoulder: float  # half the distance between the shoulders
    hip: float  # half the distance between the hips
    ankle: float  # height of the ankle above the sole
    girth: float  # multiplies every radius, 1 = average
    tempo: float  # multiplies the frequency of periodic actions
    amplitude: float  # how far motions go, 1 = full
    colour: Floats  # (materials, 3) RGB in [0, 1]
    wave: Floats  # (materials, K, 3) wave vectors of the cloth pattern, rad/m
    wave_phase: Floats  # (materials, K) rad
    wave_gain: Floats  # (materials, K) relative contrast


@dataclass(frozen=True)
class Figure:
    """A body cut into capsules and joints, each fixed to a rigid part and given in that part's axes (metres)."""

    part: Ints  # (C,) rigid part of each capsule
    start: Floats  # (C, 3)
    end: Floats  # (C, 3)
    radius: Floats  # (C,)
    material: Ints  # (C,) index into MATERIALS
    joint_part: Ints  # (J,)
    joint: Floats  # (J, 3)


@dataclass(frozen=True)
class Pose:
    """A pose, or a motion if every array has a leading T. Lateral coordinates count outward, for both sides alike."""

    root: Floats  # (..., 3) shift of the pelvis: right, up, back; leg lengths
    bend: Floats  # (..., 3) forward pitch of pelvis, abdomen and chest, each relative to the one below; rad
    twist: Floats  # (...,) rotation of the chest about its long axis; rad
    nod: Floats  # (...,) forward pitch of the head; rad
    hands: Floats  # (..., 2, 3) wrist from shoulder: outward, up, back; arm lengths
    feet: Floats  # (..., 2, 3) ankle from where it stands: outward, up, back; leg lengths


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
class Action:
    """An action: its motion over a phase that runs from 0 to 1 (or counts cycles), played backward or not."""

    name: str
    motion: Motion
    cycles_per_s: float = 0.0  # 0 = one transition that spans the recording
    reverse: bool = False


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
class Performance:
    """A figure in motion. A point q of part p is at `rotation[t, p] @ q + origin[t, p]` in the world (metres)."""

    shape: BodyShape
    figure: Figure
    rotation: Floats  # (T, P, 3, 3)
    origin: Floats  # (T, P, 3)
    joints: Floats  # (T, J, 3)


@dataclass(frozen=True)
class Capsules:
    """Capsules at one moment, in the world: what a camera sees (metres)."""

    start: Floats  # (C, 3)
    end: Floats  # (C, 3)
    radius: Floats  # (C,)
    part: Ints  # (C,) rigid part that carries the capsule
    material: Ints  # (C,)
    rotation: Floats  # (P, 3, 3)
    origin: Floats  # (P, 3)


# ---------------------------------------------------------------------------------------------- body shapes


def body_shape(seed: int, performer: int) -> BodyShape:
    """Draw one subject; lengths start from the segment table of Drillis and Contini (1966), fractions of the height."""
    rng = np.random.default_rng([seed, 1, performer])
    height = float(rng.uniform(1.52, 1.90))
    leg = height * float(rng.uniform(0.475, 0.510))
    arm = height * float(rng.uniform(0.318, 0.348))
    trunk = height * 0.80 - leg - height * 0.039
    return BodyShape(
        height=height,
        leg=leg,
        thigh=0.5 * leg,
        arm=arm,
        upper_arm=0.55 * arm,
        hand=0.09 * height,
        abdomen=0.40 * trunk,
        chest=0.60 * trunk,
        shoulder=height * float(rng.uniform(0.098, 0.116)),
        hip=height * float(rng.uniform(0.050, 0.058)),
        ankle=0.039 * height,
        girth=float(rng.uniform(0.85, 1.25)),
        tempo=float(rng.uniform(0.85, 1.20)),
        amplitude=float(rng.uniform(0.88, 1.0)),
        **_clothing(rng),
    )


def _clothing(rng: np.random.Generator) -> dict[str, Floats]:
    """Colours and plane-wave patterns: band-limited (waves of 6 to 20 cm), so optical flow can follow the cloth."""
    skin = np.array([0.90, 0.70, 0.56]) * rng.uniform(0.45, 1.0)
    hair = np.array([0.35, 0.24, 0.16]) * rng.uniform(0.2, 1.8)
    shirt, trousers, shoes = rng.uniform(0.15, 0.95, 3), rng.uniform(0.08, 0.6, 3), rng.uniform(0.05, 0.9, 3)
    sleeve = shirt if rng.random() < 0.5 else skin
    colour = np.stack([skin, hair, shirt, sleeve, trousers, shoes])
    direction = rng.normal(size=(len(MATERIALS), 3, 3))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    length = rng.uniform(0.06, 0.20, (len(MATERIALS), 3, 1))
    gain = np.array([0.07, 0.20, 0.22, 0.12, 0.20, 0.20])[:, None] * rng.uniform(0.6, 1.2, (len(MATERIALS), 3))
    phase = rng.uniform(0, 2 * np.pi, (len(MATERIALS), 3))
    return {"colour": colour, "wave": 2 * np.pi * direction / length, "wave_phase": phase, "wave_gain": gain}


def build_figure(shape: BodyShape) -> Figure:
    """Cut a body into capsules and place the 25 Kinect joints on its parts."""
    rows = [*_trunk_capsules(shape), *_limb_capsules(shape)]
    part, start, end, radius, material = zip(*rows, strict=True)
    joints = _joints(shape)
    return Figure(
        part=np.array(part),
        start=np.array(start, dtype=np.float64),
        end=np.array(end, dtype=np.float64),
        radius=np.array(radius),
        material=np.array(material),
        joint_part=np.array([j[0] for j in joints]),
        joint=np.array([j[1] for j in joints], dtype=np.float64),
    )


Point = tuple[float, float, float]
CapsuleRow = tuple[int, Point, Point, float, int]


def _trunk_capsules(s: BodyShape) -> list[CapsuleRow]:
    h, g = s.height, s.height * s.girth
    rib = 0.55 * s.shoulder
    return [
        (PELVIS, (-s.hip, 0, 0), (s.hip, 0, 0), 0.058 * g, TROUSERS),
        (ABDOMEN, (-0.5 * s.hip, 0.35 * s.abdomen, 0), (-0.3 * s.hip, s.abdomen, 0), 0.060 * g, SHIRT),
        (ABDOMEN, (0.5 * s.hip, 0.35 * s.abdomen, 0), (0.3 * s.hip, s.abdomen, 0), 0.060 * g, SHIRT),
        (CHEST, (-0.8 * rib, 0.15 * s.chest, 0), (-rib, 0.75 * s.chest, 0), 0.058 * g, SHIRT),
        (CHEST, (0.8 * rib, 0.15 * s.chest, 0), (rib, 0.75 * s.chest, 0), 0.058 * g, SHIRT),
        (CHEST, (-0.85 * s.shoulder, 0.93 * s.chest, 0), (0.85 * s.shoulder, 0.93 * s.chest, 0), 0.036 * g, SHIRT),
        (HEAD, (0, 0, 0), (0, 0.06 * h, 0), 0.031 * h, SKIN),
        (HEAD, (0, 0.088 * h, -0.012 * h), (0, 0.128 * h, -0.006 * h), 0.048 * h, SKIN),
        (HEAD, (0, 0.112 * h, 0.010 * h), (0, 0.138 * h, 0.006 * h), 0.050 * h, HAIR),
    ]


def _limb_capsules(s: BodyShape) -> list[CapsuleRow]:
    h, g = s.height, s.height * s.girth
    forearm, shank, sole = s.arm - s.upper_arm, s.leg - s.thigh, 0.020 * h - s.ankle
    rows: list[CapsuleRow] = []
    for arm, leg in zip(ARMS, LEGS, strict=True):
        rows += [
            (arm, (0, 0, 0), (0, s.upper_arm, 0), 0.028 * g, SHIRT),
            (arm + 1, (0, 0, 0), (0, forearm, 0), 0.022 * g, SLEEVE),
            (arm + 2, (0, 0.02 * h, 0), (0, s.hand - 0.02 * h, 0), 0.021 * h, SKIN),
            (leg, (0, 0, 0), (0, s.thigh, 0), 0.043 * g, TROUSERS),
            (leg + 1, (0, 0, 0), (0, shank, 0), 0.030 * g, TROUSERS),
            (leg + 2, (0, sole, 0.022 * h), (0, sole, -0.100 * h), 0.020 * h, SHOES),
        ]
    return rows


def _joints(s: BodyShape) -> list[tuple[int, Point]]:
    """The 25 Kinect v2 joints in NTU order, as (part, point)."""
    h = s.height
    trunk: list[tuple[int, Point]] = [
        (PELVIS, (0, 0, 0)),
        (CHEST, (0, 0, 0)),
        (HEAD, (0, 0.035 * h, 0)),
        (HEAD, (0, 0.115 * h, 0)),
    ]
    arms: list[tuple[int, Point]] = []
    legs: list[tuple[int, Point]] = []
    for arm, leg in zip(ARMS, LEGS, strict=True):
        arms += [(arm, (0, 0, 0)), (arm + 1, (0, 0, 0)), (arm + 2, (0, 0, 0)), (arm + 2, (0, 0.5 * s.hand, 0))]
        legs += [(leg, (0, 0, 0)), (leg + 1, (0, 0, 0)), (leg + 2, (0, 0, 0))]
        legs += [(leg + 2, (0, -0.5 * s.ankle, -0.09 * h))]
    tips: list[tuple[int, Point]] = [(CHEST, (0, s.chest, 0))]
    for arm in ARMS:
        tips += [(arm + 2, (0, s.hand, 0)), (arm + 2, (0.02 * h, 0.6 * s.hand, 0))]
    return trunk + arms + legs + tips


# --------------------------------------------------------------------------------------------------- motions

HANGING = ((0.10, -0.96, -0.05), (0.10, -0.96, -0.05))


def stance(
    root: Point = (0, 0, 0),
    bend: Point = (0, 0, 0),
    twist: float = 0.0,
    nod: float = 0.0,
    hands: tuple[Point, Point] = HANGING,
    feet: tuple[Point, Point] = ((0, 0, 0), (0, 0, 0)),
) -> Pose:
    """A key pose; what is not named is as in standing."""
    return Pose(*(np.asarray(v, dtype=np.float64) for v in (root, bend, twist, nod, hands, feet)))


def _between(a: Pose, b: Pose, u: Floats) -> Pose:
    """Blend two poses, key poses or motions, linearly in their parameters; u (T,) is 0 at a and 1 at b."""

    def mix(name: str, event_ndim: int) -> Floats:
        p: Floats = getattr(a, name)
        q: Floats = getattr(b, name)
        return p + (q - p) * u.reshape(-1, *(1,) * event_ndim)

    return Pose(mix("root", 1), mix("bend", 1), mix("twist", 0), mix("nod", 0), mix("hands", 2), mix("feet", 2))


def _one_hand(side: int, hand: Point, other: Point = HANGING[0]) -> tuple[Point, Point]:
    return (hand, other) if side == LEFT else (other, hand)


def _smooth(u: Floats) -> Floats:
    """Smoothstep, symmetric under time reversal: s(1 - u) = 1 - s(u)."""
    u = np.clip(u, 0.0, 1.0)
    return u * u * (3.0 - 2.0 * u)


def _with_hand(pose: Pose, side: int, hand: Floats) -> Pose:
    hands = pose.hands.copy()
    hands[:, side] = hand
    return replace(pose, hands=hands)


def _sit(u: Floats, side: int) -> Pose:
    on_knees = (-0.05, -0.62, -0.50)
    seat = stance(root=(0, -0.46, 0.42), bend=(0.05, 0.05, 0.05), hands=(on_knees, on_knees))
    pose = _between(stance(), seat, u)
    # The trunk leans forward on the way, which keeps the weight above the feet.
    lean = np.sin(np.pi * np.clip(u, 0, 1))[:, None] * np.array([0.35, 0.25, 0.1])
    return replace(pose, bend=pose.bend + lean)


def _pick_up(u: Floats, side: int) -> Pose:
    hands = _one_hand(side, (0.0, -0.97, -0.12), (0.02, -0.75, -0.35))
    low = stance(root=(0, -0.40, 0.25), bend=(0.65, 0.45, 0.30), nod=-0.5, hands=hands)
    return _between(stance(), low, u)


def _raise_arms(u: Floats, side: int) -> Pose:
    angle = 0.05 + 2.75 * u  # from hanging, through the front, to overhead
    out = 0.10 + 0.25 * u
    hand = 0.95 * np.stack([out, -np.cos(angle), -np.sin(angle)], axis=-1)
    hand *= 0.96 / np.linalg.norm(hand, axis=-1, keepdims=True)
    pose = _between(stance(), stance(bend=(0, -0.05, -0.1), nod=-0.15), u)
    return replace(pose, hands=np.stack([hand, hand], axis=1))


def _push(u: Floats, side: int) -> Pose:
    drawn, far = (-0.02, -0.22, -0.38), (-0.06, -0.02, -0.97)
    start = stance(bend=(0, -0.05, -0.08), hands=(drawn, drawn))
    end = stance(root=(0, -0.02, -0.06), bend=(0.12, 0.1, 0.1), hands=(far, far))
    return _between(start, end, u)


def _step(u: Floats, side: int) -> Pose:
    length = 0.62
    lead, trail = _smooth(u / 0.55), _smooth((u - 0.45) / 0.55)
    pose = _between(stance(root=(0, -0.03, 0.5 * length)), stance(root=(0, -0.03, -0.5 * length)), u)
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
    return _with_hand(_between(stance(), stance(nod=0.2), u), side, hand)


def _clap(cycles: Floats, side: int) -> Pose:
    apart = 0.5 - 0.5 * np.cos(2 * np.pi * cycles)
    meet, wide = (-0.28, -0.25, -0.62), (0.35, -0.25, -0.62)
    clapping = _between(stance(hands=(meet, meet)), stance(hands=(wide, wide)), apart)
    return clapping


def _wave_hand(cycles: Floats, side: int) -> Pose:
    swing = np.sin(2 * np.pi * cycles)
    inner, outer = (-0.10, 0.62, -0.30), (0.62, 0.45, -0.30)
    waving = _between(stance(hands=_one_hand(side, inner)), stance(hands=_one_hand(side, outer)), 0.5 + 0.5 * swing)
    return waving


def _kick(cycles: Floats, side: int) -> Pose:
    swing = np.sin(2 * np.pi * cycles)
    forward = np.where(swing > 0, swing, 0.35 * swing)
    foot = np.stack([0 * swing, 0.10 + 0.30 * swing**2, -0.80 * forward], axis=-1)
    pose = _between(stance(root=(0, -0.03, 0)), stance(root=(0, -0.03, 0.05), bend=(-0.1, -0.05, 0)), forward)
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
    pose = _between(
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
    pose = _between(stance(hands=(out, out)), stance(bend=(0.1, 0.1, 0), hands=(out, out)), 0.5 - 0.5 * height)
    return replace(pose, root=root, feet=feet)


def _bow(cycles: Floats, side: int) -> Pose:
    front = (0.05, -0.92, -0.20)
    bowed = stance(root=(0, -0.02, 0.12), bend=(0.45, 0.35, 0.25), nod=0.35, hands=(front, front))
    return _between(stance(), bowed, 0.5 - 0.5 * np.cos(2 * np.pi * cycles))


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
"""Action number -> action. Numbers are NTU's where NTU has the like (5 to 10, 20, 21, 23 to 27, 35), else free."""

REVERSED_PAIRS: tuple[tuple[int, int], ...] = ((6, 5), (8, 9), (20, 21), (22, 38), (52, 53), (59, 60))
"""(forward, reversed): the same trajectory read in both directions, so that no single frame tells them apart."""


# ----------------------------------------------------------------------------------------------- performance


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
        gain = _smooth((clock - 0.5 * start) / ramp) * _smooth((0.5 * (1 + end) - clock) / ramp)
        return _between(stance(), moving, amplitude * gain)
    u = np.clip((clock - start) / (end - start), 0.0, 1.0)
    eased = _smooth(u + variation.skew * u * (1.0 - u))
    resting = action.motion(np.zeros(num_frames), variation.side)
    moving = action.motion(eased, variation.side)
    return _between(resting, moving, np.full(num_frames, amplitude))


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
    turn = _rotation_y(np.array(variation.heading))
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


# ------------------------------------------------------------------------------------------------ kinematics


def forward_kinematics(shape: BodyShape, pose: Pose) -> tuple[Floats, Floats]:
    """Pose parameters to the rigid motion of each part: rotation (T, P, 3, 3), origin (T, P, 3), heading 0."""
    num_frames = len(pose.root)
    rotation = np.empty((num_frames, len(PARTS), 3, 3))
    origin = np.empty((num_frames, len(PARTS), 3))
    _pose_trunk(shape, pose, rotation, origin)
    for side in (LEFT, RIGHT):
        _pose_arm(shape, pose, side, rotation, origin)
        _pose_leg(shape, pose, side, rotation, origin)
    return rotation, origin


def _pose_trunk(shape: BodyShape, pose: Pose, rotation: Floats, origin: Floats) -> None:
    pitch = np.cumsum(pose.bend, axis=1)
    rotation[:, PELVIS] = _rotation_x(pitch[:, 0])
    rotation[:, ABDOMEN] = _rotation_x(pitch[:, 1])
    rotation[:, CHEST] = _rotation_x(pitch[:, 2]) @ _rotation_y(pose.twist)
    rotation[:, HEAD] = _rotation_x(0.55 * pitch[:, 2] + pose.nod)  # the eyes stay more level than the chest
    # Knees a little bent, so that small sways stay within reach of the legs.
    rest = np.array([0.0, shape.ankle + 0.985 * shape.leg, 0.0])
    origin[:, PELVIS] = rest + shape.leg * pose.root
    origin[:, ABDOMEN] = origin[:, PELVIS]
    origin[:, CHEST] = origin[:, ABDOMEN] + shape.abdomen * rotation[:, ABDOMEN, :, 1]
    origin[:, HEAD] = origin[:, CHEST] + shape.chest * rotation[:, CHEST, :, 1]


def _pose_arm(shape: BodyShape, pose: Pose, side: int, rotation: Floats, origin: Floats) -> None:
    out, first = _outward(side), ARMS[side]
    socket = np.array([out * shape.shoulder, 0.90 * shape.chest, 0.0])
    shoulder = origin[:, CHEST] + rotation[:, CHEST] @ socket
    wrist = shoulder + shape.arm * pose.hands[:, side] * np.array([out, 1.0, 1.0])
    hinge = np.array([-0.85, 0.0, 0.50 * out])  # elbows point back, down and a little out
    bones, points = two_bones(shoulder, wrist, shape.upper_arm, shape.arm - shape.upper_arm, hinge)
    rotation[:, first : first + 2], origin[:, first : first + 3] = bones, points
    rotation[:, first + 2] = bones[:, 1]


def _pose_leg(shape: BodyShape, pose: Pose, side: int, rotation: Floats, origin: Floats) -> None:
    out, first = _outward(side), LEGS[side]
    hip = origin[:, PELVIS] + rotation[:, PELVIS] @ np.array([out * shape.hip, 0.0, 0.0])
    stand = np.array([1.15 * out * shape.hip, shape.ankle, 0.0])
    ankle = stand + shape.leg * pose.feet[:, side] * np.array([out, 1.0, 1.0])
    bones, points = two_bones(hip, ankle, shape.thigh, shape.leg - shape.thigh, np.array([1.0, 0.0, 0.0]))
    rotation[:, first : first + 2], origin[:, first : first + 3] = bones, points
    # A lifted foot points its toes down, by less than would put them through the floor.
    lift = np.maximum(points[:, 2, 1] - shape.ankle, 0.0)
    rotation[:, first + 2] = _rotation_x(np.arcsin(np.clip(0.8 * lift / (0.1 * shape.height), 0.0, 0.4)))


def _outward(side: int) -> float:
    return 1.0 if side == RIGHT else -1.0


def two_bones(root: Floats, target: Floats, upper: float, lower: float, hinge: Floats) -> tuple[Floats, Floats]:
    """Place a two-bone limb so that its end reaches the target, or points at it where it is too far.

    root, target: (T, 3); hinge: (3,) axis of the middle joint, made perpendicular to the limb; the joint bends
    towards hinge × (direction to the target). Returns the rotations (T, 2, 3, 3) of the bones, y along the bone and x
    the hinge, and the points (T, 3, 3) root, middle, end.
    """
    reach = target - root
    length = np.linalg.norm(reach, axis=1, keepdims=True)
    direction = reach / length
    length = np.clip(length, 1.05 * abs(upper - lower) + 0.2 * lower, 0.999 * (upper + lower))
    axis = _unit(hinge - direction * (direction @ hinge)[:, None])
    along = (upper**2 - lower**2 + length**2) / (2.0 * length)
    aside = np.sqrt(np.maximum(upper**2 - along**2, 0.0))
    middle = root + along * direction + aside * np.cross(axis, direction)
    end = root + length * direction
    bones = np.stack([_bone_frame(root, middle, axis), _bone_frame(middle, end, axis)], axis=1)
    return bones, np.stack([root, middle, end], axis=1)


def _bone_frame(start: Floats, end: Floats, axis: Floats) -> Floats:
    along = _unit(end - start)
    return np.stack([axis, along, np.cross(axis, along)], axis=-1)


def _unit(v: Floats) -> Floats:
    unit: Floats = v / np.linalg.norm(v, axis=-1, keepdims=True)
    return unit


def _rotation_x(pitch: Floats) -> Floats:
    """Rotations that tilt y (up) forward, to -z, by pitch (rad)."""
    c, s, zero, one = np.cos(pitch), np.sin(pitch), np.zeros_like(pitch), np.ones_like(pitch)
    rows = [[one, zero, zero], [zero, c, s], [zero, -s, c]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _rotation_y(yaw: Floats) -> Floats:
    """Rotations about the upward axis that turn -z (forward) to -x by yaw (rad)."""
    c, s, zero, one = np.cos(yaw), np.sin(yaw), np.zeros_like(yaw), np.ones_like(yaw)
    rows = [[c, zero, s], [zero, one, zero], [-s, zero, c]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
