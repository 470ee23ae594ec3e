from __future__ import annotations

import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.listeners import LoggedListener, SkippingListener
from spotify_gym.listeners.facts import facts_of, simulate, tolerance

MEASURED = {
    **{f"skip rate at position {i}": rate for i, rate in enumerate([0.38, 0.47, 0.51] + 17 * [0.53], start=1)},
    "skip rate after a track heard out": 0.279,
    "skip rate after a skip": 0.750,
    **{f"skip rate with {k} skips among the last three": r for k, r in enumerate((0.20, 0.45, 0.60, 0.80))},
    "standard deviation between sessions": 0.254,
}
"""On 5,955 public listening sessions (100,000 plays); a skip: moved on within about 10 to 15 seconds."""

AUTOCORRELATION = {
    f"autocorrelation of skips at lag {lag}": value
    for lag, value in ((1, 0.470), (2, 0.338), (3, 0.261), (5, 0.194), (10, 0.140))
}
"""On the same sessions."""


def assert_measured(listener, catalogue, measured):
    log, _ = simulate(listener, catalogue, n_sessions=12_000, seed=2024)
    facts = facts_of(log.grade >= 2, log.played)
    for name, value in measured.items():
        assert facts[name] == pytest.approx(value, abs=tolerance(name)), name


def test_skipping_listener__reproduces_the_measured_facts():
    assert len(MEASURED) == 27
    assert_measured(SkippingListener(), Catalogue.builtin(), MEASURED)


def test_skipping_listener__reproduces_the_measured_facts_on_real_tracks(real_tracks):
    assert_measured(SkippingListener(), Catalogue.read(real_tracks), MEASURED)


def test_logged_listener__reproduces_these_and_the_autocorrelation():
    assert_measured(LoggedListener(), Catalogue.builtin(), MEASURED | AUTOCORRELATION)


def test_logged_listener__reproduces_these_and_the_autocorrelation_on_real_tracks(real_tracks):
    assert_measured(LoggedListener(), Catalogue.read(real_tracks), MEASURED | AUTOCORRELATION)


def log_of(*sessions):
    """Skipped and played from words: s skipped, l listened."""
    letters = np.array([list(session.ljust(max(map(len, sessions)))) for session in sessions])
    return letters == "s", letters != " "


def test_facts__counted_by_hand():
    facts = facts_of(*log_of("sslls", "lsss", "lll"))
    assert [facts[f"skip rate at position {i}"] for i in range(1, 6)] == pytest.approx([1 / 3, 2 / 3, 1 / 3, 1 / 2, 1])
    assert facts["skip rate after a track heard out"] == 2 / 5  # s l l l s
    assert facts["skip rate after a skip"] == 3 / 4  # s l s s
    by_recent = [facts[f"skip rate with {k} skips among the last three"] for k in range(4)]
    np.testing.assert_equal(by_recent, [np.nan, 1.0, 0.5, np.nan])  # ssl l, sll s, lss s
    assert facts["standard deviation between sessions"] == pytest.approx(np.std([3 / 5, 3 / 4, 0]))
    assert facts["mean run of skips"] == 2  # ss, s, sss
    assert facts["mean run of tracks heard"] == 2  # ll, l, lll
    assert facts["plays in a session"] == 4
    pairs = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 1], [0, 0]])  # sslls: sl sl ls; lsss: ls ss; lll: ll
    assert facts["autocorrelation of skips at lag 2"] == pytest.approx(np.corrcoef(pairs.T)[0, 1])
    for name in facts:
        assert tolerance(name) > 0


def test_facts__find_the_regard_for_sound():
    rng = np.random.default_rng(0)
    cosine = rng.uniform(-1, 1, (5_000, 10))
    skipped = rng.random(cosine.shape) < 1 / (1 + np.exp(0.7 * cosine))
    found = facts_of(skipped, np.ones_like(skipped), cosine)["regard for sound, log-odds per unit of cosine"]
    assert found == pytest.approx(-0.7, abs=0.06)


def test_simulate__ends_a_session_when_the_listener_leaves(small):
    hopeless = SkippingListener(position=(50.0,), patience=4.0)
    log, _ = simulate(hopeless, small, n_sessions=10, n_plays=6)
    assert log.played.tolist() == 10 * [[True] * 4 + [False] * 2]
    assert log.ended.all()
    longer, _ = simulate(hopeless, small, n_sessions=10, n_plays=6, shortest=5)
    assert longer.played.sum(axis=1).tolist() == 10 * [5]


def test_simulate__is_a_function_of_its_seed(small):
    (first, _), (again, _), (other, _) = (simulate(SkippingListener(), small, 50, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.tracks, again.tracks)
    np.testing.assert_array_equal(first.grade, again.grade)
    assert (first.tracks != other.tracks).any()


def test_simulate__says_how_each_play_was_started(small):
    """The listener of the package presses forward where a track was not heard out, and chose the first one."""
    log, _ = simulate(LoggedListener(), small, 50)
    assert (log.started[:, 0] == 3).all()
    before, after = log.grade[:, :-1][log.played[:, 1:]], log.started[:, 1:][log.played[:, 1:]]
    np.testing.assert_array_equal(after, before > 0)
