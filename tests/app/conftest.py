"""Fixtures: a small table with malicious titles, and an agent that was barely trained on it."""

from __future__ import annotations

import csv
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.app.agents import references
from spotify_gym.app.app_state import AppState
from spotify_gym.app.listening import ListeningSession, dynamics_for_a_person
from spotify_gym.session import SessionDynamics, make_dynamics
from spotify_gym.training import TrainConfig, train

NASTY = (
    "<script>document.title='taken'</script>",
    "**bold** :smile: $x^2$ [a](http://example.com)",
    "=1+1",
    ":red[x] `y` &amp; <b>",
)
NASTY_GENRE = "**jazz** <b> :smile:"


@pytest.fixture(autouse=True)
def state_of_this_test_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV of 300 tracks with ids that look like Spotify's; the first four have nasty titles and are most popular."""
    catalogue = Catalogue.builtin(300, seed=3)
    raw = catalogue.scaling.undo(catalogue.features)
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("table") / "songs.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["track_id", "track_name", "artists", "track_genre", "popularity", *catalogue.feature_names])
        for i in range(len(catalogue)):
            track_id = "".join(rng.choice(list(string.ascii_letters), 22))
            title = NASTY[i] if i < len(NASTY) else f"Song {i}"
            popularity = 100 - i if i < len(NASTY) else i % 90
            rows.writerow(
                [track_id, title, f"Band {i % 20}", (NASTY_GENRE, "metal")[i % 2], popularity, *raw[i].tolist()]
            )
    return path


@pytest.fixture(scope="session")
def run_folder(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a barely trained run."""
    return barely_trained(tmp_path_factory.mktemp("runs") / "run", table, policy="mlp")


def barely_trained(folder: Path, catalogue: str | Path, **settings: Any) -> Path:
    """Train a run for a few steps in a folder, and return the folder."""
    settings = {"env": "SpotifyPlaylist-v0", "hidden": (8,), **settings}
    train(TrainConfig(str(catalogue), episodes=4, n_envs=4, learning_starts=40, **settings), folder)
    return folder


@pytest.fixture(scope="session")
def app_state(run_folder: Path) -> AppState:
    return AppState.open([run_folder])


@pytest.fixture(scope="session")
def dynamics(small: Catalogue) -> SessionDynamics:
    """The playlist problem with 400 tracks, for a person."""
    return dynamics_for_a_person(make_dynamics(small, repeats=False, reward={"flow": 0.5, "fit": 0.5}))


@pytest.fixture
def session(dynamics: SessionDynamics) -> ListeningSession:
    """A new session with the nearest-neighbour agent."""
    return ListeningSession(dynamics, references(dynamics)[0], [3, 1, 4, 15, 9])
