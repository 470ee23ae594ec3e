"""Command lines to be shuffled, and what must be true of the answer."""

from __future__ import annotations

import contextlib
import io
import shutil
from pathlib import Path

from experiments.trust.damage import Rng, shuffled
from experiments.trust.runs import finished, write_files
from spotify_gym import cli

WORDS = (
    *("--steps", "--env", "--gamma", "--out", "--resume", "--settings", "--history", "--top", "--sessions", "--seed"),
    *("-1", "0", "1e999", "nan", "", " ", "--", "-", "=", "--=", "--help", "\x1b[2J", "é", "[", "%s", "{}", "True"),
    *("SpotifySkip-v0", "runs", "nowhere/at/all", "/dev/null", "songs.csv", "catalogue.arrow", "--trust", "--hidden"),
)
"""What gets between the words of a line."""
LINES = (
    "prepare songs.csv --out catalogue.arrow --scaling minmax --columns track_id=track_id",
    "train --env SpotifyPlaylist-v0 --policy mlp --hidden 8 --gamma 0.5",
    "evaluate run --sessions 3 --seed 1000000000",
    "recommend run --history a,b,c,d,e --top 3",
    "compare run run --sessions 2",
)
"""Lines that are right, or nearly."""
_QUICK = {"train": ["--steps", "20", "--catalogue", "builtin:60"]}  # at the end, where they win
_LONGEST_REFUSAL = 2  # lines


class LineSpecimen:
    """A command of `spotify-gym` with words left out, doubled or replaced."""

    def try_damaged(self, rng: Rng, scratch: Path) -> str:
        """Run a damaged line: "valid" or "refused"; anything else that happens is raised."""
        command, *words = str(rng.choice(LINES)).split()
        line = [command, *shuffled(words, WORDS, rng), *_QUICK.get(command, [])]
        folder = scratch / "lines"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        write_files(folder / "run", finished())
        (folder / "songs.csv").write_text("track_id,tempo\nx,1\n")
        with contextlib.chdir(folder):
            return run(line)


def run(line: list[str]) -> str:
    """Run a line and return "valid" or "refused".

    Raises:
        AssertionError: it ended with another exit code, or with more than a few words.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(line)
        except SystemExit as end:
            code = int(end.code or 0)
    assert code in (0, 2), f"{line} ended with {code}: {err.getvalue()}"
    assert "Traceback" not in out.getvalue() + err.getvalue(), f"{line} showed a traceback"
    assert code == 0 or err.getvalue().strip().count("\n") <= _LONGEST_REFUSAL, f"{line} said {err.getvalue()}"
    return "refused" if code else "valid"
