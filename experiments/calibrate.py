"""Make a listener who skips as people do: from a log of listening sessions, or from facts about them.

    python -m experiments.calibrate facts                   # the defaults of SkippingListener
    python -m experiments.calibrate log sessions.csv        # those of your own log
    python -m experiments.calibrate simulate                # a log whose listener is known

The first two write `listener.json`, which `SkippingListener.from_json` reads, and `report.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import tyro
from tqdm import tqdm

from experiments.lib.report import markdown_table
from experiments.skips import calibration
from experiments.skips.facts import MEASURED, Facts, facts_of
from experiments.skips.log import LogError, Skip, SkipLog, read_log, write_log
from experiments.skips.matching import Matcher
from experiments.skips.model import SkipModel, fit
from experiments.skips.population import simulate
from spotify_gym.catalogue import as_catalogue
from spotify_gym.cli.command import guarded, parse
from spotify_gym.listeners import SkippingListener

_FEWEST_SESSIONS = 50


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all commands share."""

    catalogue: str = "builtin"
    """Tracks that the simulated sessions play: "builtin", a table of tracks, or a prepared .arrow."""
    out: Path = Path("results/calibrate")
    """Folder to write to."""
    n_sessions: int = 10_000
    """Sessions in a simulated population."""
    seed: int = 0
    """Of the populations, and of what is held out."""
    taste_weight: float = SkippingListener.taste_weight
    """Log-odds of a skip taken away per unit of cosine to the taste: a choice, for logs do not show the taste."""
    patience: float = SkippingListener.patience
    """Skips that the listener bears, of which each track heard out makes up for one: a choice."""
    n_positions: int = 5
    """Positions in the session with a number of their own; the last one is for all later ones too."""

    def matcher(self, progress: Callable[[float], None], n_plays: int = 20) -> Matcher:
        """Return what looks for listeners in this setting; it starts from one who skips half of all tracks."""
        like = SkippingListener(
            position=self.n_positions * (0.0,),
            last_skip=0.0,
            recent_skips=0.0,
            mood_sd=0.5,
            taste_weight=self.taste_weight,
            patience=self.patience,
        )
        return Matcher(like, as_catalogue(self.catalogue), self.n_sessions, n_plays, self.seed, progress)


@dataclass(frozen=True, kw_only=True)
class FromFacts(Setting):
    """Fit to the facts measured on public listening sessions: this command made the defaults of SkippingListener."""

    def run(self) -> None:
        """Match a population to the facts, and write listener and report."""
        with _progress("matching the facts", "worst misfit [tolerances]") as progress:
            matcher = self.matcher(progress)
            listener = matcher.match_facts(MEASURED)
        shown = facts_of(matcher.population(listener).log)
        _write(self.out, listener, ["# A listener made from facts", _facts_table(MEASURED, shown, "measured")])


@dataclass(frozen=True, kw_only=True)
class FromLog(Setting):
    """Fit to a log in the public skip-prediction schema (session_id, session_position, ..., not_skipped)."""

    log: tyro.conf.Positional[Path]
    """CSV or Parquet, one row per play."""
    skip: Skip = "skip_2"
    """The flag that counts as a skip."""
    prior_sd: float = 3.0
    """Standard deviation of the normal prior on each effect, in log-odds; smaller regularises more."""
    held_out: float = 0.2
    """Share of the sessions kept to judge the fit, in (0, 1)."""
    max_sessions: int = 20_000
    """Sessions used of a longer log, drawn at random."""

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out={self.held_out} must lie between 0 and 1")

    def run(self) -> None:
        """Fit the model, judge it on held-out sessions, find its listener, and write all that."""
        log = self._read()
        train, test = log.split(self.held_out, self.seed)
        with _progress("fitting the log", "log-loss") as progress:
            model = fit(train, self.n_positions, self.prior_sd, progress)
        with _progress("matching the fit", "worst misfit [log-odds]") as progress:
            matcher = self.matcher(progress, log.skipped.shape[1])
            listener = matcher.match_model(model, self.prior_sd)
        calibrated = calibration.calibration_table(model.predict(test)[test.played], test.skipped[test.played])
        parts = [
            f"# A listener made from {self.log}",
            f"{len(log):,} sessions, {log.n_plays:,} plays, a skip is `{self.skip}`; {len(test):,} sessions held out.",
            "## Fit\n\n" + _markdown(_effects(model, listener)),
            "## Held-out log-loss per play\n\n" + _markdown(calibration.losses(model, train, test)),
            "## Calibration on held-out sessions\n\n" + _markdown(calibrated) + "\n\n![calibration](calibration.png)",
            _facts_table(facts_of(log), facts_of(matcher.population(listener).log), "log"),
        ]
        _write(self.out, listener, parts)
        calibrated.to_csv(self.out / "calibration.csv", index=False)
        calibration.draw_calibration(calibrated, self.out / "calibration.png")

    def _read(self) -> SkipLog:
        log = read_log(self.log, self.skip)
        for said in log.left_out:
            print(f"{self.log}: left out with its session: {said}", file=sys.stderr)
        skipped = log.skipped[log.played]
        if len(log) < _FEWEST_SESSIONS:
            raise LogError(f"{self.log} has {len(log)} sessions; a fit needs {_FEWEST_SESSIONS} or more")
        if skipped.all() or not skipped.any():
            raise LogError(f"{self.log}: {self.skip} is {skipped[0]} in every row; choose another flag with --skip")
        return log if len(log) <= self.max_sessions else log.split(self.max_sessions / len(log), self.seed)[1]


@dataclass(frozen=True, kw_only=True)
class Simulate(Setting):
    """Write a log of simulated sessions, to see what a fit to it finds."""

    listener: Path | None = None
    """File written by one of the other commands; without it, the default listener."""

    def run(self) -> None:
        """Simulate a population and write its log."""
        listener = SkippingListener() if self.listener is None else SkippingListener.from_json(self.listener)
        population = simulate(listener, as_catalogue(self.catalogue), self.n_sessions, seed=self.seed)
        self.out.mkdir(parents=True, exist_ok=True)
        write_log(population.log, population.tracks, self.out / "sessions.csv")
        print(f"{population.log.n_plays:,} plays written to {self.out / 'sessions.csv'}")


Command: Any = (
    Annotated[FromFacts, tyro.conf.subcommand("facts")]
    | Annotated[FromLog, tyro.conf.subcommand("log")]
    | Annotated[Simulate, tyro.conf.subcommand("simulate")]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments describe, those of the program by default, and return the exit code."""
    prog = "python -m experiments.calibrate"
    return guarded(lambda: parse(Command, arguments, prog, description=__doc__).run(), prog)


@contextmanager
def _progress(task: str, measure: str) -> Iterator[Callable[[float], None]]:
    with tqdm(desc=task, unit="round") as bar:

        def report(value: float) -> None:
            bar.set_postfix({measure: f"{value:.4f}"})
            bar.update()

        yield report


def _effects(model: SkipModel, listener: SkippingListener) -> pd.DataFrame:
    positions = [f"position {i}" for i in range(model.n_positions)]
    return pd.DataFrame(
        {
            "log-odds of": [*positions, "last_skip", "recent_skips", "mood_sd"],
            "model": model.values,
            "± standard error": model.errors,
            "listener": [*listener.position, listener.last_skip, listener.recent_skips, listener.mood_sd],
        }
    )


def _facts_table(wanted: Facts, shown: Facts, source: str) -> str:
    columns = {"fact": wanted.names(), source: wanted.values(), "simulated": shown.values()}
    table = pd.DataFrame({**columns, "difference": shown.values() - wanted.values()})
    return "## Facts\n\n" + _markdown(table)


def _markdown(table: pd.DataFrame) -> str:
    return markdown_table(table.map(lambda value: f"{value:.3f}" if isinstance(value, float) else str(value)))


def _write(out: Path, listener: SkippingListener, parts: list[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    listener.to_json(out / "listener.json")
    report = "\n\n".join([*parts, f"## Listener\n\n```\n{listener}\n```"]) + "\n"
    (out / "report.md").write_text(report, encoding="utf-8")
    print(f"{report}\nwritten to {out}")


if __name__ == "__main__":
    sys.exit(main())
