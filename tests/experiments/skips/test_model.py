from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from experiments.skips.log import SkipLog
from experiments.skips.model import SkipModel, design, fit, fit_without_mood, jacobian
from experiments.skips.population import simulate
from spotify_gym.listeners import SkippingListener

EFFECTS = np.array([0.2, -0.4, 1.5, 0.3])  # two positions, last_skip, recent_skips


def model(mood_sd):
    return SkipModel(EFFECTS, mood_sd, np.zeros(5))


def sessions(*words):
    letters = np.array([list(word) for word in words])
    return SkipLog(letters == "s", letters != " ")


def test_design__counts_what_came_before():
    rows = design(sessions("sslss"), 2)[0]
    assert rows.tolist() == [[1, 0, 0, 0], [0, 1, 1, 1], [0, 1, 1, 2], [0, 1, 0, 2], [0, 1, 1, 2]]


def test_predict__without_mood_is_the_equation():
    predicted = model(0.0).predict(sessions("sls"))[0]
    np.testing.assert_allclose(predicted, expit([0.2, -0.4 + 1.5 + 0.3, -0.4 + 0.3]))


def test_predict__learns_the_mood_from_the_session():
    """The second play's probability is a ratio of two integrals over the mood, here by brute force."""
    mood = np.linspace(-12, 12, 20_001)
    skips_first = expit(0.2 + mood) * norm.pdf(mood, scale=0.8)
    expected = (skips_first * expit(-0.4 + 1.5 + 0.3 + mood)).sum() / skips_first.sum()
    assert model(0.8).predict(sessions("ss"))[0, 1] == pytest.approx(expected, abs=1e-6)


def test_jacobian__of_a_known_function():
    derivatives = jacobian(lambda x: np.array([x[0] * x[1], x[1] ** 2, 3.0]), np.array([2.0, 5.0]), step=1e-3)
    np.testing.assert_allclose(derivatives, [[5, 2], [0, 10], [0, 0]], atol=1e-9)


def test_fit__recovers_what_made_the_log(small):
    """Listeners without taste are exactly the model."""
    listener = SkippingListener(
        position=(0.4, 0.1, -0.6), last_skip=1.2, recent_skips=0.3, mood_sd=0.9, taste_weight=0.0
    )
    found = fit(simulate(listener, small, 4_000).log, n_positions=3)
    truth = np.array([0.4, 0.1, -0.6, 1.2, 0.3, 0.9])
    assert (found.errors < 0.06).all()
    np.testing.assert_array_less(np.abs(found.values - truth), 4 * found.errors)


def test_fit__without_mood_takes_mood_for_stickiness(small):
    listener = SkippingListener(position=(0.0,), last_skip=0.0, recent_skips=0.0, mood_sd=1.5, taste_weight=0.0)
    log = simulate(listener, small, 2_000).log
    assert fit_without_mood(log, 1).effects[-1] > 0.3
    found = fit(log, n_positions=1)
    assert found.effects[-1] == pytest.approx(0, abs=0.1)
    assert found.mood_sd == pytest.approx(1.5, abs=0.1)


def test_fit__is_held_back_by_its_prior(small):
    log = simulate(SkippingListener(), small, 200).log
    loose, tight = fit(log, prior_sd=10.0), fit(log, prior_sd=0.1)
    assert np.abs(tight.values).max() < 0.6 * np.abs(loose.values).max()
    assert np.isfinite(fit(sessions(*["sss"] * 60, *["lll"] * 60), n_positions=1, prior_sd=1.0).values).all()


def test_fit__reports_a_falling_loss(small):
    losses: list[float] = []
    fit(simulate(SkippingListener(), small, 200).log, progress=losses.append)
    assert len(losses) > 3
    assert losses == sorted(losses, reverse=True)
