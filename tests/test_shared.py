"""Modules that every package may import: lookup by name, and compiled loops.

Compiled loops are cached on disk, where that is possible, until a source file changes.
"""

from __future__ import annotations

import importlib
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numba
import pytest

from spotify_gym import compiled as module
from spotify_gym.registry import make_named, resolve


def test_resolve__knows_the_registry_and_what_can_be_imported() -> None:
    assert resolve("state", "mean", {"mean": dict}) is dict
    assert resolve("state", "collections:OrderedDict", {"mean": dict}) is OrderedDict
    assert resolve("state", "collections:OrderedDict.fromkeys", {}) == OrderedDict.fromkeys


def test_resolve__looks_in_the_current_folder_last_and_only_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_of_a_test.py").write_text("class Own: pass")
    monkeypatch.chdir(tmp_path)
    path = [folder for folder in sys.path if folder]
    monkeypatch.setattr(sys, "path", [*path])
    assert resolve("state", "own_of_a_test:Own", {}) is sys.modules.pop("own_of_a_test").Own
    assert sys.path == path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("median", "state='median' is not known; choose one of 'mean', 'history', or name your own as 'module:Class'"),
        ("nowhere_at_all:Median", "state='nowhere_at_all:Median' cannot be imported as 'module:Class': No module"),
        ("collections:Median", "has no attribute 'Median'"),
        ("collections:", "cannot be imported"),
        (":Median", "cannot be imported"),
        ("..:Median", "cannot be imported"),
        ("", "state='' is not known"),
    ],
)
def test_resolve__says_what_is_wrong_with_a_name(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".*") as raised:
        resolve("state", name, {"mean": dict, "history": list})
    assert message in str(raised.value)


def test_made__is_of_its_kind_or_refused_in_words() -> None:
    assert make_named("state", "mean", {"mean": dict}, dict) == {}
    assert make_named("state", "collections:OrderedDict", {}, dict) == {}
    for name, reason in (
        ("json:loads", "is not a dict: .*missing 1 required"),
        ("os:path", "is not a dict: .*not callable"),
        ("collections:deque", r"makes deque\(.*, not a dict"),
    ):
        with pytest.raises(ValueError, match=f"state='{name}' {reason}"):
            make_named("state", name, {}, dict)


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


def test_compiled__says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)  # type: ignore[attr-defined]
    with pytest.raises(ImportError, match="unset NUMBA_DISABLE_JIT"):
        importlib.reload(module)


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
