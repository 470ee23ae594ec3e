"""How a cost is measured: tasks that race each other round by round, so that their ratios hold on a busy machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

Work = Callable[[int], object]
"""Something that can be done any number of times in a row."""

Clock = Callable[[], float]
"""`time.process_time`: processor time of all threads, blind to what else the machine does. `time.perf_counter` where
the work is done elsewhere, on a GPU."""


@dataclass(frozen=True)
class Group:
    """Tasks with one unit of work, which can be compared at equal size."""

    title: str
    unit: Literal["/s", "s", "B"]
    """How a cost is shown: as units of work a second, as seconds, or as bytes."""
    size: str = ""
    """What the size is, empty where there is only one."""


@dataclass(frozen=True)
class Task:
    """Something to be measured."""

    group: Group
    what: str
    size: int
    sample: Callable[[], float] | None
    """Measures once the cost of one unit of work, in seconds or bytes; None where that is not to be had here."""
    role: Literal["ours", "floor", "usual"] = "ours"
    """Ours; what the framework itself costs; or what is usually written instead."""
    limit: float | None = None
    """Least cost that this machine allows."""
    goal: float | None = None
    """Largest cost that will do."""
    reason: str = ""
    """Why it cannot be measured here."""


@dataclass(frozen=True)
class Measured:
    """A task and what a unit of its work cost, once per round; nothing where it was not to be had."""

    task: Task
    costs: tuple[float, ...]

    @cached_property
    def median(self) -> float:
        """The cost in the middle; NaN where there is none."""
        return float(np.median(self.costs)) if self.costs else float("nan")

    @property
    def met(self) -> bool:
        """Whether the goal, which it must have, is reached."""
        assert self.task.goal is not None
        return self.median <= self.task.goal


def repeating(work: Work, seconds: float, units: int = 1, clock: Clock = time.process_time) -> Callable[[], float]:
    """Return what measures the cost of one unit of some work [s].

    The work is done until it takes about `seconds`, to be warm; then in each measurement so often, once at least.

    Args:
        work: what to measure.
        seconds: how long one measurement takes, if the work is shorter.
        units: units of work done by doing it once.
        clock: what counts as time.
    """

    def spent(n: int) -> float:
        began = clock()
        work(n)
        return clock() - began

    n, taken = 1, spent(1)
    while taken < seconds / 4:
        n = max(2 * n, int(n * seconds / 2 / max(taken, 1e-9)))
        taken = spent(n)
    n = max(1, round(n * seconds / taken))
    return lambda: spent(n) / n / units


def done_often(do: Callable[[], object]) -> Work:
    """Return what does something n times."""

    def work(n: int) -> None:
        for _ in range(n):
            do()

    return work


def measure(race: Sequence[Task], rounds: int) -> list[Measured]:
    """Measure tasks in turn, each once per round."""
    costs: list[list[float]] = [[] for _ in race]
    for _ in range(rounds):
        for task, found in zip(race, costs, strict=True):
            if task.sample is not None:
                found.append(task.sample())
    return [Measured(task, tuple(found)) for task, found in zip(race, costs, strict=True)]


def times_as_fast(ours: Measured, other: Measured) -> float:
    """Return how often our cost goes into the other's, the median over the rounds of their race."""
    return float(np.median(np.divide(other.costs, ours.costs)))
