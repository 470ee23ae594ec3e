from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spotify_gym.app.app_state import AppState
from spotify_gym.app.listening import ListeningSession
from spotify_gym.app.session_starts import surprise_start
from spotify_gym.app.trained import SHIPPED_RUN
from spotify_gym.training import TrainConfig
from spotify_gym.training.tensors import read_tensors
from tools.shipped_model import CONFIG, main


@pytest.fixture(scope="module")
def small_app_state() -> AppState:
    """The shipped model over a catalogue that it did not learn from."""
    return AppState.open(catalogue="builtin:5000")


def test_shipped_model__is_small_and_what_its_command_makes() -> None:
    assert sum(file.stat().st_size for file in SHIPPED_RUN.iterdir()) < 1_000_000
    config = TrainConfig.from_json(json.loads((SHIPPED_RUN / "config.json").read_text()))
    assert config == CONFIG, "the settings have changed: run python -m tools.shipped_model"


def test_shipped_model__plays_nearly_as_well_as_one_who_knows_the_rules(small_app_state: AppState) -> None:
    def earned(agent: str) -> float:
        total = 0.0
        for seed in range(10):
            start = surprise_start(small_app_state.catalogue, 5, seed)
            session = ListeningSession(small_app_state.dynamics, small_app_state.agents[agent], start)
            for _ in range(20):
                session.listened()
            total += sum(play.reward for play in session.plays)
        return total / 10

    assert earned("Random") < 0.2 * earned("Nearest") < 0.95 * earned("Nearest") < earned("DoubleDQN (Playlist)")


def test_shipped_model__says_nothing_of_the_machine_it_came_from() -> None:
    told = (SHIPPED_RUN / "meta.json").read_text() + (SHIPPED_RUN / "config.json").read_text()
    assert "/" not in told


@pytest.mark.slow
def test_shipped_model__can_be_made_again_to_the_last_bit(tmp_path: Path) -> None:
    for name in ("one", "other"):
        main(tmp_path / name)
    one, other = (read_tensors(tmp_path / name / "weights.safetensors").arrays for name in ("one", "other"))
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])
