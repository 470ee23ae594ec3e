"""The compiled loops against the NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.session import kernels

B, H, L = 64, 5, 30
numba = pytest.importorskip("numba", reason="the compiled loops need the extra `fast`")


def test_look__compiled_equals_numpy(small: Catalogue) -> None:
    rng = np.random.default_rng(0)
    vibe, seed_vibe = rng.normal(size=(2, B, 9)).astype(np.float32)
    vibe[3] = 0
    tracks, played = rng.integers(400, size=B), rng.integers(400, size=(B, L))
    time = np.full(B, L - H)
    arguments = small.features, small.recordings, tracks, vibe, seed_vibe, played, time, H
    for slow, fast in zip(kernels.look(*arguments), kernels.fast_look(*arguments), strict=True):
        assert np.allclose(slow, fast, atol=1e-6)
    assert kernels.look(*arguments)[2][3] == 0


def test_move__compiled_equals_numpy(small: Catalogue) -> None:
    rng = np.random.default_rng(1)
    states = []
    for step in kernels.move, kernels.fast_move:
        rng = np.random.default_rng(1)
        history = rng.integers(400, size=(B, H))
        window = small.features[history]
        vibe = window.mean(axis=1)
        time, played = np.zeros(B, np.int64), np.zeros((B, H + 3), np.int64)
        full = [
            step(small.features[tracks], small.recordings[tracks], tracks, rng.random(B) < 0.7, time, played,
                 history, window, vibe)
            for tracks in rng.integers(400, size=(3, B))
        ]  # fmt: skip
        states.append((time, played, history, window, vibe, np.array(full)))
    assert states[0][5].tolist() == [False, False, True]
    for slow, fast in zip(*states, strict=True):
        assert np.allclose(slow, fast, atol=1e-6)


@pytest.mark.parametrize("draw", [kernels.distinct, kernels.fast_distinct])
def test_distinct__draws_every_ordered_choice_alike(draw: object) -> None:
    uniform = np.random.default_rng(0).random((60_000, 3))
    drawn = draw(uniform, 4)  # type: ignore[operator]
    codes, counts = np.unique(drawn @ [16, 4, 1], return_counts=True)
    assert len(codes) == 24
    assert np.abs(counts - 2500).max() < 5 * np.sqrt(2500)
    assert np.array_equal(drawn, kernels.distinct(uniform, 4))
