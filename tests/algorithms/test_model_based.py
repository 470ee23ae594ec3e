from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th

from spotify_gym.algorithms import BindingError, ModelBased
from spotify_gym.algorithms.learned_model import LearnedModel, PlanTracks, RewardNet, Seen
from spotify_gym.catalogue import Catalogue
from spotify_gym.search.planning import PlanningModel
from spotify_gym.session import SpotifyVectorEnv
from spotify_gym.training import ConfigError, RunError, TrainConfig, evaluate, load_run, recommend, resume, train
from spotify_gym.training.vec_adapter import SessionVecEnv

ENV, STATE = "SpotifySatiation-v0", "mean+history"
FIXED = 6.46  # return of `FixedPolicy` in the sessions below; the search for its list takes seven seconds


def sessions(catalogue: Catalogue, n: int = 32, **options: Any) -> SessionVecEnv:
    env = gym.make_vec(ENV, num_envs=n, autoreset_mode="SameStep", **{"catalogue": catalogue, "state": STATE} | options)
    assert isinstance(env, SpotifyVectorEnv)
    return SessionVecEnv(env)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.builtin(n_tracks=400)


@pytest.fixture(scope="module")
def learned(catalogue: Catalogue) -> ModelBased:
    th.set_num_threads(1)
    return ModelBased("PlanningPolicy", sessions(catalogue), n_plans=16, n_improved=1, seed=0).learn(12_000)


def test_replacement_values__equal_those_of_plans_played_out_one_by_one(catalogue: Catalogue) -> None:
    rng, env = np.random.default_rng(0), sessions(catalogue)
    k, d = env.observation_space.shape[0], 9  # type: ignore[index]
    reward = RewardNet(*(rng.normal(size=shape).astype(np.float32) for shape in ((14, 8), 8, 8)), 0.5)
    transition = (rng.normal(size=(k + 2 * d + 1, k)) / 10).astype(np.float32)
    blocks = env.observation_space.blocks  # type: ignore[attr-defined]
    model = LearnedModel(PlanTracks(env.action_space), blocks, transition, reward)
    start = Seen(rng.normal(size=(1, k)).astype(np.float32), np.array([[5]]))
    plan = rng.choice(np.arange(10, 400), 8, replace=False)
    rollout, candidates = model.rollout(start, plan), np.array([0, 1, 2, 3, 5, plan[0], plan[3]])

    values = model.replacement_values(rollout, 3, candidates)

    expected = PlanningModel.replacement_values(model, rollout, 3, candidates)
    assert values[[0, 1, 2, 3, 6]] == pytest.approx(expected[[0, 1, 2, 3, 6]], rel=1e-4)
    assert np.isneginf(values[[4, 5]]).all()  # one was played already, one is in the plan already


def test_model_based__learns_the_next_observation_and_earns_more_than_the_fixed_list(
    catalogue: Catalogue, learned: ModelBased
) -> None:
    options = {"catalogue": catalogue, "state": STATE}
    played = evaluate(learned, ENV, 32, **options)

    assert not played.repeats.any()
    assert played.returns.mean() > FIXED + 0.3
    env = sessions(catalogue, 8)
    env.seed(0)
    observations = env.reset()
    actions = np.array([np.setdiff1d(np.arange(8), info["played"])[0] for info in env.reset_infos])
    seen = Seen(observations, np.empty((8, 0), np.int64))
    rewards, _ = learned.policy.model().step(seen, actions)
    following, earned, _, _ = env.step(actions)
    assert seen.observations == pytest.approx(following, abs=1e-4)
    assert rewards == pytest.approx(earned, abs=0.1)


def test_predict__keeps_to_its_plan_by_state_and_plans_anew_where_a_session_begins(
    catalogue: Catalogue, learned: ModelBased
) -> None:
    env = sessions(catalogue, 2)
    observations = env.reset()
    first, state = learned.predict(observations, None, np.array([True, True]))
    following, *_ = env.step(first)
    second, state = learned.predict(following, state, np.array([False, False]))
    assert (second != first).all()
    again, _ = learned.predict(observations, state, np.array([True, True]))
    assert again.tolist() == first.tolist()
    with pytest.warns(UserWarning, match="without `state`"):
        learned.predict(observations), learned.predict(observations)


def test_save__load_gives_a_model_that_plays_the_same(
    catalogue: Catalogue, learned: ModelBased, tmp_path: Path
) -> None:
    learned.save(tmp_path / "model.zip")
    loaded = ModelBased.load(tmp_path / "model.zip", sessions(catalogue))
    options = {"catalogue": catalogue, "state": STATE}
    ours, theirs = (evaluate(model, ENV, 4, **options) for model in (learned, loaded))
    assert ours.tracks.tolist() == theirs.tracks.tolist()


def test_train__run_folder_is_loaded_played_and_recommends_but_does_not_go_on(tmp_path: Path) -> None:
    config = TrainConfig("builtin:300", env=ENV, state=STATE, algorithm="model", episodes=200, n_envs=16)
    run = train(
        TrainConfig.from_json(config.to_json() | {"arguments": ["n_plans=8", "n_improved=1"]}), tmp_path / "run"
    )
    again = load_run(tmp_path / "run")

    options = {"catalogue": run.catalogue, **config.env_options}
    ours, theirs = (evaluate(one.model, ENV, 3, **options) for one in (run, again))
    assert ours.tracks.tolist() == theirs.tracks.tolist()
    suggested = recommend(again, [0, 1, 2, 3, 4], top=3)
    assert [one.value for one in suggested] == sorted((one.value for one in suggested), reverse=True)
    assert len({one.track for one in suggested} - {0, 1, 2, 3, 4}) == 3
    with pytest.raises(RunError, match="has no checkpoints"):
        resume(tmp_path / "run")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gamma": 0.5}, r"gamma=0\.5 is a setting of Q-learners"),
        ({"policy": "mlp"}, "choose 'catalogue'"),
        ({"arguments": ("n_plans",)}, "NAME=NUMBER"),
        ({"algorithm": "dqn", "arguments": ("n_plans=3",)}, "settings of its own"),
    ],
)
def test_config__refuses_what_has_no_meaning(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**{"algorithm": "model", **settings})


def test_model_based__refuses_an_argument_it_does_not_know_and_what_it_cannot_learn_from(catalogue: Catalogue) -> None:
    with pytest.raises(ConfigError, match="'n_plan' is not an argument"):
        train(TrainConfig("builtin:100", algorithm="model", arguments=("n_plan=3",), episodes=1))
    with pytest.raises(
        BindingError, match="has them at no place; choose a `state` with some, such as 'mean\\+history'"
    ):
        ModelBased("PlanningPolicy", sessions(catalogue, state="genres", listener=None))
