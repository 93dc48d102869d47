"""Subjects: the lengths of a body, its style of moving and its clothes, drawn from a seed.

Legend: M = len(MATERIALS), K waves of a cloth pattern.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

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
