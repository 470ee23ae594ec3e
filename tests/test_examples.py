"""The examples, run as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SAYS = {
    "cleanrl_style": r"first 40 sessions: (-?\d+\.\d+), of the last 40: (-?\d+\.\d+)",
    "custom_listener": r"RandomPolicy: (\d+\.\d) fast tracks.*\nNearestPolicy: (\d+\.\d) fast tracks in 20\.0",
    "custom_reward": r"0\.0 for discovery: .* \d+ of 100\n0\.5 for discovery: .* \d+ of 100",
    "many_seeds_with_dask": r"two runs: \d+\.\d\d ± \d\.\d{4}",
    "maskable_ppo": r"MaskablePPO: return .*, 0% repeats\nrandom: return .*, 0% repeats",
    "minari_out_and_in": r"10 sessions, 200 tracks, mean return \d+\.\d\d\none session: \(21, 18\) \(20,\) float",
    "recommend": r"(\+\d\.\d\d to the vibe: .*\n){5}",
    "recurrent_ppo": r"RecurrentPPO: \d+\.\d tracks heard out a session",
    "tianshou_dqn": r"tianshou: return -?\d+\.\d\d of 20",
    "tune_with_optuna": r"best settings: .*\nbest: return \d+\.\d\d .*\ndefault: return \d+\.\d\d",
}
"""What each prints."""
RISES = {"cleanrl_style", "custom_listener"}
"""Those whose second number is to be the larger one."""


def test_examples__are_ten_short_files() -> None:
    files = {file.stem: file.read_text() for file in (ROOT / "examples").glob("*.py")}
    assert files.keys() == SAYS.keys()
    assert all(len(text.splitlines()) < 60 for text in files.values())


@pytest.mark.parametrize("name", SAYS)
def test_example__does_what_it_says(name: str, tmp_path: Path) -> None:
    if name == "tianshou_dqn" and find_spec("tianshou") is None:
        pytest.skip("tianshou 2 is not installed: it wants an older pandas than the one this project is tried with")
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    told = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )
    assert told.returncode == 0, told.stderr
    said = re.search(SAYS[name], told.stdout)
    assert said, told.stdout
    if name in RISES:
        assert float(said[1]) < float(said[2])
