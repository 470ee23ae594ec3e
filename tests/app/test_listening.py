from __future__ import annotations

import json
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

from spotify_gym import ENVS, Catalogue
from spotify_gym.app.agents import Ranking, references
from spotify_gym.app.listening import OFFERS, YOU, ListeningSession, dynamics_for_a_person
from spotify_gym.session import SessionDynamics, make_dynamics
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
    with pytest.raises(ValueError, match=r"5 different tracks|no track of this catalogue"):
        ListeningSession(dynamics, references(dynamics)[0], start)


def test_any_agent__will_do(dynamics: SessionDynamics) -> None:
    class Stubborn:
        name, about = "Stubborn", "Plays in the order of the catalogue."

        def rank(self, sessions: object, k: int) -> Ranking:
            return Ranking(np.arange(20, 20 + k), np.arange(k, 0, -1, dtype=np.float32))

    session = ListeningSession(dynamics, Stubborn(), [0, 1, 2, 3, 4])
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
