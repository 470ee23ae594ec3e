"""User sessions: choices and clicks, and the timer of autoplay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.app import user_session as user_session_module
from spotify_gym.app.app_state import AppState, genres_to_start_from, well_known
from spotify_gym.app.listen_view import AutoplayTimer
from spotify_gym.app.pca_map import PcaMap
from spotify_gym.app.start_view import genre_start, mood_start, surprise_start
from spotify_gym.app.user_session import DOUBLE_CLICK, Tab, UserSession, UserSessions
from spotify_gym.session import SessionDynamics
from tests.catalogues import hand_made


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
    assert "another tab" in other.notice
    assert "track 2" in other.notice
    other.seen = user.version
    user.click("skip", user.session.skip, other)
    assert len(user.session.plays) == 2
    assert not one.notice


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
    folder = tmp_path / "sessions"
    secret, user = UserSessions(app_state, folder).find(None)
    user.click("begin", lambda: user.begin([1, 2, 3, 4, 5]), Tab(user.version))
    assert user.session is not None
    user.click("skip", user.session.skip, Tab(user.version))
    again = UserSessions(app_state, folder).find(secret)
    assert again[0] == secret
    assert again[1].session is not None
    assert again[1].to_json() == user.to_json()
    (file,) = folder.iterdir()
    assert secret not in file.name
    for damaged in ('{"start": [1, 2], "plays": 7}', '{"sessions": 7}', '{"sessions": {"a": {"start": 7}}, "at": "a"}'):
        file.write_text(damaged)
        assert UserSessions(app_state, folder).find(secret)[1].session is None


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


def test_autoplay_timer__beats_once_and_then_waits_to_be_wound() -> None:
    clock = Clock()
    autoplay_timer = AutoplayTimer(clock)
    assert not autoplay_timer.beats()
    assert autoplay_timer.wind(2.0) == 2.0
    assert not autoplay_timer.beats()  # the page has just been drawn
    clock.now += 1.99
    assert not autoplay_timer.beats()
    clock.now += 0.02
    assert [autoplay_timer.beats() for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize(("late", "drawing"), [(0.0, 0.0), (0.1, 0.4), (0.5, 0.5)])
def test_autoplay_timer__keeps_its_pace_however_long_the_page_takes_to_be_drawn(late: float, drawing: float) -> None:
    clock, beats = Clock(), []
    autoplay_timer = AutoplayTimer(clock)
    clock.now += autoplay_timer.wind(2.0)
    for _ in range(4):
        clock.now += late
        assert autoplay_timer.beats()
        beats.append(clock.now)
        clock.now += drawing
        clock.now += autoplay_timer.wind(2.0)
    assert beats == pytest.approx([beats[0] + 2.0 * i for i in range(4)])


def test_autoplay_timer__leaves_half_of_the_time_to_look_at_a_page_that_was_slow() -> None:
    clock = Clock()
    autoplay_timer = AutoplayTimer(clock)
    clock.now += autoplay_timer.wind(2.0)
    assert autoplay_timer.beats()
    clock.now += 60
    assert not autoplay_timer.beats()
    assert autoplay_timer.wind(2.0) == 1.0


def test_autoplay_timer__counts_from_now_where_somebody_clicked() -> None:
    clock = Clock()
    autoplay_timer = AutoplayTimer(clock)
    autoplay_timer.wind(2.0)
    clock.now += 1.5
    assert autoplay_timer.wind(2.0) == 2.0
    clock.now += 1.0
    assert not autoplay_timer.beats()  # a request of the previous page


def test_well_known__are_the_most_popular(titled: Catalogue) -> None:
    assert well_known(titled, 3).tolist() == [1, 3, 2]
    assert len(well_known(hand_made(np.eye(3, dtype=np.float32)))) == 0


def test_genre_start__keeps_to_the_genre(small: Catalogue) -> None:
    genre = small.genre_names[int(small.genres.sum(axis=0).argmax())]  # type: ignore[union-attr]
    start = genre_start(small, genre, 5, seed=4)
    assert small.genres is not None
    assert small.genres[start, small.genre_names.index(genre)].all()
    assert len(set(small.recordings[start])) == 5
    assert start.tolist() == genre_start(small, genre, 5, seed=4).tolist()


def test_genres_to_start_from__have_recordings_enough(titled: Catalogue) -> None:
    members = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 1], [1, 0, 1]], np.bool_)
    catalogue = replace(titled, genres=members, genre_names=("soul", "jazz", "rare"))
    assert genres_to_start_from(catalogue, 3) == ("jazz", "soul")
    assert genres_to_start_from(catalogue, 4) == ()  # two of the four of soul are one recording
    assert genres_to_start_from(titled, 1) == ()


@pytest.mark.parametrize("genre", ["polka of tomorrow", ""])
def test_genre_start__refuses_what_it_cannot_do(small: Catalogue, genre: str) -> None:
    with pytest.raises(ValueError, match="no genre"):
        genre_start(small, genre, 5, seed=0)
    with pytest.raises(ValueError, match="only"):
        genre_start(small, small.genre_names[0], 500, seed=0)


def test_mood_start__lies_far_in_its_direction(small: Catalogue) -> None:
    for direction in PcaMap.of(small).moods.values():
        start = mood_start(small, direction, 5, seed=1)
        assert len(set(small.recordings[start])) == 5
        along = small.unit_features @ direction
        assert along[start].min() > np.median(along)
        assert start.tolist() == mood_start(small, direction, 5, seed=1).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_surprise_start__has_a_taste(small: Catalogue, seed: int) -> None:
    start = surprise_start(small, 5, seed)
    assert len(set(small.recordings[start])) == 5
    units = small.unit_features[start]
    assert (units @ units.T).mean() > 0.5  # random tracks: about 0.2, each with itself included


def test_surprise_start__works_with_six_tracks(titled: Catalogue) -> None:
    assert len(set(titled.recordings[surprise_start(titled, 5, 0)])) == 5
