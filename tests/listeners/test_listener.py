from __future__ import annotations

import doctest

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from spotify_gym.listeners import Listener


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
