from __future__ import annotations

import doctest
from dataclasses import dataclass

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from numpy.typing import NDArray

from spotify_gym.listeners import BatchState, Listener, SatiatedListener


@pytest.fixture(scope="module")
def restless() -> Listener:
    """The user's own listener of the documentation, made by running the documentation."""
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(Listener, globs={"__name__": __name__})
    runner = doctest.DocTestRunner()
    runner.run(example, clear_globs=False)
    assert runner.summarize().failed == 0
    return example.globs["RestlessListener"]()


def test_own_listener__is_short():
    code = [line for line in (Listener.__doc__ or "").splitlines() if line.strip().startswith((">>>", "..."))]
    assert len(code) <= 33


def test_own_listener__plays_in_an_env(restless, small):
    env = gymnasium.make("SpotifySession-v0", catalogue=small, listener=restless, reward={"flow": 1.0, "change": 0.5})
    check_env(env.unwrapped, skip_render_check=True)
    _, _ = env.reset(seed=0)
    observation, reward, _, _, info = env.step(7)
    assert observation.shape == (18,)
    assert reward == pytest.approx(info["flow"] + info["change"], abs=1e-6)
    assert 0 <= info["change"] <= 0.5


def test_own_listener__leaves_some_sessions_of_a_batch(restless, small):
    env = gymnasium.make_vec("SpotifySession-v0", num_envs=500, catalogue=small, listener=restless)
    env.reset(seed=0)
    left = sum(env.step(np.full(500, t))[2].mean() for t in range(5))
    assert left == pytest.approx(5 * 0.02, abs=0.04)


def test_own_listener__expects_what_it_answers(restless):
    rng = np.random.default_rng(0)
    units = rng.standard_normal((6, 4)).astype(np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    _, state = restless.start(np.tile(units[:3], (6, 1, 1)), 3, np.empty((6, 0), np.float32))
    expected = restless.expect(state, units, np.zeros((6, 6), np.float32))["change"]
    answered = restless.respond(state, units, np.zeros(6, np.float32), np.ones((6, 1), np.float32)).terms["change"]
    np.testing.assert_allclose(answered, np.diag(expected), atol=1e-6)


@dataclass
class Inner(BatchState):
    names: NDArray[np.str_]


@dataclass
class Outer(BatchState):
    numbers: NDArray[np.int64]
    inner: Inner
    nothing: None = None


def outer(*numbers: int) -> Outer:
    return Outer(np.array(numbers), Inner(np.array([f"n{i}" for i in numbers])))


def test_take__copies_the_sessions_in_the_order_asked():
    state = outer(0, 10, 20)
    taken = state.take(np.array([2, 0, 2]))
    np.testing.assert_array_equal(taken.numbers, [20, 0, 20])
    np.testing.assert_array_equal(taken.inner.names, ["n20", "n0", "n20"])
    taken.numbers[:] = -1
    np.testing.assert_array_equal(state.numbers, [0, 10, 20])


def test_put__overwrites_these_sessions_and_no_others():
    state = outer(0, 10, 20)
    state.put(np.array([2, 0]), outer(7, 8))
    np.testing.assert_array_equal(state.numbers, [8, 10, 7])
    np.testing.assert_array_equal(state.inner.names, ["n8", "n10", "n7"])
    assert state.nothing is None


# What planners ask of a listener: later terms after each of many tracks, the short way and the long way.


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
