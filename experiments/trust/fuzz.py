"""Damage good files a hundred thousand times: each ends in something valid or in a named error, within its limits.

    python -m experiments.trust.fuzz
    python -m experiments.trust.fuzz --only 4711       # one case again, with its traceback

Tables, prepared catalogues, run folders and command lines take turns. Case n of a seed is the same on every machine.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from experiments.trust.damage import Rng
from experiments.trust.lines import LineSpecimen
from experiments.trust.runs import RunSpecimen
from experiments.trust.scratch import scratch
from experiments.trust.specimens import SPECIMENS
from experiments.trust.watch import Limits, Verdict, Work, watched
from spotify_gym.cli.command import Command, run_command

_PROG = "python -m experiments.trust.fuzz"


class Subject(Protocol):
    """Something good that can be damaged and tried."""

    def try_damaged(self, rng: Rng, scratch: Path) -> str:
        """Return "valid" or "refused"; anything else that happens is raised."""


KINDS: Mapping[str, Subject] = {**SPECIMENS, "run": RunSpecimen(), "line": LineSpecimen()}
"""What is damaged, by name."""
TURNS = ("csv", "arrow") * 15 + ("gzip", "parquet", "npz") * 3 + ("run", "line")
"""The kinds of so many cases, which then begin anew; runs and lines take a hundred times as long as files."""


class FoundError(ValueError):
    """Some cases ended otherwise than promised."""


@dataclass(frozen=True)
class Fuzz(Command):
    """Use damaged CSV and .arrow files, others, run folders and command lines until one does what none may do."""

    cases: int = 125_000
    """How many; three quarters of them are CSV and .arrow files."""
    seed: int = 0
    """Decides every damage."""
    seconds: float = 20.0
    """Most that one case may take [s]."""
    mebibytes: int = 256
    """Most memory that one case may take beyond what is in use [MiB]."""
    only: int | None = None
    """Try this case alone, here, and let its error through."""

    def run(self) -> None:
        """Print how many of each kind were valid and refused, and every fault; none is the only good number."""
        if self.only is not None:
            with worker(self.seed) as work:
                print(kind_of(self.only), work(self.only))
            return
        began, tally, worst = time.monotonic(), Counter[tuple[str, str]](), dict.fromkeys(KINDS, (0.0, 0.0))
        for verdict in self._verdicts():
            kind = kind_of(verdict.case)
            tally[kind, verdict.outcome] += 1
            worst[kind] = max(worst[kind][0], verdict.seconds), max(worst[kind][1], verdict.mebibytes)
            if verdict.fault is not None:
                print(f"case {verdict.case} ({kind}): {verdict.fault}", file=sys.stderr, flush=True)
        for kind, (seconds, mebibytes) in worst.items():
            counts = ", ".join(f"{tally[kind, outcome]:>6,} {outcome}" for outcome in ("valid", "refused", "fault"))
            print(f"{kind:>8}: {counts}; at most {seconds:.2f} s and {mebibytes:.0f} MiB")
        print(f"{self.cases:,} cases in {time.monotonic() - began:.0f} s")
        if faults := sum(tally[kind, "fault"] for kind in KINDS):
            raise FoundError(f"{faults} cases ended badly; look at one with --seed {self.seed} --only CASE")

    def _verdicts(self) -> Iterator[Verdict]:
        yield from watched(partial(worker, self.seed), range(self.cases), Limits(self.seconds, self.mebibytes))


def kind_of(case: int) -> str:
    """Return the kind of a case."""
    return TURNS[case % len(TURNS)]


@contextmanager
def worker(seed: int) -> Iterator[Work]:
    """Give what tries a case, in a folder of its own."""
    with scratch() as folder:

        def work(case: int) -> str:
            return KINDS[kind_of(case)].try_damaged(np.random.default_rng([seed, case]), folder)

        for kind in KINDS.values():  # so that what is loaded once is not counted as a case's
            kind.try_damaged(np.random.default_rng(seed), folder)
        yield work


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(run_command(Fuzz, _PROG))
