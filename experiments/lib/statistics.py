"""Statistics: how sure are we; the aggregates of Agarwal et al. (2021), each with its bootstrap interval.

A score is one number of one training run on one task (an environment), so scores are `(n_runs, n_tasks)`; a vector is
one task. Leading axes are allowed (the steps of a learning curve, the thresholds of a profile) and every entry along
them shares the same resamples. Runs are resampled within each task, never across: the bootstrap is stratified.

Source: Agarwal, Schwarzer, Castro, Courville, Bellemare, "Deep Reinforcement Learning at the Edge of the Statistical
Precipice", NeurIPS 2021.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

FloatArray = NDArray[np.float64]

Statistic = Callable[..., FloatArray]
"""Reduces one axis, as NumPy's own reductions do: `statistic(values, axis=-1)`."""

_BATCH_NUMBERS = 2**22  # numbers resampled at once: 32 MB


class Interval(NamedTuple):
    """An estimate and the interval around it: numbers, or arrays of one shape."""

    estimate: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made; the same settings give the same interval."""

    confidence: float = 0.95
    """Share of intervals that should hold the truth, in (0, 1)."""
    n_resamples: int = 2_000
    seed: int = 0

    def interval(self, columns: Sequence[FloatArray], statistic: Statistic) -> Interval:
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
            confidence_level=_expanded(self.confidence, fewest, len(columns)),
            n_resamples=self.n_resamples,
            batch=max(1, _BATCH_NUMBERS // sum(column.size for column in columns)),
            rng=np.random.default_rng(self.seed),
        ).confidence_interval
        return Interval(statistic(*columns, axis=-1), result.low, result.high)


BOOTSTRAP = Bootstrap()


def interquartile_mean(scores: ArrayLike, axis: int | None = None) -> FloatArray:
    """Average the middle half of the scores, all runs and tasks pooled.

    As robust to a lucky or failed run as the median and far less noisy. A quarter, rounded down, is cut off each end.

    Example:
        >>> float(interquartile_mean([0, 1, 2, 3, 4, 5, 6, 700]))
        3.5
    """
    mean: FloatArray = stats.trim_mean(np.asarray(scores, np.float64), 0.25, axis=axis)
    return mean


def bootstrap_interval(
    scores: ArrayLike, statistic: Statistic = interquartile_mean, bootstrap: Bootstrap = BOOTSTRAP
) -> Interval:
    """Put an interval, of the shape of the leading axes, around a statistic of the pooled scores of all tasks.

    Raises:
        ValueError: There are fewer than two runs, or a score is not finite.
    """
    return bootstrap.interval(
        list(np.moveaxis(as_scores(scores), -1, 0)),
        lambda *columns, axis: statistic(np.concatenate(columns, axis=axis), axis=axis),
    )


def probability_of_improvement(scores: ArrayLike, others: ArrayLike, bootstrap: Bootstrap = BOOTSTRAP) -> Interval:
    """How likely is a run of one method to beat a run of another on the same task, a tie counting half.

    On one task this is the Mann–Whitney U / (n m); over tasks, their mean. Both methods are resampled independently. A
    single run on one of the sides stands for a method that does not vary, such as a deterministic reference policy.

    Raises:
        ValueError: The tasks do not match, both have one run, or a score is not finite.
    """
    sides = [as_scores(scores), as_scores(others)]
    if sides[0].shape[1] != sides[1].shape[1]:
        raise ValueError(f"the methods stand on different tasks: {sides[0].shape[1]} and {sides[1].shape[1]} of them")
    if max(map(len, sides)) > 1:
        sides = [np.repeat(side, 2, axis=0) if len(side) == 1 else side for side in sides]
    return bootstrap.interval([column for side in sides for column in side.T], _mean_superiority)


def performance_profile(scores: ArrayLike, thresholds: ArrayLike, bootstrap: Bootstrap = BOOTSTRAP) -> Interval:
    """Give for each of n thresholds the share of runs that score above it, with a pointwise band, (n,) each.

    Raises:
        ValueError: There are fewer than two runs, or a score is not finite.
    """
    above = as_scores(scores) > np.asarray(thresholds)[:, None, None]  # (n_thresholds, n_runs, n_tasks)
    return bootstrap_interval(above, np.mean, bootstrap)


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


def _expanded(confidence: float, n_runs: int, n_strata: int) -> float:
    """Widen the level so that the percentile interval of few runs covers what it claims.

    Resampling n runs understates their variance by (n − 1) / n and takes normal quantiles for Student's; expanding the
    percentiles mends both (Hesterberg, "What Teachers Should Know About the Bootstrap", 2015). Three runs of one task
    cover .75 at best all the same, as no resample reaches beyond the runs themselves.
    """
    t = stats.t.isf((1 - confidence) / 2, n_strata * (n_runs - 1))
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
