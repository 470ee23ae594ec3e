"""Returns of the reference policies, which define the scale of skill, and an upper bound on the return.

`python -m experiments.references --catalogue TABLE`
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.lib import FAMILY, REFERENCES, Case, Experiment, main, scale_of
from experiments.lib.aggregation import over_sessions
from experiments.lib.report import interval_text
from spotify_gym.catalogue import Catalogue
from spotify_gym.policies.planner import upper_bound
from spotify_gym.training import EVALUATION_SEED, TrainConfig
from spotify_gym.training.vec_adapter import sessions_of


@dataclass(frozen=True)
class References(Experiment):
    """Evaluate the reference policies on the same held-out sessions; results are cached for repeated calls."""

    catalogue: str = "builtin"
    """Tracks to play: "builtin", "builtin:26000", a CSV or Parquet table, or a prepared .arrow."""
    envs: tuple[str, ...] = FAMILY
    """Environments."""
    policies: tuple[str, ...] = REFERENCES
    """Reference policies by name, or your own as module:Class."""
    listener: str | None = None
    """Listener in SpotifyLogged-v0, such as the JSON file that `spotify-gym listener fit` writes; None: the default."""
    n_sessions: int = 100
    """Held-out sessions per policy."""
    out: Path = Path("results/references")

    def cases(self) -> Iterator[Case]:
        """Yield the references of each environment, and the bound."""
        for env in self.envs:
            config = TrainConfig(catalogue=self.catalogue, env=env)
            cases = [*scale_of(config, self.n_sessions, self.policies)]
            cases.append(BoundCase("bound", config, "bound", self.n_sessions))
            yield from (case.heard_by(self.listener) for case in cases)

    measure = "return"

    def tables(self, rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
        """Yield per task the mean return of each policy and the bound, lowest first, with intervals over sessions."""
        for task, of_task in rows.groupby("env", sort=False):
            found = over_sessions(of_task, "return").sort_values("estimate")
            texts = {
                "policy": found["method"],
                "return": found["estimate"].map("{:.2f}".format),
                "95 % interval over sessions": [*map(interval_text, found["low"], found["high"])],
            }
            yield str(task), pd.DataFrame(texts)

    def draw(self, rows: pd.DataFrame) -> None:
        """Draw nothing; the table is short."""


@dataclass(frozen=True)
class BoundCase(Case):
    """Upper bound on the return of each held-out session, listed among the policies."""

    def policy(self, catalogue: Catalogue) -> None:
        """Return None; a bound has no policy."""

    def measured(self, policy: Any, catalogue: Catalogue) -> pd.DataFrame:
        """Return the bound of each session."""
        env = sessions_of(self.config, catalogue, self.n_sessions).env
        env.reset(seed=EVALUATION_SEED)
        bounds = upper_bound(env.dynamics, env.sessions, self.config.session_length)
        rows = pd.DataFrame({"session": EVALUATION_SEED + np.arange(self.n_sessions), "return": bounds})
        return self.labelled(rows, catalogue)


if __name__ == "__main__":
    main(References)
