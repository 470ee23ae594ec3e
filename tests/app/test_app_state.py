from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spotify_gym import Catalogue, CatalogueError
from spotify_gym.app.app_state import AppState
from spotify_gym.app.listening import ListeningSession
from spotify_gym.training import RunError


def test_open__seats_a_person_in_the_environment_of_the_run(app_state: AppState) -> None:
    assert list(app_state.agents) == ["DQN (Playlist)", "Nearest", "Popular", "Random"]
    assert app_state.length == 20
    assert not app_state.dynamics.repeats
    assert app_state.dynamics.reward == {"flow": 0.5, "fit": 0.5}
    assert "4 sessions" in app_state.agents["DQN (Playlist)"].about


def test_open__plays_a_tiny_catalogue_to_its_end(small: Catalogue) -> None:
    app_state = AppState.open(catalogue=small.take(np.arange(8)))
    session = ListeningSession(app_state.dynamics, app_state.agents["DoubleDQN (Playlist)"], [0, 1, 2, 3, 4])
    for left in (3, 2, 1, 0):
        assert len(session.offers()) == left
        session.listened()
    assert sorted(session.heard) == list(range(8))


def test_open__names_what_is_missing_or_does_not_fit(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run"):
        AppState.open([tmp_path])
    with pytest.raises(CatalogueError, match="no such file"):
        AppState.open([run_folder], tmp_path / "none.csv")
    with pytest.raises(ValueError, match="fingerprint"):  # one output per track: no other catalogue
        AppState.open([run_folder], "builtin:500")
