"""Cases, each a method on a task that is trained once and evaluated on held-out sessions; and their parallel runner."""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shutil import get_terminal_size
from typing import Any, Self

import gymnasium as gym
import joblib
import pandas as pd
from filelock import FileLock, Timeout
from tqdm import tqdm

from spotify_gym.algorithms import DQN
from spotify_gym.catalogue import Catalogue
from spotify_gym.catalogue.files import replacing
from spotify_gym.listeners import as_listener
from spotify_gym.policies import BEST_SEEN, POLICIES, ReferencePolicy
from spotify_gym.registry import resolve
from spotify_gym.training import TrainConfig, evaluate, train
from spotify_gym.training.artifacts import idle_in_words
from spotify_gym.training.evaluation import Evaluation, check_sessions, value_bias
from spotify_gym.training.vec_adapter import catalogue_of, sessions_of

TASK_SETTINGS = (
    "catalogue", "max_tracks", "env", "scaling", "history_length", "repeats", "reward_baseline", "reward", "listener"
)  # fmt: skip
"""Settings that define the task; the others only affect learning."""

SCALE = ("fixed", *dict.fromkeys(BEST_SEEN.values()), "nearest", "planner")
"""References of every task: skill 0 and 1, nearest, and if the listener has a hidden state, the best policy that sees
only what an agent sees."""

_NAMED = 3  # failed cases in a message

COSTS = ["train_seconds", "play_seconds", "peak_memory_mb"]
"""Columns that differ between runs of the same case."""


@dataclass(frozen=True)
class Case:
    """One unit of work: a method on a task with one training seed. Equal cases give equal results.

    Subclasses may override how the policy is made (`policy`) and what is measured (`measured`).
    """

    method: str
    """Name of the method in tables and plots."""
    config: TrainConfig
    """The task (env, catalogue, state), and the training settings of a learner."""
    reference: str | None = None
    """Name of the reference policy to evaluate instead of a learner."""
    n_sessions: int = 100
    """Number of held-out sessions."""

    @property
    def task(self) -> str:
        """Name of the task, from all settings that define it; all methods of a task face the same sessions."""
        config, usual = self.config, TrainConfig()
        changed = [name for name in TASK_SETTINGS if getattr(config, name) != getattr(usual, name)]
        unusual = [f"{name}={_short(getattr(config, name))}" for name in changed if name not in ("catalogue", "env")]
        return f"{config.env} ({', '.join([Path(config.catalogue).name, *unusual])})"

    @property
    def name(self) -> str:
        """Name of the case in messages."""
        seed = "" if self.reference else f" (seed {self.config.seed})"
        return f"{self.method}{seed} on {self.task}"

    @property
    def key(self) -> str:
        """File name of the case: a hash of everything that affects its results, so that changed cases run again."""
        parts = {"kind": type(self).__name__, **asdict(self)}
        if self.reference is not None:
            parts["config"] = {name: parts["config"][name] for name in TASK_SETTINGS}
        return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=8).hexdigest()

    @property
    def labels(self) -> dict[str, Any]:
        """Columns that identify the rows of this case."""
        config, learns = self.config, self.reference is None
        return {
            "method": self.method,
            "env": self.task,
            "env_id": config.env,
            "catalogue": config.catalogue,
            "algorithm": config.algorithm if learns else self.reference,
            "policy": config.policy if learns else "",
            "state": config.state,
            "gamma": config.gamma if learns else float("nan"),
            "seed": config.seed if learns else 0,
            "steps": config.total_steps if learns else 0,
        }

    def seeded(self, n_seeds: int) -> Iterator[Self]:
        """Yield the case with `n_seeds` training seeds, starting at its own; a reference policy is yielded once.

        Raises:
            ValueError: `n_seeds` is below 1.
        """
        if n_seeds < 1:
            raise ValueError(f"n_seeds={n_seeds} must be at least 1")
        for seed in range(1 if self.reference else n_seeds):
            yield replace(self, config=replace(self.config, seed=self.config.seed + seed))

    def heard_by(self, listener: str | None) -> Self:
        """Return the case with another listener, a name or JSON file, in `SpotifyLogged-v0`; unchanged elsewhere."""
        if listener is None or self.config.env != "SpotifyLogged-v0":
            return self
        return replace(self, config=replace(self.config, listener=listener))

    def check(self) -> None:
        """Make the environment once, to report errors before any work begins.

        Raises:
            CatalogueError: the catalogue cannot be read.
            ValueError: the environment does not know a setting, or the number of sessions is not allowed.
        """
        check_sessions(self.n_sessions)
        sessions_of(self.config, catalogue_of(self.config), n_envs=1)

    def run(self) -> pd.DataFrame:
        """Run the case and return a row per session, with the costs of the case in each."""
        catalogue, began = catalogue_of(self.config), time.perf_counter()
        policy = self.policy(catalogue)
        trained = time.perf_counter()
        rows = self.measured(policy, catalogue)
        costs = [trained - began, time.perf_counter() - trained, _peak_memory_mb()]
        return rows.assign(**dict(zip(COSTS, costs, strict=True)))

    def policy(self, catalogue: Catalogue) -> Any:
        """Train the learner, or return the factory of the reference policy."""
        if self.reference is not None:
            return resolve("policy", self.reference, POLICIES)
        return train(self.config, catalogue=catalogue).model

    def measured(self, policy: Any, catalogue: Catalogue) -> pd.DataFrame:
        """Evaluate a policy or policy factory; return a row of measures and labels per session."""
        env_id, options = self.config.env, {"catalogue": catalogue, **self.config.env_options}
        rows = self.rows_of(evaluate(policy, env_id, self.n_sessions, **options)).assign(note=idle_in_words(policy))
        if isinstance(policy, DQN) and policy.gamma < 1:
            rows["value_bias"] = value_bias(policy, env_id, min(64, self.n_sessions), **options).mean()
        return rows

    def rows_of(self, played: Evaluation) -> pd.DataFrame:
        """Return a row of measures and labels for each session played."""
        rows = pd.DataFrame({"session": played.seeds, **played.measures(), "coverage": played.coverage})
        return self.labelled(rows, played.catalogue)

    def labelled(self, rows: pd.DataFrame, catalogue: Catalogue) -> pd.DataFrame:
        """Return the rows with the labels of the case and the identity of the catalogue."""
        return rows.assign(**self.labels, n_tracks=len(catalogue), fingerprint=catalogue.fingerprint)


def scale_of(
    config: TrainConfig, n_sessions: int = 100, references: Sequence[str] = SCALE, known: Mapping[str, Any] = POLICIES
) -> list[Case]:
    """Return a case per reference policy on the task of a learner.

    Reference policies ignore the settings of learning and state, so their cases are equal for all learners of a task
    and run once. Policies that know only what is seen are included if the listener has a hidden state. `known` are the
    policies by name.
    """
    listener = as_listener(config.env_options.get("listener", gym.spec(config.env).kwargs.get("listener")))
    makers = {name: resolve("policy", name, known) for name in references}
    references = [name for name, one in makers.items() if getattr(one, "suits", ReferencePolicy.suits)(listener)]
    task = replace(TrainConfig(), **{name: getattr(config, name) for name in TASK_SETTINGS})
    return [Case(name, task, name, n_sessions) for name in references]


def _short(value: object) -> str:
    """Return a value as text, or a digest if it is long, such as a listener."""
    text = str(value)
    return text if len(text) <= 60 else hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def _peak_memory_mb() -> float:
    """Return the peak resident memory of this process so far [MB], over all cases that it has run."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


# The runner of many cases, local or on a cluster: finished cases are kept, and failures raise an error.


class IncompleteError(ValueError):
    """Some cases have no result."""


def run_cases(cases: Sequence[Case], out: Path, *, jobs: int = 2, cluster: str | None = None) -> pd.DataFrame:
    """Run every case that has no result in `out` yet, and return the rows of all cases.

    Args:
        cases: the cases.
        out: folder of the results, with one file per case, which only this process writes.
        jobs: number of processes on this machine, with one thread each.
        cluster: address of a Dask scheduler to use instead.

    Raises:
        ValueError: a case is invalid. All are checked before any runs, except on a cluster, which may have other tables
            than this machine.
        IncompleteError: cases failed (the others are kept, and a repeated call runs only those that failed), or another
            process is working in `out`.
        OSError: `out` cannot be written to, or the scheduler does not answer.
    """
    files = {case: out / "cases" / f"{case.key}.parquet" for case in cases}
    (out / "cases").mkdir(parents=True, exist_ok=True)
    with alone_in(out, "cases"):
        missing = [case for case, file in files.items() if not file.exists()]
        if cluster is None:
            for case in {(type(case), case.task, str(case.config.env_options)): case for case in missing}.values():
                case.check()
        failures = []
        with backend(jobs, cluster), progress(len(files), len(missing)) as advance:
            for case, result in results_of(missing):
                if isinstance(result, str):
                    failures.append((case.name, result))
                else:
                    with replacing(files[case]) as file:
                        result.to_parquet(file, index=False)
                advance(case.name)
        if failures:
            (out / "failures.txt").write_text("\n\n".join(f"{name}\n{account}" for name, account in failures))
            names = "; ".join(name for name, _ in failures[:_NAMED])
            names += f" and {len(failures) - _NAMED} more" if len(failures) > _NAMED else ""
            raise IncompleteError(
                f"{len(failures)} of {len(missing)} cases failed: {names}. See {out / 'failures.txt'}; "
                "the others are kept, and the same command runs only what is missing"
            )
        return pd.concat(map(pd.read_parquet, files.values()), ignore_index=True)


@contextmanager
def alone_in(folder: Path, work: str) -> Iterator[None]:
    """Lock a folder for this kind of work, and delete temporary files that a killed process left.

    Raises:
        IncompleteError: another process holds the lock.
    """
    try:
        lock = FileLock(folder / f".{work}.lock", timeout=0).acquire()
    except Timeout:
        raise IncompleteError(f"another process is at work in {folder}; wait for it, or choose another --out") from None
    with lock:
        for unfinished in folder.rglob(".*.tmp"):
            unfinished.unlink(missing_ok=True)
        yield


def results_of(cases: Sequence[Case]) -> Iterator[tuple[Case, pd.DataFrame | str]]:
    """Run cases with joblib; yield the rows of each, or the traceback of a failed one, as they finish.

    Raises:
        IncompleteError: a process was killed.
    """
    if not cases:
        return
    parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="all")
    try:
        yield from parallel(joblib.delayed(_attempt)(case) for case in cases)
    except BrokenExecutor as error:
        raise IncompleteError(
            "a worker process was killed, perhaps for lack of memory (--jobs 1 needs less); "
            "what was finished is kept, and the same command runs only what is missing"
        ) from error


def _attempt(case: Case) -> tuple[Case, pd.DataFrame | str]:
    """Run a case, and return the traceback if it fails, so that the other cases go on."""
    try:
        return case, case.run()
    except Exception:  # every error is collected and reported at the end
        return case, traceback.format_exc()


@contextmanager
def backend(jobs: int, cluster: str | None = None) -> Iterator[None]:
    """Make joblib use local processes, or a Dask cluster, which reruns the tasks of lost workers."""
    if jobs == 0:
        raise ValueError("jobs=0 must be at least 1, or -1 for one per processor")
    if cluster is None:
        with joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
            yield
        return
    from distributed import Client

    with (
        Client(cluster, timeout="10s") as client,  # type: ignore[no-untyped-call]
        joblib.parallel_config("dask", client=client, wait_for_workers_timeout=30),
    ):
        yield


@contextmanager
def progress(n_cases: int, n_missing: int) -> Iterator[Callable[[str], Any]]:
    """Show a progress bar with the number of finished cases, the last one, and the remaining time."""
    form = "{n_fmt}/{total_fmt} {bar:16} {elapsed} left {remaining} {desc}"
    with tqdm(total=n_cases, initial=n_cases - n_missing, bar_format=form, ncols=get_terminal_size().columns) as bar:

        def advance(name: str) -> None:
            bar.set_description_str(name, refresh=False)
            bar.update()

        yield advance
