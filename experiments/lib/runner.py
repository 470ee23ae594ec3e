"""Runner of many cases, here or on a cluster: nothing finished is lost, and nothing failed goes unseen."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

import joblib
import pandas as pd
from filelock import FileLock, Timeout
from tqdm import tqdm

from experiments.lib.cases import Case
from spotify_gym.catalogue.files import replacing

_NAMED = 3  # failed cases in a message


class IncompleteError(ValueError):
    """Some cases have no result."""


def run_cases(cases: Sequence[Case], out: Path, *, jobs: int = 2, cluster: str | None = None) -> pd.DataFrame:
    """Do every case that has no result in `out` yet, and return the rows of all of them.

    Args:
        cases: what to do.
        out: folder of the results; one file per case, written by this process alone.
        jobs: processes on this machine; each computes on one thread.
        cluster: address of a Dask scheduler that does the work instead.

    Raises:
        ValueError: a case cannot be done as it stands; said before anything is done, but for a cluster, where other
            tables may be at hand than here.
        IncompleteError: cases failed; those that did not are kept, and running again does only the failed ones; or
            another process is at work in `out`.
        OSError: `out` cannot be written to, or no scheduler answers.
    """
    files = {case: out / "cases" / f"{case.key}.parquet" for case in cases}
    (out / "cases").mkdir(parents=True, exist_ok=True)
    with alone_in(out, "cases"):
        missing = [case for case, file in files.items() if not file.exists()]
        if cluster is None:
            for case in {(type(case), case.task, str(case.config.env_options)): case for case in missing}.values():
                case.check()
        failures = []
        with progress(len(files), len(missing)) as advance, backend(jobs, cluster):
            for case, result in results_of(missing):
                if isinstance(result, str):
                    failures.append((case.name, result))
                else:
                    keep_rows(files[case], result)
                advance(case.name)
        if failures:
            raise _incomplete(failures, len(missing), out / "failures.txt")
        return pd.concat(map(pd.read_parquet, files.values()), ignore_index=True)


@contextmanager
def alone_in(folder: Path, work: str) -> Iterator[None]:
    """Keep other processes from the same work in a folder, and clear away what a killed one left half written there.

    Raises:
        IncompleteError: another process is at work in it.
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
    """Do cases with joblib, and give the rows of each, or the traceback of one that failed, as they come.

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
            "a process that did the work was killed, for want of memory perhaps (--jobs 1 needs less); "
            "what was finished is kept, and the same command does only what is missing"
        ) from error


def _attempt(case: Case) -> tuple[Case, pd.DataFrame | str]:
    """Do a case; an error of one is no reason to lose the others."""
    try:
        return case, case.run()
    except Exception:  # whatever it is, it is kept and told in the end
        return case, traceback.format_exc()


def _incomplete(failures: Sequence[tuple[str, str]], n_tried: int, accounts: Path) -> IncompleteError:
    """Write down why cases failed, and return the error that names them."""
    accounts.write_text("\n\n".join(f"{name}\n{account}" for name, account in failures))
    names = "; ".join(name for name, _ in failures[:_NAMED])
    names += f" and {len(failures) - _NAMED} more" if len(failures) > _NAMED else ""
    return IncompleteError(
        f"{len(failures)} of {n_tried} cases failed: {names}. Why stands in {accounts}; the others are kept, "
        "and the same command does only what is missing"
    )


def keep_rows(path: Path, rows: pd.DataFrame) -> None:
    """Write a table as Parquet, whole or not at all."""
    with replacing(path) as file:
        rows.to_parquet(file, index=False)


@contextmanager
def backend(jobs: int, cluster: str | None = None) -> Iterator[None]:
    """Let joblib work in processes here, or on a Dask cluster, which does again what a lost worker had."""
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
    """Show on one line how many cases are done, which was the last, and how long the rest will take."""
    form = "{n_fmt}/{total_fmt} {bar:16} {elapsed} left {remaining} {desc}"
    with tqdm(total=n_cases, initial=n_cases - n_missing, bar_format=form, ncols=get_terminal_size().columns) as bar:

        def advance(name: str) -> None:
            bar.set_description_str(name, refresh=False)
            bar.update()

        yield advance
