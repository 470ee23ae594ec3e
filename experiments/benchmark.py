"""How fast is everything, beside others and beside what the machine can do: `python -m experiments.benchmark`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
from rich.console import Console
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from tqdm import tqdm

from experiments.speed import environments, learning, loading, sharing
from experiments.speed.machine import Machine, description, summary_of
from experiments.speed.measuring import Measured, measure
from experiments.speed.results import LEGEND, draw_growth, plain_rows, result_table, verdict
from experiments.speed.setting import FULL, QUICK, Setting
from spotify_gym.catalogue import as_catalogue
from spotify_gym.catalogue.atomic import replacing
from spotify_gym.cli.command import Command, run_command
from spotify_gym.training.trainer import one_thread

_PARTS = (loading, sharing, environments, learning)


@dataclass(frozen=True)
class Benchmark(Command):
    """Measure everything on one core in one run, others' ways beside ours, and print one table."""

    catalogue: str = "builtin:211871"
    """What can be played: "builtin:211871" (as many tracks as the goals are about), a table, or a prepared .arrow."""
    quick: bool = False
    """Fewer sizes and shorter measurements: half a minute instead of minutes."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where networks learn and decide."""
    memory_limit_mb: int = 1500
    """Leave out networks with one output per track whose training would take more [MB]."""
    seed: int = 0
    """Decides all that is random."""
    out: Path = Path("results/benchmark")
    """Folder for every single measurement (benchmark.json) and the curves of growth (growth.png)."""

    def run(self) -> None:
        """Measure, print, keep."""
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ValueError("--device cuda: there is no CUDA GPU here; leave it out, or take cpu")
        with TemporaryDirectory() as folder, threadpool_limits(1), one_thread():
            setting = self.setting(Path(folder))
            results = measure_all(setting)
        write(results, description(setting.machine, self.seed), self.out)

    def setting(self, folder: Path) -> Setting:
        """Return what every measurement is told; `folder` is for files that are not to be kept."""
        path = Path(self.catalogue)
        return Setting(
            catalogue=as_catalogue(self.catalogue),
            effort=QUICK if self.quick else FULL,
            machine=Machine.measured(),
            folder=folder,
            table=path if path.suffix == ".csv" else None,
            device=self.device,
            memory_limit=self.memory_limit_mb * 1e6,
            seed=self.seed,
        )


def measure_all(setting: Setting) -> list[Measured]:
    """Measure everything, in the order of the table."""
    races = chain.from_iterable(part.races(setting) for part in _PARTS)
    found = [one for race in tqdm(races, "measuring", unit="race") for one in measure(race, setting.effort.rounds)]
    order = list(dict.fromkeys(one.task.group for one in found))
    return sorted(found, key=lambda one: order.index(one.task.group))


def write(results: list[Measured], circumstances: dict[str, Any], out: Path) -> None:
    """Print the table, and keep it with every single measurement and the curves of growth."""
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(result_table(results), LEGEND, summary_of(circumstances), verdict(results), sep="\n")
    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / "benchmark.json") as file:
        file.write(json.dumps({**circumstances, "results": plain_rows(results)}, indent=1).encode())
    draw_growth(results, out / "growth.png")
    print(f"{out / 'benchmark.json'}\n{out / 'growth.png'}")


if __name__ == "__main__":
    sys.exit(run_command(Benchmark, "python -m experiments.benchmark"))
