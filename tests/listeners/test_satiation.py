from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from spotify_gym.listeners import Listener, SatiatedListener

EAST, NORTH, WEST = np.eye(2, dtype=np.float32)[0], np.eye(2, dtype=np.float32)[1], -np.eye(2, dtype=np.float32)[0]
NONE = np.zeros(1, np.float32)
NO_CHANCE = np.empty((1, 0), np.float32)


def respond(listener, state, unit):
    return float(listener.respond(state, unit[None], NONE, NO_CHANCE).terms["satiation"][0])


def after(listener, *history):
    return listener.start(np.array([history]), len(history), NO_CHANCE)


def test_start__remembers_the_history_by_age():
    places, state = after(SatiatedListener(decay=0.5), EAST, NORTH, NORTH)
    np.testing.assert_array_equal(places, [[0, 1, 2]])
    np.testing.assert_allclose(state.exposure, [[0.25, 1.5]])


def test_start__is_what_playing_the_history_would_have_led_to():
    listener = SatiatedListener()
    _, state = after(listener, EAST)
    respond(listener, state, NORTH)
    np.testing.assert_allclose(state.exposure, after(listener, EAST, NORTH)[1].exposure, rtol=1e-6)


def test_respond__costs_weight_per_track_of_exposure():
    listener = SatiatedListener(decay=0.8, weight=0.2)
    _, state = after(listener, EAST)
    assert respond(listener, state, EAST) == pytest.approx(-0.2)  # exposure 1 to the east
    assert respond(listener, state, EAST) == pytest.approx(-0.2 * 1.8)
    assert respond(listener, state, NORTH) == 0
    assert respond(listener, state, EAST) == pytest.approx(-0.2 * (0.8 * (0.8 * 1.8 + 1)))  # it rebounds with rest


def test_respond__costs_nothing_for_the_opposite_of_the_recent():
    listener = SatiatedListener()
    _, state = after(listener, EAST, EAST)
    assert respond(listener, state, WEST) == 0


def test_respond__hears_every_track_out():
    response = SatiatedListener().respond(after(SatiatedListener(), EAST)[1], EAST[None], NONE, NO_CHANCE)
    assert response.completed is not None
    assert response.left is not None
    assert response.completed.all()
    assert not response.left.any()


def test_expect__is_exact_and_moves_nothing():
    listener = SatiatedListener()
    rng = np.random.default_rng(0)
    units = rng.standard_normal((7, 3)).astype(np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    _, state = listener.start(units[rng.integers(7, size=(7, 5))], 5, np.empty((7, 0), np.float32))
    before = state.exposure.copy()
    expected = listener.expect(state, units, np.zeros((7, 7), np.float32))["satiation"]
    np.testing.assert_array_equal(state.exposure, before)
    answered = listener.respond(state, units, np.zeros(7, np.float32), np.empty((7, 0), np.float32)).terms["satiation"]
    np.testing.assert_allclose(answered, np.diag(expected), atol=1e-6)
    assert expected.dtype == answered.dtype == np.float32


def test_bounds__hold_for_one_track_for_ever():
    listener = SatiatedListener()
    _, state = after(listener, *[EAST] * 5)
    low, high = listener.visible_bounds(2)
    lowest, highest = listener.term_bounds["satiation"]
    for _ in range(200):
        assert lowest <= respond(listener, state, EAST) <= highest
        assert ((low <= listener.visible(state)) & (listener.visible(state) <= high)).all()


@pytest.mark.parametrize("wrong", [{"decay": 1.0}, {"decay": -0.1}, {"weight": -1.0}, {"weight": float("nan")}])
def test_parameters__must_make_sense(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        SatiatedListener(**wrong)


def test_env__shows_the_exposure_and_charges_for_it(small):
    env = gymnasium.make("SpotifySatiation-v0", catalogue=small)
    observation, _ = env.reset(seed=0)
    exposure, track = observation[9:], 17
    observation, reward, _, _, info = env.step(track)
    unit = small.unit_features[track]
    assert info["satiation"] == pytest.approx(-0.2 * max(0, unit @ exposure), abs=1e-6)
    assert reward == pytest.approx(info["flow"] + info["satiation"], abs=1e-6)
    np.testing.assert_allclose(observation[9:], 0.8 * exposure + unit, atol=1e-6)


def test_env__makes_a_loop_in_one_neighbourhood_lose_to_variety(small):
    """Playing the track nearest to the vibe earns less than playing the track with the highest expected reward."""

    def play(choose):
        env = gymnasium.make_vec("SpotifySatiation-v0", num_envs=64, catalogue=small).unwrapped
        env.reset(seed=0)
        return sum(env.step(np.where(env.action_masks(), choose(env), -9).argmax(axis=1))[1].mean() for _ in range(19))

    loop = play(lambda env: env.sessions.vibe @ small.unit_features.T)
    greedy = play(lambda env: env.dynamics.expected_rewards(env.sessions))
    assert loop < 0.9 * greedy


# `rollout_rewards`, which planners call: the closed form against step-by-step play.

N, K, D = 7, 4, 3


def units_of(rng, *shape):
    vectors = rng.normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_rollout_rewards__one_track_after_another__by_hand():
    listener = SatiatedListener(decay=0.5, weight=0.1)
    _, state = listener.start(np.array([[[1.0, 0.0]]], np.float32), 1, np.zeros((1, 0), np.float32))
    tracks, rest = np.array([[1, 0], [0, 1]], np.float32), np.array([[1, 0], [1, 0]], np.float32)

    terms = listener.rollout_rewards(state, tracks, np.zeros(2), rest, np.zeros((2, 2)))

    # e = (1, 0). After (1, 0): 1.5, then 1.75 heard. After (0, 1): 0.5, then 1.25.
    assert terms["satiation"] == pytest.approx([-0.325, -0.175])
    assert state.exposure.tolist() == [[1, 0]]


@pytest.mark.parametrize("decay", [0.0, 0.8])
def test_rollout_rewards__satiation_in_one_product__is_the_played_out_one(decay):
    rng = np.random.default_rng(0)
    listener = SatiatedListener(decay=decay)
    _, state = listener.start(units_of(rng, 1, 5, D), 5, np.zeros((1, 0), np.float32))
    question = (state, units_of(rng, N, D), np.zeros(N, np.float32), units_of(rng, K, D), np.zeros((K, N), np.float32))

    short, long = listener.rollout_rewards(*question), Listener.rollout_rewards(listener, *question)

    assert short.keys() == long.keys()
    assert short["satiation"] == pytest.approx(long["satiation"], abs=1e-6)
