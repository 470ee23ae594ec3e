"""Work case by case in a process that may hang, die or eat all memory without taking anything along."""

from __future__ import annotations

import multiprocessing
import resource
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import NamedTuple

from experiments.trust.memory import address_space, forget_peak, peak, resident

_MEBI = 2**20
_START_SECONDS = 120.0  # for the imports of a fresh process on a busy machine


class Verdict(NamedTuple):
    """What came of one case."""

    case: int
    outcome: str
    fault: str | None = None
    """What went wrong, with the traceback where there is one."""
    seconds: float = 0.0
    """Time it took [s]."""
    mebibytes: float = 0.0
    """Memory it took for a while, beyond what was in use before [MiB]."""


@dataclass(frozen=True)
class Limits:
    """What one case may use."""

    seconds: float
    mebibytes: int
    """Growth of the memory in use."""


Work = Callable[[int], str]
"""From the number of a case to its outcome; anything it raises is a fault."""


def watched(
    make: Callable[[], AbstractContextManager[Work]], cases: Sequence[int], limits: Limits
) -> Iterator[Verdict]:
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
        try:
            for verdict in _received(ours, cases[done:], limits):
                done += 1
                yield verdict
            process.join(limits.seconds if done == len(cases) else 0)  # time to clear up
        finally:
            process.kill()
            process.join()
            ours.close()


def _received(ours: Connection, cases: Sequence[int], limits: Limits) -> Iterator[Verdict]:
    """Yield verdicts until the process is through, or one that says how it ended."""
    patience = _START_SECONDS
    for case in cases:
        try:
            if not ours.poll(patience):
                yield Verdict(case, "fault", f"not done after {patience:g} s", patience)
                return
            yield ours.recv()
        except (EOFError, OSError):  # it ended between two verdicts, or in the middle of one
            yield Verdict(case, "fault", "the process died")
            return
        patience = limits.seconds


def _serve(
    make: Callable[[], AbstractContextManager[Work]], cases: Sequence[int], limits: Limits, theirs: Connection
) -> None:
    # The pipe breaks where whoever watches is gone, killed perhaps: then nobody wants to know the rest.
    with suppress(BrokenPipeError), make() as work:
        room = int(address_space() + 4 * limits.mebibytes) * _MEBI  # asking for more fails, long after `mebibytes`
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
        for case in cases:
            theirs.send(_judged(work, case, limits))


def _judged(work: Work, case: int, limits: Limits) -> Verdict:
    forget_peak()
    began, before = time.monotonic(), resident()
    outcome, fault = "fault", None
    try:
        outcome = work(case)
    except Exception:
        fault = traceback.format_exc()
    seconds, grown = time.monotonic() - began, peak() - before
    if fault is None and grown > limits.mebibytes:
        fault = f"took {grown:.0f} MiB of memory"
    if fault is None and seconds > limits.seconds:
        fault = f"took {seconds:.1f} s"
    return Verdict(case, outcome if fault is None else "fault", fault, seconds, grown)
