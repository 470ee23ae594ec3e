"""Kill a process at a moment of its time on the processor, which it cannot prepare for."""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import Event
from pathlib import Path


def play_out(work: Callable[[], object], preload: Sequence[str], patience: float = math.inf) -> float:
    """Work in another process, and kill that process with SIGKILL after so much time on the processor.

    Args:
        work: what to do there; it can be pickled.
        preload: modules that are imported before the clock runs.
        patience: when to kill [s].

    Returns:
        The time on the processor that it had [s].

    Raises:
        ValueError: the process ended in an error of its own.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    ready, go = context.Event(), context.Event()
    process = context.Process(target=_wait_and_work, args=(work, ready, go))
    process.start()
    assert process.pid is not None
    ready.wait()
    before, spent = _processor_time(process.pid), 0.0
    go.set()
    while process.is_alive() and spent < patience:
        time.sleep(0.0005)
        spent = max(spent, _processor_time(process.pid) - before)
    process.kill()
    process.join()
    if process.exitcode is not None and process.exitcode > 0:
        raise ValueError(f"it ended with exit code {process.exitcode} before it could be killed")
    return spent


def _wait_and_work(work: Callable[[], object], ready: Event, go: Event) -> None:
    ready.set()
    go.wait()
    work()


def _processor_time(pid: int) -> float:
    """Return the time that the main thread of a process has been running [s]."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except OSError:  # it has ended
        return 0.0
