"""Memory that a prepared catalogue takes in each of several processes that hold it at once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from experiments.speed.measuring import Group, Task
from experiments.speed.setting import Setting
from experiments.speed.worker import ROLLUP
from spotify_gym.catalogue import Catalogue

PSS = Group("memory that a catalogue adds to each of several workers, shared pages divided among them", "B", "workers")
USS = Group("the same, pages that a worker shares with nobody", "B", "workers")

_KINDS = {
    "mapped": "Catalogue.load",
    "session": "Catalogue.load, gym.make and reset",
    "copied": "pandas.read_feather, a copy each",
}
_SMALL = 100  # tracks of a catalogue that costs next to nothing
_ROOT = Path(__file__).parents[2]


def races(setting: Setting) -> Iterator[list[Task]]:
    """Yield what is to be compared."""
    n = setting.effort.n_workers
    if not ROLLUP.exists():
        yield [Task(PSS, name, n, None, reason=f"needs {ROLLUP}, which Linux has") for name in _KINDS.values()]
        return
    small, big = setting.folder / "small.arrow", setting.folder / "big.arrow"
    Catalogue.builtin(_SMALL).save(small)
    setting.catalogue.save(big)
    added = {kind: added_memory(kind, small, big, n) for kind in _KINDS}
    for group, measure in (PSS, "pss"), (USS, "uss"):
        yield [_task(group, kind, n, added[kind][measure]) for kind in _KINDS]


def _task(group: Group, kind: str, n_workers: int, added: float) -> Task:
    return Task(group, _KINDS[kind], n_workers, lambda: added, "usual" if kind == "copied" else "ours")


def added_memory(kind: str, small: Path, big: Path, n_workers: int) -> dict[str, float]:
    """Return by how much the memory of each of several processes grows when all hold a catalogue.

    Args:
        kind: how they hold it, of `experiments.speed.worker.HOLD`.
        small: a prepared catalogue to hold before, so that what is counted is the catalogue alone.
        big: the prepared catalogue.
        n_workers: how many processes.

    Returns:
        Means over the workers of `pss` and `uss` [bytes].
    """
    command = [sys.executable, "-m", "experiments.speed.worker", kind, str(small), str(big)]
    start = partial(subprocess.Popen, command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with ExitStack() as stack:
        workers = [stack.enter_context(start()) for _ in range(n_workers)]
        _ready, _holding, said = (_meet(workers) for _ in range(3))
    added = [json.loads(line) for line in said]
    return {measure: float(np.mean([one[measure] for one in added])) for measure in ("pss", "uss")}


def _meet(workers: list[subprocess.Popen[str]]) -> list[str]:
    """Wait until every worker has said a line, return what they said, and let them go on."""
    said = [_line(worker) for worker in workers]
    for worker in workers:
        assert worker.stdin is not None  # it is a pipe
        worker.stdin.write("\n")
        worker.stdin.flush()
    return said


def _line(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None  # it is a pipe
    line = worker.stdout.readline()
    if not line:
        raise RuntimeError("a worker ended before it said what its memory is")
    return line
