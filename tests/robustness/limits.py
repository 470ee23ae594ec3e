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
    """Fail where the block takes more memory than there was before; end this process where it takes too long.

    A loop in C cannot be stopped otherwise. pytest-xdist tells which test the process ended in, and starts another;
    `--capture=sys` shows where it hung.
    """
    (PROCESS / "clear_refs").write_text("5")  # proc(5): from now on VmHWM is the most memory since now
    before, (soft, hard) = memory(), resource.getrlimit(resource.RLIMIT_AS)
    room = int(memory("VmSize") + 4 * mebibytes) * MEBI  # asking for more fails, before the machine is out of memory
    resource.setrlimit(resource.RLIMIT_AS, (room, hard))
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    grown = memory("VmHWM") - before
    assert grown <= mebibytes, f"took {grown:.0f} MiB of memory"
