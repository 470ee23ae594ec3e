from __future__ import annotations

import numpy as np
import pytest

from experiments.skips.facts import MEASURED, facts_of
from experiments.skips.population import MixedPolicy, simulate
from spotify_gym import Catalogue
from spotify_gym.listeners import SkippingListener


def assert_measured(catalogue):
    facts = facts_of(simulate(SkippingListener(), catalogue, n_sessions=12_000, seed=2024).log)
    for name, found, measured, tolerance in zip(
        facts.names(), facts.values(), MEASURED.values(), MEASURED.tolerances(), strict=True
    ):
        assert found == pytest.approx(measured, abs=tolerance), name


def test_default_listener__reproduces_the_measured_facts():
    assert_measured(Catalogue.builtin())


def test_default_listener__reproduces_the_measured_facts_on_real_tracks(real_tracks):
    assert_measured(Catalogue.read(real_tracks))


def test_simulate__ends_a_session_when_the_listener_leaves(small):
    hopeless = SkippingListener(position=(50.0,), patience=4.0)
    log = simulate(hopeless, small, n_sessions=10, n_plays=6).log
    assert log.played.tolist() == 10 * [[True] * 4 + [False] * 2]
    np.testing.assert_array_equal(log.skipped, log.played)


def test_simulate__is_a_function_of_its_seed(small):
    first, again, other = (simulate(SkippingListener(), small, 50, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.tracks, again.tracks)
    np.testing.assert_array_equal(first.log.skipped, again.log.skipped)
    assert (first.tracks != other.tracks).any()


def test_mixed_policy__is_half_random_and_half_near_the_vibe(small):
    rng = np.random.default_rng(0)
    vibe = np.repeat(small.features[:1], 20_000, axis=0)

    def nearness(chance):
        tracks = MixedPolicy(n_choices=10, chance=chance).play(small.unit_features, vibe, rng)
        return (small.unit_features[tracks] @ small.unit_features[0]).mean()

    random, mixed, near = (nearness(chance) for chance in (1.0, 0.5, 0.0))
    assert random == pytest.approx((small.unit_features @ small.unit_features[0]).mean(), abs=0.02)
    assert mixed == pytest.approx((random + near) / 2, abs=0.02)
    assert near > random + 0.3


@pytest.mark.slow
def test_facts_command__makes_the_default_listener(tmp_path):
    from experiments import calibrate

    calibrate.main(["facts", "--out", str(tmp_path)])
    found, default = SkippingListener.from_json(tmp_path / "listener.json"), SkippingListener()
    np.testing.assert_allclose(found.position, default.position, atol=0.1)
    assert found.last_skip == pytest.approx(default.last_skip, abs=0.1)
    assert found.recent_skips == pytest.approx(default.recent_skips, abs=0.1)
    assert found.mood_sd == pytest.approx(default.mood_sd, abs=0.2)
