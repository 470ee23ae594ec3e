from __future__ import annotations

import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.app.agents import Agent, Learned, Told, references
from spotify_gym.app.app_state import AppState
from spotify_gym.app.explanation import Profile
from spotify_gym.app.listening import ListeningSession, dynamics_for_a_person
from spotify_gym.session import SessionDynamics, make_dynamics
from spotify_gym.training import TrainConfig, recommend, train
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
    trained: Agent = app_state.agents["DQN (Playlist)"]
    start = [10, 20, 30, 40, 50]
    offers = ListeningSession(app_state.dynamics, trained, start).offers()
    expected = recommend(trained.run, start, top=len(offers))  # type: ignore[attr-defined]
    assert [offer.track for offer in offers] == [suggestion.track for suggestion in expected]
    assert [offer.score for offer in offers] == pytest.approx([suggestion.value for suggestion in expected])


def test_every_agent__says_why_by_what_it_goes_by(app_state: AppState, small: Catalogue) -> None:
    def why(dynamics: SessionDynamics, agent: Agent, profile: Profile) -> str:
        session = ListeningSession(dynamics, agent, [10, 20, 30, 40, 50])
        return session.why(agent, session.offers(), profile)

    said = {name: why(app_state.dynamics, agent, app_state.profile) for name, agent in app_state.agents.items()}
    assert said["Random"].startswith("Drawn by lot")
    assert "Popularity 100" in said["Popular"]
    assert "your vibe" in said["Nearest"]
    assert said["DQN (Playlist)"].startswith("Expects")
    assert "more than with the runner-up." in said["DQN (Playlist)"]


def test_learned__divides_the_margin_among_the_features(small: Catalogue) -> None:
    config = TrainConfig("builtin:400", steps=64, n_envs=4, learning_starts=8, env="SpotifyPlaylist-v0")
    run = train(config)
    dynamics = dynamics_for_a_person(make_dynamics(run.catalogue, repeats=False, reward={"flow": 0.5, "fit": 0.5}))
    learned = Learned("it", "", dynamics, run)
    session = ListeningSession(dynamics, learned, [10, 20, 30, 40, 50])
    first, second = session.offers()[:2]
    shares = learned.feature_shares(session.told, first.track, second.track)
    assert shares is not None
    assert shares.sum() == pytest.approx(first.score - second.score, abs=1e-5)
    assert "For it: " in session.why(learned, [first, second], Profile.of(run.catalogue))


def test_every_agent__ranks_fewer_where_fewer_are_left(small: Catalogue) -> None:
    catalogue = small.take(np.arange(8))
    dynamics = dynamics_for_a_person(make_dynamics(catalogue, repeats=False))
    for agent in references(dynamics):
        ranking = agent.rank(Told((0, 1, 2, 3, 4)), 10)
        assert sorted(ranking.tracks) == [5, 6, 7]
