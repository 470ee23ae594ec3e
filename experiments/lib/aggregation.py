"""Aggregation: from the frame of all results to small tidy frames that a table prints and a plot draws.

A result frame has one row per evaluated session with the columns `method`, `env`, `seed` (the training run), `session`
and one per measure, such as `skill`; that of learning curves has `step` as well. Rows of one run are averaged first: a
score is one number of one run on one env. A missing run is an error and never a gap.
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
    """Add the column `skill`: 0 for the best fixed list of the task and 1 for its planner, each over all sessions.

    Where a listener hides something, and the reference of `BEST_SEEN` played, the column `skill_seen` is the same with
    1 for that one; NaN elsewhere.

    Args:
        rows: with the columns `env`, `env_id`, `method` and `return`.

    Raises:
        ValueError: a task lacks one of the two, or the planner is no better than the fixed list.
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
    """Lay the rows of one method out as a full array, averaging those that share a cell.

    Args:
        results: Rows of one method.
        value: The measure.
        axes: Two or more columns; each becomes an axis, its values in sorted order.

    Returns:
        As many axes as `axes`.

    Raises:
        ValueError: A cell has no rows, or fewer than another, or a missing value.
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

    The estimate is the interquartile mean; a method of one run, such as a reference policy, has no interval (NaN).

    Args:
        results: The result frame.
        value: The measure.
        along: A column, such as `step`, that each method has a row for each value of; runs must all have the same.
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
    """Average a measure over sessions, with an interval over them: `method, estimate, low, high, n_runs`.

    A method's number for a session is the mean of its runs; `n_runs` is the number of sessions.
    """
    by_session = results.groupby(["method", "session"], sort=False)[value].mean()
    rows = [
        (method, *map(float, bootstrap_interval(numbers, np.mean)), len(numbers))
        for method, numbers in by_session.groupby("method", sort=False)
    ]
    return pd.DataFrame(rows, columns=["method", "estimate", "low", "high", "n_runs"])


def profiles(results: pd.DataFrame, thresholds: ArrayLike) -> pd.DataFrame:
    """Give the share of runs above each threshold: `method, threshold, estimate, low, high, n_runs, n_envs`.

    Methods of one run are left out: a profile shows how runs spread.
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
    """Give the probability that a run of `method` beats one of `other`: `method, other, estimate, low, high`.

    All pairs of methods are set against each other but those of a single run.
    """
    scores = {method: score_array(rows, "skill") for method, rows in results.groupby("method", sort=False)}
    rows = [
        (method, other, *map(float, probability_of_improvement(scores[method], scores[other])))
        for method, other in combinations([method for method, runs in scores.items() if len(runs) > 1], 2)
    ]
    return pd.DataFrame(rows, columns=["method", "other", "estimate", "low", "high"])


def comparisons(results: pd.DataFrame, pairs: Iterable[tuple[str, str]], value: str = "skill") -> list[Difference]:
    """Test the mean difference of each pair on the one env of the results, correcting for the number of tests (Holm).

    The interval is that of the one comparison; p-value and verdict are corrected for all of them.
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
