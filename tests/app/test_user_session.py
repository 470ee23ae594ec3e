from __future__ import annotations

from pathlib import Path

import pytest

from spotify_gym.app import user_session as user_session_module
from spotify_gym.app.app_state import AppState
from spotify_gym.app.user_session import DOUBLE_CLICK, SessionStore, Tab, UserSession, UserSessions
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
    user = UserSession(app_state, clock=clock)
    user.click("listened", lambda: done.append(1), Tab(user.version))
    clock.now += DOUBLE_CLICK / 2
    user.click("listened", lambda: done.append(2), Tab(user.version))
    user.click("skip", lambda: done.append(3), Tab(user.version))
    clock.now += DOUBLE_CLICK * 1.01
    user.click("skip", lambda: done.append(4), Tab(user.version))
    assert done == [1, 3, 4]


def test_click__counts_the_time_from_when_the_action_is_done(app_state: AppState) -> None:
    clock, done = Clock(), []
    user = UserSession(app_state, clock=clock)

    def slow() -> None:
        done.append(1)
        clock.now += 10 * DOUBLE_CLICK

    user.click("listened", slow, Tab(user.version))
    user.click("listened", slow, Tab(user.version))
    assert done == [1]


def test_click__on_a_page_that_is_out_of_date_does_nothing_and_says_so(app_state: AppState) -> None:
    user = UserSession(app_state)
    user.begin([1, 2, 3, 4, 5])
    assert user.session is not None
    one, other = Tab(user.version), Tab(user.version)
    user.click("listened", user.session.listened, one)
    user.click("skip", user.session.skip, other)
    assert len(user.session.plays) == 1
    assert "another tab" in user.notice
    assert "track 2" in user.notice
    user.click("skip", user.session.skip, Tab(user.version))
    assert len(user.session.plays) == 2
    assert not user.notice


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
    session, place = user.session, user.place
    user.leave()
    assert user.session is None
    user.go_to(place)
    assert user.session is session
    user.leave()
    user.begin([5, 4, 3, 2, 1])
    assert user.session.agent.name == "Random"
    user.go_to("no such place")
    assert user.session is not session
    for start in range(99):
        user.begin(range(start, start + 5))
    assert len(user.sessions) < 20


def test_go_to__from_the_end_of_a_session_is_before_its_last_answer(app_state: AppState) -> None:
    user = UserSession(app_state)
    user.begin([1, 2, 3, 4, 5])
    before = user.place
    assert user.session is not None
    for _ in range(20):
        user.session.listened()
    end = user.place
    assert end != before
    user.begin(user.session.start)
    user.go_to(end)
    assert user.session.is_over
    user.go_to(before)
    assert len(user.session.plays) == 19


def test_user_sessions__are_found_again_by_their_secret_alone(app_state: AppState) -> None:
    user_sessions = UserSessions(app_state)
    secret, user = user_sessions.find(None)
    assert user_sessions.find(secret) == (secret, user)
    other_secret, other = user_sessions.find("a guess")
    assert other is not user
    assert other_secret not in (secret, "a guess")
    assert len(secret) >= 20


def test_user_sessions__outlive_the_server(app_state: AppState, tmp_path: Path) -> None:
    store = SessionStore(tmp_path / "sessions")
    secret, user = UserSessions(app_state, store).find(None)
    user.click("begin", lambda: user.begin([1, 2, 3, 4, 5]), Tab(user.version))
    assert user.session is not None
    user.click("skip", user.session.skip, Tab(user.version))
    again = UserSessions(app_state, SessionStore(tmp_path / "sessions")).find(secret)
    assert again[0] == secret
    assert again[1].session is not None
    assert again[1].to_json() == user.to_json()
    (file,) = (tmp_path / "sessions").iterdir()
    assert secret not in file.name
    for damaged in ('{"start": [1, 2], "plays": 7}', '{"sessions": 7}', '{"sessions": {"a": {"start": 7}}, "at": "a"}'):
        file.write_text(damaged)
        assert UserSessions(app_state, store).find(secret)[1].session is None


def test_user_sessions__give_up_the_one_unused_for_longest(
    app_state: AppState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_session_module, "_MOST_USERS", 2)
    user_sessions = UserSessions(app_state)
    first, second = user_sessions.find(None)[0], user_sessions.find(None)[0]
    user_sessions.find(first)
    user_sessions.find(None)
    assert user_sessions.find(first)[0] == first
    assert user_sessions.find(second)[0] != second
