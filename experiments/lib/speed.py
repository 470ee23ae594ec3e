"""Measurement of costs, in turn with baselines and against hardware limits, and their table."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from timeit import Timer
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text
from tqdm import tqdm

from experiments.lib.plots import FAINT, exponent, figure, growth_plot
from spotify_gym.catalogue.files import replacing
from spotify_gym.training.run_folder import circumstances

Work = Callable[[], object]
Sample = Callable[[], float]

LEGEND = (
    "× floor: times as fast as Gymnasium's own CartPole-v1, or its import. × usual: times as fast as the usual code, "
    "named in each part, or so many times less memory. Both are medians over rounds in which the two alternate. "
    "of limit: share of the speed at which the bytes that must move would take all of one core's measured bandwidth. "
    "Times are processor time of all threads; with a GPU, wall-clock time."
)
COLUMNS = ("size", "median", "best", "× floor", "× usual", "of limit", "goal", "")
ROLLUP = Path("/proc/self/smaps_rollup")
"""Linux's file with the memory of a process."""


@dataclass(frozen=True)
class Part:
    """A section of the table, whose rows of equal size are compared."""

    title: str
    unit: Literal["/s", "s", "B"]  # how a cost is shown: as work per second, as seconds, or as bytes
    size: str = ""  # name of the size, empty if there is only one
    growth: str = ""  # label of the cost in the plot against size, empty for no plot


@dataclass(frozen=True)
class Row:
    """Something to measure, and the cost of a unit of its work in each round."""

    part: Part
    what: str
    size: int
    sample: Sample | None  # measures the cost once [s or bytes]; None if it cannot be measured
    role: Literal["ours", "floor", "usual"] = "ours"  # floor: cost of the framework; usual: baseline implementation
    limit: float | None = None  # least cost that this machine allows
    goal: float | None = None  # largest acceptable cost
    reason: str = ""  # why it cannot be measured
    costs: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median cost over the rounds."""
        return float(np.median(self.costs))

    @property
    def missed(self) -> bool:
        """Whether there is a goal and the median cost exceeds it."""
        return self.goal is not None and bool(self.costs) and self.median > self.goal


Race = list[Row]
"""Rows that are measured in turn."""


def repeating(work: Work, seconds: float, *, on_gpu: bool = False) -> Sample:
    """Return a function that measures the cost of some work [s].

    The work is first repeated for about a quarter of `seconds` to warm up; a measurement then fills `seconds`.

    Args:
        work: the work to measure.
        seconds: length of one measurement, if the work is shorter.
        on_gpu: synchronise with the GPU and use wall-clock time instead of the processor time of all threads, which
            does not depend on other processes.
    """
    timer, n = Timer(work, timer=time.process_time), 1
    if on_gpu:
        timer = Timer("work(); wait()", timer=time.perf_counter, globals={"work": work, "wait": torch.cuda.synchronize})
    while (taken := timer.timeit(n)) < seconds / 4:
        n *= 4
    n = max(1, round(n * seconds / max(taken, 1e-9)))
    return lambda: timer.timeit(n) / n


def measured(races: Iterable[Race], rounds: int) -> list[Race]:
    """Measure each row once per round, the rows of a race in turn; return the races grouped by part."""
    done: list[Race] = []
    with tqdm(desc="measuring", unit=" measurements") as bar:
        for race in races:
            for row in race * rounds:
                if row.sample is not None:
                    row.costs.append(row.sample())
                    bar.update()
            done.append([replace(row, sample=None) for row in race])  # frees the objects that were measured
    order = list(dict.fromkeys(race[0].part for race in done))
    return sorted(done, key=lambda race: order.index(race[0].part))


@cache
def bandwidth(power: int) -> float:
    """Return the best bandwidth of one core for reading or copying within 2**power bytes [bytes/s]."""
    n_passes = max(1, 2**27 // 2**power)
    values, (half, other) = np.ones(2**power // 4, np.float32), np.ones((2, 2**power // 8), np.float32)
    again = np.broadcast_to(values, (n_passes, len(values)))

    def copy() -> None:
        for _ in range(n_passes):
            np.copyto(other, half)

    timers = (Timer(work, timer=time.process_time) for work in (copy, lambda: again.max(axis=1)))
    return float(n_passes * 2**power / min(least for timer in timers for least in timer.repeat(repeat=5, number=1)))


def moving(n_bytes: int, within: int | None = None) -> float:
    """Return the least time to move bytes that are spread over `within` bytes, by default contiguous [s]."""
    power = 2 * round(math.log2(within or n_bytes) / 2)
    return n_bytes / bandwidth(min(28, max(16, power)))  # from 64 KiB, in the L1 or L2 cache, to 256 MiB, in memory


def machine() -> dict[str, Any]:
    """Return processor, GPU, load and bandwidths of this machine, and the versions of numerical libraries."""
    info = Path("/proc/cpuinfo")
    names = [line.partition(": ")[2] for line in info.read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "load": round(os.getloadavg()[0], 2),
        **{f"GB/s within {2**power // 1024} KiB": round(bandwidth(power) / 1e9) for power in range(16, 29, 4)},
        **{name: version(name) for name in ("numba", "scikit-learn", "pandas")},
    }


def shared_memory(hold: str, files: Sequence[Path], n: int) -> tuple[float, float]:
    """Return the mean growth in memory of n processes when all hold the last file at once.

    Args:
        hold: Python expression of a function that loads a file.
        files: files to hold one after the other; the earlier ones make sure that everything is imported.
        n: number of processes.

    Returns:
        Means over the processes: proportional set size (PSS) and unique set size (USS) [bytes].
    """
    command = [sys.executable, "-c", _HOLDER, hold, *map(str, files)]
    sizes: list[list[tuple[int, int]]] = []
    with ExitStack() as stack:
        start = partial(subprocess.Popen[str], command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        workers = [stack.enter_context(start()) for _ in range(n)]
        for _ in files:
            for worker in workers:
                assert worker.stdout is not None  # it is a pipe
                worker.stdout.readline()
            sizes.append([_memory(worker.pid) for worker in workers])
            for worker in workers:
                print(file=worker.stdin, flush=True)
    pss, uss = np.subtract(sizes[-1], sizes[-2]).mean(axis=0)
    return float(pss), float(uss)


_HOLDER = """
import sys
import gymnasium as gym, pandas as pd
from spotify_gym.catalogue import Catalogue
held = []
for file in sys.argv[2:]:
    held.append(eval(sys.argv[1])(file))
    print(file, flush=True)
    input()
"""


def _memory(pid: int) -> tuple[int, int]:
    lines = [line.split() for line in Path(f"/proc/{pid}/{ROLLUP.name}").read_text().splitlines()[1:]]
    size = {name: 1024 * int(kilobytes) for name, kilobytes, *_ in lines}
    return size["Pss:"], size["Private_Clean:"] + size["Private_Dirty:"]


def result_table(races: Sequence[Race]) -> Table:
    """Return a table of all results for the terminal."""
    table = Table("what", title_justify="left")
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for part, found in groupby(races, key=lambda race: race[0].part):
        table.add_row(Text(part.title, style="bold"), part.size)
        for race in found:
            for row in race:
                reason = f" (left out: {row.reason})" if row.reason else ""
                table.add_row(f"  {row.what}{reason}", *cells(row, race))
        table.add_section()
    return table


def cells(row: Row, race: Race) -> list[str]:
    """Return the cells of one row, as text."""
    size, unit = f"{row.size:,}" if row.part.size else "", row.part.unit
    if not row.costs:
        return [size]
    ratios = (ratio_to(role, row, race) for role in ("floor", "usual"))
    return [
        size,
        shown(row.median, unit),
        shown(min(row.costs), unit),
        *("" if ratio is None else three_digits(ratio) for ratio in ratios),
        "" if row.limit is None else f"{row.limit / row.median:.2%}",
        *(["", ""] if row.goal is None else [shown(row.goal, unit), "missed" if row.missed else "met"]),
    ]


def ratio_to(role: str, row: Row, race: Race) -> float | None:
    """Return the speed relative to the row of another role in the same race, as the median over rounds."""
    other = next((other for other in race if other.role == role and other.costs), row)
    if other is row or not all(row.costs):
        return None
    return float(np.median(np.divide(other.costs, row.costs)))


def shown(cost: float, unit: str) -> str:
    """Return a cost as text, in the unit of its part.

    >>> shown(2.5e-7, "/s"), shown(2.5e-4, "s"), shown(7.6e6, "B")
    ('4,000,000/s', '250 µs', '7.6 MB')
    """
    if unit == "/s":
        return f"{three_digits(1 / cost)}/s"
    if unit == "B":
        return f"{cost / 1e6:.1f} MB"
    return f"{cost:.3g} s" if cost >= 1 else f"{cost * 1e3:.3g} ms" if cost >= 1e-3 else f"{cost * 1e6:.3g} µs"


def three_digits(value: float) -> str:
    """Return a positive number as text with three significant digits.

    >>> three_digits(5_361_234), three_digits(59.6182), three_digits(0.0087512)
    ('5,360,000', '59.6', '0.00875')
    """
    return f"{float(f'{value:.2e}'):,.0f}" if value >= 99.95 else f"{value:#.3g}"


def verdict(races: Iterable[Race]) -> str:
    """Return a sentence with the number of goals met and the goals missed."""
    judged = [row for race in races for row in race if row.goal is not None and row.costs]
    missed = [_named(row) for row in judged if row.missed]
    return f"{len(judged) - len(missed)} of {len(judged)} goals met. Missed: {'; '.join(missed) or 'none'}."


def _named(row: Row) -> str:
    size = f" ({row.size:,} {row.part.size})" if row.part.size else ""
    return f"{row.what}{size}: {shown(row.median, row.part.unit)}"


def growth(races: Iterable[Race]) -> str:
    """Return a sentence with the exponent by which each cost grows with size."""
    costs: dict[tuple[str, str], dict[int, float]] = {}
    for row in (row for race in races for row in race if row.part.growth and row.costs):
        costs.setdefault((row.part.title, row.what), {})[row.size] = row.median
    powers = [f"{what}: {exponent(pd.Series(by_size)):.2f}" for (_, what), by_size in costs.items() if len(by_size) > 1]
    return f"Growth, as a power of the size: {'; '.join(powers)}."


def draw_growth(races: Iterable[Race], path: Path) -> None:
    """Plot costs against size, with the lower limit of this machine."""
    rows = [row for race in races for row in race if row.part.growth and row.costs]
    parts = list(dict.fromkeys(row.part for row in rows))
    with figure(path, n_panels=len(parts), size=(9.0, 5.0)) as panels:
        for axes, part in zip(panels, parts, strict=True):
            costs = [(row.what, row.size, cost) for row in rows if row.part == part for cost in row.costs]
            growth_plot(axes, pd.DataFrame(costs, columns=["method", "size", "cost"]), part.growth, part.size)
            first = costs[0][0]
            limits = [(row.size, row.limit) for row in rows if (row.part, row.what) == (part, first) and row.limit]
            label = f"limit of this machine, {first}"
            axes.plot(*np.transpose(limits), color=FAINT, linewidth=1, label=label) if limits else None
            axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)


def write(races: list[Race], seed: int, out: Path) -> None:
    """Print the table; save all measurements and the plots of growth."""
    found = {**circumstances(), "seed": seed, "speeds": machine()}
    facts = [f"{name} {value}" for key in ("speeds", "versions") for name, value in found[key].items()]
    facts += [f"commit {found['commit']}", f"seed {seed}"]
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(
        result_table(races), LEGEND, f"One core of: {', '.join(facts)}.", growth(races), verdict(races), sep="\n"
    )
    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / "benchmark.json") as file:
        rows = [asdict(row) for race in races for row in race]
        file.write(json.dumps({**found, "results": rows}, indent=1).encode())
    draw_growth(races, out / "growth.png")
    print(f"{out / 'benchmark.json'}\n{out / 'growth.png'}")
