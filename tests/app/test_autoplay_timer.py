from __future__ import annotations

import pytest

from spotify_gym.app.autoplay_timer import Metronome
from tests.app.test_user_session import Clock


def test_metronome__beats_once_and_then_waits_to_be_wound() -> None:
    clock = Clock()
    metronome = Metronome(clock)
    assert not metronome.beats()
    assert metronome.wind(2.0) == 2.0
    assert not metronome.beats()  # the page has just been drawn
    clock.now += 1.99
    assert not metronome.beats()
    clock.now += 0.02
    assert [metronome.beats() for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize(("late", "drawing"), [(0.0, 0.0), (0.1, 0.4), (0.5, 0.5)])
def test_metronome__keeps_its_pace_however_long_the_page_takes_to_be_drawn(late: float, drawing: float) -> None:
    clock, beats = Clock(), []
    metronome = Metronome(clock)
    clock.now += metronome.wind(2.0)
    for _ in range(4):
        clock.now += late
        assert metronome.beats()
        beats.append(clock.now)
        clock.now += drawing
        clock.now += metronome.wind(2.0)
    assert beats == pytest.approx([beats[0] + 2.0 * i for i in range(4)])


def test_metronome__leaves_half_of_the_time_to_look_at_a_page_that_was_slow() -> None:
    clock = Clock()
    metronome = Metronome(clock)
    clock.now += metronome.wind(2.0)
    assert metronome.beats()
    clock.now += 60
    assert not metronome.beats()
    assert metronome.wind(2.0) == 1.0


def test_metronome__counts_from_now_where_somebody_clicked() -> None:
    clock = Clock()
    metronome = Metronome(clock)
    metronome.wind(2.0)
    clock.now += 1.5
    assert metronome.wind(2.0) == 2.0
    clock.now += 1.0
    assert not metronome.beats()  # what the browser asks for the page before
