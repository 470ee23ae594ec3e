"""What planners ask of a listener: later terms after each of many tracks, the short way and the long way."""

import numpy as np
import pytest

from spotify_gym.listeners import Listener, SatiatedListener

N, K, D = 7, 4, 3


def unit(rng, *shape):
    vectors = rng.normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_foresee__one_track_after_another__by_hand():
    listener = SatiatedListener(decay=0.5, weight=0.1)
    _, state = listener.start(np.array([[[1.0, 0.0]]], np.float32), 1, np.zeros((1, 0), np.float32))
    tracks, rest = np.array([[1, 0], [0, 1]], np.float32), np.array([[1, 0], [1, 0]], np.float32)

    terms = listener.rollout_rewards(state, tracks, np.zeros(2), rest, np.zeros((2, 2)))

    # e = (1, 0). After (1, 0): 1.5, then 1.75 heard. After (0, 1): 0.5, then 1.25.
    assert terms["satiation"] == pytest.approx([-0.325, -0.175])
    assert state.exposure.tolist() == [[1, 0]]


@pytest.mark.parametrize("decay", [0.0, 0.8])
def test_foresee__satiation_in_one_product__is_the_played_out_one(decay):
    rng = np.random.default_rng(0)
    listener = SatiatedListener(decay=decay)
    _, state = listener.start(unit(rng, 1, 5, D), 5, np.zeros((1, 0), np.float32))
    question = (state, unit(rng, N, D), np.zeros(N, np.float32), unit(rng, K, D), np.zeros((K, N), np.float32))

    short, long = listener.rollout_rewards(*question), Listener.rollout_rewards(listener, *question)

    assert short.keys() == long.keys()
    assert short["satiation"] == pytest.approx(long["satiation"], abs=1e-6)
