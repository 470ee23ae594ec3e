"""The commands `spotify-gym listener fit` and `listener report`: fit a listener to a log, and validate it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from spotify_gym.catalogue import Catalogue, as_catalogue
from spotify_gym.catalogue.report import printable
from spotify_gym.cli.command import Command, check_out, parse
from spotify_gym.cli.page import markdown, write
from spotify_gym.listeners import as_listener
from spotify_gym.listeners.certificate import certify
from spotify_gym.listeners.fitting import as_logged, fit
from spotify_gym.listeners.skip_log import SkipLog, read_log


@dataclass(frozen=True, kw_only=True)
class _OfLog(Command):
    catalogue: str | None = None
    """Catalogue with the features of the tracks: a table or a prepared .arrow; None: ignore how tracks sound."""
    max_sessions: int = 20_000
    """Most sessions to use; from a longer log they are drawn at random."""

    def read(self, path: Path) -> tuple[SkipLog, Catalogue | None]:
        """Read the log and join it with the catalogue; report on stderr what was left out and how many were found."""
        log = read_log(path, self.max_sessions)
        for said in log.left_out:
            print(printable(f"{path}: left out: {said}"), file=sys.stderr)
        if self.catalogue is None:
            return log, None
        catalogue = as_catalogue(self.catalogue)
        log = log.joined(catalogue)
        share = (log.tracks[log.played] >= 0).mean()
        print(f"{100 * share:.1f} % of the plays are of tracks in {catalogue.source}", file=sys.stderr)
        return log, catalogue


@dataclass(frozen=True, kw_only=True)
class Fit(_OfLog):
    """Fit a listener to four fifths of a log's sessions, for gymnasium.make(id, listener="listener.json")."""

    log: tyro.conf.Positional[Path]
    """CSV or Parquet, one row per play: the public skip-prediction schema, or session, position, track, response."""
    out: Path = Path("listener.json")
    """The listener file to write."""
    skip: Literal["skip_1", "skip_2", "skip_3"] = "skip_2"
    """How early a track is left to count as skipped: at once, early (half of it, in a plain log), or before its end."""

    def run(self) -> None:
        """Fit the listener, print its parameters, and write it."""
        check_out(self.out, ".json")
        log, catalogue = self.read(self.log)
        training, _ = log.split()
        print(f"fitting {training.n_plays:,} plays of {len(training):,} sessions ...", file=sys.stderr)
        listener = fit(training, catalogue, self.skip)
        fitted: dict[str, Any] = {"log": self.log.name, **(listener.fitted or {})}
        for name, (value, low, high) in fitted["intervals"].items():
            print(f"{name:<32} {value:+7.3f}  ({low:+.3f} to {high:+.3f})")
        replace(listener, fitted=fitted).to_json(self.out)
        print(f"{self.out}: fitted to {fitted['plays']:,} plays; to test it:")
        joined = ["--catalogue", self.catalogue] if self.catalogue else []
        print(shlex.join(["spotify-gym", "listener", "report", str(self.out), str(self.log), *joined]))


@dataclass(frozen=True, kw_only=True)
class Report(_OfLog):
    """Test a listener on the fifth of a log that `fit` leaves out, against other models and facts about skips."""

    listener: tyro.conf.Positional[str]
    """A listener's JSON file, or "logged" or "skipping" for one that comes with the package."""
    log: tyro.conf.Positional[Path]
    """CSV or Parquet, one row per play, as for `fit`."""
    out: Path = Path("listener-report.html")
    """The report to write, a self-contained page; the same as .md and the tables as CSV are written next to it."""

    def run(self) -> None:
        """Write the page and the tables, and print the tables."""
        check_out(self.out.with_suffix(".html"), ".html")
        listener = as_logged(as_listener(self.listener))
        log, catalogue = self.read(self.log)
        certificate = certify(listener, log, catalogue)
        sections = list(certificate.sections(listener))
        written = write(self.out, f"{self.listener} on {self.log.name}", sections)
        for name in ("predictions", "facts"):
            getattr(certificate, name).to_csv(self.out.with_name(f"{self.out.stem}-{name}.csv"), index=False)
        print(printable("\n".join(markdown(sections))))
        print(f"written to {written}")


_Commands: Any = Annotated[Fit, tyro.conf.subcommand("fit")] | Annotated[Report, tyro.conf.subcommand("report")]


class ListenerCommand(Command):
    """Fit a listener to a log of plays, or test one on a log."""

    @classmethod
    def parse(cls, arguments: Sequence[str] | None, prog: str) -> Any:
        """Parse the subcommand and its options."""
        return parse(_Commands, arguments, prog, description=cls.__doc__)
