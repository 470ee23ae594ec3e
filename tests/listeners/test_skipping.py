from __future__ import annotations

from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from spotify_gym.listeners import SkippingListener
from spotify_gym.listeners.skipping import logistic

EAST, NORTH = np.eye(2, dtype=np.float32)
NONE = np.zeros(1, np.float32)
PLAIN = SkippingListener(
    position=(0.5, -1.0), last_skip=2.0, recent_skips=0.25, mood_sd=0.0, taste_weight=3.0, patience=3.0
)


def started(listener=PLAIN, *history):
    """Return the state of one listener whose taste is the history, or `EAST` without one."""
    history = history or (EAST,)
    _, state = listener.start(np.array([history]), len(history), np.zeros((1, 2), np.float32))
    return state


def skip_probability(listener, state, unit):
    return 1 - float(listener.expect(state, unit[None], NONE[None])["listened"][0, 0])


def answer(listener, state, unit, uniform):
    return listener.respond(state, unit[None], NONE, np.array([[uniform]], np.float32))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def test_probability__follows_the_equation():
    state = started()
    assert skip_probability(PLAIN, state, EAST) == pytest.approx(sigmoid(0.5 - 3.0))
    assert skip_probability(PLAIN, state, NORTH) == pytest.approx(sigmoid(0.5))
    answer(PLAIN, state, NORTH, 0.0)  # skips
    assert skip_probability(PLAIN, state, NORTH) == pytest.approx(sigmoid(-1.0 + 2.0 + 0.25))
    answer(PLAIN, state, NORTH, 0.0)  # skips
    assert skip_probability(PLAIN, state, NORTH) == pytest.approx(sigmoid(-1.0 + 2.0 + 0.5))
    answer(PLAIN, state, NORTH, 0.999)  # listens
    assert skip_probability(PLAIN, state, NORTH) == pytest.approx(sigmoid(-1.0 + 0.5))
    answer(PLAIN, state, NORTH, 0.999)
    answer(PLAIN, state, NORTH, 0.999)  # both skips are out of mind
    assert skip_probability(PLAIN, state, NORTH) == pytest.approx(sigmoid(-1.0))


def test_probability__is_that_of_the_answer():
    probability = skip_probability(PLAIN, started(), NORTH)
    for uniform, listens in [(probability - 1e-4, False), (probability + 1e-4, True)]:
        response = answer(PLAIN, started(), NORTH, uniform)
        assert bool(response.completed[0]) is listens
        assert response.terms["listened"][0] == float(listens)


def test_probability__cannot_overflow():
    state = started(replace(PLAIN, taste_weight=1e6))
    assert skip_probability(replace(PLAIN, taste_weight=1e6), state, -EAST) == 1.0


def test_mood__shifts_every_track_of_the_session():
    listener = replace(PLAIN, mood_sd=0.7)
    uniforms = np.random.default_rng(0).random((20_000, 2), dtype=np.float32)
    _, state = listener.start(np.tile(EAST, (20_000, 1, 1)), 1, uniforms)
    assert state.mood.mean() == pytest.approx(0, abs=0.02)
    assert state.mood.std() == pytest.approx(0.7, abs=0.02)
    log_odds = 0.5 + state.mood
    listened = listener.expect(state, NORTH[None], np.zeros((20_000, 1), np.float32))["listened"][:, 0]
    np.testing.assert_allclose(listened, 1 - sigmoid(log_odds), rtol=1e-4)


@pytest.mark.parametrize("uniform", [0.0, 1.0])
def test_mood__is_finite_at_the_ends(uniform):
    _, state = PLAIN.start(EAST[None, None], 1, np.full((1, 2), uniform, np.float32))
    assert np.isfinite(state.mood).all()


def test_patience__runs_out_with_skips_and_comes_back_with_listening():
    state = started()
    answers = [0.0, 0.999, 0.999, 0.0, 0.0, 0.999, 0.0, 0.0]  # patience of 3: 2 3 3 2 1 2 1 0
    left = [bool(answer(PLAIN, state, NORTH, uniform).left[0]) for uniform in answers]
    assert left == 7 * [False] + [True]


def test_visible__shows_the_last_three_responses_oldest_first():
    state = started()
    np.testing.assert_array_equal(PLAIN.visible(state), [[0, 0, 0]])
    for uniform in (0.0, 0.999, 0.999, 0.0):
        answer(PLAIN, state, NORTH, uniform)
    np.testing.assert_array_equal(PLAIN.visible(state), [[1, 1, -1]])
    low, high = PLAIN.visible_bounds(2)
    assert low.tolist() == [-1, -1, -1]
    assert high.tolist() == [1, 1, 1]


def test_start__lets_the_nearest_to_the_taste_win_each_place():
    pool = np.array([[EAST, NORTH, EAST, -EAST, NORTH, -NORTH, NORTH]])  # the taste, then 2 places of 3 rivals
    places, state = PLAIN.start(pool, 2, np.zeros((1, 2), np.float32))
    assert places.tolist() == [[2, 4]]
    np.testing.assert_array_equal(state.taste, [EAST])


def test_start__takes_a_given_history_for_the_taste():
    np.testing.assert_allclose(started(PLAIN, EAST, NORTH).taste, [[0.5**0.5, 0.5**0.5]], rtol=1e-6)
    np.testing.assert_array_equal(started(PLAIN, EAST, -EAST).taste, [[0, 0]])


def test_start__scatters_the_history_around_the_taste(small):
    env = gymnasium.make_vec("SpotifySkip-v0", num_envs=500, catalogue=small).unwrapped
    env.reset(seed=0)
    nearness = np.einsum("bhd,bd->bh", small.unit_features[env.sessions.history], env.sessions.listener.taste)
    assert 0.2 < nearness.mean() < 0.6
    assert nearness.std() > 0.2


@pytest.mark.parametrize("history_length", [3, 5, 20])
def test_start_of_taste__says_nothing_of_it(history_length, small):
    skipping = gymnasium.make("SpotifyTaste-v0", catalogue=small).unwrapped.dynamics.listener
    env = gymnasium.make_vec(
        "SpotifyTaste-v0",
        num_envs=2000,
        catalogue=small,
        history_length=history_length,
        listener=replace(skipping, start_pool=history_length + 1),
    ).unwrapped
    env.reset(seed=0)
    cosines = np.vecdot(small.unit_features[env.sessions.history].mean(axis=1), env.sessions.listener.taste)
    at_random = (small.unit_features @ small.unit_features.mean(axis=0)).mean()
    assert abs(cosines.mean() - at_random) < 4 * cosines.std() / 2000**0.5


def test_start__leaves_a_track_for_the_taste_however_long_the_history(small):
    env = gymnasium.make_vec("SpotifyTaste-v0", num_envs=50, catalogue=small, history_length=20).unwrapped
    env.reset(seed=0)
    taste = env.sessions.listener.taste
    assert ((small.unit_features @ taste.T).max(axis=0) > 1 - 1e-6).all()


def test_taste__answers_as_it_always_did():
    """The answers in `SpotifyTaste-v0` do not depend on the defaults of the listener."""
    env = gymnasium.make_vec("SpotifyTaste-1k-v0", num_envs=4)
    env.reset(seed=11)
    heard = np.array([env.step(12 * np.arange(4) + track)[1] for track in range(12)], int).T
    assert ["".join(map(str, session)) for session in heard] == [
        "000000111000",
        "111111010010",
        "111111000100",
        "111011101111",
    ]
    assert env.unwrapped.dynamics.same == "song"


def test_arrays__stay_float32():
    state = started()
    assert answer(PLAIN, state, NORTH, 0.5).terms["listened"].dtype == np.float32
    assert PLAIN.expect(state, EAST[None], NONE[None])["listened"].dtype == np.float32
    assert {a.dtype for a in (state.taste, state.mood, state.patience, state.responses)} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    "wrong",
    [{"position": ()}, {"mood_sd": -1.0}, {"patience": 0.0}, {"patience": float("nan")}, {"last_skip": float("nan")}],
)
def test_parameters__must_make_sense(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        replace(PLAIN, **wrong)


@pytest.mark.parametrize(
    "text", ["", "[1, 2]", "{}", '{"position": [0], "moods": 1}', '{"position": [0], "mood_sd": "low"}']
)
def test_json__that_is_no_listener_is_refused(tmp_path, text):
    path = tmp_path / "listener.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"listener\.json"):
        SkippingListener.from_json(path)


def test_env__moves_the_vibe_with_what_was_listened_to_only(small):
    env = gymnasium.make("SpotifySkip-v0", catalogue=small)
    observation, _ = env.reset(seed=0)
    heard = set()
    for track in range(30):
        vibe = observation[:9]
        observation, reward, terminated, truncated, info = env.step(track)
        heard.add(reward)
        assert reward == info["listened"]
        assert np.array_equal(observation[:9], vibe) is (reward == 0)
        assert observation[-1] == (1 if reward else -1)
        if terminated or truncated:
            break
    assert heard == {0.0, 1.0}


def test_env__ends_when_patience_is_out(small):
    hopeless = SkippingListener(position=(50.0,), patience=4.0)
    env = gymnasium.make("SpotifySkip-v0", catalogue=small, listener=hopeless)
    env.reset(seed=0)
    steps = [env.step(track) for track in range(4)]
    assert [terminated for _, _, terminated, _, _ in steps] == [False, False, False, True]
    assert [info["end"] for *_, info in steps] == [0, 0, 0, 1]


def test_logistic__is_near_the_truth_everywhere():
    log_odds = np.linspace(-100, 100, 20_001, dtype=np.float32)
    ours = np.array([logistic(z) for z in log_odds])
    np.testing.assert_allclose(ours, sigmoid(log_odds.astype(np.float64)), atol=2e-7)


@pytest.mark.parametrize(("n_tracks", "n_uniforms"), [(2, 2), (3, 1)])
def test_start__of_too_little_is_refused(n_tracks, n_uniforms):
    with pytest.raises(ValueError, match="SkippingListener starts from 3 tracks and 2 uniform numbers"):
        PLAIN.start(np.ones((1, n_tracks, 2), np.float32), 3, np.zeros((1, n_uniforms), np.float32))
