"""Compiled loops where nothing can be kept on disk."""

from __future__ import annotations

from typing import Any

import numba
import pytest

from spotify_gym import compiled as module


def test_compiled__does_without_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_folder(cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return numba.njit(**options)

    monkeypatch.setattr(module, "njit", no_folder)

    @module.compiled(fastmath={"contract"})
    def double(x: float) -> float:
        return 2 * x

    @module.compiled
    def triple(x: float) -> float:
        return 3 * x

    assert (double(2.0), triple(2.0)) == (4.0, 6.0)
