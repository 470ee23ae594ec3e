"""Compilation of loops with Numba, cached on disk if a cache folder is available."""

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
    """Return `loop` compiled by Numba. It does not check bounds, so the caller must check every index.

    Args:
        loop: the function; None to return a decorator with these options.
        **options: options of `numba.njit`.
    """
    if loop is None:
        return partial(compiled, **options)
    try:
        kept: Any = njit(cache=True, nogil=True, **options)(loop)
    except RuntimeError:  # no writable cache folder
        return njit(nogil=True, **options)(loop)
    index = kept._cache._cache_file  # Numba has no public way to declare dependencies
    index._source_stamp = index._source_stamp, sources()
    return kept


@cache
def sources() -> tuple[float, int]:
    """Return the latest modification time and the total size of the sources in the packages with compiled loops.

    Loops call functions of other modules; on its own, Numba recompiles a loop only if the loop's module changes.
    """
    found = [path.stat() for room in _ROOMS for path in (Path(__file__).parent / room).glob("*.py")]
    return max(file.st_mtime for file in found), sum(file.st_size for file in found)
