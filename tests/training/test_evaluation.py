"""All policies play the same held-out sessions, and the returns and metrics are correct."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import RescaleAction
from sb3_contrib import MaskablePPO
from stable_baselines3 import DQN as SB3DQN
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

import spotify_gym.training.evaluation as evaluation
import spotify_gym.training.leaderboard as leaderboard
from spotify_gym import ENVS, Catalogue
from spotify_gym.algorithms import DQN, BindingError
from spotify_gym.policies import NearestPolicy, PopularPolicy, RandomPolicy
from spotify_gym.training import EVALUATION_SEED, TrainConfig, evaluate, load_run, train
from spotify_gym.training.evaluation import Evaluation, intra_list_diversity, novelty, repeat_rate, value_bias
from spotify_gym.training.leaderboard import HeldOut, skills_of
from spotify_gym.training.vec_adapter import sessions_of
from spotify_gym.wrappers import ProtoAction


class Sequence:
    """A policy that plays tracks 0, 1, 2, ... for any observation."""

    def __init__(self, env: Any) -> None:
        self._env = env

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> Any:
        step = np.where(episode_start, 0, 0 if state is None else state + 1)
        return step % len(self._env.catalogue), step


@pytest.mark.parametrize("env_id", sorted(ENVS))
def test_evaluate__plays_what_single_environments_would(env_id: str, small: Catalogue) -> None:
    result = evaluate(Sequence, env_id, n_sessions=5, seed=40, catalogue=small)
    env = gym.make(env_id, catalogue=small)
    for row in range(5):
        env.reset(seed=40 + row)
        rewards, ended = [], False
        while not ended:
            _, reward, terminated, truncated, info = env.step(len(rewards))
            assert result.repeats[row, len(rewards)] == info["repeat"]
            rewards.append(reward)
            ended = terminated or truncated
        n = len(rewards)
        assert result.lengths[row] == n
        assert result.tracks[row].tolist() == [*range(n), *[-1] * (result.tracks.shape[1] - n)]
        np.testing.assert_allclose(result.rewards[row, :n], rewards, rtol=1e-6)
        assert result.returns[row] == pytest.approx(sum(rewards), rel=1e-5)


def test_evaluate__does_not_depend_on_how_many_are_played_at_once(
    small: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evaluate(NearestPolicy, "SpotifySkip-v0", n_sessions=20, catalogue=small)
    monkeypatch.setattr(evaluation, "_AT_ONCE", 7)
    parts = evaluate(NearestPolicy, "SpotifySkip-v0", n_sessions=20, catalogue=small)
    np.testing.assert_array_equal(whole.tracks, parts.tracks)
    np.testing.assert_array_equal(whole.rewards, parts.rewards)
    assert whole.seeds.tolist() == list(range(EVALUATION_SEED, EVALUATION_SEED + 20))


def test_evaluate__orders_the_policies(small: Catalogue) -> None:
    random, nearest = (evaluate(p, "SpotifySession-v0", 50, catalogue=small) for p in (RandomPolicy, NearestPolicy))
    assert abs(random.returns.mean()) < 2
    assert nearest.returns.mean() > 15


def test_measures__of_a_hand_worked_evaluation(small: Catalogue) -> None:
    result = evaluate(lambda env: Sequence(env), "SpotifySession-v0", 3, catalogue=small)
    assert result.coverage == 20 / len(small)
    measures = result.measures()
    assert set(measures) == {"return", "length", "repeat_rate", "diversity", "novelty"}
    assert all(values.shape == (3,) for values in measures.values())
    assert (measures["length"] == 20).all()


@pytest.fixture(scope="module")
def playlist_model(small: Catalogue) -> Any:
    settings = TrainConfig(env="SpotifyPlaylist-v0", policy="mlp", hidden=(8,), steps=100, learning_starts=50)
    return train(settings, catalogue=small).model


def test_evaluate__our_learners_never_repeat_where_that_is_forbidden(playlist_model: Any, small: Catalogue) -> None:
    result = evaluate(playlist_model, "SpotifyPlaylist-v0", 30, catalogue=small)
    assert not result.repeats.any()
    again = evaluate(playlist_model, "SpotifyPlaylist-v0", 30, catalogue=small)
    np.testing.assert_array_equal(result.tracks, again.tracks)


def test_evaluate__refuses_a_per_track_model_another_catalogue(playlist_model: Any) -> None:
    with pytest.raises(BindingError, match="one output per track"):
        evaluate(playlist_model, "SpotifyPlaylist-v0", 5, catalogue="builtin:399")


def test_evaluate__takes_stock_and_maskable_models(small: Catalogue) -> None:
    env = gym.make("SpotifyPlaylist-v0", catalogue=small)
    stock = evaluate(SB3DQN("MlpPolicy", env, seed=0), "SpotifyPlaylist-v0", 10, catalogue=small)
    assert stock.repeats.any()  # it knows nothing of what was played
    masked = evaluate(MaskablePPO("MlpPolicy", env, seed=0), "SpotifyPlaylist-v0", 10, catalogue=small)
    assert not masked.repeats.any()
    with pytest.raises(ValueError, match="trained on another catalogue or another state"):
        evaluate(SB3DQN("MlpPolicy", env, seed=0), "SpotifySession-v0", 10, catalogue=small)


def test_evaluate__shows_what_vec_normalize_makes_of_observations(
    small: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = VecNormalize(DummyVecEnv([lambda: gym.make("SpotifyPlaylist-v0", catalogue=small)]))
    model = PPO("MlpPolicy", env, n_steps=64, batch_size=32, seed=0).learn(64)
    env.training, seen = False, list[Any]()
    predict = model.predict
    monkeypatch.setattr(model, "predict", lambda obs, *rest: seen.append(obs) or predict(obs, *rest))
    evaluate(model, "SpotifyPlaylist-v0", n_sessions=3, catalogue=small)
    raw = gym.make_vec("SpotifyPlaylist-v0", 3, catalogue=small).reset(seed=EVALUATION_SEED)[0]
    assert np.array_equal(seen[0], env.normalize_obs(raw))


def test_evaluate__refuses_points_that_a_wrapper_has_moved(small: Catalogue) -> None:
    points = ProtoAction(gym.make("SpotifyPlaylist-v0", catalogue=small), "unit+raw")
    model = PPO("MlpPolicy", RescaleAction(points, np.float32(-1), np.float32(1)), n_steps=8, batch_size=8)
    with pytest.raises(ValueError, match="not those of ProtoAction over these tracks; if a wrapper changed them"):
        evaluate(model, "SpotifyPlaylist-v0", 2, catalogue=small)


def test_evaluate__refuses_a_policy_that_looks_elsewhere(small: Catalogue) -> None:
    policy = PopularPolicy(gym.make("SpotifySession-v0", catalogue=small))
    with pytest.raises(TypeError, match="this PopularPolicy was made for another environment; pass the class"):
        evaluate(policy, "SpotifySession-v0", catalogue=small)


def test_evaluate__needs_sessions_and_a_seed_for_them() -> None:
    for n_sessions, allowed in ((0, "at least 1"), (10**14, "at most 10,000,000")):
        with pytest.raises(ValueError, match=f"n_sessions={n_sessions} must be {allowed}"):
            evaluate(RandomPolicy, "SpotifySession-v0", n_sessions=n_sessions)
    for what in ({"n_sessions": 2.5}, {"n_sessions": True}, {"seed": None}, {"seed": 1.5}):
        with pytest.raises(ValueError, match="is not a whole number"):
            evaluate(RandomPolicy, "SpotifySession-v0", **what)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_episode_steps=-1: sessions must end"):
        evaluate(RandomPolicy, "SpotifySession-1k-v0", n_sessions=2, max_episode_steps=-1)
    endless = EnvSpec("Endless-v0", vector_entry_point="spotify_gym.session:SpotifyVectorEnv")
    with pytest.raises(ValueError, match="max_episode_steps=None: sessions must end"):
        evaluate(RandomPolicy, endless, n_sessions=2)  # type: ignore[arg-type]
    for seed in (-1, 2**63 - 1):
        with pytest.raises(ValueError, match=f"seed={seed} must be from 0 to 92233720368547"):
            evaluate(RandomPolicy, "SpotifySession-v0", seed=seed)
    with pytest.raises(TypeError, match="policy='nearest' is not a policy: give a model, or the class"):
        evaluate("nearest", "SpotifySession-v0", n_sessions=2)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="made 7, which is not a policy"):
        evaluate(lambda observation: 7, "SpotifySession-1k-v0", n_sessions=2)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("policy", ["sampled", "shortlist", "action_head"])
def test_head__of_few_candidates_plays_the_same_again(policy: Any, tmp_path: Path) -> None:
    config = TrainConfig(
        catalogue="builtin:300", env="SpotifyPlaylist-v0", policy=policy, candidates=60, hidden=(8,), steps=1_500
    )
    trained = train(config, tmp_path / "run").model
    loaded = load_run(tmp_path / "run").model
    one, other = (evaluate(model, config.env, 5, catalogue="builtin:300") for model in (trained, loaded))
    assert np.array_equal(one.tracks, other.tracks)


# Session metrics, worked by hand.


TRACKS = np.array([[0, 1, 0, -1], [2, -1, -1, -1], [0, 1, 2, 3]])


def test_repeat_rate__counts_plays_only() -> None:
    repeats = np.array([[False, False, True, True], [False] * 4, [False] * 4])
    assert repeat_rate(repeats, TRACKS).tolist() == pytest.approx([1 / 3, 0, 0])


def test_diversity__is_one_less_the_mean_pairwise_cosine() -> None:
    units = np.array([[1, 0], [0, 1], [-1, 0], [0, 1]], np.float32)
    first, alone, all_four = intra_list_diversity(TRACKS, units)
    assert first == pytest.approx(1 - 1 / 3)  # cosines 0, 1, 0
    assert np.isnan(alone)
    assert all_four == pytest.approx(1 - (0 - 1 + 0 + 0 + 1 + 0) / 6)


def test_novelty__is_in_bits_and_leaves_the_unknown_out() -> None:
    popularity = np.array([100, 100 / 2 - 0.5, np.nan, 0], np.float32)
    first, unknown, mixed = novelty(TRACKS, popularity)
    assert first == pytest.approx(1 / 3)
    assert np.isnan(unknown)
    assert mixed == pytest.approx((0 + 1 + np.log2(101)) / 3)


def test_value_bias__is_what_is_expected_less_what_is_earned_by_a_constant_expectation(small: Catalogue) -> None:
    env = sessions_of(TrainConfig(env="SpotifyPlaylist-v0"), small, n_envs=1)
    model = DQN("CataloguePolicy", env, gamma=0.5, buffer_size=1)  # untrained: all values are 0

    bias = value_bias(model, "SpotifyPlaylist-v0", 3, catalogue=small)

    played = evaluate(model, "SpotifyPlaylist-v0", 3, catalogue=small, max_episode_steps=7)
    assert bias == pytest.approx(-(played.rewards @ 0.5 ** np.arange(7)))


# The leaderboard: a reference is evaluated once, and again if anything about the sessions changes.


@pytest.fixture
def sessions(small: Catalogue) -> HeldOut:
    return HeldOut("SpotifyPlaylist-v0", {"state": "mean"}, small, n_sessions=4, seed=100)


def test_reference__is_looked_up_the_second_time(
    sessions: HeldOut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sessions.played_by_reference("nearest", tmp_path / "shelf")
    calls: list[str] = []

    def count(*_arguments: object, **_options: object) -> Evaluation:
        calls.append("played")
        return first

    monkeypatch.setattr(leaderboard, "evaluate", count)
    again = sessions.played_by_reference("nearest", tmp_path / "shelf")
    assert not calls
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)
    assert again.seconds == first.seconds
    for other in (replace(sessions, n_sessions=5), replace(sessions, seed=1), replace(sessions, env_options={})):
        other.played_by_reference("nearest", tmp_path / "shelf")
    sessions.played_by_reference("nearest")
    assert len(calls) == 4


def test_reference__damaged_on_the_shelf_is_worked_out_again(sessions: HeldOut, tmp_path: Path) -> None:
    first = sessions.played_by_reference("random", tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"nonsense")
    again = sessions.played_by_reference("random", tmp_path)
    np.testing.assert_array_equal(again.tracks, first.tracks)
    assert file.read_bytes() != b"nonsense"


def test_reference__on_a_shelf_that_cannot_be(sessions: HeldOut, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert sessions.played_by_reference("random", tmp_path / "file" / "shelf").returns.shape == (4,)


def test_skill__is_0_for_the_fixed_list_and_1_for_the_best_that_played(sessions: HeldOut) -> None:
    played = sessions.played_by_reference("random")
    earned = {"fixed": 9.4, "planner": 18.9, "nearest": 18.0, "learner": 14.15}
    board = {name: replace(played, rewards=np.full((4, 1), value)) for name, value in earned.items()}
    assert skills_of(board) == pytest.approx({"fixed": 0, "planner": 1, "nearest": 8.6 / 9.5, "learner": 0.5})
    assert skills_of(board, "nearest")["learner"] == pytest.approx(4.75 / 8.6)
    assert skills_of({**board, "planner": board["fixed"]}) == {}  # there is no scale
    assert skills_of({"planner": board["planner"]}) == {}
