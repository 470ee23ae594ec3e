"""Compiled loops are kept on disk, where there is a place, for as long as no source changes."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
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


def test_compiled__is_kept_until_a_source_changes_that_it_may_have_taken_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "from spotify_gym.compiled import compiled\n\n@compiled\ndef double(x):\n    return 2 * x\n"
    (tmp_path / "loops_of_a_test.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    for sources, n_hits in ((1.0, 1), 0), ((1.0, 1), 1), ((2.0, 1), 0):
        monkeypatch.setattr(module, "sources", lambda stamp=sources: stamp)
        sys.modules.pop("loops_of_a_test", None)
        double = importlib.import_module("loops_of_a_test").double
        assert double(2.0) == 4.0
        assert sum(double.stats.cache_hits.values()) == n_hits


def test_rooms__are_those_that_hold_loops() -> None:
    package = Path(module.__file__).parent
    found = {
        path.relative_to(package).parts[0] for path in package.rglob("*.py") if "import compiled" in path.read_text()
    }
    assert found == set(module._ROOMS)
