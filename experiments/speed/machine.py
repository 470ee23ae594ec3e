"""What the machine can do: bytes read a second, by how near they lie, and multiplications a second; on one core."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spotify_gym.training.provenance import circumstances

_SIZES = tuple(2**power for power in range(16, 29, 2))  # 64 KiB, in the nearest cache, to 256 MiB, in none
_MOVED = 2**27  # bytes moved by one measurement
_WIDTH = 512  # of the matrices multiplied: three of them lie in the second cache
_REPEATS = 5


@dataclass(frozen=True)
class Machine:
    """Measured speed of one core."""

    bandwidth: dict[int, float] = field(default_factory=dict)
    """Bytes a second at best, by the size of what is moved [bytes]."""
    arithmetic: float = float("inf")
    """Multiplications and additions of float32 a second, in a product of square matrices."""

    @classmethod
    def measured(cls) -> Machine:
        """Measure this machine, in about two seconds."""
        return cls({size: _bandwidth(size) for size in _SIZES}, _arithmetic())

    def moving(self, n_bytes: float, within: float) -> float:
        """Return the least time to move some bytes that lie spread over `within` bytes [s]."""
        size = min(self.bandwidth, key=lambda known: abs(np.log(known / within)))
        return n_bytes / self.bandwidth[size]

    def computing(self, n_operations: float) -> float:
        """Return the least time of so many multiplications and additions [s]."""
        return n_operations / self.arithmetic


def description(machine: Machine, seed: int) -> dict[str, Any]:
    """Return all that the numbers depend on, as plain values."""
    found = circumstances()
    found["versions"] |= {name: _version(name) for name in ("numba", "scikit-learn", "pandas")}
    found["machine"] |= {"name": _processor(), "gpu": _gpu(), "load": round(os.getloadavg()[0], 2)}
    speeds = {"bandwidth": machine.bandwidth, "arithmetic": machine.arithmetic}
    return {**found, "seed": seed, "speeds": speeds}


def summary_of(found: dict[str, Any]) -> str:
    """Say in a few lines what `description` found."""
    machine, speeds = found["machine"], found["speeds"]
    versions = ", ".join(f"{name} {number or 'not installed'}" for name, number in found["versions"].items())
    bandwidth = ", ".join(f"{size // 2**10:,} KiB: {rate / 1e9:.0f}" for size, rate in speeds["bandwidth"].items())
    return (
        f"Machine: {machine['name']}, {machine['cores']} cores of which one is used, load {machine['load']}, "
        f"GPU: {machine['gpu'] or 'none'}. Seed {found['seed']}, commit {found['commit']}.\n"
        f"Versions: {versions}.\n"
        f"Bandwidth [GB/s] within {bandwidth}; arithmetic {speeds['arithmetic'] / 1e9:.0f} GFLOP/s."
    )


def _bandwidth(size: int) -> float:
    """Return bytes a second, the best of reading an array of this size (its maximum) and copying one to another."""
    n_passes = max(1, _MOVED // size)
    values = np.ones(size // 4, np.float32)
    half, other = np.ones((2, size // 8), np.float32)
    again = np.broadcast_to(values, (n_passes, len(values)))

    def copy() -> None:
        for _ in range(n_passes):
            np.copyto(other, half)

    return n_passes * size / min(_fastest(lambda: again.max(axis=1)), _fastest(copy))


def _arithmetic() -> float:
    matrix = torch.ones(_WIDTH, _WIDTH)
    return float(2 * _WIDTH**3 / _fastest(lambda: torch.mm(matrix, matrix)))


def _fastest(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_REPEATS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _gpu() -> str | None:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
