"""A listening session: its course, its end, comparison with other agents, and export."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from spotify_gym import ENVS, Catalogue
from spotify_gym.app.agents import references
from spotify_gym.app.app_state import AppState
from spotify_gym.app.charts import map_chart
from spotify_gym.app.compare_view import play_out
from spotify_gym.app.listening import OFFERS, YOU, Agent, ListeningSession, Offer, dynamics_for_a_person
from spotify_gym.app.outcome_view import links, scores, to_csv
from spotify_gym.app.pca_map import PcaMap
from spotify_gym.app.words import link_of
from spotify_gym.catalogue import TextColumn
from spotify_gym.session import SessionDynamics, make_dynamics
from spotify_gym.training import RunError
from tests.app.conftest import barely_trained
from tests.catalogues import hand_made


def test_session__starts_from_the_mean_of_its_tracks(session: ListeningSession) -> None:
    expected = session.dynamics.catalogue.features[list(session.start)].mean(axis=0)
    np.testing.assert_allclose(session.vibe, expected, rtol=1e-6)
    assert session.plays == []


def test_listened__earns_what_the_environment_pays_and_moves_the_vibe() -> None:
    axes = np.eye(3, dtype=np.float32)
    catalogue = hand_made(np.concatenate([axes, [[3, 4, 0]]]).astype(np.float32))
    dynamics = dynamics_for_a_person(make_dynamics(catalogue, history_length=1, repeats=False, reward_baseline=0.25))
    session = ListeningSession(dynamics, references(dynamics)[0], [0])
    session.listened()  # (3, 4, 0) has cosine 0.6 to (1, 0, 0), the other two 0
    assert session.plays[0].track == 3
    assert session.plays[0].similarity == pytest.approx(0.6)
    assert session.plays[0].reward == pytest.approx(0.35)
    np.testing.assert_array_equal(session.vibe, [3, 4, 0])


def test_skip__leaves_the_vibe_and_never_offers_the_track_again(session: ListeningSession) -> None:
    vibe, first = session.vibe, session.offers()[0].track
    session.skip()
    np.testing.assert_array_equal(session.vibe, vibe)
    assert session.plays[0].reward == 0
    assert session.heard == list(session.start)
    assert first not in [offer.track for offer in session.offers()]


def test_play__hears_the_runner_up_or_a_track_that_the_person_found(session: ListeningSession) -> None:
    fourth, agent = session.offers()[3].track, session.agent.name
    session.play(fourth)
    found = next(track for track in range(400) if track not in {offer.track for offer in session.offers()} | {fourth})
    session.play(found)
    assert session.heard[-2:] == [fourth, found]
    assert [play.agent for play in session.plays] == [agent, YOU]
    for again in (fourth, found, session.start[0]):
        session.play(again)
        assert session.has_played(again)
    assert len(session.plays) == 2


def test_offers__are_ten_distinct_recordings_not_heard_before(session: ListeningSession) -> None:
    for _ in range(5):
        offers = session.offers()
        tracks = [offer.track for offer in offers]
        recordings = session.dynamics.catalogue.recordings
        assert len({int(recordings[track]) for track in tracks}) == OFFERS
        assert not set(recordings[tracks]) & set(recordings[session.heard])
        assert [offer.similarity for offer in offers] == pytest.approx([session.similarity(track) for track in tracks])
        session.listened()


def test_offers__show_one_version_of_a_recording() -> None:
    features = np.array([[1, 0], [0, 1], [1, 1], [1, 1], [2, 2], [1, 2]], np.float32)
    dynamics = dynamics_for_a_person(make_dynamics(hand_made(features), history_length=2))
    session = ListeningSession(dynamics, references(dynamics)[0], [0, 1])
    assert [offer.track for offer in session.offers()] == [2, 4, 5]
    session.listened()
    assert [offer.track for offer in session.offers()] == [5, 4]


def test_session__ends_with_the_catalogue_and_says_so() -> None:
    dynamics = dynamics_for_a_person(make_dynamics(hand_made(np.eye(4, dtype=np.float32)), history_length=2))
    session = ListeningSession(dynamics, references(dynamics)[0], [0, 1])
    session.listened()
    session.skip()
    assert not session.offers()
    session.listened()
    session.skip()
    assert len(session.plays) == 2


def test_undo__restores_the_moment_before(session: ListeningSession) -> None:
    session.undo()
    session.listened()
    session.skip()
    before = session.to_json(), session.offers(), session.vibe
    session.play(session.offers()[2].track)
    session.undo()
    assert session.to_json() == before[0]
    assert session.offers() == before[1]
    np.testing.assert_array_equal(session.vibe, before[2])


def test_agent__can_change_in_mid_session(session: ListeningSession, dynamics: SessionDynamics) -> None:
    session.listened()
    session.agent = references(dynamics)[1]
    session.listened()
    assert [play.agent for play in session.plays] == ["Nearest", "Popular"]


def test_json__takes_the_session_up_where_it_was(session: ListeningSession, dynamics: SessionDynamics) -> None:
    session.listened()
    session.skip()
    agents = {agent.name: agent for agent in references(dynamics)}
    again = ListeningSession.from_json(json.loads(json.dumps(session.to_json())), dynamics, agents)
    assert again.plays == session.plays
    assert again.offers() == session.offers()
    np.testing.assert_array_equal(again.vibes, session.vibes)


@pytest.mark.parametrize(
    "change", [{"agent": "nobody"}, {"start": ["no such id"]}, {"plays": [{"track": 3}]}, {"plays": 7}, {"start": None}]
)
def test_json__that_is_no_session__is_refused(
    session: ListeningSession, dynamics: SessionDynamics, change: dict[str, object]
) -> None:
    agents = {agent.name: agent for agent in references(dynamics)}
    with pytest.raises(ValueError, match=r"session|no track"):
        ListeningSession.from_json({**session.to_json(), **change}, dynamics, agents)


@pytest.mark.parametrize("start", [[1, 2, 3], [1, 1, 2, 3, 4], [1, 2, 3, 4, 400], [-1, 1, 2, 3, 4]])
def test_start__that_cannot_be__is_refused(dynamics: SessionDynamics, start: list[int]) -> None:
    with pytest.raises(ValueError, match=r"5 different tracks|is not a track of this catalogue"):
        ListeningSession(dynamics, references(dynamics)[0], start)


def test_any_agent__will_do(dynamics: SessionDynamics) -> None:
    class Stubborn(Agent):
        def rank(self, session: ListeningSession, k: int) -> list[tuple[int, float]]:
            return [(20 + place, float(-place)) for place in range(k)]

        def why(self, session: ListeningSession, offers: Sequence[Offer]) -> str:
            return "It is stubborn."

    agent = Stubborn("Stubborn", "Plays in the order of the catalogue.", "place")
    session = ListeningSession(dynamics, agent, [0, 1, 2, 3, 4])
    session.listened()
    assert session.heard[-1] == 20


def test_dynamics_for_a_person__forbid_repeats_and_keep_the_observation(dynamics: SessionDynamics) -> None:
    skipping = make_dynamics(dynamics.catalogue, listener="skipping", reward={"listened": 1.0})
    for original in (replace(dynamics, repeats=True, listener=None), skipping):
        ours = dynamics_for_a_person(original)
        assert not ours.repeats
        assert ours.observer.bounds[0].shape == original.observer.bounds[0].shape


@pytest.mark.parametrize("env_id", ENVS)
def test_session__of_every_environment__listens_to_a_person(env_id: str, small: Catalogue) -> None:
    dynamics = dynamics_for_a_person(gym.make(env_id, catalogue=small).unwrapped.dynamics)  # type: ignore[attr-defined]
    session = ListeningSession(dynamics, references(dynamics)[0], [1, 2, 3, 4, 5])
    for answer in (session.listened, session.skip, session.skip, session.listened):
        answer()
    assert [play.heard for play in session.plays] == [True, False, False, True]
    assert all(np.isfinite(play.reward) for play in session.plays)
    assert session.plays[1].reward == session.plays[2].reward == 0


def test_play_out__goes_to_the_end_from_the_same_start(session: ListeningSession, dynamics: SessionDynamics) -> None:
    session.skip()
    before = session.to_json()
    nearest, popular, _ = references(dynamics)
    ways = [play_out(session, agent) for agent in (nearest, popular)]
    assert session.to_json() == before
    assert [len(way.plays) for way in ways] == [20, 20]
    assert all(way.start == session.start and all(play.heard for play in way.plays) for way in ways)
    data = map_chart(PcaMap.of(dynamics.catalogue), ways[0], rival=ways[1])["datasets"]
    assert len(data["path"]) == len(data["rival"]) == 21
    assert not data["path"].equals(data["rival"])


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


@pytest.fixture(scope="module")
def taste(small: Catalogue) -> SessionDynamics:
    return dynamics_for_a_person(gym.make("SpotifyTaste-v0", catalogue=small).unwrapped.dynamics)  # type: ignore[attr-defined]


def test_simulated_listener__is_found_out_by_those_who_hear_answers(taste: SessionDynamics) -> None:
    agents = {agent.name: agent for agent in references(taste)}
    session = ListeningSession.of_listener(taste, agents["Belief"], key=3, length=50)
    before = session.known_by(session.agent)
    again = [session.to_json()]
    while not session.is_over:
        session.answered()
        again.append(session.to_json())
    assert session.plays[0].known == before
    assert session.plays[-1].known > 0.8 > before  # type: ignore[operator]
    assert session.known_by(agents["Random"]) is None
    taken_up = ListeningSession.from_json(again[9], taste, agents, 50)
    taken_up.answered()
    assert taken_up.to_json() == again[10]  # the simulated answers are reproducible
    assert play_out(session, agents["Belief"]).to_json() == again[-1]


def test_simulated_listener__is_there_only_where_a_taste_is_hidden(session: ListeningSession) -> None:
    with pytest.raises(ValueError, match="listeners here have no hidden taste"):
        ListeningSession(session.dynamics, session.agent, session.start, key=1)
    session.answered()
    assert session.plays[0].heard


def test_scores__of_a_listener_who_may_leave__are_no_longer_the_same_for_all(taste: SessionDynamics) -> None:
    session = ListeningSession.of_listener(taste, references(taste)[-1], key=0, length=50)
    while not session.is_over:
        session.answered()
    earned = scores(session)
    assert earned["a policy that knows their taste"] > 30 > earned["random tracks"]
    assert earned["Random and they"] == sum(play.heard for play in session.plays)


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


REAL = "0123456789abcdefghijAB"
TITLES = ["=SUM(A1)", 'He said "hi", twice', "two\nlines", "Ünïcode", "plain", "#EXTINF trick"]
IDS = [REAL, "../../etc/passwd", "http://example.com/x", "id3", "id4", "id5"]


@pytest.fixture
def odd() -> ListeningSession:
    features = np.array([[1, 0], [2, 1], [1, 2], [3, 1], [1, 3], [5, 4]], np.float32)
    catalogue = replace(hand_made(features, TITLES), track_ids=TextColumn.of(IDS), artists=TextColumn.of(["A;B"] * 6))
    dynamics = dynamics_for_a_person(make_dynamics(catalogue, history_length=2))
    session = ListeningSession(dynamics, references(dynamics)[0], [0, 1])
    session.listened()
    session.skip()
    session.listened()
    return session


def test_csv__holds_every_answer_and_no_formula(odd: ListeningSession) -> None:
    odd.agent = replace(references(odd.dynamics)[0], name="=1+1")
    odd.undo()
    odd.listened()
    text = to_csv(odd)
    assert text.startswith("\ufeffposition,answer,")  # the byte-order mark, which spreadsheets need
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [row["answer"] for row in rows] == ["start", "start", "listened", "skipped", "listened"]
    assert rows[-1]["agent"] == "'=1+1"
    assert rows[0]["title"] == "'=SUM(A1)"
    assert rows[1]["title"] == 'He said "hi", twice'
    assert rows[0]["artists"] == "A, B"
    assert rows[0]["link"] == f"https://open.spotify.com/track/{REAL}"
    assert rows[1]["link"] == ""
    assert float(rows[2]["similarity"]) == pytest.approx(odd.plays[0].similarity, abs=1e-4)


def test_links__are_given_where_the_id_looks_real(odd: ListeningSession) -> None:
    assert links(odd) == [f"https://open.spotify.com/track/{REAL}"]
    assert link_of(odd.dynamics.catalogue, 2) is None
