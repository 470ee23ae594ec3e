"""How much memory this process has, as Linux counts it."""

from __future__ import annotations

from pathlib import Path

_PROCESS = Path("/proc/self")
_RESET_PEAK = "5"  # proc(5), clear_refs


def resident() -> float:
    """Return the memory in use [MiB]."""
    return _entry("VmRSS")


def peak() -> float:
    """Return the most memory in use since `forget_peak` [MiB]."""
    # Not `ru_maxrss`, which a process inherits from the one that started it.
    return _entry("VmHWM")


def address_space() -> float:
    """Return the size of the address space [MiB]."""
    return _entry("VmSize")


def forget_peak() -> None:
    """Let the peak be what is in use now."""
    (_PROCESS / "clear_refs").write_text(_RESET_PEAK)


def _entry(name: str) -> float:
    (line,) = (line for line in (_PROCESS / "status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024
