"""Limits to the time and memory of a piece of work in this process, as Linux counts them."""

from __future__ import annotations

import faulthandler
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROCESS = Path("/proc/self")
MEBI = 2**20


def memory(name: str = "VmRSS") -> float:
    """Return an entry of this process's status: by default the memory in use [MiB]."""
    (line,) = (line for line in (PROCESS / "status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


@contextmanager
def limited(seconds: float = 20.0, mebibytes: int = 256) -> Iterator[None]:
    """Fail if the block takes so much more memory than was in use before; end this process if it takes too long.

    A loop in C can be stopped in no other way. pytest-xdist reports the test in which the process ended, and starts
    another process; `--capture=sys` shows where it hung.
    """
    (PROCESS / "clear_refs").write_text("5")  # proc(5): resets VmHWM, the peak of memory
    before, (soft, hard) = memory(), resource.getrlimit(resource.RLIMIT_AS)
    room = int(memory("VmSize") + 4 * mebibytes) * MEBI  # allocations fail before the machine runs out of memory
    resource.setrlimit(resource.RLIMIT_AS, (room, hard))
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    grown = memory("VmHWM") - before
    assert grown <= mebibytes, f"took {grown:.0f} MiB of memory"
