"""Hyperparameter search with Optuna: `python -m experiments.tune --catalogue TABLE`.

The search covers the settings in :data:`SPACE`, and trials are scored on validation sessions. At the end the best and
the starting settings are trained again with other seeds and compared on the held-out sessions, so that the reported
numbers are free of selection bias.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import optuna
import pandas as pd
import tyro
from filelock import FileLock
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from experiments.lib import Case, Experiment, main, scale_of
from experiments.lib.cases import alone_in, backend, progress
from experiments.lib.plots import bar_plot, caption, figure
from experiments.lib.report import show
from spotify_gym.catalogue.files import replacing
from spotify_gym.training import EVALUATION_SEED, TrainConfig, evaluate, train
from spotify_gym.training.callbacks import OnTheWay
from spotify_gym.training.vec_adapter import catalogue_of

BEST, START = "best settings", "starting settings"
_FEWEST = 4  # completed trials needed to estimate importances
_FRESH_SEEDS = 1000  # first seed of the confirmation; trials use seeds near the configured one


VALIDATION_SEED = EVALUATION_SEED + 500_000_000
"""First seed of the validation sessions, which are used neither for training nor for comparison."""

SPACE: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
    "learning_rate_end": FloatDistribution(1e-5, 1e-2, log=True),
    "hidden": CategoricalDistribution(["32", "64", "128", "256", "64 64", "128 128"]),
    "exploration_fraction": FloatDistribution(0.05, 0.8),
    "exploration_final_eps": FloatDistribution(0.01, 0.5, log=True),
    "gamma": FloatDistribution(0.0, 0.99),
    "batch_size": CategoricalDistribution([32, 64, 128, 256]),
    "tau": FloatDistribution(0.001, 1.0, log=True),
    "n_steps": IntDistribution(1, 5),
}
"""The search space: the distribution of each setting."""


@dataclass(frozen=True)
class Search:
    """Objective of a study: trains with the settings of a trial, and scores them on validation sessions.

    Raises:
        ValueError: `keep` names an unknown setting or all settings, a number is below 1, or the start is out of range.
    """

    config: TrainConfig
    """The settings to start from, including those that are not searched."""
    keep: tuple[str, ...] = ()
    """Settings of the search space to keep fixed."""
    n_seeds: int = 2
    """Training runs per trial, one after the other; a trial may be pruned at any point of any run."""
    n_points: int = 4
    """Evaluations per training run."""
    n_sessions: int = 100
    """Validation sessions per evaluation."""

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.keep) - SPACE.keys()):
            raise ValueError(f"keep={unknown[0]!r} is not searched over; choose from {', '.join(SPACE)}")
        if len(set(self.keep)) == len(SPACE):
            raise ValueError("keep: every setting is kept, so that nothing is left to search over")
        for name in ("n_seeds", "n_points", "n_sessions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        for name, value in self.started.items():
            try:
                create_trial(params={name: value}, distributions={name: SPACE[name]}, value=0.0)
            except ValueError:
                raise ValueError(f"{name}={value!r} is outside the search space; pass --keep {name}") from None

    @property
    def space(self) -> dict[str, BaseDistribution]:
        """The search space without the settings to keep."""
        return {name: tried for name, tried in SPACE.items() if name not in self.keep}

    @property
    def started(self) -> dict[str, Any]:
        """The starting settings as parameters of a trial."""
        values = {name: getattr(self.config, name) for name in self.space}
        return {name: " ".join(map(str, value)) if name == "hidden" else value for name, value in values.items()}

    def suggested(self, params: dict[str, Any]) -> TrainConfig:
        """Return the settings for the parameters of a trial."""
        hidden = {"hidden": tuple(map(int, params["hidden"].split()))} if "hidden" in params else {}
        return replace(self.config, **{**params, **hidden})

    def __call__(self, trial: optuna.Trial) -> float:
        """Return the mean return of the trained models in the validation sessions.

        Raises:
            optuna.TrialPruned: the pruner stopped the trial, since others were better at this point.
        """
        config = self.suggested(trial.params)
        catalogue = catalogue_of(config)
        returns: list[float] = []
        ends = []

        def look(model: Any) -> None:
            options = {"catalogue": catalogue, **config.env_options}
            returns.append(evaluate(model, config.env, self.n_sessions, VALIDATION_SEED, **options).returns.mean())
            trial.report(returns[-1], step=len(returns))
            if trial.should_prune():
                raise optuna.TrialPruned

        for run in range(self.n_seeds):
            looks = OnTheWay(np.linspace(0, config.total_steps, self.n_points + 1)[1:], look)
            train(replace(config, seed=config.seed + run), catalogue=catalogue, callbacks=[looks])
            ends.append(returns[-1])
        return float(np.mean(ends))


def open_study(folder: Path, search: Search, seed: int = 0) -> optuna.Study:
    """Open the study in a folder, or create one whose first trial has the starting settings.

    Args:
        folder: folder of the study, which is one file that several processes may write to.
        search: the objective.
        seed: seed of the sampler.

    Raises:
        OSError: the folder cannot be written to.
        ValueError: the folder holds a study with another objective.
    """
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name="tune",
        storage=JournalStorage(_journal(folder / "study.log")),
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1),
    )
    plain = json.loads(json.dumps(asdict(search)))
    if "search" not in study.user_attrs:
        study.enqueue_trial(search.started, skip_if_exists=True)
        study.set_user_attr("search", plain)  # last: it marks the study as complete
    if study.user_attrs["search"] != plain:
        raise ValueError(f"{folder} has a study with other options; continue it with those, or choose another")
    return study


def made_in(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that were completed or pruned."""
    return study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))


def give_up_lost(study: optuna.Study) -> None:
    """Mark trials that a killed process left running as failed; enqueue those with fixed parameters again."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        if (asked := trial.system_attrs.get("fixed_params")) is not None:
            study.enqueue_trial(asked)
        study.tell(trial.number, state=TrialState.FAIL)


def make_trial(folder: Path, search: Search, number: int) -> None:
    """Run one more trial, with `number` as the sampler's seed; safe to call from several processes."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = open_study(folder, search, seed=number)
    trial = study.ask(search.space)
    try:
        study.tell(trial, search(trial))
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)


def _journal(file: Path) -> JournalFileBackend:
    """Open the journal of a study after removing an incomplete last line, left by a killed process or a full disk.

    Optuna would append to that line and then could not read the journal any more.
    """
    lock = FileLock(file.with_name(".journal.lock"))  # Optuna's own lock would outlive a killed process
    with lock, file.open("a+b") as log:
        log.seek(0)
        log.truncate(log.read().rfind(b"\n") + 1)
    return JournalFileBackend(str(file), lock)  # type: ignore[arg-type]  # it needs only acquire and release


@dataclass(frozen=True)
class Tune(Experiment):
    """Search for good hyperparameters; a repeated call continues the study in the folder.

    The best settings are written to best.json, for `spotify-gym train --settings`.
    """

    search: tyro.conf.OmitArgPrefixes[Search] = field(
        default_factory=lambda: Search(TrainConfig.template(env="SpotifyPlaylist-v0", algorithm="double", steps=10_000))
    )
    n_trials: int = 50
    """Total trials of the study, including pruned ones and those of earlier calls."""
    n_runs: int = 5
    """Training runs of the best and of the starting settings in the confirmation."""
    out: Path = Path("results/tune")
    cluster: tyro.conf.Suppress[str | None] = None

    def __post_init__(self) -> None:
        settled = replace(self.search.config)  # resolves a template's open settings
        object.__setattr__(self, "search", replace(self.search, config=settled))

    def run(self) -> None:
        """Search, print the best settings, and confirm them."""
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
                print("no trial was better than the starting settings")
            else:
                super().run()

    def _make_trials(self) -> None:
        """Run the missing trials with a progress bar."""
        study = open_study(self.out, self.search)
        numbers = range(len(made_in(study)), self.n_trials)
        with backend(self.jobs), progress(self.n_trials, len(numbers)) as advance:
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
        found = {who: [getattr(config, name) for name in self.search.space] for who, config in settings.items()}
        texts = {who: [f"{v:.3g}" if isinstance(v, float) else str(v) for v in values] for who, values in found.items()}
        show(_title(study), pd.DataFrame({"setting": list(self.search.space), **texts}))
        print(f"settings: {self.out / 'best.json'}\npicture: {self.out / 'study.png'}")

    def cases(self) -> Iterator[Case]:
        """Yield the references, and the best and the starting settings with fresh training seeds."""
        yield from scale_of(self.search.config, self.search.n_sessions)
        for name, config in ((BEST, self._best), (START, self.search.config)):
            case = Case(name, replace(config, seed=_FRESH_SEEDS), n_sessions=self.search.n_sessions)
            yield from case.seeded(self.n_runs)


def importances(study: optuna.Study) -> pd.Series[float] | None:
    """Return the share of the variance of the return that each setting accounts for, by fANOVA (Hutter et al. 2014).

    None if fewer than four trials were completed, which is too few for an estimate.
    """
    if len(study.get_trials(states=(TrialState.COMPLETE,))) < _FEWEST:
        return None
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return pd.Series(optuna.importance.get_param_importances(study, evaluator=evaluator))


def draw(study: optuna.Study, path: Path) -> None:
    """Plot the trials, and the importance of each setting."""
    shares = importances(study)
    trials = study.trials_dataframe(("number", "value", "state"))
    ended, given_up = (trials[trials["state"] == state] for state in ("COMPLETE", "PRUNED"))
    values = ended["value"]
    lowest = values.max() - max(4 * (values.quantile(0.75) - values.quantile(0.25)), 0.1)
    with figure(path, 1 if shares is None else 2) as (axes, *others):
        axes.plot(given_up["number"], given_up["value"], "x", label="pruned")
        axes.plot(ended["number"], values, "o", label="completed")
        axes.step(ended["number"], values.cummax(), where="post", label="best so far")
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


if __name__ == "__main__":
    main(Tune)
