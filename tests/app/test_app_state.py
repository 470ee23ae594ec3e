"""Opening the page: runs, their catalogue, and the model that comes with the package."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spotify_gym import Catalogue, CatalogueError
from spotify_gym.app.agents import Learned
from spotify_gym.app.app_state import SHIPPED_RUN, AppState
from spotify_gym.app.listening import ListeningSession
from spotify_gym.app.start_view import surprise_start
from spotify_gym.training import RunError, TrainConfig
from spotify_gym.training.tensors import read_tensors
from tests.app.conftest import barely_trained
from tests.catalogues import hand_made
from tools.shipped_model import CONFIG, main


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
    with pytest.raises(RunError, match="no/such/run cannot play beside"):
        AppState.open([SHIPPED_RUN, "no/such/run"], "builtin:500")


@pytest.fixture(scope="module")
def decayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned from other tracks, measured otherwise, and looks at what the first does not."""
    folder = tmp_path_factory.mktemp("runs") / "decayed"
    return barely_trained(folder, "builtin:200", scaling="minmax", state="mean+decayed+responses", algorithm="dueling")


def trained(folders: list[Path]) -> list[Learned]:
    agents = AppState.open(folders).agents.values()
    return [agent for agent in agents if isinstance(agent, Learned)]


def test_open__names_each_after_what_it_is_and_says_what_it_is(run_folder: Path, decayed: Path) -> None:
    first, second = trained([run_folder, decayed])
    assert (first.name, second.name) == ("DQN (Playlist)", "DuelingDQN (Playlist)")
    assert "4 sessions of SpotifyPlaylist-v0 (algorithm dqn, policy mlp, state mean, seed 0)" in first.about
    assert "(algorithm dueling, policy catalogue, state mean+decayed+responses, seed 0)" in second.about


def test_open__tells_folders_of_one_name_apart(run_folder: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "a" / "seed0", tmp_path / "b" / "seed0", tmp_path / "seed1", tmp_path / "Nearest"]
    for folder in folders:
        folder.parent.mkdir(exist_ok=True)
        folder.mkdir()
        for file in run_folder.iterdir():
            if file.is_file():
                (folder / file.name).write_bytes(file.read_bytes())
    names = [agent.name for agent in trained(folders)]
    assert names == [f"DQN (Playlist, {folder})" for folder in ("a/seed0", "b/seed0", "seed1", "Nearest")]
    assert [agent.name for agent in trained([folders[0], tmp_path / "a" / "." / "seed0"])] == ["DQN (Playlist)"]


def test_open__lets_a_run_play_in_sessions_that_are_measured_otherwise(run_folder: Path, decayed: Path) -> None:
    """Beside another run it plays what it plays alone on the same tracks."""
    beside = AppState.open([run_folder, decayed])
    alone = AppState.open([decayed], beside.catalogue)
    assert not alone.catalogue.scaling.equals(beside.catalogue.scaling)
    sessions = [
        ListeningSession(s.dynamics, s.agents["DuelingDQN (Playlist)"], [10, 20, 30, 40, 50]) for s in (beside, alone)
    ]
    for answer in ("listened", "skip", "listened", "listened"):
        ours, theirs = (session.offers() for session in sessions)
        assert [offer.track for offer in ours] == [offer.track for offer in theirs]
        assert [offer.score for offer in ours] == pytest.approx([offer.score for offer in theirs], abs=1e-4)
        for session in sessions:
            getattr(session, answer)()


@pytest.mark.parametrize(
    ("env", "state"),
    [("SpotifySkip-v0", "mean+responses"), ("SpotifyTaste-v0", "taste"), ("SpotifySatiation-v0", "mean+decayed")],
)
def test_open__lets_a_run_of_another_environment_play(
    run_folder: Path, table: Path, tmp_path: Path, env: str, state: str
) -> None:
    """It is asked about the session as its own environment would see it, the listener included."""
    other = barely_trained(tmp_path / "other", table, env=env, state=state)
    beside, alone = AppState.open([run_folder, other]), AppState.open([other], table)
    name = next(iter(alone.agents))
    sessions = [ListeningSession(s.dynamics, s.agents[name], [10, 20, 30, 40, 50]) for s in (beside, alone)]
    for answer in ("listened", "skip", "listened"):
        for session in sessions:
            getattr(session, answer)()
        assert [offer.track for offer in sessions[0].offers()] == [offer.track for offer in sessions[1].offers()]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"history_length": 3}, "mean of 3 tracks, and in these sessions it is one of 5"),
        ({"policy": "mlp"}, "one output per track"),
        ({"catalogue": "two.arrow"}, "measured otherwise than by acousticness, danceability"),
    ],
)
def test_open__refuses_what_does_not_fit_the_first_and_names_it(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    hand_made(np.random.default_rng(0).random((50, 2)).astype(np.float32)).save("two.arrow")
    other = barely_trained(Path("other"), **{"catalogue": "builtin:200", **settings})
    with pytest.raises(RunError) as refusal:
        AppState.open([run_folder, other])
    message = str(refusal.value)
    assert message.startswith(f"{other} cannot play beside {run_folder}: ")
    assert said in message


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
