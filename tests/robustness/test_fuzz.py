"""Damaged tables, prepared catalogues, run folders and command lines give a valid result or a named error.

`make test` tries some of each, `make fuzz` 125,000, or as many as FUZZ_CASES says. Hypothesis prints the smallest case
that fails, and tries it first the next time.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spotify_gym import Catalogue, cli
from tests.robustness import run_folders
from tests.robustness.limits import MEBI, limited
from tests.robustness.mutations import shuffled
from tests.robustness.specimens import SPECIMENS

CASES = int(os.environ.get("FUZZ_CASES", "125_000"))
SHARES = {
    "csv": 15,
    "arrow": 15,
    "gzip": 3,
    "parquet": 3,
    "npz": 3,
    "json": 3,
    "zip": 2,
    "zst": 1,
    "xlsx": 1,
    "log": 2,
    "listener": 2,
    "run": 1,
    "line": 1,
}
"""The shares of the cases; runs and command lines take a hundred times as long as files."""

WORDS = (
    *("--steps", "--env", "--gamma", "--out", "--resume", "--settings", "--history", "--top", "--sessions", "--seed"),
    *("-1", "0", "1e999", "nan", "", " ", "--", "-", "=", "--=", "--help", "\x1b[2J", "é", "[", "%s", "{}", "True"),
    *("SpotifySkip-v0", "runs", "nowhere/at/all", "/dev/null", "songs.csv", "catalogue.arrow", "--trust", "--hidden"),
)
"""Words that replace those of a command line."""
LINES = (
    "prepare songs.csv --out catalogue.arrow --scaling minmax --columns track_id=track_id",
    "train --env SpotifyPlaylist-v0 --policy mlp --hidden 8 --gamma 0.5",
    "evaluate run --sessions 3 --seed 1000000000",
    "recommend run --history a,b,c,d,e --top 3",
    "compare run run --sessions 2",
)
"""Command lines that are valid, or nearly so."""
QUICK = {"train": ["--steps", "20", "--catalogue", "builtin:60"]}  # at the end, where they override others


def use_mutated_line(draw: st.DrawFn, scratch: Path) -> str:
    """Run a command of `spotify-gym` with words dropped, repeated or replaced; return "valid" or "refused"."""
    command, *words = draw(st.sampled_from(LINES)).split()
    line, folder = [command, *draw(shuffled(words, WORDS)), *QUICK.get(command, [])], scratch / "lines"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    run_folders.write_finished(folder / "run")
    (folder / "songs.csv").write_text("track_id,tempo\nx,1\n")
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(line)
        except SystemExit as end:
            code = int(end.code or 0)
    assert code in (0, 2), f"{line} ended with {code}: {err.getvalue()}"
    assert "Traceback" not in out.getvalue() + err.getvalue(), f"{line} showed a traceback"
    assert code == 0 or err.getvalue().strip().count("\n") <= 2, f"{line} said {err.getvalue()}"
    return "refused" if code else "valid"


KINDS: Mapping[str, Callable[[st.DrawFn, Path], str]] = {
    **{name: specimen.use_mutated for name, specimen in SPECIMENS.items()},
    "run": run_folders.use_mutated,
    "line": use_mutated_line,
}
"""The function for each kind of damaged input."""


@pytest.mark.parametrize("cases", [75, pytest.param(None, marks=pytest.mark.fuzz)], ids=["some", "all"])
@pytest.mark.parametrize("kind", KINDS)
def test_anything_damaged__ends_in_something_valid_or_an_error(kind: str, cases: int | None, tmp_path: Path) -> None:
    n_cases = cases or math.ceil(CASES * SHARES[kind] / sum(SHARES.values()))
    outcomes: Counter[str] = Counter()

    # `make test` tries the same cases every time; `make fuzz` tries new ones.
    @settings(max_examples=n_cases, derandomize=cases is not None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def use_mutated(data: st.DataObject) -> None:
        with limited() if outcomes else contextlib.nullcontext():  # the first case imports what all need
            outcomes[KINDS[kind](data.draw, tmp_path)] += 1

    if kind in SPECIMENS:
        test_whole_file__is_read(kind, tmp_path)  # imports what all need
    use_mutated()
    print(f"{kind}: {outcomes.total():,} cases, {dict(outcomes)}")
    assert outcomes.keys() == {"valid", "refused"}
    assert outcomes.total() >= n_cases


@pytest.mark.parametrize("kind", SPECIMENS)
def test_whole_file__is_read(kind: str, tmp_path: Path) -> None:
    specimen = SPECIMENS[kind]
    path = tmp_path / f"whole{specimen.suffix}"
    path.write_bytes(specimen.make())
    assert len(specimen.read(path)) >= 10


def test_read__takes_no_more_memory_than_the_file_needs(tmp_path: Path) -> None:
    """A table of two kilobytes is read even if two gigabytes cannot be allocated."""
    path = tmp_path / "songs.csv"
    path.write_bytes(SPECIMENS["csv"].make())
    with limited(mebibytes=400):
        assert len(Catalogue.read(path)) == 11


def test_limited__notices_what_takes_too_much_memory() -> None:
    with pytest.raises(AssertionError, match=r"took [12]\d\d MiB of memory"), limited(mebibytes=100):
        bytearray(250 * MEBI)  # other memory of the process may be freed meanwhile
    with pytest.raises(MemoryError), limited(mebibytes=100):
        bytearray(2000 * MEBI)


def test_limited__ends_a_process_that_hangs_and_says_where() -> None:
    hanging = "import time, tests.robustness.limits as l\nwith l.limited(seconds=0.2):\n    time.sleep(60)"
    ended = subprocess.run([sys.executable, "-c", hanging], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert 'File "<string>", line 3' in ended.stderr
