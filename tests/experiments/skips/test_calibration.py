from __future__ import annotations

import numpy as np
import pytest

from experiments.skips.calibration import calibration_table, draw_calibration, losses
from experiments.skips.model import fit
from experiments.skips.population import simulate
from spotify_gym.listeners import SkippingListener


def test_table__counted_by_hand():
    probability = np.array([0.9, 0.1, 0.2, 0.8])
    table = calibration_table(probability, np.array([True, False, True, True]), n_bins=2)
    np.testing.assert_allclose(table, [[2, 0.15, 0.5], [2, 0.85, 1.0]])


def test_table__of_true_probabilities_lies_on_the_diagonal():
    rng = np.random.default_rng(0)
    probability = rng.random(50_000)
    table = calibration_table(probability, rng.random(50_000) < probability)
    np.testing.assert_allclose(table["predicted"], table["skipped"], atol=0.03)
    assert table["plays"].sum() == 50_000


def test_losses__fall_with_what_is_known(small):
    moody = SkippingListener(mood_sd=1.5)
    train, test = simulate(moody, small, 1_500).log.split(0.5, seed=0)
    one_rate, without_mood, with_mood = losses(fit(train), train, test)["log-loss"]
    assert one_rate == pytest.approx(np.log(2), abs=0.02)
    assert without_mood < one_rate - 0.05
    assert with_mood < without_mood - 0.002


def test_model__is_calibrated_on_sessions_it_has_not_seen(small):
    train, test = simulate(SkippingListener(mood_sd=1.0), small, 3_000).log.split(0.5, seed=0)
    table = calibration_table(fit(train).predict(test)[test.played], test.skipped[test.played])
    np.testing.assert_allclose(table["predicted"], table["skipped"], atol=0.05)


def test_draw__writes_a_picture(tmp_path):
    draw_calibration(calibration_table(np.linspace(0, 1, 100), np.arange(100) % 2 == 0), tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
