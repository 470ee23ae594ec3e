"""The spaces: attributes for learners, and pickling."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
from pathlib import Path
from weakref import WeakValueDictionary

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from spotify_gym import ENVS, Catalogue, CatalogueError
from spotify_gym.catalogue import held
from spotify_gym.session import TrackSpace


@pytest.mark.parametrize("env_id", ENVS)
def test_action_space__says_whether_repeats_are_forbidden(env_id: str, small: Catalogue) -> None:
    space = gym.make(env_id, catalogue=small).action_space
    for same in space, copy.copy(space), copy.deepcopy(space), pickle.loads(pickle.dumps(space)):
        assert same.forbids_repeats == (env_id != "SpotifySession-v0")


def test_action_space__equals_a_plain_one_both_ways_and_other_tracks_never(small: Catalogue) -> None:
    space, n = TrackSpace(small), len(small)
    assert space == Discrete(n)
    assert Discrete(n) == space
    others = [Discrete(n + 1), Discrete(n, start=1), Box(0, 1)]
    if "dtype" in inspect.signature(Discrete).parameters:  # not in the oldest Gymnasium
        others.append(Discrete(n, dtype=np.int32))
    for other in others:
        assert space != other
        assert other != space
    assert space == TrackSpace(small.take(np.arange(n)).take(np.arange(n)))
    assert space != TrackSpace(small.take(np.arange(n)[::-1]))


def test_action_space__samples_by_masks_of_both_kinds(small: Catalogue) -> None:
    space = TrackSpace(small, seed=0)
    mask = np.arange(len(small)) % 100 == 7
    drawn = {int(space.sample(mask)) for _ in range(99)}
    assert drawn == {int(space.sample(mask.astype(np.int8))) for _ in range(99)} == {7, 107, 207, 307}
    assert space.sample(probability=np.eye(len(small))[9]) == 9


def test_pickled_space__is_small_and_finds_its_catalogue_where_there_is_one(small: Catalogue) -> None:
    pickled = pickle.dumps(TrackSpace(small))
    assert len(pickled) < 1000
    again = pickle.loads(pickled)
    assert again == TrackSpace(small)
    assert again.features is small.features
    assert again.recordings is small.recordings


def forget_catalogues(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the process forget all live catalogues, including those of earlier tests."""
    monkeypatch.setattr("spotify_gym.catalogue.catalogue._live", WeakValueDictionary())


def test_pickled_space__asks_when_it_is_used_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = Catalogue.from_features(np.random.default_rng(5).normal(size=(40, 3)))
    features = catalogue.features.copy()
    again = pickle.loads(pickle.dumps(TrackSpace(catalogue)))
    forget_catalogues(monkeypatch)
    for use in lambda: again.features, lambda: again.recordings:
        with pytest.raises(CatalogueError, match=r"`env=`, `bind` it"):
            use()
    assert again.n == 40
    assert again.feature_names == ("feature_0", "feature_1", "feature_2")
    later = Catalogue.from_features(np.random.default_rng(5).normal(size=(40, 3)))
    assert later.fingerprint == again.fingerprint
    assert np.array_equal(again.features, features)


@pytest.mark.parametrize("scaling", ["standard", "minmax"])
def test_pickled_space__of_built_in_tracks__makes_them_where_there_are_none(
    scaling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pickled = pickle.dumps(TrackSpace(Catalogue.builtin(57, scaling=scaling)))
    forget_catalogues(monkeypatch)
    again = pickle.loads(pickled)
    assert held(again.fingerprint) is None
    assert np.array_equal(again.features, Catalogue.builtin(57, scaling=scaling).features)


@pytest.mark.parametrize("kind", ["file", "builtin", "memory"])
@pytest.mark.parametrize("env_id", ["SpotifyPlaylist-v0", "SpotifySkip-v0"])
def test_pickled_env__brings_its_catalogue_into_another_process(kind: str, env_id: str, tmp_path: Path) -> None:
    catalogue = Catalogue.builtin(90)
    if kind == "file":
        catalogue.save(tmp_path / "tracks.arrow")
        catalogue = Catalogue.load(tmp_path / "tracks.arrow")
    elif kind == "memory":
        catalogue = catalogue.take(np.arange(80))
    for env in gym.make(env_id, catalogue=catalogue), gym.make_vec(env_id, num_envs=2, catalogue=catalogue):
        (tmp_path / "env.pickle").write_bytes(pickle.dumps(env))
        code = (
            f"import pickle; env = pickle.load(open({str(tmp_path / 'env.pickle')!r}, 'rb'));"
            "space = getattr(env, 'single_action_space', env.action_space);"
            "print(env.reset(seed=1)[0].ravel().tolist() == {seen}, space.features.shape, space.forbids_repeats)"
        ).replace("{seen}", str(env.reset(seed=1)[0].ravel().tolist()))
        shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert shown.split("\n")[0] == f"True ({len(catalogue)}, 9) True"


@pytest.mark.parametrize(
    ("env_id", "state", "begins"),
    [
        ("SpotifySession-v0", "mean", [0]),
        ("SpotifyPlaylist-v0", "mean+decayed", [0, 9, 18]),
        ("SpotifySession-v0", "history", [0, 9, 18, 27, 36]),
        ("SpotifySatiation-v0", "mean", [0, 9]),
        ("SpotifySkip-v0", "mean", [0]),
        ("SpotifyTaste-v0", "responses+mean", [0, 9, 18, 31]),
    ],
)
def test_observation_space__knows_its_vectors(env_id: str, state: str, begins: list[int], small: Catalogue) -> None:
    space = gym.make(env_id, catalogue=small, state=state).observation_space
    assert isinstance(space, Box)
    for same in space, copy.copy(space), copy.deepcopy(space), pickle.loads(pickle.dumps(space)):
        assert same.blocks == tuple(slice(begin, begin + 9) for begin in begins)
        assert same == Box(space.low, space.high, dtype=np.float32) == same
