"""One seed, one result: in this process, in another, and however much is done at once.

That a session is the same in any batch, and an evaluation whatever it plays at once, is tested where they live
(`tests/session/test_vector_env.py`, `tests/training/test_evaluation.py`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trust.digests import PARTS, comparison

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def elsewhere() -> dict[str, str]:
    """What another process makes of the same seeds, with another seed of its hashes and two threads."""
    told = subprocess.run(
        [sys.executable, "-m", "tests.trust.digests"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return dict(json.loads(told.splitlines()[-1]))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_same_seed__gives_the_same_in_two_processes(part, elsewhere: dict[str, str]) -> None:
    assert part() == elsewhere[part.__name__]


def test_comparison__is_the_same_however_many_work_at_it(elsewhere: dict[str, str]) -> None:
    assert comparison(jobs=2) == elsewhere["comparison"]
