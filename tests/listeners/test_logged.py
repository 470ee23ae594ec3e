from __future__ import annotations

from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from spotify_gym.listeners import LoggedListener, as_listener
from spotify_gym.listeners.logged import HEARD

EAST, NORTH = np.eye(2, dtype=np.float32)
PLAIN = LoggedListener(
    position=(0.5, -1.0),
    left=((0.2, 1.0, 2.0), (0.1, 0.4, 0.8), (0.05, 0.1, 0.2)),
    mood_sd=0.0,
    mood_decay=0.5,
    mood_shift=(0.1, 0.3, 0.6),
    started=(0.3, 0.0, -0.2),
    again=0.7,
    taste_weight=3.0,
    taste_spread=0.0,
)


def started(listener=PLAIN):
    """Return the state of one listener, whose taste is `EAST`."""
    return listener.start(EAST[None, None], 1, np.zeros((1, 3), np.float32))[1]


def answer(listener, state, unit, uniform, leave=0.99):
    return listener.respond(state, unit[None], np.ones(1, np.float32), np.array([[uniform, leave, 0.5]], np.float32))


def log_odds(listener, state, unit, cosine=0.0):
    listened = float(listener.expect(state, unit[None], np.full((1, 1), cosine, np.float32))["listened"][0, 0])
    return np.log((1 - listened) / listened)


def test_probability__follows_the_equation():
    state = started()
    assert log_odds(PLAIN, state, NORTH) == pytest.approx(0.5 - 0.2, abs=1e-4)  # chosen
    assert log_odds(PLAIN, state, EAST) == pytest.approx(0.5 - 0.2 - 3.0, abs=1e-4)
    answer(PLAIN, state, EAST, 0.0)  # leaves at once
    assert log_odds(PLAIN, state, NORTH) == pytest.approx(-1.0 + 2.0 + 0.3 + 0.6, abs=1e-4)  # by forward
    assert log_odds(PLAIN, state, EAST) == pytest.approx(-1.0 + 2.0 + 0.3 + 0.6 + 0.7 - 3.0, abs=1e-4)  # again
    answer(PLAIN, state, -EAST, 1.0)  # hears it out
    assert log_odds(PLAIN, state, NORTH) == pytest.approx(-1.0 + 0.8 + 0.3, abs=1e-4)
    answer(PLAIN, state, NORTH, 1.0)
    answer(PLAIN, state, NORTH, 1.0)
    assert log_odds(PLAIN, state, -EAST) == pytest.approx(-1.0 + 0.6 / 8 + 3.0 + 0.7, abs=1e-4)


def test_regard__may_be_for_the_vibe():
    listener = replace(PLAIN, regard="vibe")
    assert log_odds(listener, started(listener), NORTH, 0.5) == pytest.approx(0.5 - 0.2 - 1.5, abs=1e-4)


def test_regard__may_be_for_all_that_was_heard_the_latest_most():
    listener = replace(PLAIN, regard="decayed", again=0.0, left=3 * ((0.0, 0.0, 0.0),), position=(0.5,))
    state = started(replace(listener, started=(0.0, 0.0, 0.0)))
    answer(listener, state, NORTH, 1.0)  # heard out
    answer(listener, state, -EAST, 0.0)  # skipped
    assert log_odds(listener, state, NORTH) == pytest.approx(0.5 + 0.3 + 0.6 - 3.0 / np.hypot(0.8, 1), abs=1e-4)
    pool = np.stack([EAST, NORTH])[None]
    np.testing.assert_allclose(listener.start(pool, 2, np.zeros((1, 3), np.float32))[1].taste, [[0.8, 1.0]])


def test_responses__may_count_together_for_more_than_their_sum():
    together, after = np.zeros((4, 4, 4)), np.zeros((4, 3))
    together[3, 0, 3], after[3, 0] = 0.9, 0.4
    listener = replace(PLAIN, mood_decay=0.0, together=tuple(together.ravel()), started_after=tuple(after.ravel()))
    state, plain = started(), started()
    for luck in (0.0, 1.0, 0.0):
        answer(listener, state, NORTH, luck)
        answer(replace(PLAIN, mood_decay=0.0), plain, NORTH, luck)
    assert log_odds(listener, state, EAST) - log_odds(PLAIN, plain, EAST) == pytest.approx(1.3, abs=1e-4)


def test_grade__follows_the_chance_and_the_table():
    skip, late, grades = 1 / (1 + np.exp(-0.3)), 0.5 / (1 + np.exp(0.3)), []
    listener = replace(PLAIN, grades=5 * ((0.5, 0.5, 0.25, 0.75),))
    for uniform in (0.0, 0.74 * skip, 0.76 * skip, 0.999 * skip, 1.001 * skip, skip + 0.99 * late, skip + 1.01 * late):
        state = started(listener)
        response = answer(listener, state, NORTH, uniform)
        grades.append(int(state.grades[0, -1]))
        assert bool(response.completed[0]) is (grades[-1] < 2)
    assert grades == [3, 3, 2, 2, 1, 1, 0]


def test_visible__shows_grades_oldest_first():
    state = started()
    assert PLAIN.visible(state).tolist() == [[0, 0, 0]]
    for grade in (0, 2, 3):
        state.grades[0] = [*state.grades[0, 1:], grade]
    np.testing.assert_allclose(PLAIN.visible(state), [[1, -1 / 3, -1]])


def test_leaving__is_likelier_after_a_skip():
    listener = replace(PLAIN, leave=(-3.0, 0.0))
    for uniform, leave, leaves in ((0.0, 0.49, True), (0.0, 0.51, False), (1.0, 0.04, True), (1.0, 0.06, False)):
        assert bool(answer(listener, started(listener), NORTH, uniform, leave).left[0]) is leaves


def test_start__draws_mood_and_regard():
    listener = replace(PLAIN, mood_sd=0.7, taste_spread=0.4)
    uniforms = np.random.default_rng(0).random((20_000, 3), dtype=np.float32)
    _, state = listener.start(np.tile(EAST, (20_000, 1, 1)), 1, uniforms)
    for values, mean, spread in ((state.mood, 0.0, 0.7), (state.regard, 3.0, 0.4)):
        assert values.mean() == pytest.approx(mean, abs=0.02)
        assert values.std() == pytest.approx(spread, abs=0.02)
    assert abs(np.corrcoef(state.mood, state.regard)[0, 1]) < 0.02


def test_listener__remembers_so_many_tracks():
    state = started()
    for _ in range(HEARD):
        answer(PLAIN, state, NORTH, 1.0)
    answer(PLAIN, state, EAST, 1.0)
    assert np.unique(state.heard.round(4)).size == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"position": []}, "position must hold 1 to 1000 numbers"),
        ({"position": ["a"]}, "position=.* must be 1 finite numbers"),
        ({"left": [[1, 2, 3]]}, "left=.* must be 3 × 3 finite numbers"),
        ({"left": [[1, 2, 3], [1, 2], 3]}, "left=.* must be 3 × 3 finite numbers"),
        ({"again": True}, "again=True must be a finite number"),
        ({"again": float("nan")}, "again=nan must be a finite number"),
        ({"mood_decay": 1.1}, "mood_decay=1.1 must be from 0 to 1"),
        ({"taste_spread": -1.0}, "taste_spread=-1.0 must be from 0"),
        ({"grades": 5 * [[1, 1, 1, 0]]}, "grades must hold probabilities"),
        ({"starts": 5 * [[1, 1, -1, 0]]}, "starts must hold probabilities"),
        ({"left": []}, "left=.* must be 3 × 3 finite numbers"),
        ({"grades": []}, "grades=.* must be 5 × 4 finite numbers"),
        ({"leave": []}, "leave=.* must be 2 finite numbers"),
        ({"together": [0.0] * 63}, "together=.* must be 64 finite numbers"),
        ({"started_after": [[0.0]] * 12}, "started_after=.* must be 12 finite numbers"),
        ({"skip_from": 4}, "skip_from=4 must be 1, 2 or 3"),
        ({"start_pool": 10**5}, "start_pool=100000 from 0 to 1000"),
        ({"regard": "mother"}, "regard='mother' must be"),
        ({"fitted": {"intervals": {"again": [1, 2]}}}, "interval of 'again'.* must be 3 finite numbers"),
    ],
)
def test_values__that_are_none_are_refused_in_words(wrong, said):
    with pytest.raises(ValueError, match=said):
        as_listener({"listener": "logged", **wrong})


def test_values__may_be_lists():
    listed = replace(PLAIN, left=tuple(map(list, PLAIN.left)), starts=list(map(list, PLAIN.starts)), leave=[-6.0, -4.6])
    assert listed == PLAIN
    assert hash(listed) == hash(PLAIN)


def test_env__shows_what_was_left_when_and_ends_when_they_leave(small):
    env = gymnasium.make("SpotifyLogged-v0", catalogue=small, listener=replace(PLAIN, leave=(-99.0, 99.0)))
    env.reset(seed=0)
    for track in range(40):
        observation, reward, terminated, *_ = env.step(track)
        assert bool(observation[-1] > 0) is bool(reward)
        assert terminated is (reward == 0)
        if terminated:
            break
    assert terminated
