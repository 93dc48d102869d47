"""Functions that Numba compiles on their first call, for the processor that they run on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Single-threaded machine code of `function`, without the GIL; kept on disk where that is possible.

    Numba keeps it in the `__pycache__` beside the source or in the user's cache folder. Where it may write to neither,
    as in a read-only installation without a home, each process compiles anew. No fast-math: all processors give the
    same bytes.
    """
    try:
        return cast(F, numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # "no locator available": there is no folder for the cache
        return cast(F, numba.njit(nogil=True)(function))
