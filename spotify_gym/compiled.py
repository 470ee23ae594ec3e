"""Loops compiled by Numba, kept on disk where there is a place to keep them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, overload

from numba import config, njit

if config.DISABLE_JIT:  # type: ignore[attr-defined]  # it is the compiler that chooses among listeners
    raise ImportError("spotify_gym plays in compiled loops; unset NUMBA_DISABLE_JIT")

P = ParamSpec("P")
R = TypeVar("R")

_ROOMS = ("algorithms", "catalogue", "listeners", "search", "session")


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
        kept: Any = njit(cache=True, nogil=True, **options)(loop)
    except RuntimeError:  # no folder to keep compiled code in
        return njit(nogil=True, **options)(loop)
    index = kept._cache._cache_file  # Numba has no public way to say what compiled code depends on
    index._source_stamp = index._source_stamp, sources()
    return kept


@cache
def sources() -> tuple[float, int]:
    """Return when a source of the rooms that hold loops was last changed, and their size.

    A loop takes in functions of other modules, and Numba would keep it until its own module changes.
    """
    found = [path.stat() for room in _ROOMS for path in (Path(__file__).parent / room).glob("*.py")]
    return max(file.st_mtime for file in found), sum(file.st_size for file in found)
