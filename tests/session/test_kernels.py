"""The compiled loops against the NumPy reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.catalogue import units_of
from spotify_gym.listeners import LoggedListener, SatiatedListener, SkippingListener
from spotify_gym.session import kernels
from spotify_gym.session.streams import chances, distinct
from tests.session import reference_kernels

B, H, L = 64, 5, 30


EARNING = np.array([[0, 0, 0, 0.5, 2, -1.5], [0, 0, 0, 0.1, 0.1, 0], [0, 0, 0, -0.5, -3, -7]], np.float32)


def begun(catalogue: Catalogue, room: int) -> dict[str, Any]:
    """Return B sessions, one of which has a zero vibe, and eight of which have already played their next track."""
    rng = np.random.default_rng(0)
    history = rng.integers(400, size=(B, H))
    window, played = catalogue.features[history], rng.integers(400, size=(B, room))
    vibe = window.mean(axis=1)
    vibe[3], played[:8, 0] = 0, catalogue.recordings[tracks_of(0)[:8]]
    return {"time": np.full(B, room - H - 3), "played": played, "history": history, "window": window, "vibe": vibe}


def tracks_of(step: int) -> Any:
    return np.random.default_rng(step).integers(400, size=B)


def seed_vibe(state: dict[str, Any]) -> Any:
    return np.roll(state["vibe"], 1, axis=0)


def looked(loops: Any, catalogue: Catalogue, state: dict[str, Any], *, repeats: bool) -> list[Any]:
    """Return the results of `look`: cosines, flags, and unit features."""
    numbers, flags, units = np.empty((6, B), np.float32), np.empty((3, B), np.bool_), np.empty((B, 9), np.float32)
    given = (catalogue.features, catalogue.recordings, repeats), tracks_of(0), state["played"], state["vibe"]
    loops.look(*given, seed_vibe(state), numbers, flags, units)
    return [numbers[1:3], flags, units]


@pytest.mark.parametrize("repeats", [False, True])
def test_look__compiled_equals_numpy(small: Catalogue, repeats: bool) -> None:
    state = begun(small, L)
    state["time"][:], state["played"][:, -3:] = L - H, -1
    slow, fast = (looked(loops, small, state, repeats=repeats) for loops in (reference_kernels, kernels))
    for expected, got in zip(slow, fast, strict=True):
        assert np.allclose(expected, got, atol=1e-6)
    assert fast[0][0, 3] == 0
    assert fast[1][0, :8].all()
    assert fast[1][1].all() == repeats


@pytest.mark.parametrize("repeats", [False, True])
def test_move__compiled_equals_numpy(small: Catalogue, repeats: bool) -> None:
    after = []
    for loops in reference_kernels, kernels:
        rng, state = np.random.default_rng(1), begun(small, H + 3)
        state |= {"logged": np.full((B, H + 3), -1), "answers": np.zeros((B, H + 3), np.int8)}
        numbers, full = rng.random((6, B), np.float32), []
        for step in range(3):
            given = (small.features, small.recordings, repeats), tracks_of(step), EARNING, numbers
            full.append(loops.move(*given, rng.random((3, B)) < 0.5, *state.values()))  # type: ignore[attr-defined]
        after.append([numbers, *state.values(), np.array(full)])
    assert after[0][-1].tolist() == [False, False, True]
    for slow, fast in zip(*after, strict=True):
        assert np.allclose(slow, fast, atol=1e-6)


@pytest.mark.parametrize("listener", [SatiatedListener(), SkippingListener(patience=1.0), LoggedListener(again=1.0)])
@pytest.mark.parametrize("repeats", [False, True])
def test_play__is_a_look_an_answer_and_a_move(small: Catalogue, repeats: bool, listener: Any) -> None:
    one, other = ({**begun(small, H + 3), "logged": None, "answers": None} for _ in range(2))
    given, key = (small.features, small.recordings, repeats), np.arange(B, dtype=np.uint64)
    cosines, flags, units = looked(kernels, small, one, repeats=repeats)
    _, mind = listener.start(units[:, None].repeat(H, axis=1), H, np.full((B, 3), 0.5, np.float32))
    asked, twin = np.flatnonzero(flags[1]), mind.take(np.arange(B))
    its = mind.take(asked)
    luck = chances(key, one["time"], listener.n_uniforms)[asked]
    response = listener.respond(its, units[asked], cosines[0, asked], luck)
    mind.put(asked, its)
    numbers = np.concatenate([np.zeros((1, B), np.float32), cosines, np.zeros((3, B), np.float32)])
    (numbers[5, asked],) = response.terms.values()
    flags[1:, asked] = response.completed, response.left
    full = kernels.move(given, tracks_of(0), EARNING, numbers, flags, *one.values())
    at_once, flags_at_once = np.empty((6, B), np.float32), np.empty((3, B), np.bool_)
    before = given, tracks_of(0), EARNING, at_once, flags_at_once, *other.values()
    played = seed_vibe(other), None, key, False, *listener.compiled_form(twin), listener.n_uniforms
    assert kernels.play(*before, *played) == full
    expected = numbers, flags, *one.values(), *vars(mind).values()
    for slow, fast in zip(expected, (at_once, flags_at_once, *other.values(), *vars(twin).values()), strict=True):
        assert np.array_equal(slow, fast)


@pytest.mark.parametrize("draw", [reference_kernels.distinct, distinct])
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
    assert np.array_equal(kernels.pool_units(features, pool, d), units_of(features[pool]))
