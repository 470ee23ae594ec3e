from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm
from sklearn.metrics import log_loss

from spotify_gym import Catalogue
from spotify_gym.listeners import LoggedListener, SatiatedListener, SkippingListener, as_listener
from spotify_gym.listeners.certificate import certify, worst_bin
from spotify_gym.listeners.facts import facts_of, simulate, tolerance
from spotify_gym.listeners.fitting import as_logged, fit, predict
from spotify_gym.listeners.plays import Plays
from spotify_gym.listeners.skip_log import LogError, SkipLog
from tests.catalogues import real_table

HIDDEN = LoggedListener(
    position=(0.3, -0.1, -0.5),
    left=((0.2, 0.9, 1.2), (0.1, 0.3, 0.4), (0.0, 0.2, 0.2)),
    mood_sd=0.7,
    mood_decay=0.85,
    mood_shift=(0.05, 0.15, 0.2),
    regard="vibe",
    taste_weight=0.6,
    taste_spread=1.0,
    again=0.5,
    leave=(-5.0, -3.0),
)
PLAIN = replace(HIDDEN, taste_weight=0.0, taste_spread=0.0, again=0.0)
LIVELY = replace(HIDDEN, taste_weight=2.0, taste_spread=0.3, again=0.0)
TRACKS = np.random.default_rng(0).integers(40, size=(4_000, 20))


def log_of(*sessions: str) -> SkipLog:
    """Return a log of sessions that are written as digits, the grade of each play."""
    longest = max(map(len, sessions))
    grade = np.array([[int(one) for one in session] + [-1] * (longest - len(session)) for session in sessions])
    names = np.array([f"s{i}" for i in range(len(sessions))], object)
    return SkipLog(grade, np.where(grade >= 0, 0, -1), names, names, np.zeros(len(sessions), np.bool_))


@pytest.fixture(scope="module")
def made(small):
    """A log of known listeners, without how plays were started, which follows from the other columns."""
    log, cosine = simulate(HIDDEN, small, 4_000, seed=1, tracks=TRACKS)
    return replace(log, started=None), cosine


@pytest.fixture(scope="module")
def found(made, small):
    return fit(made[0], small)


def test_fit__recovers_the_listener_that_made_the_log(found):
    truth = {
        **{f"position {i}": HIDDEN.position[min(i, 3) - 1] for i in range(1, 21)},
        "again": 0.5,
        "taste_weight": 0.6,
        "taste_spread": 1.0,
        "mood_sd": 0.7,
        "mood_decay": 0.85,
        "leaving after a track not skipped": -5.0,
        "leaving after a track skipped": -3.0,
    }
    for lag, effects in zip(("last track", "the one before", "the one before that"), HIDDEN.left, strict=True):
        truth |= {
            f"{lag} left {how}": effect for how, effect in zip(("late", "early", "at once"), effects, strict=True)
        }
    truth |= {
        f"mood after left {how}": s for how, s in zip(("late", "early", "at once"), HIDDEN.mood_shift, strict=True)
    }
    intervals = found.fitted["intervals"]
    assert intervals.keys() == truth.keys()
    widths = {name: (high - low) / 2 for name, (_, low, high) in intervals.items()}
    off = {name: abs(intervals[name][0] - truth[name]) for name in truth}
    assert {name: width for name, width in widths.items() if width > 0.35} == {}
    assert {name: o for name, o in off.items() if o > 1.75 * widths[name]} == {}
    assert np.mean([o <= widths[name] for name, o in off.items()]) > 0.8
    np.testing.assert_allclose(found.grades, HIDDEN.grades, atol=0.03)


def test_cosine__is_that_which_the_listener_met(made, small):
    log, cosine = made
    np.testing.assert_allclose(Plays(log, 2, small).cosine, cosine[log.played], atol=1e-5)


def test_fitted_listener__predicts_as_well_as_the_true_one_and_plays(found, made, small, tmp_path):
    plays = Plays(made[0], 2, small)
    assert log_loss(plays.skipped, predict(found, plays)) < log_loss(plays.skipped, predict(HIDDEN, plays)) + 0.001
    found.to_json(tmp_path / "listener.json")
    assert as_listener(tmp_path / "listener.json") == found


@pytest.mark.parametrize("regard", ["vibe", "decayed"])
def test_fit__finds_which_mean_of_what_was_heard_counts(regard, small):
    log, cosine = simulate(replace(LIVELY, regard=regard), small, 1_500, tracks=TRACKS[:1_500])
    np.testing.assert_allclose(Plays(log, 2, small, regard == "decayed").cosine, cosine[log.played], atol=1e-5)
    found = fit(log, small)
    assert found.regard == regard
    assert found.fitted["preferred_by"] > 2
    _, low, high = found.fitted["intervals"]["taste_weight"]
    assert low < LIVELY.taste_weight < high


def test_fit__keeps_up_with_boosting_where_responses_work_together(small):
    """The effects of earlier responses, and of how a play was started, are not additive."""
    rng = np.random.default_rng(0)
    crossed = {"together": rng.normal(0, 0.7, 64), "started_after": rng.normal(0, 0.7, 12)}
    starts = 5 * ((0.4, 0.3, 0.1, 0.2),)
    log, _ = simulate(replace(PLAIN, starts=starts, **{k: tuple(v) for k, v in crossed.items()}), small, 2_500)
    found = fit(log.split()[0])
    losses = certify(found, log, None).predictions.set_index("measure").loc["log-loss"]
    assert losses["this listener"] < losses["gradient boosting"] + 0.002
    assert losses["this listener"] < losses["logistic regression"] - 0.005
    assert np.corrcoef(found.together, crossed["together"])[0, 1] > 0.7


def test_predict__is_the_equation_where_there_is_no_mood():
    together, after = np.zeros((4, 4, 4)), np.zeros((4, 3))
    together[1, 0, 3], after[0, 1] = 0.6, 0.3  # left late after heard out after at once; back after heard out
    listener = replace(PLAIN, mood_sd=0.0, together=tuple(together.ravel()), started_after=tuple(after.ravel()))
    plays = Plays(replace(log_of("3012"), started=np.array([[3, 1, 2, 0]])), 2)
    log_odds = [
        0.3,
        -0.1 + 1.2 + 0.2,
        -0.5 + 0.4 + 0.85 * 0.2 + 0.3,
        -0.5 + 0.2 + 0.0 + 0.2 + 0.85**2 * 0.2 + 0.05 + 0.6,
    ]
    np.testing.assert_allclose(predict(listener, plays), expit(log_odds), rtol=1e-6)


def test_predict__learns_the_mood_from_the_session():
    """The second play's probability is a ratio of two integrals over the mood, here by brute force."""
    mood = np.linspace(-12, 12, 20_001)
    skips_first = expit(0.3 + mood) * norm.pdf(mood, scale=0.7)
    expected = (skips_first * expit(-0.1 + 1.2 + 0.2 + 0.85 * mood)).sum() / skips_first.sum()
    assert predict(PLAIN, Plays(log_of("33"), 2))[1] == pytest.approx(expected, abs=1e-4)


def test_fit__of_binary_responses_has_no_grades_to_tell(small):
    log, _ = simulate(SkippingListener(taste_weight=0.0), small, 400)
    found = fit(log)
    assert not [name for name in found.fitted["intervals"] if "at once" in name or "late" in name]
    assert np.abs(np.array(found.grades)[:, [0, 2]] - 1).max() < 0.01
    assert found.mood_sd < 1.2


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (log_of(*["30"] * 7), "has 7 sessions; a fit needs 50 or more"),
        (log_of(*["0101"] * 60), "skip_2 is False in every row"),
        (log_of(*["33"] * 60), "skip_2 is True in every row"),
    ],
)
def test_fit__to_nothing_is_refused(log, said):
    with pytest.raises(LogError, match=said):
        fit(log)


def test_skipping_listener__is_a_logged_one(small):
    default = SkippingListener(patience=np.inf)
    ours, theirs = (
        facts_of(log.grade >= 2, log.played)
        for log, _ in (
            simulate(listener, small, 8_000)
            for listener in (default, replace(as_logged(default), leave=(-99.0, -99.0)))
        )
    )
    for name, value in ours.items():
        assert theirs[name] == pytest.approx(value, abs=0.12 if "run" in name else 0.025), name
    with pytest.raises(ValueError, match="SatiatedListener never skips"):
        as_logged(SatiatedListener())


def test_certificate__passes_who_made_the_log_and_fails_another(made, small):
    log, _ = made
    good = certify(HIDDEN, log, small)
    assert good.predictions.columns[-2:].tolist() == ["this listener", "verdict"]
    assert "FAIL" not in set(good.predictions["verdict"])
    assert (good.facts["verdict"] == "FAIL").sum() <= 1
    bad = certify(replace(HIDDEN, left=3 * ((0.0, 0.0, 0.0),)), log, small)
    assert bad.predictions.set_index("measure")["verdict"]["log-loss"] == "FAIL"
    assert bad.facts.set_index("fact")["verdict"]["skip rate after a skip"] == "FAIL"
    sections = dict(bad.sections(HIDDEN))
    assert sections["In words"][0] == "This listener was never fitted to a log."
    assert any("needs the propensity" in line for line in sections["What the log cannot tell"])
    assert sections["The log and simulated sessions"].startswith(b"\x89PNG")


def test_worst_bin__counted_by_hand():
    assert worst_bin(np.array([0.9, 0.1, 0.2, 0.8]), np.array([True, False, True, True]), 2) == pytest.approx(0.35)


# The statistics by which a listener is validated.

MEASURED = {
    **{f"skip rate at position {i}": rate for i, rate in enumerate([0.38, 0.47, 0.51] + 17 * [0.53], start=1)},
    "skip rate after a track heard out": 0.279,
    "skip rate after a skip": 0.750,
    **{f"skip rate with {k} skips among the last three": r for k, r in enumerate((0.20, 0.45, 0.60, 0.80))},
    "standard deviation between sessions": 0.254,
}
"""Measured on 5,955 public listening sessions (100,000 plays); a skip is within about 10 to 15 seconds."""

AUTOCORRELATION = {
    f"autocorrelation of skips at lag {lag}": value
    for lag, value in ((1, 0.470), (2, 0.338), (3, 0.261), (5, 0.194), (10, 0.140))
}
"""Measured on the same sessions."""


@pytest.fixture(scope="module", params=["builtin", "tracks_211871.csv"])
def catalogue(request):
    return Catalogue.builtin() if request.param == "builtin" else Catalogue.read(real_table(request.param))


@pytest.mark.parametrize(
    ("listener", "measured"), [(SkippingListener(), MEASURED), (LoggedListener(), MEASURED | AUTOCORRELATION)]
)
def test_listener__reproduces_the_measured_facts(listener, measured, catalogue):
    assert len(MEASURED) == 27
    log, _ = simulate(listener, catalogue, n_sessions=12_000, seed=2024)
    facts = facts_of(log.grade >= 2, log.played)
    for name, value in measured.items():
        assert facts[name] == pytest.approx(value, abs=tolerance(name)), name


def test_facts__counted_by_hand():
    log = log_of("33003", "0333", "000")  # sslls, lsss, lll: s skipped, l listened
    facts = facts_of(log.grade >= 2, log.played)
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
    """`LoggedListener` starts a play by the forward button if the last track was not completed, the first by choice."""
    log, _ = simulate(LoggedListener(), small, 50)
    assert (log.started[:, 0] == 3).all()
    before, after = log.grade[:, :-1][log.played[:, 1:]], log.started[:, 1:][log.played[:, 1:]]
    np.testing.assert_array_equal(after, before > 0)
