"""Cases that hang, die or eat all memory cost themselves alone."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import gettempdir

from experiments.trust.scratch import scratch
from experiments.trust.watch import Limits, Work, watched


def misbehaving() -> AbstractContextManager[Work]:
    def work(case: int) -> str:
        actions: dict[int, Callable[[], object]] = {
            2: lambda: 1 // 0,
            4: lambda: time.sleep(60),
            6: lambda: os.abort(),
            8: lambda: b"x" * (200 * 2**20),
        }
        actions.get(case, lambda: None)()
        return "fine"

    return nullcontext(work)


def test_watched__survives_errors_hangs_crashes_and_gluttony() -> None:
    verdicts = list(watched(misbehaving, range(10), Limits(seconds=2, mebibytes=100)))
    assert [verdict.case for verdict in verdicts] == list(range(10))
    faults = {verdict.case: verdict.fault for verdict in verdicts if verdict.fault is not None}
    assert faults.keys() == {2, 4, 6, 8}
    assert "ZeroDivisionError" in faults[2]
    assert faults[4] == "not done after 2 s"
    assert faults[6] == "the process died"
    assert "MiB of memory" in faults[8]


@contextmanager
def dawdling() -> Iterator[Work]:
    with scratch() as folder:
        (folder / "file").touch()
        yield lambda _: time.sleep(0.05) or "fine"


def watch_for_long() -> None:
    list(watched(dawdling, range(10_000), Limits(seconds=2, mebibytes=100)))


def folders() -> set[Path]:
    return set(Path(gettempdir()).glob("spotify_gym-trust-*"))


def test_watched__leaves_nothing_behind_where_the_watcher_is_killed() -> None:
    before = folders()
    watcher = multiprocessing.get_context("spawn").Process(target=watch_for_long)
    watcher.start()
    wait_until(lambda: bool(folders() - before))
    watcher.kill()
    watcher.join()
    wait_until(lambda: not folders() - before)


def test_scratch__clears_away_what_a_killed_process_left() -> None:
    gone = multiprocessing.get_context("spawn").Process(target=watch_for_long)
    gone.start()
    pid = gone.pid
    gone.kill()
    gone.join()
    left = Path(gettempdir()) / f"spotify_gym-trust-{pid}-x"
    left.mkdir()
    with scratch() as folder:
        assert folder.is_dir()
        assert not left.exists()
    assert not folder.exists()


def wait_until(happened: Callable[[], bool]) -> None:
    for _ in range(600):
        if happened():
            return
        time.sleep(0.1)
    raise TimeoutError
