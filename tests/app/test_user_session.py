from __future__ import annotations

import pytest

from spotify_gym.app import user_session as user_session_module
from spotify_gym.app.app_state import AppState
from spotify_gym.app.user_session import DOUBLE_CLICK, UserSession, UserSessions
from spotify_gym.session import SessionDynamics


@pytest.fixture
def app_state(dynamics: SessionDynamics) -> AppState:
    return AppState.around(dynamics, [], length=20)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_click__counts_once_when_it_is_double(app_state: AppState) -> None:
    clock, done = Clock(), []
    user = UserSession(app_state, clock)
    user.click("listened", lambda: done.append(1))
    clock.now += DOUBLE_CLICK / 2
    user.click("listened", lambda: done.append(2))
    user.click("skip", lambda: done.append(3))
    clock.now += DOUBLE_CLICK * 1.01
    user.click("skip", lambda: done.append(4))
    assert done == [1, 3, 4]


def test_click__counts_the_time_from_when_the_action_is_done(app_state: AppState) -> None:
    clock, done = Clock(), []
    user = UserSession(app_state, clock)

    def slow() -> None:
        done.append(1)
        clock.now += 10 * DOUBLE_CLICK

    user.click("listened", slow)
    user.click("listened", slow)
    assert done == [1]


def test_choose__takes_five_recordings_and_no_more(app_state: AppState) -> None:
    user = UserSession(app_state)
    for track in (7, 7, 1, 2, 3, 4, 5):
        user.choose(track)
    assert user.chosen == [7, 1, 2, 3, 4]
    assert user.is_full
    user.drop(1)
    user.drop(17)
    assert user.chosen == [7, 2, 3, 4]
    with pytest.raises(ValueError, match="5 different tracks"):
        user.begin()


def test_begin_and_leave(app_state: AppState) -> None:
    user = UserSession(app_state)
    user.begin([1, 2, 3, 4, 5])
    assert user.session is not None
    user.sit_with(app_state.agents["Random"])
    assert user.session.agent.name == "Random"
    user.leave()
    assert user.session is None
    user.begin([5, 4, 3, 2, 1])
    assert user.session.agent.name == "Random"


def test_user_sessions__are_found_again_by_their_secret_alone(app_state: AppState) -> None:
    user_sessions = UserSessions(app_state)
    secret, user = user_sessions.find(None)
    assert user_sessions.find(secret) == (secret, user)
    other_secret, other = user_sessions.find("a guess")
    assert other is not user
    assert other_secret not in (secret, "a guess")
    assert len(secret) >= 20


def test_user_sessions__give_up_the_one_unused_for_longest(
    app_state: AppState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_session_module, "_MOST_SEATS", 2)
    user_sessions = UserSessions(app_state)
    first, second = user_sessions.find(None)[0], user_sessions.find(None)[0]
    user_sessions.find(first)
    user_sessions.find(None)
    assert user_sessions.find(first)[0] == first
    assert user_sessions.find(second)[0] != second
