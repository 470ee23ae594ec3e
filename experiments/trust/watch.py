"""Work case by case in a process that may hang, die or eat all memory without taking anything along."""

from __future__ import annotations

import multiprocessing
import resource
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

_MEBI = 2**20
_START_SECONDS = 120.0  # for the imports of a fresh process on a busy machine


class Verdict(NamedTuple):
    """What came of one case."""

    case: int
    outcome: str
    fault: str | None = None
    """What went wrong, with the traceback where there is one."""


@dataclass(frozen=True)
class Limits:
    """What one case may use."""

    seconds: float
    mebibytes: int
    """Growth of the memory in use."""


Work = Callable[[int], str]
"""From the number of a case to its outcome; anything it raises is a fault."""


def watched(make: Callable[[], Work], cases: Sequence[int], limits: Limits) -> Iterator[Verdict]:
    """Work through the cases in another process, which is replaced whenever it hangs or dies.

    Args:
        make: makes the work, there; it can be pickled.
        cases: their numbers.
        limits: of each.
    """
    context = multiprocessing.get_context("spawn")
    done = 0
    while done < len(cases):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_serve, args=(make, cases[done:], limits, theirs), daemon=True)
        process.start()
        theirs.close()
        for verdict in _received(ours, cases[done:], limits):
            done += 1
            yield verdict
        process.kill()
        process.join()


def _received(ours: Connection, cases: Sequence[int], limits: Limits) -> Iterator[Verdict]:
    """Yield verdicts until the process is through, or one that says how it ended."""
    patience = _START_SECONDS
    for case in cases:
        try:
            if not ours.poll(patience):
                yield Verdict(case, "fault", f"not done after {patience:g} s")
                return
            yield ours.recv()
        except EOFError:
            yield Verdict(case, "fault", "the process died")
            return
        patience = limits.seconds


def _serve(make: Callable[[], Work], cases: Sequence[int], limits: Limits, theirs: Connection) -> None:
    work = make()
    room = _address_space() + 4 * limits.mebibytes * _MEBI  # where asking for memory fails, long after `mebibytes`
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    for case in cases:
        theirs.send(_judged(work, case, limits))


def _judged(work: Work, case: int, limits: Limits) -> Verdict:
    began, before = time.monotonic(), _peak()
    try:
        outcome = work(case)
    except Exception:
        return Verdict(case, "fault", traceback.format_exc())
    if (grown := _peak() - before) > limits.mebibytes:
        return Verdict(case, "fault", f"took {grown:.0f} MiB of memory")
    if (seconds := time.monotonic() - began) > limits.seconds:
        return Verdict(case, "fault", f"took {seconds:.1f} s")
    return Verdict(case, outcome)


def _peak() -> float:
    """Return the most memory that this process ever had [MiB]."""
    # Not `ru_maxrss`, which a process inherits from the one that started it.
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _address_space() -> int:
    """Return the size of this process's address space [bytes]."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
