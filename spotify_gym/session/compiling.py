"""Numba where it is installed, NumPy where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def compiled(loop: Callable[P, R], reference: Callable[P, R]) -> Callable[P, R]:
    """Return `loop` compiled by Numba (extra `fast`), or `reference`, its NumPy equal, where there is no Numba."""
    try:
        from numba import njit
    except ImportError:
        return reference
    fast: Callable[P, R] = njit(cache=True, nogil=True)(loop)
    return fast
