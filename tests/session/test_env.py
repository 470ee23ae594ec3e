"""The single environment: Gymnasium's contract, and numbers worked out by hand."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import FlattenObservation, FrameStackObservation, RecordEpisodeStatistics
from stable_baselines3.common.env_checker import check_env as check_env_sb3

from spotify_gym import ENVS, Catalogue
from spotify_gym.session import SpotifyEnv, make_dynamics
from tests.catalogues import hand_made


def make(env_id: str, catalogue: Catalogue, **kwargs: Any) -> gym.Env[Any, Any]:
    return gym.make(env_id, catalogue=catalogue, **kwargs)


def rollout(env: gym.Env[Any, Any], seed: int, n_steps: int = 30) -> list[Any]:
    rng = np.random.default_rng(seed)
    seen: list[Any] = [env.reset(seed=seed)[0]]
    for _ in range(n_steps):
        observation, reward, terminated, truncated, _ = env.step(int(rng.integers(env.action_space.n)))  # type: ignore[attr-defined]
        seen += [observation, np.float64(reward), terminated, truncated]
        if terminated or truncated:
            seen.append(env.reset()[0])
    return seen


@pytest.mark.parametrize("env_id", ENVS)
def test_env__passes_the_checkers_of_gymnasium_and_sb3(env_id: str, small: Catalogue) -> None:
    check_env(make(env_id, small).unwrapped)
    check_env_sb3(make(env_id, small), warn=True)


@pytest.mark.parametrize("env_id", ENVS)
@pytest.mark.parametrize("render_mode", ["ansi", "rgb_array"])
def test_env__passes_the_checker_in_every_render_mode(env_id: str, render_mode: str, small: Catalogue) -> None:
    check_env(make(env_id, small, render_mode=render_mode).unwrapped)


@pytest.mark.parametrize("env_id", ENVS)
def test_env__one_seed_gives_one_rollout_bit_for_bit(env_id: str, small: Catalogue) -> None:
    first, second = (rollout(make(env_id, small), seed=7) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("env_id", ENVS)
@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_env__a_copy_goes_on_alike_and_shares_the_catalogue(env_id: str, twin_of: Any, small: Catalogue) -> None:
    env = make(env_id, small)
    env.reset(seed=3)
    env.step(5)
    twin = twin_of(env)
    assert twin.unwrapped.catalogue is small
    for track in range(6, 40):
        one, other = env.step(track), twin.step(track)
        assert np.array_equal(one[0], other[0])
        assert one[1:4] == other[1:4]
        if one[2] or one[3]:
            assert np.array_equal(env.reset()[0], twin.reset()[0])


def test_env__a_pickle_is_small(small: Catalogue) -> None:
    assert len(pickle.dumps(make("SpotifySession-v0", small))) < 20_000


@pytest.mark.parametrize("env_id", ENVS)
def test_env__rewards_and_observations_stay_in_their_bounds(env_id: str, small: Catalogue) -> None:
    env = make(env_id, small)
    low, high = env.unwrapped.dynamics.reward_bounds  # type: ignore[attr-defined]
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(300):
        observation, reward, terminated, truncated, info = env.step(int(rng.integers(20)))
        assert env.observation_space.contains(observation)
        assert low - 1e-6 <= float(reward) <= high + 1e-6
        terms = env.unwrapped.dynamics.reward  # type: ignore[attr-defined]
        assert float(reward) == pytest.approx(sum(info[name] for name in terms), abs=1e-6)
        if terminated or truncated:
            env.reset()


def test_session__worked_by_hand() -> None:
    tracks = np.array([[1, 0], [0, 1], [1, 1], [-1, 0], [3, 4], [0, 0]], dtype=np.float32)
    catalogue = hand_made(tracks)
    env = make("SpotifySession-v0", catalogue, history_length=2, reward_baseline=0.25)
    vibe, info = env.reset(options={"history": [0, 1]})
    assert vibe.tolist() == [0.5, 0.5]
    assert info["history"].tolist() == [0, 1]
    vibe, reward, terminated, truncated, info = env.step(4)  # (3, 4) against (1, 1): 7 / (5 √2)
    assert info["cosine"] == pytest.approx(7 / (5 * np.sqrt(2)), abs=1e-6)
    assert reward == pytest.approx(7 / (5 * np.sqrt(2)) - 0.25, abs=1e-6)
    assert vibe.tolist() == [1.5, 2.5]
    assert (terminated, truncated, info["repeat"]) == (False, False, False)
    assert env.step(5)[1] == pytest.approx(-0.25)  # a zero vector has cosine 0 to anything
    assert env.step(4)[4]["repeat"]


def test_playlist__worked_by_hand() -> None:
    tracks = np.array([[1, 0], [0, 1], [1, 1], [-1, 0], [3, 4]], dtype=np.float32)
    playlist = ENVS["SpotifyPlaylist-v0"]["kwargs"]
    env = SpotifyEnv(hand_made(tracks), **playlist, history_length=2, reward_baseline=0.25, played_width=22)
    seen, _ = env.reset(options={"history": [0, 1]})
    assert seen.tolist() == [0.5, 0.5, 0.5, 0.5]
    seen, reward, _, _, info = env.step(3)  # (−1, 0) against (1, 1), twice the same half
    assert (info["flow"], info["fit"]) == pytest.approx((0.5 * (-(0.5**0.5) - 0.25),) * 2, abs=1e-6)
    assert seen.tolist() == [-0.5, 0.5, 0.5, 0.5]
    seen, reward, _, _, info = env.step(0)  # a starting track again: lowest reward, nothing moves
    assert reward == pytest.approx(-1.25)
    assert seen.tolist() == [-0.5, 0.5, 0.5, 0.5]
    assert (info["repeat"], info["completed"]) == (True, False)
    assert info["played"].tolist() == [0, 1, 3, 0, *[-1] * 18]
    assert env.unwrapped.action_masks().tolist() == [False, False, True, False, True]  # type: ignore[attr-defined]


def test_session__minmax_and_half_give_the_rewards_of_the_original() -> None:
    from sklearn.metrics.pairwise import cosine_similarity

    catalogue = Catalogue.builtin(300, seed=2, scaling="minmax")
    env = make("SpotifySession-v0", catalogue, reward_baseline=0.5)
    _, info = env.reset(seed=0)
    heard = list(info["history"])
    for track in range(20):
        vibe = catalogue.features[heard[-5:]].mean(axis=0)
        expected = cosine_similarity([vibe], [catalogue.features[track]])[0, 0] - 0.5
        assert env.step(track)[1] == pytest.approx(expected, abs=1e-6)
        heard.append(track)


def test_session__versions_of_one_recording_are_masked_together() -> None:
    tracks = np.array([[1, 0], [0, 1], [1, 1], [1, 0], [2, 1]], dtype=np.float32)
    env = make("SpotifyPlaylist-v0", hand_made(tracks), history_length=1, played_width=4)
    env.reset(options={"history": [3]})
    assert env.unwrapped.action_masks().tolist() == [False, True, True, False, True]  # type: ignore[attr-defined]
    assert env.step(0)[4]["repeat"]


def test_session__random_play_earns_nothing_on_average(small: Catalogue) -> None:
    env = gym.make_vec("SpotifySession-v0", num_envs=2000, catalogue=small)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    rewards = np.array([env.step(rng.integers(len(small), size=2000))[1] for _ in range(20)])
    assert abs(rewards.mean()) < 4 * rewards.std() / np.sqrt(rewards.size / 5)


@pytest.mark.parametrize("action", [np.nan, 1.5, "7", None, -1, 400, [3], np.array([3, 4])])
def test_step__refuses_what_is_no_track_and_changes_nothing(action: Any, small: Catalogue) -> None:
    env = make("SpotifySession-v0", small, disable_env_checker=True).unwrapped
    before, _ = env.reset(seed=0)
    with pytest.raises(InvalidAction, match="action"):
        env.step(action)
    assert np.array_equal(env.dynamics.observe(env.sessions)[0], before)  # type: ignore[attr-defined]


@pytest.mark.parametrize("action", [3, np.int64(3), np.int32(3), np.array(3), np.uint8(3)])
def test_step__takes_whole_numbers_of_any_kind(action: Any, small: Catalogue) -> None:
    env = make("SpotifySession-v0", small).unwrapped
    env.reset(seed=0)
    assert env.step(action)[4]["track"] == 3


@pytest.mark.parametrize("call", [lambda env: env.step(0), lambda env: env.render()])
def test_env__before_reset_says_so(call: Any, small: Catalogue) -> None:
    with pytest.raises(ResetNeeded, match=r"call reset\(\)"):
        call(gym.make("SpotifySession-v0", catalogue=small, render_mode="ansi"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"history": [1, 2, 3]}, "must hold 5 tracks"),
        ({"history": [1, 2, 3, 4, 400]}, "400 is not a track"),
        ({"history": [1, 2, 3, 4, "nobody"]}, "nobody"),
        ({"history": {5, 4, 3, 2, 1}}, "must hold 5 tracks; got {1, 2, 3, 4, 5}"),  # a set has no order
        ({"history": dict.fromkeys(range(5))}, "must hold 5 tracks"),
        ([("history", [1, 2, 3, 4, 5])], "is not a dict, such as"),
        ({"histroy": [1, 2, 3, 4, 5]}, "unknown reset option 'histroy'"),
    ],
)
def test_reset__refuses_a_history_that_cannot_be(options: Any, message: str, small: Catalogue) -> None:
    with pytest.raises(ValueError, match=message):
        make("SpotifySession-v0", small).reset(options=options)


def test_reset__takes_ids_and_indices_alike(small: Catalogue) -> None:
    env = make("SpotifySession-v0", small, info_texts=True)
    by_index, _ = env.reset(options={"history": [1, 2, 3, 4, 5]})
    by_id, info = env.reset(options={"history": [small.track_ids[i] for i in range(1, 6)]})
    assert np.array_equal(by_index, by_id)
    assert info["history_ids"].tolist() == [small.track_ids[i] for i in range(1, 6)]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"state": "median"}, "state='median'"),
        ({"reward": {"flwo": 1.0}}, "unknown reward term 'flwo'"),
        ({"reward": {1: 1.0}}, "must hold names of terms and their weights"),
        ({"history_length": 0}, "history_length=0"),
        ({"history_length": 1000}, "400 tracks"),
    ],
)
def test_make__names_the_option_that_is_wrong(kwargs: dict[str, Any], message: str, small: Catalogue) -> None:
    with pytest.raises(ValueError, match=message):
        make("SpotifySession-v0", small, **kwargs)


def test_make__names_a_render_mode_that_is_wrong(small: Catalogue) -> None:
    with pytest.raises(ValueError, match="render_mode='hologram'"):
        SpotifyEnv(small, render_mode="hologram")


@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
def test_make__knows_no_other_options(make: Any, small: Catalogue) -> None:
    with pytest.raises(
        TypeError, match=r"'histroy_length' is not an environment option; did you mean history_length\?"
    ):
        make("SpotifySession-v0", catalogue=small, histroy_length=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'render_mode'"):
        make_dynamics(small, render_mode=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("env_id", ENVS)
def test_env__works_in_the_standard_wrappers(env_id: str, small: Catalogue) -> None:
    env = RecordEpisodeStatistics(FlattenObservation(FrameStackObservation(make(env_id, small), 3)))
    env.reset(seed=0)
    info: dict[str, Any] = {}
    for track in range(5, 200):
        *_, terminated, truncated, info = env.step(track)
        if terminated or truncated:
            break
    assert info["episode"]["l"] <= 50


def test_render__text_names_tracks_and_return(small: Catalogue) -> None:
    env = make("SpotifySession-v0", small, render_mode="ansi")
    env.reset(seed=0)
    env.step(17)
    shown = str(env.render())
    assert small.label(17) in shown
    assert "Return after 1 tracks" in shown


def test_render__human_prints_each_step(small: Catalogue, capsys: pytest.CaptureFixture[str]) -> None:
    env = make("SpotifySession-v0", small, render_mode="human")
    env.reset(seed=0)
    env.step(17)
    assert small.label(17) in capsys.readouterr().out


def test_render__a_title_is_never_read_as_markup() -> None:
    catalogue = hand_made(
        np.eye(6, dtype=np.float32), names=["$\\frac{", "<b>", "%s{}", "a_b^c", "$x$", "\u4f60\u597d"]
    )
    env = make("SpotifySession-v0", catalogue, render_mode="rgb_array", history_length=2)
    env.reset(options={"history": [0, 5]})
    env.step(4)
    picture = env.render()
    assert isinstance(picture, np.ndarray)
    assert picture.shape == (480, 800, 3)
    assert picture.std() > 10


def test_names_of_before__say_the_new_ones(small: Catalogue) -> None:
    with pytest.raises(ImportError, match="SessionRules is now called SessionDynamics"):
        from spotify_gym.session import SessionRules  # type: ignore[attr-defined]  # noqa: F401
    for env in gym.make("SpotifySession-v0", catalogue=small), gym.make_vec("SpotifySession-v0", catalogue=small):
        with pytest.raises(AttributeError, match="now called `dynamics`"):
            env.unwrapped.rules  # type: ignore[attr-defined]  # noqa: B018
