"""Cases that hang, die or eat all memory cost themselves alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from experiments.trust.watch import Limits, Work, watched


def misbehaving() -> Work:
    def work(case: int) -> str:
        actions: dict[int, Callable[[], object]] = {
            2: lambda: 1 // 0,
            4: lambda: time.sleep(60),
            6: lambda: os.abort(),
            8: lambda: b"x" * (200 * 2**20),
        }
        actions.get(case, lambda: None)()
        return "fine"

    return work


def test_watched__survives_errors_hangs_crashes_and_gluttony() -> None:
    verdicts = list(watched(misbehaving, range(10), Limits(seconds=2, mebibytes=100)))
    assert [verdict.case for verdict in verdicts] == list(range(10))
    faults = {verdict.case: verdict.fault for verdict in verdicts if verdict.fault is not None}
    assert faults.keys() == {2, 4, 6, 8}
    assert "ZeroDivisionError" in faults[2]
    assert faults[4] == "not done after 2 s"
    assert faults[6] == "the process died"
    assert "MiB of memory" in faults[8]
