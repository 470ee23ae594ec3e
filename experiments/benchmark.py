"""Benchmark of speed and memory against baselines and hardware limits: `python -m experiments.benchmark`.

Each function of `PARTS` yields lists of rows. The rows of a list are measured in turn, round by round, so that their
ratios are valid on a busy machine. To measure something else, add a row to a list.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain, cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import pandas as pd
import stable_baselines3 as sb3
import torch
from gymnasium.utils.performance import benchmark_step
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from experiments.lib import main
from experiments.lib.speed import (
    ROLLUP,
    Part,
    Race,
    Row,
    Sample,
    Work,
    measured,
    moving,
    repeating,
    shared_memory,
    write,
)
from experiments.naive import best_naively, faiss_ways, naive_spec, read_naively, write_table
from spotify_gym import ENVS
from spotify_gym.algorithms import DoubleDQN
from spotify_gym.catalogue import Catalogue, as_catalogue
from spotify_gym.catalogue.tracks import FEATURE_NAMES
from spotify_gym.cli.command import Command
from spotify_gym.search.exact_topk import in_blocks, largest
from spotify_gym.search.pruned import InnerProductIndex
from spotify_gym.training.trainer import one_thread

REAL_SIZE, REAL_ROWS = 211_871, 232_725  # catalogue size and table size that the goals refer to
GOAL_BATCH, BATCH, TOP = 1024, 64, 10
FIRST, STRICT = "SpotifySession-v0", "SpotifyPlaylist-v0"
QUICK: Any = {
    "rounds": 3,
    "seconds": 0.04,
    "sizes": (1_000, 10_000),
    "search_sizes": (1_000, 10_000),
    "batches": (1, 64, 1024),
    "n_workers": 2,
}


@dataclass(frozen=True)
class Benchmark(Command):
    """Measure everything on one core in one run, next to baseline implementations, and print one table."""

    catalogue: str = f"builtin:{REAL_SIZE}"
    """Tracks to play: a built-in catalogue (by default of the size that the goals refer to), a table, or a .arrow."""
    quick: bool = False
    """Fewer sizes and shorter measurements: half a minute instead of minutes."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Device of the networks."""
    memory_limit_mb: float = 1500
    """Skip networks with one output per track whose training would need more memory [MB]."""
    seed: int = 0
    """Seed of everything random."""
    out: Path = Path("results/benchmark")
    """Folder for all measurements (benchmark.json) and the scaling plots (growth.png)."""
    rounds: int = 7
    """Measurements of each cost."""
    seconds: float = 0.2
    """Length of one measurement [s]."""
    sizes: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    """Catalogue sizes, in addition to that of --catalogue [tracks]."""
    search_sizes: tuple[int, ...] = (100_000, 1_000_000, 10_000_000)
    """Numbers of vectors to search, also with faiss if it is installed."""
    batches: tuple[int, ...] = (1, 4, 16, 64, 256, 1024, 4096)
    """Numbers of parallel sessions."""
    n_rows: int = REAL_ROWS
    """Rows of the synthetic table to read, if --catalogue is not a table."""
    n_workers: int = 10
    """Processes that share a catalogue."""

    def run(self) -> None:
        """Measure, print the table, and save the results."""
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ValueError("--device cuda: no CUDA GPU found; leave it out, or use cpu")
        bench: Benchmark = replace(self, **QUICK) if self.quick else self
        with threadpool_limits(1), one_thread():
            write(measured(bench.races(), bench.rounds), self.seed, self.out)

    def races(self) -> Iterator[Race]:
        """Yield everything to measure."""
        return chain.from_iterable(part(self) for part in PARTS)

    @cached_property
    def tracks(self) -> Catalogue:
        """The catalogue of the option."""
        return as_catalogue(self.catalogue)

    def catalogues(self) -> Iterator[Catalogue]:
        """Yield a catalogue of each size: a sample of the tracks, or synthetic ones if there are too few."""
        n_here = len(self.tracks)
        for n in sorted({*self.sizes, n_here}):
            if n < n_here:
                yield self.tracks.take(np.random.default_rng(self.seed).choice(n_here, n, replace=False))
            else:
                yield self.tracks if n == n_here else Catalogue.builtin(n, self.seed)

    def timed(self, work: Work, *, network: bool = False) -> Sample:
        """Return a function that measures the cost of some work [s]; `network` work runs on the device."""
        return repeating(work, self.seconds, on_gpu=network and self.device == "cuda")


def goal_at(n: int, seconds: float, stated_for: int = REAL_SIZE) -> float | None:
    """Return the goal for n tracks or rows: it grows in proportion above the size that it is stated for.

    There is none at or below half that size.
    """
    return seconds * max(1.0, n / stated_for) if n > stated_for / 2 else None


IMPORT = Part("import", "s")
IMPORTS = """
import time
began = time.process_time()
import gymnasium
between = time.process_time()
import spotify_gym
print(between - began, time.process_time() - between)
"""


def imports(_: Benchmark) -> Iterator[Race]:
    """Import Gymnasium and then this package in a separate process."""

    def seconds(which: int) -> float:
        return float(subprocess.check_output([sys.executable, "-c", IMPORTS], text=True).split()[which])  # noqa: S603

    yield [
        Row(IMPORT, "spotify_gym, after gymnasium", 1, lambda: seconds(1), goal=0.5),
        Row(IMPORT, "gymnasium", 1, lambda: seconds(0), "floor"),
    ]


READ, LOAD = Part("read and prepare a table", "s", "rows"), Part("load it prepared", "s", "tracks")


def tables(bench: Benchmark) -> Iterator[Race]:
    """Read a table, and load the prepared catalogue."""
    with TemporaryDirectory() as folder:
        given, prepared = Path(bench.catalogue), Path(folder) / "catalogue.arrow"
        table = given if given.suffix == ".csv" else write_table(Path(folder) / "table.csv", bench.n_rows, bench.seed)
        catalogue, timed = Catalogue.read(table), bench.timed
        catalogue.save(prepared)
        n, n_rows, columns = len(catalogue), catalogue.report.rows, dict(catalogue.report.columns)
        usual = partial(read_naively, table, columns["track_id"], [columns[name] for name in FEATURE_NAMES])
        limit, goal = moving(table.stat().st_size), goal_at(n_rows, 3.0, REAL_ROWS)
        yield [
            Row(READ, "Catalogue.read", n_rows, timed(lambda: Catalogue.read(table)), limit=limit, goal=goal),
            Row(READ, "pandas and StandardScaler, nothing checked", n_rows, timed(usual), "usual"),
        ]
        limit, goal = moving(prepared.stat().st_size), goal_at(n, 0.2)
        begun = timed(lambda: gym.make(FIRST, catalogue=Catalogue.load(prepared)).reset(seed=0))
        copied = timed(lambda: pd.read_feather(prepared))
        yield [
            Row(LOAD, "Catalogue.load", n, timed(lambda: Catalogue.load(prepared)), limit=limit, goal=goal),
            Row(LOAD, "Catalogue.load, gym.make and reset", n, begun),
            Row(LOAD, "pandas.read_feather of the same file, nothing checked", n, copied, "usual"),
        ]


PSS = Part("memory that a catalogue adds to each of several workers, shared pages divided among them", "B", "workers")
USS = Part("the same, pages that a worker shares with nobody", "B", "workers")
HOLD = {
    "Catalogue.load": "Catalogue.load",
    "Catalogue.load, gym.make and reset": f"lambda file: (env := gym.make('{FIRST}', catalogue=file), env.reset())",
    "pandas.read_feather, a copy each": "pd.read_feather",
}
"""Ways to hold a prepared catalogue."""


def memory(bench: Benchmark) -> Iterator[Race]:
    """Measure the memory of several processes that hold a prepared catalogue at once."""
    n = bench.n_workers
    if not ROLLUP.exists():
        yield [Row(PSS, what, n, None, reason=f"needs {ROLLUP}, which Linux has") for what in HOLD]
        return
    with TemporaryDirectory() as folder:
        small, big = Path(folder) / "small.arrow", Path(folder) / "big.arrow"
        Catalogue.builtin(100).save(small)
        bench.tracks.save(big)
        added = [shared_memory(hold, (small, big), n) for hold in HOLD.values()]
    for part, sizes in zip((PSS, USS), zip(*added, strict=True), strict=True):
        *ours, usual = (Row(part, what, n, partial(float, size)) for what, size in zip(HOLD, sizes, strict=True))
        yield [*ours, replace(usual, role="usual")]


SINGLE = Part("steps of one session, through gym.make", "/s")
VECTOR = Part("steps of single sessions, B at once, through gym.make_vec", "/s", "B", "a step of one session [s]")
BY_TRACKS = Part("the same with B = 1,024, by tracks", "/s", "tracks", "a step of one session, 1,024 at once [s]")
CART_POLE, NAIVE, SAME_STEP = "CartPole-v1 (Gymnasium)", f"naive {FIRST}", f"{FIRST}, same-step restart"


def single(bench: Benchmark) -> Iterator[Race]:
    """Step one session."""

    def sample(env_id: Any, **options: Any) -> Sample:
        env = gym.make(env_id, **options)
        drawn = np.random.default_rng(bench.seed).integers(env.action_space.n, size=2**16)  # type: ignore[attr-defined]
        env.action_space.sample = cycle(drawn.tolist()).__next__  # type: ignore[assignment]  # sampling is not measured

        def cost() -> float:
            """Convert Gymnasium's wall-clock rate to processor time, which other processes do not affect."""
            wall, processor = time.perf_counter(), time.process_time()
            rate = benchmark_step(env, bench.seconds, bench.seed)  # type: ignore[arg-type]  # it takes any number
            return (time.process_time() - processor) / (time.perf_counter() - wall) / rate

        cost()  # warm up: compiles the loops
        return cost

    def ours(env_id: str) -> Row:
        goal = 1 / 100_000 if env_id == FIRST else None
        return Row(SINGLE, env_id, 1, sample(env_id, catalogue=bench.tracks), limit=limit, goal=goal)

    limit = step_limit(gym.make_vec(FIRST, 1, catalogue=bench.tracks), bench.tracks)
    yield [
        *map(ours, ENVS),
        Row(SINGLE, CART_POLE, 1, sample("CartPole-v1"), "floor"),
        Row(SINGLE, NAIVE, 1, sample(naive_spec(bench.tracks)), "usual"),
    ]


def vector(bench: Benchmark) -> Iterator[Race]:
    """Step many sessions at once, by number of sessions, then by number of tracks."""

    def sample(env: Any) -> Sample:
        shape = (max(64, 2**16 // env.num_envs), env.num_envs)
        actions = cycle(np.random.default_rng(bench.seed).integers(env.single_action_space.n, size=shape))
        env.reset(seed=bench.seed)
        step = bench.timed(lambda: env.step(next(actions)))
        return lambda: step() / env.num_envs

    def ours(what: str, n: int, **options: Any) -> Row:
        env = gym.make_vec(what.partition(",")[0], n, catalogue=bench.tracks, **options)
        goal = (1 if what.startswith(FIRST) else 3) / 5_000_000 if n == GOAL_BATCH else None
        return Row(VECTOR, what, n, sample(env), limit=step_limit(env, bench.tracks), goal=goal)

    for n in bench.batches:
        cart_poles = gym.make_vec("CartPole-v1", n, vectorization_mode="vector_entry_point")
        race = [
            *(ours(env_id, n) for env_id in ENVS),
            ours(SAME_STEP, n, autoreset_mode="SameStep"),
            Row(VECTOR, CART_POLE, n, sample(cart_poles), "floor"),
        ]
        if n <= GOAL_BATCH:  # larger naive batches would take seconds per step and be no faster per session
            naive = gym.make_vec(naive_spec(bench.tracks), n, vectorization_mode="sync")
            race.append(Row(VECTOR, f"{NAIVE} in SyncVectorEnv", n, sample(naive), "usual"))
        yield race
    for catalogue in bench.catalogues():
        env = gym.make_vec(FIRST, GOAL_BATCH, catalogue=catalogue)
        yield [Row(BY_TRACKS, FIRST, len(catalogue), sample(env), limit=step_limit(env, catalogue))]


def step_limit(env: Any, catalogue: Catalogue) -> float:
    """Return a lower bound on the time of a step of one session [s], from the bytes that must move.

    Inputs are the track's index and its features, from a random place in the catalogue. State is the vibe (read and
    written) and the window (the oldest features read, the newest written). Outputs are what `step` returns.
    """
    env.reset(seed=0)
    actions = np.zeros(env.num_envs, np.int64)
    *returned, info = env.step(actions)
    features = env.num_envs * catalogue.features[0].nbytes
    near = actions.nbytes + 4 * features + sum(array.nbytes for array in (*returned, *info.values()))
    seconds = moving(features, within=catalogue.features.nbytes) + moving(near)
    return float(seconds / env.num_envs)


GRADIENT = Part("a gradient step, 64 transitions", "/s", "tracks", "a gradient step, 64 transitions [s]")
DECISION = Part("a decision: the 10 best tracks of all, per state", "s", "tracks", "a decision, per state [s]")
_LEARNED = 100  # gradient steps before measuring
OURS, DENSE = "Double DQN, CataloguePolicy", "DQN, MlpPolicy (SB3)"


def learning(bench: Benchmark) -> Iterator[Race]:
    """Measure gradient steps and decisions over whole catalogues."""
    for catalogue in bench.catalogues():
        yield gradient_steps(bench, catalogue)
        yield decisions(bench, catalogue)


def gradient_steps(bench: Benchmark, catalogue: Catalogue) -> Race:
    """Return the rows of a gradient step, of our learner and of SB3's DQN."""

    def sample(model: sb3.DQN) -> Sample:
        return bench.timed(lambda: model.train(gradient_steps=1, batch_size=BATCH), network=True)

    n, needed = len(catalogue), dense_memory(len(catalogue)) / 1e6
    free, strict = (sample(learner(bench, DoubleDQN, env_id, catalogue, gamma=0.9)) for env_id in (FIRST, STRICT))
    race = [
        Row(GRADIENT, OURS, n, free, goal=goal_at(n, 1 / 250)),
        Row(GRADIENT, f"{OURS}, no repeats", n, strict, goal=goal_at(n, 1 / 250)),
    ]
    if needed > bench.memory_limit_mb:
        reason = f"needs {needed:,.0f} MB, and --memory-limit-mb is {bench.memory_limit_mb:,.0f}"
        return [*race, Row(GRADIENT, DENSE, n, None, "usual", reason=reason)]
    return [*race, Row(GRADIENT, DENSE, n, sample(learner(bench, sb3.DQN, FIRST, catalogue)), "usual")]


def dense_memory(n_tracks: int, width: int = 64) -> int:
    """Return the approximate memory of a gradient step of SB3's DQN with one output per track [bytes].

    The head's weights are stored five times (online, target, gradient, Adam's two moments), the outputs for 64 states
    and all tracks three times (online, target, gradient).
    """
    return 4 * n_tracks * (5 * (width + 1) + 3 * BATCH)


def decisions(bench: Benchmark, catalogue: Catalogue) -> Race:
    """Return the rows of a decision, of our learner and of a sort of all cosines."""
    model, n = learner(bench, DoubleDQN, FIRST, catalogue, gamma=0.9), len(catalogue)
    states, _ = gym.make_vec(FIRST, BATCH, catalogue=catalogue).reset(seed=bench.seed)
    model.policy.set_training_mode(False)
    tensor, _ = model.policy.obs_to_tensor(states)
    choose = torch.no_grad()(partial(model.q_net.top_k, k=min(TOP, n)))
    timed = partial(bench.timed, network=True)
    batch = timed(lambda: choose(tensor))

    predict = partial(model.predict, states[0], deterministic=True)
    usual = partial(best_naively, catalogue, states[:1], TOP)
    return [
        Row(DECISION, "one state", n, timed(lambda: choose(tensor[:1])), goal=goal_at(n, 0.1e-3)),
        Row(DECISION, f"{BATCH} states at once", n, lambda: batch() / BATCH, goal=goal_at(n, 0.05e-3)),
        Row(DECISION, "one state, predict (the best one)", n, timed(predict), goal=goal_at(n, 0.1e-3)),
        Row(DECISION, "cosine_similarity and argsort", n, bench.timed(usual), "usual"),
    ]


def learner(bench: Benchmark, kind: Any, env_id: str, catalogue: Catalogue, **options: Any) -> Any:
    """Return a learner with SB3's defaults, trained briefly on random play."""
    n_collected, policy = 512, "MlpPolicy" if kind is sb3.DQN else "CataloguePolicy"
    replay = {"buffer_size": n_collected, "learning_starts": n_collected, "batch_size": BATCH}
    env = gym.make(env_id, catalogue=catalogue)
    model = kind(policy, env, seed=bench.seed, device=bench.device, **replay, **options).learn(n_collected)
    if kind is not sb3.DQN:
        # An untrained network outputs zeros, which would not be a realistic query.
        model.train(gradient_steps=_LEARNED, batch_size=BATCH)
    return model


SEARCH = Part(
    "a search: the vector of the largest product, 64 queries at once", "s", "vectors", "a search, a query [s]"
)


def searching(bench: Benchmark) -> Iterator[Race]:
    """Search for the largest inner product among n vectors: our index, a full scan, and faiss if installed."""
    units, rng = bench.tracks.unit_features, np.random.default_rng(bench.seed)
    queries = units[rng.integers(len(units), size=(BATCH, 5))].mean(axis=1)
    for n in bench.search_sizes:
        first, second = rng.integers(len(units), size=(2, n))
        vectors = units[first]  # each is moved towards another one, so that all vectors differ
        vectors += rng.random((n, 1), np.float32) / 2 * (units[second] - vectors)
        index, table = InnerProductIndex(vectors), in_blocks(torch.from_numpy(vectors))
        ways: dict[str, Work] = {
            "ours, exact": partial(index.largest, queries),
            "all products, exact": partial(largest, table, n, torch.from_numpy(queries)),
            **faiss_ways(vectors, queries),
        }
        race = [Row(SEARCH, what, n, per_query(bench.timed(search))) for what, search in ways.items()]
        yield [race[0], replace(race[1], role="usual"), *race[2:]]


def per_query(batch: Sample) -> Sample:
    """Return a function that measures the cost of one query of a batch."""
    return lambda: batch() / BATCH


PARTS = (imports, tables, memory, single, vector, learning, searching)


if __name__ == "__main__":
    main(Benchmark)
