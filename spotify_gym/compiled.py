"""Loops compiled by Numba, kept on disk where there is a place to keep them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar, overload

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


@overload
def compiled(loop: Callable[P, R]) -> Callable[P, R]: ...
@overload
def compiled(loop: None = None, **options: Any) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def compiled(loop: Any = None, **options: Any) -> Any:
    """Return `loop` compiled by Numba; it looks at no bounds, so that every index must have been checked.

    Args:
        loop: the function; None: to be decorated with these options.
        **options: of `numba.njit`.
    """
    if loop is None:
        return partial(compiled, **options)
    try:
        return njit(cache=True, nogil=True, **options)(loop)
    except RuntimeError:  # no folder to keep compiled code in
        return njit(nogil=True, **options)(loop)
