from __future__ import annotations

import numpy as np

from spotify_gym.app.agents import references
from spotify_gym.app.compare_view import compare
from spotify_gym.app.explanation import Profile
from spotify_gym.app.listening import ListeningSession, dynamics_for_a_person
from spotify_gym.session import SessionDynamics, make_dynamics
from tests.catalogues import hand_made


def test_compare__shows_both_and_leaves_the_session_alone(session: ListeningSession, dynamics: SessionDynamics) -> None:
    session.listened()
    before = session.to_json()
    nearest, popular, _ = references(dynamics)
    comparison = compare(session, Profile.of(dynamics.catalogue), nearest, popular)
    assert session.to_json() == before
    assert comparison.left == session.offers_of(nearest)
    assert comparison.right == session.offers_of(popular)
    text = " ".join(comparison.findings)
    assert "Nearest stays closer to your vibe now" in text
    assert "where you started" in text
    assert "Popular picks the better known track" in text


def test_compare__an_agent_with_itself(session: ListeningSession, dynamics: SessionDynamics) -> None:
    nearest = references(dynamics)[0]
    comparison = compare(session, Profile.of(dynamics.catalogue), nearest, nearest)
    assert comparison.findings == ("They agree on 10 of their 10 best tracks.", "Both would play the same track now.")


def test_compare__when_nothing_is_left() -> None:
    dynamics = dynamics_for_a_person(make_dynamics(hand_made(np.eye(3, dtype=np.float32)), history_length=3))
    session = ListeningSession(dynamics, references(dynamics)[0], [0, 1, 2])
    assert compare(session, Profile.of(dynamics.catalogue), *references(dynamics)).findings == (
        "Nothing is left to play.",
    )
