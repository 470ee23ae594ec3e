"""The results of a suite as one tidy table, on the scale of skill."""

from __future__ import annotations

import numpy as np
import pandas as pd

FIXED, PLANNER = "fixed", "planner"


def with_skill(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the column `skill`: 0 for the best fixed list of the task and 1 for its planner, each over all sessions.

    Args:
        rows: with the columns `env`, `method` and `return`.

    Raises:
        ValueError: a task lacks one of the two, or the planner is no better than the fixed list.
    """
    means = rows.groupby(["env", "method"])["return"].mean().unstack("method")
    for end in FIXED, PLANNER:
        if end not in means or means[end].isna().any():
            raise ValueError(f"skill needs the reference {end!r} on every task; run the suite to its end")
    low, high = rows["env"].map(means[FIXED]), rows["env"].map(means[PLANNER])
    if not np.all(high > low):
        raise ValueError(f"the planner earns no more than the fixed list on {rows.loc[high <= low, 'env'].iloc[0]}")
    return rows.assign(skill=(rows["return"] - low) / (high - low))
