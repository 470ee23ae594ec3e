"""Significance: is one method better than another in the same sessions, by how much, and is that more than chance.

A method's returns are `(n_runs, n_sessions)`: every run (training seed) of every method faces the same held-out
sessions. Runs of two methods are independent; their sessions are paired, which takes out of the difference whatever
makes a session easy or hard for everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from experiments.lib.statistics import FloatArray, as_scores


@dataclass(frozen=True)
class Difference:
    """The difference between the means of two methods, with its interval and test."""

    estimate: float
    """The first method's mean minus the second's."""
    low: float
    high: float
    p_value: float
    """Of a difference at least this large, either way, between two equal methods."""
    confidence: float
    n_runs: tuple[int, int]
    n_sessions: int
    n_tests: int = 1
    """Comparisons that the p-value is corrected for; the interval is that of this one alone."""

    @property
    def significant(self) -> bool:
        """Whether chance alone is an unlikely account of the difference."""
        return self.p_value < 1 - self.confidence

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
        interval = f"{100 * self.confidence:g} % interval {self.low:.3g} to {self.high:.3g}"
        return f"{verdict} ({interval}, {p}; {size})."


def compare(returns: ArrayLike, others: ArrayLike, confidence: float = 0.95) -> Difference:
    """Compare the means of two methods, allowing for chance in the training runs and in the choice of sessions.

    The squared standard error adds up what varies: the run means of either method, and the paired differences of the
    sessions. A level with one entry adds nothing, so that two deterministic policies are compared by the paired t-test
    over sessions, and two learners with one number a run by Welch's t-test; degrees of freedom follow Welch and
    Satterthwaite. The noise of single sessions stands in both levels, which errs on the careful side.

    Args:
        returns: `(n_runs, n_sessions)`, or `(n_runs,)` for one number a run.
        others: `(m_runs, n_sessions)` or `(m_runs,)`: the other method on the same sessions.
        confidence: Of the interval, in (0, 1); 1 − confidence is the level of the test.

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
    margin = error * float(stats.t.isf((1 - confidence) / 2, freedom))
    return Difference(
        estimate=estimate,
        low=estimate - margin,
        high=estimate + margin,
        p_value=float(2 * stats.t.sf(abs(estimate) / error, freedom)) if error else float(estimate == 0),
        confidence=confidence,
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


def _welch_satterthwaite(levels: Sequence[FloatArray]) -> tuple[float, float]:
    """Add up the variances of independent means: their standard error and its degrees of freedom."""
    variances = np.array([level.var(ddof=1) / len(level) for level in levels])
    if not variances.any():
        return 0.0, 1.0
    freedoms = np.array([len(level) - 1 for level in levels])
    return float(np.sqrt(variances.sum())), float(variances.sum() ** 2 / (variances**2 / freedoms).sum())
