"""The dynamics: what planners use, and user-defined reward terms."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.listeners import SatiatedListener, SkippingListener
from spotify_gym.session import SessionState, make_dynamics
from spotify_gym.session.dynamics import REWARD_TERMS
from spotify_gym.session.reward import Look, RewardTerm
from tests.catalogues import hand_made

PLAIN = SkippingListener(position=(0.0,), last_skip=0.0, recent_skips=0.0, mood_sd=0.0, start_pool=1)


@pytest.mark.parametrize(("track", "completed"), [(1, True), (2, False)])
def test_determinized__responds_as_is_likelier(track: int, completed: bool) -> None:
    catalogue = hand_made(np.array([[1, 0], [2, 0], [-1, 0]], np.float32))
    certain = make_dynamics(catalogue, listener=PLAIN, reward={"listened": 1.0}, history_length=1).determinized()
    sessions = certain.start(np.arange(64, dtype=np.uint64), np.zeros((64, 1), np.int64))
    result = certain.step(sessions, np.full(64, track))
    assert (result.completed == completed).all()  # with probability 0.88 each
    assert (result.reward == completed).all()


def test_determinized__takes_chance_out_and_nothing_else(small: Catalogue) -> None:
    dynamics = make_dynamics(small, listener=SkippingListener(), reward={"listened": 1.0})
    certain = dynamics.determinized()
    assert dynamics.is_stochastic
    assert not certain.is_stochastic
    assert (certain.reward, certain.term_bounds) == (dynamics.reward, dynamics.term_bounds)
    sessions = dynamics.start(np.arange(4, dtype=np.uint64))
    assert (certain.expected_rewards(sessions) == dynamics.expected_rewards(sessions)).all()


def test_determinized__where_there_is_no_chance__changes_nothing(small: Catalogue) -> None:
    dynamics = make_dynamics(small, listener=SatiatedListener())
    assert not dynamics.is_stochastic
    assert dynamics.determinized() is dynamics


def smoothness(catalogue: Catalogue, baseline: float) -> RewardTerm:
    """A reward term: the cosine of a track to the one before."""
    units = catalogue.unit_features

    def value(sessions: SessionState, look: Look) -> np.ndarray:
        return np.vecdot(units[look.tracks], units[sessions.history[:, -1]])

    def expected(sessions: SessionState, tracks: np.ndarray | slice) -> np.ndarray:
        return units[sessions.history[:, -1]] @ units[tracks].T

    return RewardTerm((-1.0, 1.0), value, expected)


def test_own_term__is_named_where_it_is_imported_from(small: Catalogue) -> None:
    name = f"{__name__}:smoothness"
    env = gym.make("SpotifyPlaylist-v0", catalogue=small, reward={"flow": 1.0, name: 0.5})
    _, info = env.reset(seed=0)
    dynamics, last = env.unwrapped.dynamics, info["history"][-1]  # type: ignore[attr-defined]
    assert not dynamics.is_linear
    expected = dynamics.expected_rewards(env.unwrapped.sessions)[0]  # type: ignore[attr-defined]
    _, reward, _, _, info = env.step(17)
    assert info[name] == pytest.approx(0.5 * small.unit_features[last] @ small.unit_features[17], abs=1e-6)
    assert reward == pytest.approx(info["flow"] + info[name], abs=1e-6) == pytest.approx(expected[17], abs=1e-6)
    assert env.step(17)[4][name] == -0.5  # a repeat


def test_own_term__is_one_line_in_the_registry(small: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REWARD_TERMS, "smoothness", smoothness)
    env = gym.make_vec("SpotifySatiation-v0", num_envs=3, catalogue=small, reward={"smoothness": 2.0, "satiation": 1.0})
    env.reset(seed=0)
    *_, info = env.step(np.array([1, 2, 3]))
    assert info["smoothness"].shape == (3,)
    assert env.unwrapped.dynamics.reward_bounds[1] == 2.0  # type: ignore[attr-defined]


def test_own_listener__of_two_terms_earns_both(small: Catalogue) -> None:
    class Twice(SkippingListener):
        name: ClassVar[str] = "twice"
        term_bounds: ClassVar[Any] = {"listened": (0.0, 1.0), "stayed": (0.0, 1.0)}

    options = {"listener": Twice(), "reward": {"listened": 1.0, "stayed": 1.0}}
    env = gym.make_vec("SpotifySkip-v0", num_envs=20, catalogue=small, **options)
    env.reset(seed=0)
    _, reward, *_, info = env.step(np.arange(20))
    assert info["listened"].any()
    assert np.array_equal(info["listened"], info["completed"])
    assert np.array_equal(info["stayed"], info["completed"])
    assert np.array_equal(reward, 2 * info["completed"])


@pytest.mark.parametrize("listener", [None, SkippingListener()])
def test_many_sessions__are_those_of_few_to_the_bit(small: Catalogue, listener: Any) -> None:
    """From 256 sessions on, the tracks are read from another array."""
    reward = {"flow": 1.0} if listener is None else {"listened": 1.0}
    dynamics = make_dynamics(small, listener=listener, reward=reward, repeats=False)
    keys, rows = np.arange(300, dtype=np.uint64), np.arange(7, 20)
    tracks = np.random.default_rng(0).integers(len(small), size=(30, 300))

    def followed(which: slice) -> list[Any]:
        sessions = dynamics.start(keys[which])
        results = [dynamics.step(sessions, played[which]) for played in tracks]
        dynamics.restart(sessions, rows, keys[rows])
        return [*(part for result in results for part in (result.numbers.T, result.flags.T)), *sessions.moved[:5]]

    for many, few in zip(followed(slice(None)), followed(slice(100)), strict=True):
        assert np.array_equal(many[:100], few)


class Elsewhere(SkippingListener):
    """A listener that returns `n_places` starting tracks of its own choice."""

    n_places: ClassVar[int] = 5

    def start(self, pool: Any, history_length: int, uniforms: Any) -> Any:
        places, mind = super().start(pool, history_length, uniforms)
        return places[:, : self.n_places], mind


class Short(Elsewhere):
    n_places = 3


@pytest.mark.parametrize("listener", [None, SkippingListener(), Elsewhere(), Short()])
def test_start__of_another_width_is_refused(small: Catalogue, listener: Any) -> None:
    """Compiled loops would read beyond the end of a row."""
    dynamics = make_dynamics(small, listener=listener)
    keys, history = np.arange(4, dtype=np.uint64), np.arange(20, dtype=np.int32).reshape(4, 5)
    for given in (history[:, :3], history[:3], history.repeat(2, axis=1), history + 0.5, history - 1, history + 10**6):
        with pytest.raises(ValueError, match="4 sessions need 5 tracks each"):
            dynamics.start(keys, given)
    if isinstance(listener, Short):
        with pytest.raises(ValueError, match=r"4 sessions need 5 tracks each.* got int64 \(4, 3\)"):
            dynamics.start(keys, history)
        return
    assert np.array_equal(dynamics.start(keys, history).history, history)
    if isinstance(listener, Elsewhere):
        alike = make_dynamics(small, listener=SkippingListener())
        assert np.array_equal(dynamics.start(keys).history, alike.start(keys).history)
