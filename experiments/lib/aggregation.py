"""Aggregation of result frames to tidy frames for tables and plots.

A result frame has one row per evaluated session, with the columns `method`, `env`, `seed` (the training run), `session`
and one per measure, such as `skill`; learning curves also have `step`. Rows of one run are averaged first: a score is
one number per run and env. A missing run raises an error and is never skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from experiments.lib.statistics import (
    Difference,
    FloatArray,
    Interval,
    bootstrap_interval,
    compare,
    holm,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
)
from spotify_gym.policies import BEST_SEEN


def with_skill(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the column `skill`: 0 is the task's best fixed list and 1 its planner, both averaged over all sessions.

    If the listener has a hidden state and the reference in `BEST_SEEN` played, also add `skill_seen`, the same with 1
    for that reference; it is NaN for other tasks.

    Args:
        rows: result rows with the columns `env`, `env_id`, `method` and `return`.

    Raises:
        ValueError: a task lacks one of the two references, or the planner is no better than the fixed list.
    """
    means = rows.groupby(["env", "method"])["return"].mean().unstack("method")
    for end in "fixed", "planner":
        if end not in means or means[end].isna().any():
            raise ValueError(f"skill needs the reference {end!r} on every task; run the suite to its end")
    low, high = rows["env"].map(means["fixed"]), rows["env"].map(means["planner"])
    if not np.all(high > low):
        raise ValueError(f"the planner earns no more than the fixed list on {rows.loc[high <= low, 'env'].iloc[0]}")
    rows = rows.assign(skill=(rows["return"] - low) / (high - low))
    seen = pd.Series(np.nan, rows.index)
    for env_id, name in BEST_SEEN.items():
        if name in means:
            seen = seen.mask(rows["env_id"] == env_id, rows["env"].map(means[name]))
    if not np.any(seen > low):
        return rows
    return rows.assign(skill_seen=((rows["return"] - low) / (seen - low)).where(seen > low))


def score_array(results: pd.DataFrame, value: str, axes: Sequence[str] = ("seed", "env")) -> FloatArray:
    """Pivot the rows of one method into a dense array, averaging rows that share a cell.

    Args:
        results: Rows of one method.
        value: The measure.
        axes: Two or more columns; each becomes an axis, with its values in sorted order.

    Returns:
        An array with one axis per entry of `axes`.

    Raises:
        ValueError: A cell has no rows, fewer rows than another cell, or a missing value.
    """
    entries = [results[axis].drop_duplicates().sort_values() for axis in axes]
    cells = results.groupby(list(axes))[value].agg(["mean", "size", "count"])
    cells = cells.reindex(pd.MultiIndex.from_product(entries, names=list(axes)), fill_value=0)
    n_found, n_expected = cells["count"].to_numpy(), cells["size"].max()
    broken = np.flatnonzero(n_found != n_expected)
    if broken.size:
        cell = ", ".join(f"{key} {entry}" for key, entry in zip(axes, cells.index[broken[0]], strict=True))
        raise ValueError(
            f"{results['method'].iat[0]}, {cell}: {n_found[broken[0]]} values of {value!r} instead of {n_expected}: "
            "this run is missing or did not finish"
        )
    return cells["mean"].to_numpy(np.float64).reshape([len(values) for values in entries])


def aggregates(results: pd.DataFrame, value: str = "skill", along: str | None = None) -> pd.DataFrame:
    """Aggregate each method over its runs and envs: `method, estimate, low, high, n_runs, n_envs`.

    The estimate is the interquartile mean; a method with one run, such as a reference policy, has no interval (NaN).

    Args:
        results: The result frame.
        value: The measure.
        along: A column, such as `step`, to aggregate separately for each of its values, which all runs must share.
    """
    frames = []
    for method, rows in results.groupby("method", sort=False):
        scores = score_array(rows, value, ("seed", "env") if along is None else (along, "seed", "env"))
        if scores.shape[-2] > 1:
            interval = bootstrap_interval(scores)
        else:
            estimate = interquartile_mean(scores[..., 0, :], axis=-1)
            interval = Interval(estimate, unknown := np.full_like(estimate, np.nan), unknown)
        frame = _tidy(method, interval, scores.shape[-2:])
        if along is not None:
            frame.insert(1, along, np.sort(rows[along].unique()))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def over_sessions(results: pd.DataFrame, value: str) -> pd.DataFrame:
    """Average a measure over sessions, with a bootstrap interval: `method, estimate, low, high, n_runs`.

    The runs of a method are averaged per session first; `n_runs` is the number of sessions.
    """
    by_session = results.groupby(["method", "session"], sort=False)[value].mean()
    rows = [
        (method, *map(float, bootstrap_interval(numbers, np.mean)), len(numbers))
        for method, numbers in by_session.groupby("method", sort=False)
    ]
    return pd.DataFrame(rows, columns=["method", "estimate", "low", "high", "n_runs"])


def profiles(results: pd.DataFrame, thresholds: ArrayLike) -> pd.DataFrame:
    """Return the share of runs above each threshold: `method, threshold, estimate, low, high, n_runs, n_envs`.

    Methods with one run are left out, since a profile shows the spread of runs.
    """
    frames = []
    for method, rows in results.groupby("method", sort=False):
        scores = score_array(rows, "skill")
        if len(scores) > 1:
            frame = _tidy(method, performance_profile(scores, thresholds), scores.shape)
            frame.insert(1, "threshold", np.asarray(thresholds))
            frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def improvements(results: pd.DataFrame) -> pd.DataFrame:
    """Return the probability that a run of `method` beats one of `other`: `method, other, estimate, low, high`.

    The rows are all pairs of methods with more than one run.
    """
    scores = {method: score_array(rows, "skill") for method, rows in results.groupby("method", sort=False)}
    rows = [
        (method, other, *map(float, probability_of_improvement(scores[method], scores[other])))
        for method, other in combinations([method for method, runs in scores.items() if len(runs) > 1], 2)
    ]
    return pd.DataFrame(rows, columns=["method", "other", "estimate", "low", "high"])


def comparisons(results: pd.DataFrame, pairs: Iterable[tuple[str, str]], value: str = "skill") -> list[Difference]:
    """Test the mean difference of each pair on the single env of the results, with Holm's correction.

    p-values and verdicts are corrected for the number of pairs; intervals are not.
    """
    pairs = list(pairs)
    scores = {
        method: score_array(results[results["method"] == method], value, axes=("seed", "session"))
        for method in {method for pair in pairs for method in pair}
    }
    found = [compare(scores[method], scores[other]) for method, other in pairs]
    corrected = holm([difference.p_value for difference in found])
    return [replace(one, p_value=float(p), n_tests=len(pairs)) for one, p in zip(found, corrected, strict=True)]


def _tidy(method: object, interval: Interval, size: tuple[int, ...]) -> pd.DataFrame:
    estimate, low, high = map(np.atleast_1d, interval)
    frame = pd.DataFrame({"method": method, "estimate": estimate, "low": low, "high": high})
    return frame.assign(n_runs=size[0], n_envs=size[1])
