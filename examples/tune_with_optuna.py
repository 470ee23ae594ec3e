"""A search of your own with Optuna; `python -m experiments.tune` does it with pruning, resuming and a confirmation."""

from dataclasses import replace

import optuna

import spotify_gym
from spotify_gym.training import TrainConfig, evaluate, train

catalogue = spotify_gym.Catalogue.builtin(2000)
task = TrainConfig(env="SpotifyPlaylist-v0", algorithm="double", steps=300, learning_starts=100)
TUNING = 10_000  # seed of the sessions to choose by; the held-out ones of `evaluate` stay unseen


def mean_return(trial: optuna.Trial) -> float:
    """Train with the settings that the trial suggests, and play."""
    settings = {
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        "gamma": trial.suggest_float("gamma", 0.0, 0.9),
    }
    run = train(replace(task, **settings), catalogue=catalogue)
    return float(evaluate(run.model, task.env, 20, seed=TUNING, catalogue=catalogue).returns.mean())


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
study.optimize(mean_return, n_trials=3)
print("best settings:", {name: round(value, 5) for name, value in study.best_params.items()})

for name, settings in {"best": study.best_params, "default": {}}.items():
    run = train(replace(task, seed=1, **settings), catalogue=catalogue)
    played = evaluate(run.model, task.env, 50, catalogue=catalogue)
    print(f"{name}: return {played.returns.mean():.2f} in sessions that nobody has seen")
