"""The compiled loops against the NumPy reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.catalogue import units_of
from spotify_gym.session import kernels
from tests.session import reference_kernels

B, H, L = 64, 5, 30


EARNING = np.array([0.1, 0.5, 2, -0.5, -3], np.float32)


def begun(catalogue: Catalogue, room: int) -> dict[str, Any]:
    """Return B sessions, one of which has a vibe of nothing, and eight of which have played their next track."""
    rng = np.random.default_rng(0)
    history = rng.integers(400, size=(B, H))
    window, played = catalogue.features[history], rng.integers(400, size=(B, room))
    vibe = window.mean(axis=1)
    vibe[3], played[:8, 0] = 0, catalogue.recordings[tracks_of(0)[:8]]
    return {"time": np.full(B, room - H - 3), "played": played, "history": history, "window": window, "vibe": vibe}


def tracks_of(step: int) -> Any:
    return np.random.default_rng(step).integers(400, size=B)


def looked(loops: Any, catalogue: Catalogue, state: dict[str, Any], *, repeats: bool, step: int = 0) -> list[Any]:
    """Return what a look says: numbers, versions, repeats, unit features and whether any is refused."""
    numbers, version = np.empty((5, B), np.float32), np.empty(B, np.int64)
    repeat, units = np.empty(B, np.bool_), np.empty((B, 9), np.float32)
    names = "time", "played", "history", "vibe"
    given = *(state[name] for name in names), np.roll(state["vibe"], 1, axis=0)
    tracks, found = tracks_of(step), (numbers, version, repeat, units)
    any_refused = loops.look(catalogue.features, catalogue.recordings, tracks, EARNING, repeats, *given, *found)
    return [*found, np.array(any_refused)]


@pytest.mark.parametrize("repeats", [False, True])
def test_look__compiled_equals_numpy(small: Catalogue, repeats: bool) -> None:
    state = begun(small, L)
    state["time"][:], state["played"][:, -3:] = L - H, -1
    slow, fast = (looked(loops, small, state, repeats=repeats) for loops in (reference_kernels, kernels))
    for expected, got in zip(slow, fast, strict=True):
        assert np.allclose(expected, got, atol=1e-6)
    assert fast[0][3, 3] == 0
    assert fast[2][:8].all()
    assert fast[-1] == (not repeats)


@pytest.mark.parametrize("repeats", [False, True])
def test_move__compiled_equals_numpy(small: Catalogue, repeats: bool) -> None:
    after = []
    for loops in reference_kernels, kernels:
        rng, state = np.random.default_rng(1), begun(small, H + 3)
        state |= {"logged": np.full((B, H + 3), -1), "answers": np.zeros((B, H + 3), np.int8)}
        version, full = np.arange(B), []
        for step in range(3):
            repeat, completed = rng.random((2, B)) < 0.5
            given = small.features, version, tracks_of(step), repeats, repeat, completed
            full.append(loops.move(*given, *state.values()))  # type: ignore[attr-defined]
        after.append([*state.values(), np.array(full)])
    assert after[0][-1].tolist() == [False, False, True]
    for slow, fast in zip(*after, strict=True):
        assert np.allclose(slow, fast, atol=1e-6)


@pytest.mark.parametrize("repeats", [False, True])
def test_play__is_a_look_and_a_move(small: Catalogue, repeats: bool) -> None:
    one, other = begun(small, H + 3), begun(small, H + 3)
    seed_vibe, given = np.roll(one["vibe"], 1, axis=0), (small.features, small.recordings, tracks_of(0))
    numbers, version, repeat, *_ = looked(kernels, small, one, repeats=repeats)
    full = kernels.move(
        small.features, version, tracks_of(0), repeats, repeat, repeats | ~repeat, *one.values(), None, None
    )
    at_once, flags = np.empty((5, B), np.float32), np.empty((3, B), np.bool_)
    assert kernels.play(*given, EARNING, repeats, *other.values(), seed_vibe, at_once, flags) == full
    expected = numbers, np.stack([repeat, repeats | ~repeat, np.zeros(B, np.bool_)]), *one.values()
    for before, after in zip(expected, (at_once, flags, *other.values()), strict=True):
        assert np.array_equal(before, after)


@pytest.mark.parametrize("draw", [reference_kernels.distinct, kernels.distinct])
def test_distinct__draws_every_ordered_choice_alike(draw: object) -> None:
    uniform = np.random.default_rng(0).random((60_000, 3))
    drawn = draw(uniform, 4)  # type: ignore[operator]
    codes, counts = np.unique(drawn @ [16, 4, 1], return_counts=True)
    assert len(codes) == 24
    assert np.abs(counts - 2500).max() < 5 * np.sqrt(2500)
    assert np.array_equal(drawn, reference_kernels.distinct(uniform, 4))


@pytest.mark.parametrize("d", [3, 9, 31])
def test_pool_units__are_those_of_numpy_to_the_bit(d: int) -> None:
    rng = np.random.default_rng(4)
    features = rng.normal(size=(300, d)).astype(np.float32)
    features[5] = 0
    pool = rng.integers(300, size=(B, 16))
    pool[0, 0] = 5
    assert np.array_equal(kernels.pool_units(features, pool), units_of(features[pool]))
