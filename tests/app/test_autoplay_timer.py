from __future__ import annotations

import pytest

from spotify_gym.app.autoplay_timer import AutoplayTimer
from tests.app.test_user_session import Clock


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
    assert not autoplay_timer.beats()  # what the browser asks for the page before
