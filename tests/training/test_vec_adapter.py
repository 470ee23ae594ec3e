"""The adapter behaves as SB3's `DummyVecEnv` of monitored single environments."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3 import DQN
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecCheckNan, VecNormalize

from spotify_gym import ENVS, Catalogue
from spotify_gym.training.vec_adapter import SessionVecEnv


def native(env_id: str, catalogue: Catalogue, n_envs: int = 4, **options: Any) -> SessionVecEnv:
    return SessionVecEnv(
        gym.make_vec(env_id, num_envs=n_envs, autoreset_mode="SameStep", catalogue=catalogue, **options)
    )


def dummy(env_id: str, catalogue: Catalogue, n_envs: int = 4) -> DummyVecEnv:
    return DummyVecEnv([lambda: Monitor(gym.make(env_id, catalogue=catalogue)) for _ in range(n_envs)])


def assert_same_info(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Compare the `info` of the native env with that of the single env, except times."""
    assert set(one) == set(other)
    for name, value in one.items():
        if name == "episode":
            assert (value["r"], value["l"]) == (pytest.approx(other[name]["r"], abs=1e-5), other[name]["l"])
        else:
            np.testing.assert_array_equal(value, other[name])


@pytest.mark.parametrize("env_id", sorted(ENVS))
def test_adapter__equals_dummy_vec_env_of_single_envs(env_id: str, small: Catalogue) -> None:
    ours, theirs = native(env_id, small), dummy(env_id, small)
    ours.seed(7)
    theirs.seed(7)
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    rng, ended = np.random.default_rng(0), 0
    for _ in range(130):
        actions = rng.integers(len(small), size=4)
        (obs, reward, done, infos), (obs_, reward_, done_, infos_) = ours.step(actions), theirs.step(actions)
        np.testing.assert_array_equal(obs, obs_)
        np.testing.assert_array_equal(reward, reward_)
        np.testing.assert_array_equal(done, done_)
        assert (obs.dtype, reward.dtype, done.dtype) == (obs_.dtype, reward_.dtype, done_.dtype)
        for one, other in zip(infos, infos_, strict=True):
            assert_same_info(one, other)
        for one, other in zip(ours.reset_infos, theirs.reset_infos, strict=True):
            assert_same_info(one, other)
        ended += done.sum()
    assert ended > 4


def test_reset__without_seed_goes_on_with_new_sessions(small: Catalogue) -> None:
    env = native("SpotifySession-v0", small)
    env.seed(3)
    first, second = env.reset(), env.reset()
    assert not np.array_equal(first, second)
    env.seed(3)
    np.testing.assert_array_equal(env.reset(), first)
    np.testing.assert_array_equal(env.reset(), second)


def test_options__reach_each_session(small: Catalogue) -> None:
    env = native("SpotifySession-v0", small, n_envs=2)
    env.set_options([{"history": [0, 1, 2, 3, 4]}, {"history": [5, 6, 7, 8, 9]}])
    np.testing.assert_allclose(env.reset()[1], small.features[5:10].mean(axis=0), rtol=1e-5)
    env.set_options({"history": [0, 1, 2, 3, 4]})
    obs = env.reset()
    np.testing.assert_array_equal(obs[0], obs[1])
    env.set_options([{"history": [0, 1, 2, 3, 4]}, {}])
    with pytest.raises(ValueError, match="either all sessions get an option or none"):
        env.reset()


def test_action_masks__come_row_by_row(small: Catalogue) -> None:
    env = native("SpotifyPlaylist-v0", small)
    env.seed(0)
    env.reset()
    assert is_masking_supported(env)
    np.testing.assert_array_equal(get_action_masks(env), env.env.action_masks())
    (second,) = env.env_method("action_masks", indices=1)
    np.testing.assert_array_equal(second, env.env.action_masks()[1])


def test_attributes__are_shared(small: Catalogue) -> None:
    env = native("SpotifySession-v0", small)
    assert env.get_attr("num_envs", indices=[0, 2]) == [4, 4]
    assert env.has_attr("dynamics")
    assert not env.has_attr("no_such_thing")
    assert env.env_is_wrapped(Monitor) == [True] * 4
    assert env.env_is_wrapped(gym.wrappers.TimeLimit) == [False] * 4
    env.set_attr("render_mode", None)
    with pytest.raises(ValueError, match="shared by all 4 sessions"):
        env.set_attr("render_mode", None, indices=0)
    env.close()


def test_autoreset__must_be_same_step(small: Catalogue) -> None:
    with pytest.raises(ValueError, match="SAME_STEP"):
        SessionVecEnv(gym.make_vec("SpotifySession-v0", num_envs=2, catalogue=small))


def test_sb3__learns_in_it_and_reports_the_return(small: Catalogue) -> None:
    env = VecCheckNan(native("SpotifySession-v0", small), raise_exception=True)
    model = DQN("MlpPolicy", env, learning_starts=50, policy_kwargs={"net_arch": [8]}, seed=0).learn(400)
    assert model.ep_info_buffer is not None
    assert [episode["l"] for episode in model.ep_info_buffer] == [20] * 20
    mean, _ = evaluate_policy(model, env, n_eval_episodes=8)
    assert -20 <= mean <= 20


def test_sb3__normalises_over_it(small: Catalogue) -> None:
    env = VecNormalize(native("SpotifySession-v0", small))
    DQN("MlpPolicy", env, learning_starts=50, policy_kwargs={"net_arch": [8]}).learn(200)
