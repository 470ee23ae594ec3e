"""Search space of `experiments.tune`: what is tried, and how one trial is made."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from filelock import FileLock
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from spotify_gym.training import EVALUATION_SEED, TrainConfig, evaluate, train
from spotify_gym.training.callbacks import OnTheWay
from spotify_gym.training.vec_adapter import catalogue_of

VALIDATION_SEED = EVALUATION_SEED + 500_000_000
"""Settings are chosen by sessions from here on, which nobody trains on and nobody is compared on."""

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
"""The settings that are searched over, each with what may be tried."""


@dataclass(frozen=True)
class Search:
    """What a trial is; all trials of a study are made alike.

    Raises:
        ValueError: a setting that is not searched over, none of what must be, or a start outside of the space.
    """

    config: TrainConfig
    """The settings to start from, those that are not searched over among them."""
    keep: tuple[str, ...] = ()
    """Settings of :data:`SPACE` to leave as they are."""
    n_seeds: int = 2
    """Training runs of a trial, one after the other; it may be given up after any point of any of them."""
    n_points: int = 4
    """Times that each is looked at."""
    n_sessions: int = 100
    """Validation sessions to play each time."""

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
                raise ValueError(f"{name}={value!r} is outside of what is tried; pass --keep {name}") from None

    @property
    def space(self) -> dict[str, BaseDistribution]:
        """The settings that are searched over."""
        return {name: tried for name, tried in SPACE.items() if name not in self.keep}

    @property
    def started(self) -> dict[str, Any]:
        """The settings to start from as the values of a trial."""
        values = {name: getattr(self.config, name) for name in self.space}
        return {name: " ".join(map(str, value)) if name == "hidden" else value for name, value in values.items()}

    def suggested(self, params: dict[str, Any]) -> TrainConfig:
        """Return the settings that the values of a trial stand for."""
        hidden = {"hidden": tuple(map(int, params["hidden"].split()))} if "hidden" in params else {}
        return replace(self.config, **{**params, **hidden})

    def __call__(self, trial: optuna.Trial) -> float:
        """Return the mean return of the trained models in the validation sessions.

        Raises:
            optuna.TrialPruned: other trials were better at this point.
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
    """Open the study in a folder, or begin one there with the settings that the search starts from.

    Args:
        folder: where the study is kept, in one file to which any number of processes may add.
        search: what a trial is.
        seed: of the sampler.

    Raises:
        OSError: the folder cannot be written to.
        ValueError: the study there is of other trials.
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
        study.set_user_attr("search", plain)  # last: it is what makes the study whole
    if study.user_attrs["search"] != plain:
        raise ValueError(f"{folder} holds a study of other trials; continue it with its own options, or choose another")
    return study


def made_in(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that were brought to their end or given up for worse than others."""
    return study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))


def give_up_lost(study: optuna.Study) -> None:
    """Give up the trials that a killed process had begun; those that were asked for are asked for again."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        if (asked := trial.system_attrs.get("fixed_params")) is not None:
            study.enqueue_trial(asked)
        study.tell(trial.number, state=TrialState.FAIL)


def make_trial(folder: Path, search: Search, number: int) -> None:
    """Make one trial more, whose settings are drawn with this seed; may run in many processes at once."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = open_study(folder, search, seed=number)
    trial = study.ask(search.space)
    try:
        study.tell(trial, search(trial))
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)


def _journal(file: Path) -> JournalFileBackend:
    """Open the file of a study, after cutting off a last line that a killed process or a full disk left half written.

    Optuna would write on in that line, and never be able to read it again.
    """
    lock = FileLock(file.with_name(".journal.lock"))  # not Optuna's own, which a killed process would hold for good
    with lock, file.open("a+b") as log:
        log.seek(0)
        log.truncate(log.read().rfind(b"\n") + 1)
    return JournalFileBackend(str(file), lock)  # type: ignore[arg-type]  # all it wants is acquire and release
