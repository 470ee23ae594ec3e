"""The README does what it says."""

from __future__ import annotations

import re
from pathlib import Path

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()


def test_readme__its_start_has_twelve_lines_and_runs(capsys) -> None:  # type: ignore[no-untyped-def]
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code is not None
    assert len([line for line in code[1].splitlines() if line.strip()]) <= 12
    exec(compile(code[1], "README.md", "exec"), {})
    shown = capsys.readouterr().out
    assert re.fullmatch(r"DoubleDQN: return \d+\.\d\d of 20\nNearestPolicy: return \d+\.\d\d of 20\n", shown)


def test_readme__is_short() -> None:
    assert len(README.splitlines()) < 120


def test_readme__names_only_files_that_are_there() -> None:
    root = Path(__file__).resolve().parents[1]
    for path in re.findall(r"\]\(((?!http)[^)]+)\)", README):
        assert (root / path).exists(), path
