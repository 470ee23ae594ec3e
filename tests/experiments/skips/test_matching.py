from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from experiments.skips.facts import facts_of
from experiments.skips.matching import Matcher
from experiments.skips.model import fit
from experiments.skips.population import simulate
from spotify_gym import Catalogue
from spotify_gym.listeners import SkippingListener

HIDDEN = SkippingListener(position=(0.3, 0.1, -0.5), last_skip=0.8, recent_skips=0.6, mood_sd=0.9, patience=8.0)
UNKNOWN = replace(HIDDEN, position=(0.0, 0.0, 0.0), last_skip=0.0, recent_skips=0.0, mood_sd=0.5)


@pytest.fixture(scope="module")
def tracks() -> Catalogue:
    return Catalogue.builtin(2_000)


def assert_alike(found, hidden, tolerance):
    np.testing.assert_allclose(found.position, hidden.position, atol=tolerance)
    assert found.last_skip == pytest.approx(hidden.last_skip, abs=tolerance)
    assert found.recent_skips == pytest.approx(hidden.recent_skips, abs=tolerance)
    assert found.mood_sd == pytest.approx(hidden.mood_sd, abs=tolerance)
    assert (found.taste_weight, found.patience) == (hidden.taste_weight, hidden.patience)


def test_match_model__recovers_the_listener_behind_a_log(tracks):
    log = simulate(HIDDEN, tracks, 2_000, seed=1).log
    misfits: list[float] = []
    matcher = Matcher(UNKNOWN, tracks, n_sessions=2_000, progress=misfits.append)
    assert_alike(matcher.match_model(fit(log, n_positions=3), prior_sd=3.0), HIDDEN, tolerance=0.15)
    assert misfits[-1] < 0.1 * misfits[0]


def test_match_facts__recovers_the_listener_behind_them(tracks):
    hidden, unknown = replace(HIDDEN, position=(-0.5,)), replace(UNKNOWN, position=(0.0,))
    facts = facts_of(simulate(hidden, tracks, 1_000, n_plays=10, seed=1).log)
    matcher = Matcher(unknown, tracks, n_sessions=1_000, n_plays=10)
    assert_alike(matcher.match_facts(facts), hidden, tolerance=0.3)
