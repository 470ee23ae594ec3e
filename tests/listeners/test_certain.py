"""The listener that planners plan with: as another one most likely is."""

from __future__ import annotations

import numpy as np
import pytest

from spotify_gym.listeners import SatiatedListener, SkippingListener
from spotify_gym.listeners.certain import CertainListener
from spotify_gym.session import make_dynamics

TASTE = np.array([[[1.0, 0.0]]], np.float32)
NO_LUCK = np.zeros((1, 0), np.float32)


@pytest.mark.parametrize(("track", "heard"), [([1.0, 0.0], True), ([-1.0, 0.0], False)])
def test_respond__is_the_likelier_response(track, heard):
    listener = CertainListener(SkippingListener(position=(0.0,), last_skip=0.0, recent_skips=0.0, mood_sd=0.0))
    _, state = listener.start(TASTE, 1, NO_LUCK)
    unit = np.array([track], np.float32)
    response = listener.respond(state, unit, unit @ TASTE[0, 0], NO_LUCK)
    assert response.terms["listened"] == heard  # with probability 0.88


def test_expect__stays_what_is_to_be_expected():
    likely = SkippingListener()
    _, state = likely.start(TASTE, 1, np.full((1, 2), 0.5, np.float32))
    units, cosine = np.eye(2, dtype=np.float32), np.zeros((1, 2), np.float32)
    certain = CertainListener(likely)
    assert (certain.expect(state, units, cosine)["listened"] == likely.expect(state, units, cosine)["listened"]).all()
    assert certain.term_bounds == likely.term_bounds


def test_without_chance__takes_it_out_and_nothing_else(small):
    dynamics = make_dynamics(small, listener=SkippingListener(), reward={"listened": 1.0})
    certain = dynamics.determinized()
    assert dynamics.is_stochastic
    assert not certain.is_stochastic
    assert certain.reward == dynamics.reward
    sessions = dynamics.start(np.arange(4, dtype=np.uint64))
    assert (certain.expected_rewards(sessions) == dynamics.expected_rewards(sessions)).all()


def test_without_chance__where_there_is_none__changes_nothing(small):
    dynamics = make_dynamics(small, listener=SatiatedListener())
    assert not dynamics.is_stochastic
    assert dynamics.determinized() is dynamics
