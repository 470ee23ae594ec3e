"""Loops compiled by Numba, kept on disk where there is a place to keep them."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(loop: Callable[P, R]) -> Callable[P, R]:
    """Return `loop` compiled by Numba; it looks at no bounds, so that every index must have been checked."""
    fast: Callable[P, R]
    try:
        fast = njit(cache=True, nogil=True)(loop)
    except RuntimeError:  # no folder to keep compiled code in
        fast = njit(nogil=True)(loop)
    return fast
