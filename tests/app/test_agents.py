from __future__ import annotations

import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.app.agents import Agent, references
from spotify_gym.app.app_state import AppState
from spotify_gym.app.listening import ListeningSession, dynamics_for_a_person
from spotify_gym.session import SessionDynamics, make_dynamics
from spotify_gym.training import recommend
from tests.catalogues import hand_made


def test_nearest__ranks_by_expected_reward(session: ListeningSession, dynamics: SessionDynamics) -> None:
    offers = session.offers_of(references(dynamics)[0])
    half = [
        (session.similarity(offer.track) + offer.similarity) / 2 for offer in offers
    ]  # vibe and seed vibe are one yet
    assert [offer.score for offer in offers] == pytest.approx([value - dynamics.baseline for value in half], abs=1e-5)
    assert [offer.score for offer in offers] == sorted((offer.score for offer in offers), reverse=True)
    everything = [session.similarity(track) for track in range(len(dynamics.catalogue)) if track not in session.start]
    assert offers[0].similarity == pytest.approx(max(everything))


def test_popular__goes_down_the_charts(session: ListeningSession, dynamics: SessionDynamics) -> None:
    popularity = dynamics.catalogue.popularity
    assert popularity is not None
    offers = session.offers_of(references(dynamics)[1])
    assert offers[0].score == np.delete(popularity, session.start).max()


def test_random__answers_alike_about_the_same_session(session: ListeningSession, dynamics: SessionDynamics) -> None:
    chance = references(dynamics)[-1]
    before = session.offers_of(chance)
    assert session.offers_of(chance) == before
    session.listened()
    assert session.offers_of(chance) != before


def test_references__leave_out_the_charts_where_nobody_knows_them() -> None:
    dynamics = dynamics_for_a_person(make_dynamics(hand_made(np.eye(6, dtype=np.float32))))
    assert [agent.name for agent in references(dynamics)] == ["Nearest", "Random"]


def test_learned__ranks_as_recommend_does(app_state: AppState) -> None:
    trained: Agent = app_state.agents["DQN, Playlist"]
    start = [10, 20, 30, 40, 50]
    offers = ListeningSession(app_state.dynamics, trained, start).offers()
    expected = recommend(trained.run, start, top=len(offers))  # type: ignore[attr-defined]
    assert [offer.track for offer in offers] == [suggestion.track for suggestion in expected]
    assert [offer.score for offer in offers] == pytest.approx([suggestion.value for suggestion in expected])


def test_every_agent__ranks_fewer_where_fewer_are_left(small: Catalogue) -> None:
    catalogue = small.take(np.arange(8))
    dynamics = dynamics_for_a_person(make_dynamics(catalogue, repeats=False))
    for agent in references(dynamics):
        ranking = agent.rank(dynamics.start(np.zeros(1, np.uint64), np.array([[0, 1, 2, 3, 4]])), 10)
        assert sorted(ranking.tracks) == [5, 6, 7]
