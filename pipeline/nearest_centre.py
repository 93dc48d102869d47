"""The nearest of K centres for millions of short vectors: the inner loop of k-means.

A block of vectors is turned into planes, one a component, and every centre is tried on the whole block at once, which
a compiler turns into vector instructions. For two or three components a matrix product, as libraries use it, spends
its time on writing and searching the matrix of distances.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..models.compiled import compiled

_BLOCK = 1024
Vectors = npt.NDArray[np.float32]


def nearest_centre(vectors: Vectors, centres: Vectors) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Index (N,) of the nearest centre and the squared distance (N,); vectors (N, C), centres (K, C), C = 2 or 3.

    Distances are sums of squared differences in float32, as in `models.codebook.encode`; ties go to the lowest index.
    """
    planes = np.zeros((3, len(centres)), dtype=np.float32)
    planes[: centres.shape[1]] = centres.T
    codes, squared = np.empty(len(vectors), np.int32), np.empty(len(vectors), np.float32)
    _search(np.ascontiguousarray(vectors, dtype=np.float32), planes[0], planes[1], planes[2], codes, squared)
    return codes, squared


def sums_by_code(
    vectors: Vectors, codes: npt.NDArray[np.int32], size: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Number (K,) and sum (K, C) of the vectors of each code, in float64 and in the order of the vectors."""
    counts, sums = np.zeros(size, np.int64), np.zeros((size, vectors.shape[1]), np.float64)
    _add(np.ascontiguousarray(vectors, dtype=np.float32), codes, counts, sums)
    return counts, sums


@compiled
def _search(vectors: Any, cx: Any, cy: Any, cz: Any, codes: Any, squared: Any) -> None:
    channels = vectors.shape[1]
    x, y, z = np.zeros(_BLOCK, np.float32), np.zeros(_BLOCK, np.float32), np.zeros(_BLOCK, np.float32)
    best, index = np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.int32)
    for begin in range(0, len(vectors), _BLOCK):
        length = min(_BLOCK, len(vectors) - begin)
        for i in range(length):
            x[i], y[i] = vectors[begin + i, 0], vectors[begin + i, 1]
            if channels == 3:
                z[i] = vectors[begin + i, 2]
        best[:] = np.inf
        index[:] = 0
        for k in range(len(cx)):
            _try_centre(x, y, z, (cx[k], cy[k], cz[k]), np.int32(k), best, index)
        codes[begin : begin + length] = index[:length]
        squared[begin : begin + length] = best[:length]


@compiled
def _try_centre(x: Any, y: Any, z: Any, centre: Any, k: Any, best: Any, index: Any) -> None:
    for i in range(_BLOCK):
        dx, dy, dz = x[i] - centre[0], y[i] - centre[1], z[i] - centre[2]
        distance = dx * dx + dy * dy + dz * dz
        nearer = distance < best[i]
        best[i] = distance if nearer else best[i]
        index[i] = k if nearer else index[i]


@compiled
def _add(vectors: Any, codes: Any, counts: Any, sums: Any) -> None:
    for i in range(len(vectors)):
        code = codes[i]
        counts[code] += 1
        for c in range(vectors.shape[1]):
            sums[code, c] += vectors[i, c]
