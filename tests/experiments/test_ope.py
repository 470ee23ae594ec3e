"""Off-policy estimates against true values by rollout, and a user's log with propensities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.ope import Ope, from_log, recommender
from spotify_gym import Catalogue
from spotify_gym.cli.command import run_command
from spotify_gym.listeners import LoggedListener
from spotify_gym.listeners.facts import simulate

PERSON = LoggedListener(regard="vibe", taste_weight=3.0, taste_spread=0.0)


def test_command__holds_estimates_against_the_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--catalogue", "builtin:500", "--steps", "5", "--n-sessions", "2000", "--sizes", "100", "400"]
    assert run_command(Ope, "ope", [*arguments, "--judged", "0.5", "0.25", "--out", str(tmp_path)]) == 0
    assert "doubly robust" in capsys.readouterr().out
    assert (tmp_path / "ope.png").stat().st_size > 10_000
    results = pd.read_csv(tmp_path / "estimates.csv")
    off = results.assign(off=results["value"] - results["truth"]).groupby(["judged", "sessions", "estimator"])["off"]
    spread, bias = off.std(), off.mean()
    for name in ("SNIPS", "doubly robust", "fitted Q"):
        assert abs(bias[0.25, 400, name]) < 0.2, name
    assert spread[0.25, 400, "doubly robust"] < spread[0.25, 100, "doubly robust"] < spread[0.25, 100, "IPS"]
    inside = (results["low"] <= results["truth"]) & (results["truth"] <= results["high"])
    assert inside[results["estimator"] == "doubly robust"].mean() > 0.8


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Catalogue]:
    """A folder with the log of a recommender of pull 1, with exact propensities, and with the listener's file."""
    folder, catalogue = tmp_path_factory.mktemp("own"), Catalogue.builtin(300)
    log, _ = simulate(PERSON, catalogue, 1500, 6, seed=5, tracks=recommender(catalogue, 1.0))
    session, place = np.nonzero(log.played)
    before = {(s, t): log.tracks[s, :t][log.grade[s, :t] < 2][-5:] for s, t in zip(session, place, strict=True)}
    vibes = np.array([catalogue.features[heard].sum(axis=0) for heard in before.values()])
    vibes /= np.maximum(np.linalg.norm(vibes, axis=1, keepdims=True), 1e-9)
    weights = np.exp(vibes @ catalogue.unit_features.T)
    played = log.tracks[session, place]
    table = {
        "session": session,
        "position": place,
        "track": [catalogue.track_ids[track] for track in played],
        "response": np.where(log.grade[session, place] < 2, "completed", "skipped"),
        "propensity": weights[np.arange(len(played)), played] / weights.sum(axis=1),
    }
    pd.DataFrame(table).to_csv(folder / "log.csv", index=False)
    catalogue.save(folder / "songs.arrow")
    PERSON.to_json(folder / "listener.json")
    return folder, catalogue


def test_own_log__tells_what_other_recommenders_earn(own: tuple[Path, Catalogue]) -> None:
    folder, catalogue = own
    judged = from_log(folder / "log.csv", catalogue, (0.0, 1.0, 2.0))
    np.testing.assert_allclose(judged[1.0].ratios, 1, rtol=1e-3)
    for pull, sessions in judged.items():
        assert np.prod(sessions.ratios, axis=1).mean() == pytest.approx(1, abs=0.15)
        log, _ = simulate(PERSON, catalogue, 8000, 6, seed=6, tracks=recommender(catalogue, pull))
        truth = ((log.grade >= 0) & (log.grade < 2)).sum(axis=1).mean()
        for name, estimate in sessions.estimates().items():
            assert estimate.low - 0.1 < truth < estimate.high + 0.1, (pull, name)


def test_command__sets_the_order_of_a_log_beside_that_of_a_listener(
    own: tuple[Path, Catalogue], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = own
    arguments = ["--log", str(folder / "log.csv"), "--catalogue", str(folder / "songs.arrow"), "--out", str(folder)]
    assert (
        run_command(Ope, "ope", [*arguments, "--listener", str(folder / "listener.json"), "--pulls", "0", "1", "2"])
        == 0
    )
    assert "Rank correlation of doubly robust values and the listener's: 1.00" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--epsilon", "0"], "epsilon=0.0 must be above 0"),
        (["--sizes", "9000"], "sizes=(9000,) must be from 4 to half of n_sessions"),
        (["--log", "log.csv"], "log.csv has no column propensity"),
    ],
)
def test_command__answers_a_mistake_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("log.csv").write_text("session,position,track,response\na,1,x,skipped\n")
    assert run_command(Ope, "ope", [*arguments, "--catalogue", "builtin:300"]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
