"""Environment specs: JSON round trips, combinations of arguments, and the small ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

from spotify_gym import ENVS, Catalogue
from spotify_gym.listeners import SatiatedListener, SkippingListener
from spotify_gym.registration import small_id
from tests.catalogues import songs, write_csv


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    Catalogue.builtin(60).save(tmp_path / "tracks.arrow")
    return tmp_path / "tracks.arrow"


@pytest.mark.parametrize("options", [{}, {"listener": SkippingListener(patience=3.0)}, {"history_length": np.int64(4)}])
@pytest.mark.parametrize("kind", ["path", "text", "loaded", "builtin", "read"])
@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
def test_spec__survives_json(make: Any, kind: str, options: dict[str, Any], saved: Path) -> None:
    catalogue = {"path": saved, "text": str(saved), "loaded": Catalogue.load(saved), "builtin": Catalogue.builtin(60)}
    catalogue["read"] = Catalogue.read(write_csv(saved.with_name("songs.csv"), songs(30)))
    env = make("SpotifyPlaylist-v0", catalogue=catalogue[kind], **options)
    again = make(EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.catalogue.fingerprint == env.unwrapped.catalogue.fingerprint
    assert again.unwrapped.dynamics.listener == env.unwrapped.dynamics.listener
    assert np.array_equal(again.reset(seed=5)[0], env.reset(seed=5)[0])


def test_spec__with_another_scaling_survives_json() -> None:
    env = gym.make("SpotifySession-v0", catalogue=Catalogue.builtin(60), scaling="minmax")
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))  # type: ignore[union-attr]
    assert again.unwrapped.catalogue.fingerprint == env.unwrapped.catalogue.fingerprint  # type: ignore[attr-defined]
    assert np.array_equal(again.reset(seed=5)[0], env.reset(seed=5)[0])


def test_spec__of_a_vector_env_survives_json(saved: Path) -> None:
    env = gym.make_vec("SpotifySkip-v0", 3, catalogue=saved, autoreset_mode=AutoresetMode.SAME_STEP)
    again: Any = gym.make_vec(EnvSpec.from_json(env.spec.to_json()))  # type: ignore[union-attr]
    assert (again.num_envs, again.autoreset_mode) == (3, AutoresetMode.SAME_STEP)


HIDDEN = type("Hidden", (SatiatedListener,), {})()  # cannot be imported


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"catalogue": Catalogue.builtin(60).take(np.arange(50))}, "its catalogue is a Catalogue"),
        ({"catalogue": pd.DataFrame}, "its catalogue is a Catalogue"),
        ({"catalogue": "builtin:60", "listener": HIDDEN}, "its listener is a Hidden"),
    ],
)
def test_spec__says_what_is_not_json(options: dict[str, Any], message: str) -> None:
    if options["catalogue"] is pd.DataFrame:
        options = {"catalogue": pd.DataFrame(songs(31))}
    env = gym.make("SpotifySession-v0", **options)
    with pytest.raises(TypeError, match=f"SpotifySession-v0 cannot be written as JSON, because {message}"):
        env.spec.to_json()  # type: ignore[union-attr]
    assert not isinstance(env.spec.kwargs["catalogue"], pd.DataFrame)  # type: ignore[union-attr]  # nor pickled twice
    assert gym.make(env.spec).unwrapped.catalogue is env.unwrapped.catalogue  # type: ignore[attr-defined, arg-type]


@pytest.mark.parametrize("env_id", ENVS)
def test_small_id__takes_nothing_but_itself(env_id: str) -> None:
    small = small_id(env_id)
    assert small not in ENVS
    one: Any = gym.make(small)
    many: Any = gym.make_vec(small, 2)
    assert len(one.unwrapped.catalogue) == len(many.catalogue) == 1000
    assert one.unwrapped.dynamics.reward == gym.make(env_id, catalogue="builtin:1000").unwrapped.dynamics.reward  # type: ignore[attr-defined]
    for make in gym.make, gym.make_vec:
        with pytest.raises(ValueError, match=f"{small} has its own 1,000 tracks; for another catalogue make {env_id}"):
            make(small, catalogue="builtin")
    assert json.loads(one.spec.to_json())["kwargs"]["catalogue"] == "builtin:1000"


@pytest.mark.parametrize("length", [None, -1])
def test_length__of_minus_one_is_no_limit(length: int | None, small: Catalogue) -> None:
    env = gym.make_vec("SpotifySession-v0", 2, catalogue=small, max_episode_steps=length)
    env.reset(seed=0)
    assert not any(env.step(np.array([1, 2]))[3].any() for _ in range(99))


@pytest.mark.parametrize("length", [0, 2.5, -2, "20"])
def test_length__that_cannot_be_is_refused(length: Any, small: Catalogue) -> None:
    with pytest.raises(ValueError, match=r"max_episode_steps=.* must be 1 or more, or -1"):
        gym.make_vec("SpotifySession-v0", 2, catalogue=small, max_episode_steps=length)
    with pytest.raises((TypeError, ValueError, AssertionError), match="max_episode_steps"):  # Gymnasium refuses it
        gym.make("SpotifySession-v0", catalogue=small, max_episode_steps=length)


def test_vector__takes_no_render_mode(small: Catalogue) -> None:
    with pytest.raises(ValueError, match="render_mode='rgb_array': vector environments cannot render"):
        gym.make_vec("SpotifySession-v0", 2, catalogue=small, render_mode="rgb_array")


def test_seed__is_known_afterwards(small: Catalogue) -> None:
    env = gym.make_vec("SpotifySession-v0", 2, catalogue=small)
    env.reset(seed=17)
    assert env.np_random_seed == 17


def test_reset_mask__chooses_at_least_one(small: Catalogue) -> None:
    env = gym.make_vec("SpotifySession-v0", 2, catalogue=small)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="at least one of them True"):
        env.reset(options={"reset_mask": np.zeros(2, np.bool_)})
