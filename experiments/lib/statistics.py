"""Statistics: how sure are we; aggregates with their bootstrap intervals, and tests of the difference of two methods.

A score is one number of one training run on one task (an environment), so scores are `(n_runs, n_tasks)`; a vector is
one task. Leading axes are allowed (the steps of a learning curve, the thresholds of a profile) and every entry along
them shares the same resamples. Runs are resampled within each task, never across: the bootstrap is stratified.

The returns of a method are `(n_runs, n_sessions)`: every run of every method faces the same held-out sessions. Runs of
two methods are independent; their sessions are paired, which takes out of the difference whatever makes a session easy
or hard for everybody.

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
"""Reduces one axis, as NumPy's own reductions do: `statistic(values, axis=-1)`."""

CONFIDENCE = 0.95
"""Share of intervals that should hold the truth; what is missing to 1 is the level of tests."""

N_RESAMPLES = 2_000
_BATCH_NUMBERS = 2**22  # numbers resampled at once: 32 MB


class Interval(NamedTuple):
    """An estimate and the interval around it: numbers, or arrays of one shape."""

    estimate: FloatArray
    low: FloatArray
    high: FloatArray


def interquartile_mean(scores: ArrayLike, axis: int | None = None) -> FloatArray:
    """Average the middle half of the scores, all runs and tasks pooled.

    As robust to a lucky or failed run as the median and far less noisy. A quarter, rounded down, is cut off each end.

    Example:
        >>> float(interquartile_mean([0, 1, 2, 3, 4, 5, 6, 700]))
        3.5
    """
    mean: FloatArray = stats.trim_mean(np.asarray(scores, np.float64), 0.25, axis=axis)
    return mean


def bootstrap_interval(scores: ArrayLike, statistic: Statistic = interquartile_mean) -> Interval:
    """Put an interval, of the shape of the leading axes, around a statistic of the pooled scores of all tasks.

    Raises:
        ValueError: There are fewer than two runs, or a score is not finite.
    """
    return _resampled(
        list(np.moveaxis(as_scores(scores), -1, 0)),
        lambda *columns, axis: statistic(np.concatenate(columns, axis=axis), axis=axis),
    )


def probability_of_improvement(scores: ArrayLike, others: ArrayLike) -> Interval:
    """How likely is a run of one method to beat a run of another on the same task, a tie counting half.

    On one task this is the Mann–Whitney U / (n m); over tasks, their mean. Both methods are resampled independently.

    Raises:
        ValueError: The tasks do not match, there are fewer than two runs of a method, or a score is not finite.
    """
    sides = [as_scores(scores), as_scores(others)]
    if sides[0].shape[1] != sides[1].shape[1]:
        raise ValueError(f"the methods stand on different tasks: {sides[0].shape[1]} and {sides[1].shape[1]} of them")
    return _resampled([column for side in sides for column in side.T], _mean_superiority)


def performance_profile(scores: ArrayLike, thresholds: ArrayLike) -> Interval:
    """Give for each of n thresholds the share of runs that score above it, with a pointwise band, (n,) each.

    Raises:
        ValueError: There are fewer than two runs, or a score is not finite.
    """
    above = as_scores(scores) > np.asarray(thresholds)[:, None, None]  # (n_thresholds, n_runs, n_tasks)
    return bootstrap_interval(above, np.mean)


def as_scores(scores: ArrayLike) -> FloatArray:
    """Give scores as finite `(..., n_runs, n_tasks)` numbers; a vector is one task.

    Raises:
        ValueError: A score is not finite, or there is none: a crashed run is an error, not a gap.
    """
    values = np.asarray(scores, np.float64)
    n_broken = values.size - np.count_nonzero(np.isfinite(values))
    if n_broken or not values.size:
        raise ValueError(f"{n_broken} of {values.size} scores are not finite: every run must have finished")
    return values[:, None] if values.ndim == 1 else values


@dataclass(frozen=True)
class Difference:
    """The difference between the means of two methods, with its interval and test."""

    estimate: float
    """The first method's mean minus the second's."""
    low: float
    high: float
    p_value: float
    """Of a difference at least this large, either way, between two equal methods."""
    n_runs: tuple[int, int]
    n_sessions: int
    n_tests: int = 1
    """Comparisons that the p-value is corrected for; the interval is that of this one alone."""

    @property
    def significant(self) -> bool:
        """Whether chance alone is an unlikely account of the difference."""
        return self.p_value < 1 - CONFIDENCE

    def describe(self, method: str, other: str, measure: str = "return") -> str:
        """Say what was found in one sentence.

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
    """Compare the means of two methods, allowing for chance in the training runs and in the choice of sessions.

    The squared standard error adds up what varies: the run means of either method, and the paired differences of the
    sessions. A level with one entry adds nothing, so that two deterministic policies are compared by the paired t-test
    over sessions, and two learners with one number a run by Welch's t-test; degrees of freedom follow Welch and
    Satterthwaite. The noise of single sessions stands in both levels, which errs on the careful side.

    Args:
        returns: `(n_runs, n_sessions)`, or `(n_runs,)` for one number a run.
        others: `(m_runs, n_sessions)` or `(m_runs,)`: the other method on the same sessions.

    Raises:
        ValueError: The sessions do not match, nothing varies from which to judge (one run each, one session), or a
            number is not finite.
    """
    ours, theirs = as_scores(returns), as_scores(others)
    if ours.shape[1] != theirs.shape[1]:
        raise ValueError(f"the methods faced different sessions: {ours.shape[1]} and {theirs.shape[1]} of them")
    by_session = ours.mean(axis=0) - theirs.mean(axis=0)
    levels = [level for level in (ours.mean(axis=1), theirs.mean(axis=1), by_session) if len(level) > 1]
    if not levels:
        raise ValueError("one run each and one session say nothing of chance: give more runs or more sessions")
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
    """Adjust the p-values of several comparisons so that all of them together err as rarely as one (Holm, 1979).

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
    """Resample each column on its own and take percentiles of the statistic of all of them.

    Args:
        columns: The runs of each stratum, `(..., n_runs)`.
        statistic: `statistic(*columns, axis=-1)`, reducing the last axis of them all to one number.

    Raises:
        ValueError: A column has fewer than two runs.
    """
    fewest = min(column.shape[-1] for column in columns)
    if fewest < 2:
        raise ValueError("an interval needs at least two runs: one run says nothing of how runs vary")
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
    """Widen the level so that the percentile interval of few runs covers what it claims.

    Resampling n runs understates their variance by (n − 1) / n and takes normal quantiles for Student's; expanding the
    percentiles mends both (Hesterberg, "What Teachers Should Know About the Bootstrap", 2015). Three runs of one task
    cover .75 at best all the same, as no resample reaches beyond the runs themselves.
    """
    t = stats.t.isf((1 - CONFIDENCE) / 2, n_strata * (n_runs - 1))
    return float(1 - 2 * stats.norm.sf(t * np.sqrt(n_runs / (n_runs - 1))))


def _mean_superiority(*columns: FloatArray, axis: int) -> FloatArray:
    """Average P(X > Y) + P(X = Y) / 2 over tasks; the first half of the columns are X by task, the second Y.

    Of each task it is the Mann–Whitney U / (n m), from the ranks of X among both.
    """
    half, superiorities = len(columns) // 2, []
    for x, y in zip(columns[:half], columns[half:], strict=True):
        n, m = x.shape[axis], y.shape[axis]
        ranks = stats.rankdata(np.concatenate([x, y], axis=axis), axis=axis)[..., :n]
        superiorities.append((ranks.sum(axis=axis) - n * (n + 1) / 2) / (n * m))
    return np.asarray(np.mean(superiorities, axis=0))


def _welch_satterthwaite(levels: Sequence[FloatArray]) -> tuple[float, float]:
    """Add up the variances of independent means: their standard error and its degrees of freedom."""
    variances = np.array([level.var(ddof=1) / len(level) for level in levels])
    if not variances.any():
        return 0.0, 1.0
    freedoms = np.array([len(level) - 1 for level in levels])
    return float(np.sqrt(variances.sum())), float(variances.sum() ** 2 / (variances**2 / freedoms).sum())
