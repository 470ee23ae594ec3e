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


def test_look__compiled_equals_numpy(small: Catalogue) -> None:
    rng = np.random.default_rng(0)
    vibe, seed_vibe = rng.normal(size=(2, B, 9)).astype(np.float32)
    vibe[3] = 0
    tracks, played = rng.integers(400, size=B), rng.integers(400, size=(B, L))
    time = np.full(B, L - H)
    arguments = small.features, small.recordings, tracks, vibe, seed_vibe, played, time, H
    for slow, fast in zip(reference_kernels.look(*arguments), kernels.look(*arguments), strict=True):
        assert np.allclose(slow, fast, atol=1e-6)
    assert kernels.look(*arguments)[1][3] == 0


def test_move__compiled_equals_numpy(small: Catalogue) -> None:
    rng = np.random.default_rng(1)
    states = []
    for step in reference_kernels.move, kernels.move:
        rng = np.random.default_rng(1)
        history = rng.integers(400, size=(B, H))
        window = small.features[history]
        vibe = window.mean(axis=1)
        time, played = np.zeros(B, np.int64), np.zeros((B, H + 3), np.int64)
        full = [
            step(small.features, small.recordings[tracks], tracks, rng.random(B) < 0.7, time, played,
                 history, window, vibe)
            for tracks in rng.integers(400, size=(3, B))
        ]  # fmt: skip
        states.append((time, played, history, window, vibe, np.array(full)))
    assert states[0][5].tolist() == [False, False, True]
    for slow, fast in zip(*states, strict=True):
        assert np.allclose(slow, fast, atol=1e-6)


@pytest.mark.parametrize("repeats", [False, True])
def test_play__is_a_look_and_a_move(small: Catalogue, repeats: bool) -> None:
    def begun() -> tuple[Any, ...]:
        rng = np.random.default_rng(2)
        history = rng.integers(400, size=(B, H))
        window, played = small.features[history], rng.integers(400, size=(B, H + 3))
        return np.ones(B, np.int64), played, history, window, window.mean(axis=1), window[:, 0].copy()

    tracks = np.random.default_rng(3).integers(400, size=B)
    time, played, history, window, vibe, seed_vibe = one = begun()
    played[:8, 0] = small.recordings[tracks[:8]]
    recording, cosine, fit, repeat, any_repeat = reference_kernels.look(
        small.features, small.recordings, tracks, vibe, seed_vibe, played, time, H
    )
    completed = repeats | ~repeat
    full = reference_kernels.move(small.features, recording, tracks, completed, time, played, history, window, vibe)
    other = begun()
    other[1][:8, 0] = small.recordings[tracks[:8]]
    at_once = kernels.play(small.features, small.recordings, tracks, repeats, *other)
    assert completed.sum() == B if repeats else completed.sum() <= B - 8
    one = (cosine, fit, repeat, completed, np.array([any_repeat, full]), *one)
    other = (*at_once[:4], np.array(at_once[4:]), *other)
    for expected, got in zip(one, other, strict=True):
        assert np.allclose(expected, got, atol=1e-6)


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
