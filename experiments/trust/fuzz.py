"""Damage good files a hundred thousand times: each ends in a valid catalogue or in a named error, within its limits.

    python -m experiments.trust.fuzz
    python -m experiments.trust.fuzz --only 4711       # one case again, with its traceback

Case n of a seed is the same on every machine, whoever runs it.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue
from tempfile import mkdtemp

import numpy as np

from experiments.trust.specimens import SPECIMENS
from experiments.trust.watch import Limits, Verdict, Work, watched
from spotify_gym.training.command_line import Command, run_command

_PROG = "python -m experiments.trust.fuzz"


class FoundError(ValueError):
    """Some cases ended otherwise than promised."""


@dataclass(frozen=True)
class Fuzz(Command):
    """Read damaged CSV, gzip, Parquet and .npz files until one of them does what none may do."""

    files: int = 100_000
    """How many files, the kinds taking turns."""
    seed: int = 0
    """Decides every damage."""
    processes: int = 2
    """Files read at the same time."""
    seconds: float = 20.0
    """Most that one file may take [s]."""
    mebibytes: int = 256
    """Most memory that one file may take beyond what reading the others took [MiB]."""
    only: int | None = None
    """Try this case alone, here, and let its error through."""

    def run(self) -> None:
        """Print how many of each kind were valid and refused, and every fault; none is the only good number."""
        if self.only is not None:
            print(SPECIMENS[kind_of(self.only)].suffix, worker(self.seed)(self.only))
            return
        began, tally, faults = time.monotonic(), Counter[tuple[str, str]](), 0
        for verdict in self._verdicts():
            tally[kind_of(verdict.case), verdict.outcome] += 1
            if verdict.fault is not None:
                faults += 1
                print(f"case {verdict.case} ({kind_of(verdict.case)}): {verdict.fault}", file=sys.stderr)
        for kind in SPECIMENS:
            counts = ", ".join(f"{tally[kind, outcome]:,} {outcome}" for outcome in ("valid", "refused", "fault"))
            print(f"{kind:>8}: {counts}")
        print(f"{self.files:,} files in {time.monotonic() - began:.0f} s")
        if faults:
            raise FoundError(f"{faults} cases ended badly; look at one with --seed {self.seed} --only CASE")

    def _verdicts(self) -> Iterator[Verdict]:
        """Yield the verdicts of all processes as they come."""
        queue: Queue[Verdict] = Queue()

        def feed(share: int) -> None:
            cases = range(share, self.files, self.processes)
            for verdict in watched(partial(worker, self.seed), cases, Limits(self.seconds, self.mebibytes)):
                queue.put(verdict)

        with ThreadPoolExecutor(self.processes) as pool:
            feeds = [pool.submit(feed, share) for share in range(self.processes)]
            for _ in range(self.files):
                yield queue.get()
            for one in feeds:
                one.result()


def kind_of(case: int) -> str:
    """Return the kind of file of a case."""
    return list(SPECIMENS)[case % len(SPECIMENS)]


def worker(seed: int) -> Work:
    """Return what tries a case, in a scratch folder of this process."""
    scratch = Path(mkdtemp(prefix="fuzz-"))

    def work(case: int) -> str:
        return SPECIMENS[kind_of(case)].try_damaged(np.random.default_rng([seed, case]), scratch)

    return work


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(run_command(Fuzz, _PROG))
