from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spotify_gym.app.app_state import AppState
from spotify_gym.app.listening import ListeningSession
from spotify_gym.app.trained import load_trained
from spotify_gym.training import RunError
from tests.app.conftest import barely_trained
from tests.catalogues import hand_made


@pytest.fixture(scope="module")
def decayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned from other tracks, measured otherwise, and looks at what the first does not."""
    folder = tmp_path_factory.mktemp("runs") / "decayed"
    return barely_trained(folder, "builtin:200", scaling="minmax", state="mean+decayed+responses", algorithm="dueling")


def test_load_trained__names_each_after_what_it_is_and_says_what_it_is(run_folder: Path, decayed: Path) -> None:
    first, second = load_trained([run_folder, decayed])
    assert (first.name, second.name) == ("DQN (Playlist)", "DuelingDQN (Playlist)")
    assert "4 sessions of SpotifyPlaylist-v0 (algorithm dqn, policy mlp, state mean, seed 0)" in first.about
    assert "(algorithm dueling, policy catalogue, state mean+decayed+responses, seed 0)" in second.about


def test_load_trained__tells_folders_of_one_name_apart(run_folder: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "a" / "seed0", tmp_path / "b" / "seed0", tmp_path / "seed1", tmp_path / "Nearest"]
    for folder in folders:
        folder.parent.mkdir(exist_ok=True)
        folder.mkdir()
        for file in run_folder.iterdir():
            if file.is_file():
                (folder / file.name).write_bytes(file.read_bytes())
    names = [agent.name for agent in load_trained(folders)]
    assert names == [f"DQN (Playlist, {folder})" for folder in ("a/seed0", "b/seed0", "seed1", "Nearest")]
    assert [agent.name for agent in load_trained([folders[0], tmp_path / "a" / "." / "seed0"])] == ["DQN (Playlist)"]


def test_load_trained__lets_a_run_play_in_sessions_that_are_measured_otherwise(run_folder: Path, decayed: Path) -> None:
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
def test_load_trained__lets_a_run_of_another_environment_play(
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
def test_load_trained__refuses_what_does_not_fit_the_first_and_names_it(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    hand_made(np.random.default_rng(0).random((50, 2)).astype(np.float32)).save("two.arrow")
    other = barely_trained(Path("other"), **{"catalogue": "builtin:200", **settings})
    with pytest.raises(RunError) as refusal:
        load_trained([run_folder, other])
    message = str(refusal.value)
    assert message.startswith(f"{other} cannot play beside {run_folder}: ")
    assert said in message
