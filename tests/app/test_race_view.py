"""Two agents over a whole session, and what a session could become."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spotify_gym.app.agents import references
from spotify_gym.app.app_state import AppState
from spotify_gym.app.charts import map_chart, race_chart
from spotify_gym.app.listening import ListeningSession, dynamics_for_a_person
from spotify_gym.app.pca_map import PcaMap
from spotify_gym.app.race_view import play_out
from spotify_gym.catalogue import Catalogue
from spotify_gym.session import SessionDynamics, make_dynamics
from spotify_gym.training import RunError
from tests.app.conftest import barely_trained


def test_play_out__goes_to_the_end_from_the_same_start(session: ListeningSession, dynamics: SessionDynamics) -> None:
    session.skip()
    before = session.to_json()
    nearest, popular, _ = references(dynamics)
    ways = [play_out(session, agent) for agent in (nearest, popular)]
    assert session.to_json() == before
    assert [len(way.plays) for way in ways] == [20, 20]
    assert all(way.start == session.start and all(play.heard for play in way.plays) for way in ways)
    data = race_chart(PcaMap.of(dynamics.catalogue), *ways)["datasets"]
    assert len(data["first"]) == len(data["second"]) == 21
    assert not data["first"].equals(data["second"])


def test_after__tells_both_ways_and_leaves_the_session_alone(session: ListeningSession) -> None:
    session.listened()
    before, vibe = session.to_json(), session.vibe.copy()
    heard, skipped = session.after(heard=True), session.after(heard=False)
    assert session.to_json() == before
    assert np.array_equal(session.vibe, vibe)
    assert np.array_equal(skipped.vibe, vibe)
    assert not np.array_equal(heard.vibe, vibe)
    session.skip()
    assert session.offers() == skipped.offers()


def test_moved__is_false_for_an_agent_that_hears_no_skips(session: ListeningSession) -> None:
    session.offers()
    assert session.moved is None
    session.skip()
    assert session.moved is False
    session.listened()
    assert session.moved is None


def test_patience__falls_with_skips(small: Catalogue, session: ListeningSession) -> None:
    assert session.patience is None  # nobody leaves a playlist
    skip = make_dynamics(small, repeats=False, reward={"listened": 1.0}, listener="skipping")
    there = ListeningSession(dynamics_for_a_person(skip), session.agent, session.start)
    there.agent = references(there.dynamics)[-1]
    for left in (15.0, 14.0, 13.0):
        assert there.patience == (left, 15.0)
        there.skip()


def test_zoomed_map__holds_the_session(session: ListeningSession, dynamics: SessionDynamics) -> None:
    pca_map = PcaMap.of(dynamics.catalogue)
    whole, closer = (map_chart(pca_map, session, zoomed=zoomed) for zoomed in (False, True))
    domains = [spec["layer"][0]["encoding"]["x"]["scale"]["domain"] for spec in (whole, closer)]
    assert domains[1][1] - domains[1][0] <= domains[0][1] - domains[0][0]
    shown = closer["datasets"]
    for x in (x for name in ("path", "offers", "heard") for x in shown[name]["x"].to_pylist()):
        assert domains[1][0] <= x <= domains[1][1]


def test_stages__are_the_agent_on_its_way(table: Path, tmp_path: Path) -> None:
    state = AppState.open([barely_trained(tmp_path / "run", table, snapshots=(0.0, 0.5, 1.0))])
    trained = next(iter(state.agents.values()))
    assert trained.stages == (0.0, 0.5)  # type: ignore[attr-defined]
    raw = trained.at(0.0)  # type: ignore[attr-defined]
    assert raw.name.endswith("after 0% of its training")
    session = ListeningSession(state.dynamics, trained, range(5), 20)
    assert {offer.score for offer in session.offers_of(raw)} == {0.0}  # networks begin with values of 0
    with pytest.raises(RunError):
        trained.at(0.25)  # type: ignore[attr-defined]
