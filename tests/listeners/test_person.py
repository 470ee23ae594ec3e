from __future__ import annotations

import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.listeners import Person, SatiatedListener, SkippingListener
from spotify_gym.session import SessionDynamics, SessionState, make_dynamics

HISTORY = np.array([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]])
ANSWERS = [np.array(row) for row in ([True, False], [False, False], [True, True], [False, True])]


def play(dynamics: SessionDynamics) -> tuple[SessionState, list[dict[str, list[float]]]]:
    sessions = dynamics.start(np.arange(2, dtype=np.uint64), HISTORY)
    terms = []
    for step, heard in enumerate(ANSWERS):
        sessions.listener.completed[:] = heard
        outcome = dynamics.step(sessions, np.array([20 + step, 30 + step]))
        assert (
            np.where(heard, [20 + step, 30 + step], 0).tolist() == np.where(heard, sessions.history[:, -1], 0).tolist()
        )
        assert not outcome.left.any()
        terms.append({name: values.tolist() for name, values in outcome.terms.items()})
    return sessions, terms


def test_person__in_nobodys_place__hears_what_they_say(small: Catalogue) -> None:
    sessions, _ = play(make_dynamics(small, repeats=False, listener=Person()))
    assert sessions.history.tolist() == [[2, 3, 4, 20, 22], [7, 8, 9, 32, 33]]
    assert small.recordings[31] in sessions.played[1]  # skipped, and yet not to be played again


def test_person__makes_the_skipping_listener_do_the_same(small: Catalogue) -> None:
    dynamics = make_dynamics(small, repeats=False, listener=Person(SkippingListener()), reward={"listened": 1.0})
    sessions, terms = play(dynamics)
    assert sessions.listener.replaced.responses.tolist() == [[-1, 1, -1], [-1, 1, 1]]
    assert [term["listened"] for term in terms] == [row.astype(float).tolist() for row in ANSWERS]
    shown = dynamics.observe(sessions)[:, -3:]
    assert shown.tolist() == [[-1, 1, -1], [-1, 1, 1]]


def test_person__satiates_the_listener_with_what_was_heard_alone(small: Catalogue) -> None:
    listener = SatiatedListener(decay=0.5)
    sessions, terms = play(make_dynamics(small, repeats=False, listener=Person(listener), reward={"satiation": 1.0}))
    units = small.unit_features
    exposure = sum(0.5**age * units[track] for age, track in enumerate([22, 20, 4, 3, 2, 1, 0]))
    np.testing.assert_allclose(sessions.listener.replaced.exposure[0], exposure, rtol=1e-4, atol=1e-6)
    assert terms[1]["satiation"] == [0.0, 0.0]


def test_person__shows_and_expects_what_the_replaced_listener_does(small: Catalogue) -> None:
    replaced = SkippingListener(mood_sd=0.0)
    ours, theirs = (
        make_dynamics(small, listener=listener, reward={"listened": 1.0}) for listener in (Person(replaced), replaced)
    )
    key = np.zeros(1, np.uint64)
    np.testing.assert_allclose(
        ours.expected_rewards(ours.start(key, HISTORY[:1])),
        theirs.expected_rewards(theirs.start(key, HISTORY[:1])),
        rtol=1e-6,
    )
    assert ours.reward_bounds == theirs.reward_bounds


@pytest.mark.parametrize("replaced", [None, SatiatedListener(), SkippingListener()])
def test_person__starts_from_the_history_given(small: Catalogue, replaced: SatiatedListener | None) -> None:
    dynamics = make_dynamics(small, listener=Person(replaced))
    assert dynamics.start(np.zeros(2, np.uint64), HISTORY).history.tolist() == HISTORY.tolist()
