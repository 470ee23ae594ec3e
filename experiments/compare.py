"""Which algorithm is better here, by how much, and how sure are we: `python -m experiments.compare --suite quick`."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from pathlib import Path

from experiments.lib import FAMILY, Case, Experiment, main
from experiments.lib.suites import SUITES
from spotify_gym.registry import resolve


@dataclass(frozen=True)
class Compare(Experiment):
    """Run a suite of methods on the same held-out sessions and report; a second call goes on where it stopped."""

    suite: str = "quick"
    """quick: minutes, the four learners on one task. main: the whole family, ten seeds. networks: what the exact
    maximum is worth. full: main at ten times the sessions, and the state options. One's own, as module:function, gives
    cases for a catalogue."""
    seeds: int | None = None
    """Training runs of each method, where these are fewer than the suite has."""
    envs: tuple[str, ...] = FAMILY
    """Environments to keep of the suite."""
    catalogue: str = "builtin"
    """What can be played: "builtin", "builtin:26000", a CSV or Parquet table, or a prepared .arrow."""
    out: Path = Path("results/compare")

    def cases(self) -> list[Case]:
        """Return the cases of the suite."""
        if self.suite == "heads":
            raise ValueError("--suite heads is now: --suite networks")
        suite = resolve("--suite", self.suite, SUITES)
        seeds = inf if self.seeds is None else self.seeds
        cases = [case for case in suite(self.catalogue) if case.config.env in self.envs and case.config.seed < seeds]
        if not cases:
            kept = f"--envs {' '.join(self.envs)}" if self.seeds is None else f"--seeds {self.seeds}"
            raise ValueError(f"{kept}: the suite {self.suite!r} has none of these")
        return cases


if __name__ == "__main__":
    main(Compare)
