"""Statistics of methods: aggregates with bootstrap intervals, and significance tests of the difference of two methods.

A score is one number per training run and task (environment), so scores are `(n_runs, n_tasks)`; a vector is one task.
Leading axes are allowed (the steps of a learning curve, the thresholds of a profile), and all their entries share the
same resamples. The bootstrap is stratified: runs are resampled within each task, never across tasks.

The returns of a method are `(n_runs, n_sessions)`; every run of every method plays the same held-out sessions. Runs of
two methods are independent, their sessions are paired, which removes from the difference what makes a session easy or
hard for all methods.

Source of the aggregates: Agarwal, Schwarzer, Castro, Courville, Bellemare, "Deep Reinforcement Learning at the Edge of
the Statistical Precipice", NeurIPS 2021.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

FloatArray = NDArray[np.float64]

Statistic = Callable[..., FloatArray]
"""Reduction over one axis, like NumPy's: `statistic(values, axis=-1)`."""

CONFIDENCE = 0.95
"""Confidence level of intervals; tests have the level 1 − CONFIDENCE."""

N_RESAMPLES = 2_000
_BATCH_NUMBERS = 2**22  # numbers resampled at once: 32 MB


class Interval(NamedTuple):
    """An estimate and its confidence interval: numbers, or arrays of one shape."""

    estimate: FloatArray
    low: FloatArray
    high: FloatArray


def interquartile_mean(scores: ArrayLike, axis: int | None = None) -> FloatArray:
    """Average the middle half of the scores, all runs and tasks pooled.

    It is as robust to outlier runs as the median, with far less variance. A quarter, rounded down, is cut off each end.

    Example:
        >>> float(interquartile_mean([0, 1, 2, 3, 4, 5, 6, 700]))
        3.5
    """
    mean: FloatArray = stats.trim_mean(np.asarray(scores, np.float64), 0.25, axis=axis)
    return mean


def bootstrap_interval(scores: ArrayLike, statistic: Statistic = interquartile_mean) -> Interval:
    """Return a statistic of the pooled scores of all tasks with its interval, of the shape of the leading axes.

    Raises:
        ValueError: There are fewer than two runs, or a score is not finite.
    """
    return _resampled(
        list(np.moveaxis(as_scores(scores), -1, 0)),
        lambda *columns, axis: statistic(np.concatenate(columns, axis=axis), axis=axis),
    )


def probability_of_improvement(scores: ArrayLike, others: ArrayLike) -> Interval:
    """Return the probability that a run of one method beats a run of another on the same task, ties counting half.

    On one task this is the Mann–Whitney U / (n m), over several the mean. Both methods are resampled independently.

    Raises:
        ValueError: The tasks do not match, there are fewer than two runs of a method, or a score is not finite.
    """
    sides = [as_scores(scores), as_scores(others)]
    if sides[0].shape[1] != sides[1].shape[1]:
        raise ValueError(f"the methods have different tasks: {sides[0].shape[1]} and {sides[1].shape[1]}")
    return _resampled([column for side in sides for column in side.T], _mean_superiority)


def performance_profile(scores: ArrayLike, thresholds: ArrayLike) -> Interval:
    """Return the share of runs that score above each of n thresholds, with a pointwise band, (n,) each.

    Raises:
        ValueError: There are fewer than two runs, or a score is not finite.
    """
    above = as_scores(scores) > np.asarray(thresholds)[:, None, None]  # (n_thresholds, n_runs, n_tasks)
    return bootstrap_interval(above, np.mean)


def as_scores(scores: ArrayLike) -> FloatArray:
    """Return scores as an array of finite numbers, `(..., n_runs, n_tasks)`; a vector is one task.

    Raises:
        ValueError: A score is not finite, as of a crashed run, or there are no scores.
    """
    values = np.asarray(scores, np.float64)
    n_broken = values.size - np.count_nonzero(np.isfinite(values))
    if n_broken or not values.size:
        raise ValueError(f"{n_broken} of {values.size} scores are not finite: every run must have finished")
    return values[:, None] if values.ndim == 1 else values


@dataclass(frozen=True)
class Difference:
    """Difference between the means of two methods, with its interval and test."""

    estimate: float
    """The first method's mean minus the second's."""
    low: float
    high: float
    p_value: float
    """Two-sided p-value under the hypothesis of equal means."""
    n_runs: tuple[int, int]
    n_sessions: int
    n_tests: int = 1
    """Number of tests that the p-value is corrected for; the interval is not corrected."""

    @property
    def significant(self) -> bool:
        """Whether the difference is significant at the level 1 − CONFIDENCE."""
        return self.p_value < 1 - CONFIDENCE

    def describe(self, method: str, other: str, measure: str = "return") -> str:
        """Return the result of the test as a sentence.

        Example:
            >>> print(compare([[2, 3, 4, 4]], [[0, 1, 2, 1]]).describe("greedy", "random"))
            greedy beats random by 2.25 in return (95 % interval 1.45 to 3.05, p = 0.0029; 1 run against 1, 4 sessions).
        """
        if self.estimate < 0:
            turned = replace(self, estimate=-self.estimate, low=-self.high, high=-self.low, n_runs=self.n_runs[::-1])
            return turned.describe(other, method, measure)
        verdict = (
            f"{method} beats {other} by {self.estimate:.3g} in {measure}"
            if self.significant
            else f"{method} does not differ significantly from {other} in {measure}: {self.estimate:+.3g}"
        )
        p = "p < 0.001" if self.p_value < 0.001 else f"p = {self.p_value:.2g}"
        if self.n_tests > 1:
            p += f" corrected for {self.n_tests} tests"
        size = f"{self.n_runs[0]} run{'s' * (self.n_runs[0] > 1)} against {self.n_runs[1]}"
        size += f", {self.n_sessions:,} sessions" if self.n_sessions > 1 else ""
        interval = f"{100 * CONFIDENCE:g} % interval {self.low:.3g} to {self.high:.3g}"
        return f"{verdict} ({interval}, {p}; {size})."


def compare(returns: ArrayLike, others: ArrayLike) -> Difference:
    """Compare the means of two methods, with variance from training runs and from the choice of sessions.

    The squared standard error is the sum of three variances: of the run means of each method, and of the paired
    differences per session. A level with one entry adds nothing: two deterministic policies are compared by the paired
    t-test over sessions, two learners with one number per run by Welch's t-test. Degrees of freedom follow Welch and
    Satterthwaite. The noise of single sessions counts in both levels, which makes the test conservative.

    Args:
        returns: `(n_runs, n_sessions)`, or `(n_runs,)` for one number per run.
        others: `(m_runs, n_sessions)` or `(m_runs,)`, the other method on the same sessions.

    Raises:
        ValueError: The sessions do not match, there is only one run of each method and one session, or a number is not
            finite.
    """
    ours, theirs = as_scores(returns), as_scores(others)
    if ours.shape[1] != theirs.shape[1]:
        raise ValueError(f"the methods have different sessions: {ours.shape[1]} and {theirs.shape[1]}")
    by_session = ours.mean(axis=0) - theirs.mean(axis=0)
    levels = [level for level in (ours.mean(axis=1), theirs.mean(axis=1), by_session) if len(level) > 1]
    if not levels:
        raise ValueError("one run each and one session have no variance: give more runs or more sessions")
    estimate = float(by_session.mean())
    error, freedom = _welch_satterthwaite(levels)
    margin = error * float(stats.t.isf((1 - CONFIDENCE) / 2, freedom))
    return Difference(
        estimate=estimate,
        low=estimate - margin,
        high=estimate + margin,
        p_value=float(2 * stats.t.sf(abs(estimate) / error, freedom)) if error else float(estimate == 0),
        n_runs=(len(ours), len(theirs)),
        n_sessions=ours.shape[1],
    )


def holm(p_values: Sequence[float]) -> FloatArray:
    """Return p-values adjusted for several comparisons, controlling the family-wise error rate (Holm, 1979).

    Example:
        >>> holm([0.04, 0.01, 0.03]).round(3).tolist()
        [0.06, 0.03, 0.06]
    """
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(adjusted, 1.0)


def _resampled(columns: Sequence[FloatArray], statistic: Statistic) -> Interval:
    """Return a statistic with its stratified percentile bootstrap interval.

    Args:
        columns: The runs of each stratum, `(..., n_runs)`.
        statistic: `statistic(*columns, axis=-1)`, which reduces the last axis of all columns to one number.

    Raises:
        ValueError: A column has fewer than two runs.
    """
    fewest = min(column.shape[-1] for column in columns)
    if fewest < 2:
        raise ValueError("an interval needs at least two runs: one run has no variance")
    result = stats.bootstrap(
        columns,
        statistic,
        axis=-1,
        vectorized=True,
        method="percentile",
        confidence_level=_expanded(fewest, len(columns)),
        n_resamples=N_RESAMPLES,
        batch=max(1, _BATCH_NUMBERS // sum(column.size for column in columns)),
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(statistic(*columns, axis=-1), result.low, result.high)


def _expanded(n_runs: int, n_strata: int) -> float:
    """Return the widened confidence level with which the percentile interval of few runs has its nominal coverage.

    Resampling n runs underestimates their variance by (n − 1) / n and uses normal instead of Student's quantiles;
    expanded percentiles correct both (Hesterberg, "What Teachers Should Know About the Bootstrap", 2015). Three runs of
    one task still cover .75 at most, since no resample reaches beyond the runs themselves.
    """
    t = stats.t.isf((1 - CONFIDENCE) / 2, n_strata * (n_runs - 1))
    return float(1 - 2 * stats.norm.sf(t * np.sqrt(n_runs / (n_runs - 1))))


def _mean_superiority(*columns: FloatArray, axis: int) -> FloatArray:
    """Return the mean of P(X > Y) + P(X = Y) / 2 over tasks; the first half of the columns is X by task, the second Y.

    For each task it is the Mann–Whitney U / (n m), computed from the ranks of X among both.
    """
    half, superiorities = len(columns) // 2, []
    for x, y in zip(columns[:half], columns[half:], strict=True):
        n, m = x.shape[axis], y.shape[axis]
        ranks = stats.rankdata(np.concatenate([x, y], axis=axis), axis=axis)[..., :n]
        superiorities.append((ranks.sum(axis=axis) - n * (n + 1) / 2) / (n * m))
    return np.asarray(np.mean(superiorities, axis=0))


def _welch_satterthwaite(levels: Sequence[FloatArray]) -> tuple[float, float]:
    """Return the standard error of a sum of independent means, and its degrees of freedom."""
    variances = np.array([level.var(ddof=1) / len(level) for level in levels])
    if not variances.any():
        return 0.0, 1.0
    freedoms = np.array([len(level) - 1 for level in levels])
    return float(np.sqrt(variances.sum())), float(variances.sum() ** 2 / (variances**2 / freedoms).sum())
