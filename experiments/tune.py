"""Which settings learn best: `python -m experiments.tune --catalogue TABLE`.

A search by Optuna over those of :data:`experiments.lib.search_space.SPACE`. Trials are judged by validation sessions;
in the end the best settings and those that the search started from are trained anew, with other seeds, and meet in the
held-out sessions, so that what is reported was not selected for.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import joblib
import numpy as np
import optuna
import pandas as pd
import tyro
from matplotlib.axes import Axes
from optuna.trial import TrialState

from experiments.lib.aggregation import aggregates, comparisons
from experiments.lib.cases import Case
from experiments.lib.plot_style import caption, figure
from experiments.lib.plots import bar_plot
from experiments.lib.results import with_skill
from experiments.lib.runner import alone_in, backend, progress, run_cases
from experiments.lib.scale import scale_of
from experiments.lib.search_space import Search, give_up_lost, made_in, make_trial, open_study
from experiments.lib.suites import seeds
from spotify_gym.catalogue.atomic import replacing
from spotify_gym.cli.command import Command, run_command
from spotify_gym.cli.printing import show_table
from spotify_gym.training import TrainConfig

BEST, START = "best settings", "starting settings"
_FEWEST = 4  # trials from which to tell what mattered
_FRESH_SEEDS = 1000  # of the confirmation; trials use those near the configured seed


@dataclass(frozen=True)
class Tune(Command):
    """Search for settings that learn well; a second call goes on with the study in the folder.

    The best ones are written to best.json, which `python -m experiments.train --settings` takes.
    """

    search: tyro.conf.OmitArgPrefixes[Search] = field(
        default_factory=lambda: Search(TrainConfig(env="SpotifyPlaylist-v0", algorithm="double", steps=10_000))
    )
    n_trials: int = 50
    """Trials that the study is to have, those of earlier calls and those given up included."""
    n_runs: int = 5
    """Training runs of the best and of the starting settings, for the confirmation."""
    out: Path = Path("results/tune")
    """Folder of the study."""
    jobs: int = 2
    """Processes, one trial each."""

    def run(self) -> None:
        """Search, confirm, print, draw."""
        if self.n_trials < 1:
            raise ValueError(f"n_trials={self.n_trials} must be at least 1")
        Case(START, self.search.config).check()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.out.mkdir(parents=True, exist_ok=True)
        with alone_in(self.out, "study"):
            self._search_and_confirm()

    def _search_and_confirm(self) -> None:
        study = open_study(self.out, self.search)
        give_up_lost(study)
        self._make_trials(study)
        best = self.search.suggested(optuna.trial.FixedTrial(study.best_trial.params))
        with replacing(self.out / "best.json") as file:
            file.write(json.dumps(best.to_json(), indent=2).encode() + b"\n")
        draw(study, self.out / "study.png")
        show_table(_title(study), {"setting": "left", "start": "right", "best": "right"}, self._settings(best))
        self._confirm(best)
        print(f"settings: {self.out / 'best.json'}\npicture: {self.out / 'study.png'}")

    def _make_trials(self, study: optuna.Study) -> None:
        """Make the trials that are missing, and show how far that is."""
        numbers = range(len(made_in(study)), self.n_trials)
        with progress(self.n_trials, len(numbers)) as advance, backend(self.jobs, cluster=None):
            work = joblib.Parallel(return_as="generator_unordered")
            for _ in work(joblib.delayed(make_trial)(self.out, self.search, number) for number in numbers):
                advance(_title(study))

    def _settings(self, best: TrainConfig) -> Iterator[list[str]]:
        for name in self.search.names:
            values = getattr(self.search.config, name), getattr(best, name)
            yield [name, *(f"{value:.3g}" if isinstance(value, float) else str(value) for value in values)]

    def _confirm(self, best: TrainConfig) -> None:
        """Let best and starting settings meet, trained anew, in sessions that nobody has seen."""
        n_sessions, methods = self.search.n_sessions, {BEST: best, START: self.search.config}
        if best == self.search.config:
            print("no trial was better than the settings that the search started from")
            return
        again = [
            Case(name, replace(config, seed=_FRESH_SEEDS), n_sessions=n_sessions) for name, config in methods.items()
        ]
        runs = [run for case in again for run in seeds(case, self.n_runs)]
        rows = with_skill(run_cases([*scale_of(best, n_sessions), *runs], self.out, jobs=self.jobs))
        found = aggregates(rows[rows["method"].isin(methods)]).set_index("method")["estimate"]
        print(", ".join(f"{name}: skill {found[name]:.3f}" for name in methods), "in sessions and runs that are new:")
        print(*comparisons(rows, [(BEST, START)])["sentence"])


def importances(study: optuna.Study) -> pd.Series[float] | None:
    """Return the share of the variance of the return that each setting accounts for, by fANOVA (Hutter et al. 2014).

    None where fewer than four trials came to their end: that tells nothing.
    """
    if len(study.get_trials(states=(TrialState.COMPLETE,))) < _FEWEST:
        return None
    return pd.Series(optuna.importance.get_param_importances(study))


def draw(study: optuna.Study, path: Path) -> None:
    """Draw the trials, and which settings mattered."""
    shares = importances(study)
    with figure(path, 1 if shares is None else 2) as panels:
        _draw_trials(panels[0], study)
        panels[0].set_title(_title(study))
        if shares is not None:
            bar_plot(panels[1], shares, "share of the variance of the return (fANOVA)")
        caption(panels[0], "A trial: mean return of its training runs in the validation sessions, when it ended.")


def _draw_trials(axes: Axes, study: optuna.Study) -> None:
    ended = study.get_trials(states=(TrialState.COMPLETE,))
    given_up = [trial for trial in study.get_trials(states=(TrialState.PRUNED,)) if trial.intermediate_values]
    values = np.array([trial.value for trial in ended])
    numbers = [trial.number for trial in ended]
    axes.plot([trial.number for trial in given_up], [_last(trial) for trial in given_up], "x", label="given up")
    axes.plot(numbers, values, "o", label="brought to its end")
    axes.step(numbers, np.maximum.accumulate(values), where="post", label="best so far")
    spread = np.quantile(values, 0.75) - np.quantile(values, 0.25)
    axes.set(xlabel="trial", ylabel="mean return", ylim=(values.max() - max(4 * spread, 0.1), None))
    axes.legend()


def _last(trial: optuna.trial.FrozenTrial) -> float:
    return trial.intermediate_values[max(trial.intermediate_values)]


def _title(study: optuna.Study) -> str:
    ended = study.get_trials(states=(TrialState.COMPLETE,))
    if not ended:
        return "no trial has ended yet"
    return f"{len(made_in(study))} trials, best return {study.best_value:.3f}"


if __name__ == "__main__":
    sys.exit(run_command(Tune, "python -m experiments.tune"))
