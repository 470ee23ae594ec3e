"""Running many cases, here or on a cluster, so that nothing finished is lost and nothing failed goes unseen."""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from experiments.lib.cases import Case, CaseT
from experiments.lib.execute import execute
from spotify_gym.catalogue.atomic import replacing

_NAMED = 3  # failed cases in a message
Work = Callable[[CaseT], pd.DataFrame]


class IncompleteError(ValueError):
    """Some cases of a suite have no result."""


@dataclass(frozen=True)
class Failure:
    """A case that ended in an error."""

    case: Case
    account: str
    """The traceback."""


def run_cases(
    cases: Sequence[CaseT], out: Path, *, jobs: int = 2, cluster: str | None = None, work: Work[CaseT] = execute
) -> pd.DataFrame:
    """Do every case that has no result in `out` yet, and return the rows of all of them.

    Args:
        cases: what to do.
        out: folder of the results; one file per case, written by this process alone.
        jobs: processes on this machine; each computes on one thread.
        cluster: address of a Dask scheduler that does the work instead.
        work: what to do with a case.

    Raises:
        ValueError: a case cannot be done as it stands; said before anything is done, but for a cluster, where other
            tables may be at hand than here.
        IncompleteError: cases failed; those that did not are kept, and running again does only the failed ones; or
            another process is at work in `out`.
        OSError: `out` cannot be written to, or no scheduler answers.
    """
    folder = out / "cases"
    folder.mkdir(parents=True, exist_ok=True)
    with alone_in(out, "cases"):
        return _run_cases(cases, folder, jobs, cluster, work)


@contextmanager
def alone_in(folder: Path, work: str) -> Iterator[None]:
    """Keep other processes from the same work in a folder, and clear away what a killed one left half written there.

    Raises:
        IncompleteError: another process is at work in it.
    """
    with ExitStack() as held:
        try:
            held.enter_context(FileLock(folder / f".{work}.lock", timeout=0))
        except Timeout:
            raise IncompleteError(
                f"another process is at work in {folder}; wait for it, or choose another --out"
            ) from None
        for unfinished in folder.rglob(".*.tmp"):
            unfinished.unlink(missing_ok=True)
        yield


def _run_cases(cases: Sequence[CaseT], folder: Path, jobs: int, cluster: str | None, work: Work[CaseT]) -> pd.DataFrame:
    missing = [case for case in dict.fromkeys(cases) if not _file(folder, case).exists()]
    if cluster is None:
        check_cases(missing)
    failures = []
    with progress(len(set(cases)), len(missing)) as advance, backend(jobs, cluster):
        for case, result in _results(missing, work):
            if isinstance(result, Failure):
                failures.append(result)
            else:
                keep_rows(_file(folder, case), result)
            advance(case.name)
    if failures:
        raise _incomplete(failures, len(missing), folder.parent / "failures.txt")
    return pd.concat([pd.read_parquet(_file(folder, case)) for case in dict.fromkeys(cases)], ignore_index=True)


def check_cases(cases: Sequence[Case]) -> None:
    """Make each of the environments once.

    Raises:
        ValueError: a case cannot be done as it stands.
    """
    for one in {(case.task, case.config.state): case for case in cases}.values():
        one.check()


def _incomplete(failures: Sequence[Failure], n_tried: int, accounts: Path) -> IncompleteError:
    """Write down why cases failed, and return the error that names them."""
    accounts.write_text("\n\n".join(f"{failure.case.name}\n{failure.account}" for failure in failures))
    names = "; ".join(failure.case.name for failure in failures[:_NAMED])
    names += f" and {len(failures) - _NAMED} more" if len(failures) > _NAMED else ""
    return IncompleteError(
        f"{len(failures)} of {n_tried} cases failed: {names}. Why stands in {accounts}; the others are kept, "
        "and the same command does only what is missing"
    )


def _results(cases: Sequence[CaseT], work: Work[CaseT]) -> Iterator[tuple[Case, pd.DataFrame | Failure]]:
    if not cases:
        return
    parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="all")
    try:
        yield from parallel(joblib.delayed(_attempt)(case, work) for case in cases)
    except BrokenExecutor as error:
        raise IncompleteError(
            "a process that did the work was killed, for want of memory perhaps (--jobs 1 needs less); "
            "what was finished is kept, and the same command does only what is missing"
        ) from error


def _attempt(case: CaseT, work: Work[CaseT]) -> tuple[Case, pd.DataFrame | Failure]:
    """Do a case; an error of one is no reason to lose the others."""
    try:
        return case, work(case)
    except Exception:  # whatever it is, it is kept and told in the end
        return case, Failure(case, traceback.format_exc())


def keep_rows(path: Path, rows: pd.DataFrame) -> None:
    """Write a table as Parquet, whole or not at all."""
    buffer = io.BytesIO()
    rows.to_parquet(buffer, index=False)
    with replacing(path) as file:
        file.write(buffer.getvalue())


def _file(folder: Path, case: Case) -> Path:
    return folder / f"{case.key}.parquet"


@contextmanager
def backend(jobs: int, cluster: str | None) -> Iterator[None]:
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
    """Show how many cases are done and how long the rest will take."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as shown:
        bar = shown.add_task("cases", total=n_cases, completed=n_cases - n_missing)
        yield lambda name: shown.update(bar, advance=1, description=name[:60])
