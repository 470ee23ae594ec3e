"""Named tracks are found, or refused with a reason; the recommended tracks are those of the highest values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spotify_gym import Catalogue, CatalogueError
from spotify_gym.catalogue import TextColumn
from spotify_gym.training import Run, TrainConfig, find_tracks, load_run, recommend, train
from tests.catalogues import hand_made

TITLES = ["Hurt", "Hurt", "Closer", "Closer", "Hello, Goodbye", "Águas de Março", "Closer to Fine", "[/red]"]


@pytest.fixture(scope="module")
def songs() -> Catalogue:
    features = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    features[3] = features[2]  # one recording on two albums
    return hand_made(features, names=TITLES)


@pytest.mark.parametrize(
    ("names", "tracks"),
    [
        (["id5"], [5]),
        (["id1,id0, id7"], [1, 0, 7]),
        (["ÁGUAS DE MARÇO", "closer to fine"], [5, 6]),
        (["Hello, Goodbye", "id2"], [4, 2]),
        (['"Hello, Goodbye",id2'], [4, 2]),
        (["Hello, Goodbye"], [4]),
        ("id5", [5]),
        (["id1,", "id0,", "closer to fine"], [1, 0, 6]),
        (["id1,\nid0"], [1, 0]),
        (["[/red]"], [7]),
        (["Closer"], [2]),
    ],
)
def test_find_tracks__by_id_or_title(songs: Catalogue, names: Sequence[str], tracks: list[int]) -> None:
    assert find_tracks(songs, names) == tracks


def test_find_tracks__by_an_id_with_a_comma(songs: Catalogue) -> None:
    one = replace(songs, track_ids=TextColumn.of(["Hurt — A, B", *"1234567"]))
    assert find_tracks(one, ["Hurt — A, B"]) == [0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Hurt", r"2 tracks are called 'Hurt'; give the id: Hurt \(id0\), Hurt \(id1\)"),
        ("Goodbye", r"no track has the id or title 'Goodbye'; perhaps Hello, Goodbye \(id4\)"),
        ("Hurst", r"perhaps Hurt \(id0\), Hurt \(id1\)"),
        ("Zyzzyva", r"nor is any title similar"),
    ],
)
def test_find_tracks__says_what_comes_near(songs: Catalogue, name: str, message: str) -> None:
    with pytest.raises(CatalogueError, match=message):
        find_tracks(songs, [name])


def test_find_tracks__without_titles() -> None:
    nameless = hand_made(np.eye(6, dtype=np.float32))
    with pytest.raises(CatalogueError, match="no track has the id 'Hurt', and by hand has no titles"):
        find_tracks(nameless, ["Hurt"])


@pytest.fixture(scope="module", params=["SpotifySession-v0", "SpotifySkip-v0"])
def run(request: Any, small: Catalogue) -> Run:
    return train(
        TrainConfig(env=request.param, policy="mlp", hidden=(8,), steps=100, learning_starts=50), catalogue=small
    )


def test_recommend__gives_the_highest_values_of_tracks_not_heard(run: Run, small: Catalogue) -> None:
    history = [3, 1, 4, 15, 9]
    suggestions = recommend(run, history, top=7)
    values = [one.value for one in suggestions]
    assert values == sorted(values, reverse=True)
    assert not {one.track for one in suggestions} & set(history)
    assert run.model.env is not None
    env = run.model.env.unwrapped.env
    obs, _ = env.reset(options={"history": history})
    with torch.no_grad():
        all_values = run.model.q_net(torch.as_tensor(obs[:1]))[0].numpy()
    all_values[history] = -np.inf
    assert [one.track for one in suggestions] == np.argsort(-all_values)[:7].tolist()
    vibe = small.features[history].mean(axis=0)
    first = suggestions[0]
    cosine = small.unit_features[first.track] @ vibe / np.linalg.norm(vibe)
    assert first.similarity == pytest.approx(float(cosine), abs=1e-5)
    assert (first.track_id, first.label) == (small.track_ids[first.track], small.label(first.track))


def test_recommend__all_there_is(run: Run, small: Catalogue) -> None:
    suggested = [small.songs[one.track] for one in recommend(run, [0, 1, 2, 3, 4], top=10**9)]
    assert sorted(suggested) == sorted(set(small.songs) - set(small.songs[:5]))


@pytest.mark.parametrize(
    ("settings", "n_left"), [({}, 45), ({"policy": "mlp"}, 900), ({"policy": "shortlist", "candidates": 8}, 8)]
)
def test_recommend__asked_for_more_than_there_are_gives_what_there_is(settings: dict[str, Any], n_left: int) -> None:
    features = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    versions = hand_made(np.repeat(features, 20, axis=0))  # far fewer recordings than tracks
    config = TrainConfig(steps=200, n_envs=4, learning_starts=100, hidden=(8,), **settings)
    found = recommend(train(config, catalogue=versions), [0, 20, 40, 60, 80], top=1000)
    assert 0 < len(found) <= n_left
    assert len({one.track for one in found}) == len(found)


def test_recommend__of_fewer_songs_than_a_session_has(tmp_path: Path) -> None:
    config = TrainConfig("builtin:100", env="SpotifyPlaylist-v0", steps=40, hidden=(8,))
    train(config, tmp_path / "run")
    run = load_run(tmp_path / "run", Catalogue.builtin(12))
    left = set(run.catalogue.songs[5:]) - set(run.catalogue.songs[:5])
    assert len(recommend(run, [0, 1, 2, 3, 4], top=20)) == len(left) > 0


@pytest.mark.parametrize("policy", ["mlp", "catalogue"])
def test_recommend__of_a_song_one_edition_and_none_that_was_heard(policy: str) -> None:
    features = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    editions = hand_made(features, [f"Song {i % 30}{' - Mono' if i >= 30 else ''}" for i in range(60)])
    editions = replace(editions, artists=TextColumn.of(["Somebody"] * 60))
    config = TrainConfig(steps=200, n_envs=4, learning_starts=100, hidden=(8,), policy=policy)
    found = recommend(train(config, catalogue=editions), [0, 1, 2, 33, 34], top=20)
    assert len({one.track % 30 for one in found} - {0, 1, 2, 3, 4}) == len(found) == 20
    assert max(one.track for one in found) >= 30  # the edition that fits best, not always the first one


@pytest.mark.parametrize(
    ("history", "top", "message"),
    [([1, 2], 3, "must hold 5 tracks"), ([0, 1, 2, 3, 4], 0, "top=0"), ([0, 1, 2, 3, 4], 1.5, "top=1.5 is not")],
)
def test_recommend__refuses(run: Run, history: list[int], top: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recommend(run, history, top)
