"""Two codebooks side by side: which codewords correspond, how far apart they lie, and what mass moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import csr_array, eye_array, kron, vstack

from ..schemas.codebook import Codebook
from ..schemas.errors import MotionpipeError

MOST_PAIRS = 1 << 18
"""Codewords of one times codewords of the other up to which the earth mover's distance is solved (512 by 512)."""


@dataclass(frozen=True)
class Match:
    """Pairs (M, 2) of codewords of A and B, the zero codewords first; distances (M,) in the unit of the flow.

    total_variation: share of the cells whose codeword has no counterpart of the same mass. earth_mover: mean way that
    the cells of A must go to be distributed as B's, in the unit of the flow; None for very large codebooks.
    """

    pairs: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float64]
    only_a: npt.NDArray[np.int64]
    only_b: npt.NDArray[np.int64]
    total_variation: float
    earth_mover: float | None


def match_codebooks(a: Codebook, b: Codebook) -> Match:
    """Pair the codewords so that their distances add up to the least (Kuhn 1955, the Hungarian method).

    The zero codewords are a pair; of the larger codebook some codewords stay alone. Raises MotionpipeError where the
    two are codebooks of different flow.
    """
    if (a.unit, a.centres.shape[1]) != (b.unit, b.centres.shape[1]):
        raise MotionpipeError(
            f"the first codebook has {a.centres.shape[1]} components in {a.unit}, the second {b.centres.shape[1]} in "
            f"{b.unit}: there is nothing to compare"
        )
    ways = np.linalg.norm(a.centres[:, None].astype(np.float64) - b.centres[None], axis=2)
    rows, columns = linear_sum_assignment(ways[1:, 1:])
    pairs = np.concatenate([[[0, 0]], np.stack([rows, columns], axis=1) + 1])
    only_a, only_b = (np.setdiff1d(np.arange(book.size), pairs[:, side]) for side, book in enumerate((a, b)))
    p, q = a.prior(), b.prior()
    moved = np.abs(p[pairs[:, 0]] - q[pairs[:, 1]]).sum() + p[only_a].sum() + q[only_b].sum()
    earth_mover = _earth_mover(p, q, ways) if ways.size <= MOST_PAIRS else None
    return Match(pairs, ways[pairs[:, 0], pairs[:, 1]], only_a, only_b, float(moved) / 2, earth_mover)


def _earth_mover(p: npt.NDArray[np.float64], q: npt.NDArray[np.float64], ways: npt.NDArray[np.float64]) -> float:
    """The cost of the cheapest transport from p to q, by linear programming."""
    sent = kron(eye_array(len(p)), np.ones((1, len(q))))
    received = kron(np.ones((1, len(p))), eye_array(len(q)))
    # one equation follows from all others, since both masses are 1
    rows = csr_array(vstack([sent, received]))[:-1]
    solved = linprog(ways.ravel(), A_eq=rows, b_eq=np.concatenate([p, q])[:-1], method="highs")
    assert solved.success, solved.message
    return float(solved.fun)
