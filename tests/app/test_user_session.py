from __future__ import annotations

import pytest

from spotify_gym.app import user_session as seat_module
from spotify_gym.app.app_state import Studio
from spotify_gym.app.user_session import DOUBLE_CLICK, Seat, Seats
from spotify_gym.session import SessionDynamics


@pytest.fixture
def studio(dynamics: SessionDynamics) -> Studio:
    return Studio.around(dynamics, [], length=20)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_click__counts_once_when_it_is_double(studio: Studio) -> None:
    clock, done = Clock(), []
    seat = Seat(studio, clock)
    seat.click("listened", lambda: done.append(1))
    clock.now += DOUBLE_CLICK / 2
    seat.click("listened", lambda: done.append(2))
    seat.click("skip", lambda: done.append(3))
    clock.now += DOUBLE_CLICK * 1.01
    seat.click("skip", lambda: done.append(4))
    assert done == [1, 3, 4]


def test_click__counts_the_time_from_when_the_action_is_done(studio: Studio) -> None:
    clock, done = Clock(), []
    seat = Seat(studio, clock)

    def slow() -> None:
        done.append(1)
        clock.now += 10 * DOUBLE_CLICK

    seat.click("listened", slow)
    seat.click("listened", slow)
    assert done == [1]


def test_choose__takes_five_recordings_and_no_more(studio: Studio) -> None:
    seat = Seat(studio)
    for track in (7, 7, 1, 2, 3, 4, 5):
        seat.choose(track)
    assert seat.chosen == [7, 1, 2, 3, 4]
    assert seat.is_full
    seat.drop(1)
    seat.drop(17)
    assert seat.chosen == [7, 2, 3, 4]
    with pytest.raises(ValueError, match="5 different tracks"):
        seat.begin()


def test_begin_and_leave(studio: Studio) -> None:
    seat = Seat(studio)
    seat.begin([1, 2, 3, 4, 5])
    assert seat.session is not None
    seat.sit_with(studio.agents["Random"])
    assert seat.session.agent.name == "Random"
    seat.leave()
    assert seat.session is None
    seat.begin([5, 4, 3, 2, 1])
    assert seat.session.agent.name == "Random"


def test_seats__are_found_again_by_their_secret_alone(studio: Studio) -> None:
    seats = Seats(studio)
    secret, seat = seats.find(None)
    assert seats.find(secret) == (secret, seat)
    other_secret, other = seats.find("a guess")
    assert other is not seat
    assert other_secret not in (secret, "a guess")
    assert len(secret) >= 20


def test_seats__give_up_the_one_unused_for_longest(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seat_module, "_MOST_SEATS", 2)
    seats = Seats(studio)
    first, second = seats.find(None)[0], seats.find(None)[0]
    seats.find(first)
    seats.find(None)
    assert seats.find(first)[0] == first
    assert seats.find(second)[0] != second
