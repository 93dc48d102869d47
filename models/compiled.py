"""Functions that Numba compiles on their first call, for the processor that they run on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Single-threaded machine code of `function`, without the GIL; kept on disk where that is possible.

    Numba keeps it in the `__pycache__` beside the source or in the user's cache folder. Where it may write to neither,
    as in a read-only installation without a home, each process compiles anew. No fast-math, so all processors give the
    same bytes: without it every operation is rounded by itself, in the order written. Floats divide by zero as in
    NumPy; the check that Python makes would keep loops from becoming vector code.
    """
    try:
        return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # "no locator available": there is no folder for the cache
        return cast(F, numba.njit(nogil=True, error_model="numpy")(function))
