"""Which settings learn best: `python -m experiments.tune --catalogue TABLE`.

A search by Optuna over those of :data:`experiments.lib.search_space.SPACE`. Trials are judged by validation sessions;
in the end the best settings and those that the search started from are trained anew, with other seeds, and meet in the
held-out sessions, so that what is reported was not selected for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import joblib
import numpy as np
import optuna
import pandas as pd
import tyro
from optuna.trial import TrialState

from experiments.lib import Case, Experiment, main, scale_of
from experiments.lib.plots import bar_plot, caption, figure
from experiments.lib.report import show
from experiments.lib.runner import alone_in, backend, progress
from experiments.lib.search_space import Search, give_up_lost, made_in, make_trial, open_study
from spotify_gym.catalogue.files import replacing
from spotify_gym.training import TrainConfig

BEST, START = "best settings", "starting settings"
_FEWEST = 4  # trials from which to tell what mattered
_FRESH_SEEDS = 1000  # of the confirmation; trials use those near the configured seed


@dataclass(frozen=True)
class Tune(Experiment):
    """Search for settings that learn well; a second call goes on with the study in the folder.

    The best ones are written to best.json, which `spotify-gym train --settings` takes.
    """

    search: tyro.conf.OmitArgPrefixes[Search] = field(
        default_factory=lambda: Search(TrainConfig.template(env="SpotifyPlaylist-v0", algorithm="double", steps=10_000))
    )
    n_trials: int = 50
    """Trials that the study is to have, those of earlier calls and those given up included."""
    n_runs: int = 5
    """Training runs of the best and of the starting settings, for the confirmation."""
    out: Path = Path("results/tune")
    cluster: tyro.conf.Suppress[str | None] = None

    def __post_init__(self) -> None:
        settled = replace(self.search.config)  # where it is a template
        object.__setattr__(self, "search", replace(self.search, config=settled))

    def run(self) -> None:
        """Search, show what was found, and confirm it."""
        if self.n_trials < 1:
            raise ValueError(f"n_trials={self.n_trials} must be at least 1")
        Case(START, self.search.config).check()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.out.mkdir(parents=True, exist_ok=True)
        with alone_in(self.out, "study"):
            give_up_lost(open_study(self.out, self.search))
            self._make_trials()
            self._show_best()
            if self._best == self.search.config:
                print("no trial was better than the settings that the search started from")
            else:
                super().run()

    def _make_trials(self) -> None:
        """Make the trials that are missing, and show how far that is."""
        study = open_study(self.out, self.search)
        numbers = range(len(made_in(study)), self.n_trials)
        with progress(self.n_trials, len(numbers)) as advance, backend(self.jobs):
            work = joblib.Parallel(return_as="generator_unordered")
            for _ in work(joblib.delayed(make_trial)(self.out, self.search, number) for number in numbers):
                advance(_title(study))

    @property
    def _best(self) -> TrainConfig:
        return self.search.suggested(open_study(self.out, self.search).best_params)

    def _show_best(self) -> None:
        study, settings = open_study(self.out, self.search), {START: self.search.config, BEST: self._best}
        with replacing(self.out / "best.json") as file:
            file.write(json.dumps(settings[BEST].to_json(), indent=2).encode() + b"\n")
        draw(study, self.out / "study.png")
        texts = {who: [_text(getattr(config, name)) for name in self.search.space] for who, config in settings.items()}
        show(_title(study), pd.DataFrame({"setting": list(self.search.space), **texts}))
        print(f"settings: {self.out / 'best.json'}\npicture: {self.out / 'study.png'}")

    def cases(self) -> Iterator[Case]:
        """Let best and starting settings meet, trained anew, in sessions that nobody has seen."""
        yield from scale_of(self.search.config, self.search.n_sessions)
        for name, config in ((BEST, self._best), (START, self.search.config)):
            case = Case(name, replace(config, seed=_FRESH_SEEDS), n_sessions=self.search.n_sessions)
            yield from case.seeded(self.n_runs)


def importances(study: optuna.Study) -> pd.Series[float] | None:
    """Return the share of the variance of the return that each setting accounts for, by fANOVA (Hutter et al. 2014).

    None where fewer than four trials came to their end: that tells nothing.
    """
    if len(study.get_trials(states=(TrialState.COMPLETE,))) < _FEWEST:
        return None
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return pd.Series(optuna.importance.get_param_importances(study, evaluator=evaluator))


def draw(study: optuna.Study, path: Path) -> None:
    """Draw the trials, and which settings mattered."""
    shares = importances(study)
    ended = study.get_trials(states=(TrialState.COMPLETE,))
    given_up = study.get_trials(states=(TrialState.PRUNED,))
    values, numbers = np.array([trial.value for trial in ended]), [trial.number for trial in ended]
    lowest = values.max() - max(4 * float(np.subtract(*np.quantile(values, [0.75, 0.25]))), 0.1)
    with figure(path, 1 if shares is None else 2) as (axes, *others):
        axes.plot(
            [trial.number for trial in given_up], np.array([trial.value for trial in given_up]), "x", label="given up"
        )
        axes.plot(numbers, values, "o", label="brought to its end")
        axes.step(numbers, np.maximum.accumulate(values), where="post", label="best so far")
        axes.set(xlabel="trial", ylabel="mean return", ylim=(lowest, None), title=_title(study))
        axes.legend()
        if shares is not None:
            bar_plot(others[0], shares, "share of the variance of the return (fANOVA)")
        caption(axes, "A trial: mean return of its training runs in the validation sessions, when it ended.")


def _title(study: optuna.Study) -> str:
    ended = study.get_trials(states=(TrialState.COMPLETE,))
    if not ended:
        return "no trial has ended yet"
    return f"{len(made_in(study))} trials, best return {study.best_value:.3f}"


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main(Tune)
