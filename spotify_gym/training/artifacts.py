"""Saving and loading of trained models: the result files of a run, and `load_run` to get the model back.

The results include a model card (Mitchell et al. 2019): algorithm, data, returns, and how to reproduce the run.
"""

from __future__ import annotations

import csv
import inspect
import shlex
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Discrete
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm

from spotify_gym.algorithms import DQN
from spotify_gym.algorithms.compatibility import BindingError, Spaces, check_same
from spotify_gym.catalogue import Catalogue, CatalogueError, Scaling, as_catalogue
from spotify_gym.catalogue.files import replacing
from spotify_gym.training.config import TrainConfig
from spotify_gym.training.learners import learner_of
from spotify_gym.training.run_folder import RunFolder
from spotify_gym.training.tensors import Arrays, RunError, Tensors, read_tensors, write_tensors
from spotify_gym.training.vec_adapter import SessionVecEnv, catalogue_of, sessions_of

_CARD = """\
---
library_name: stable-baselines3
tags: [reinforcement-learning, recommender-system, music, spotify_gym]
---

# {config.learner.title} in {config.env}

A spotify_gym model for listening sessions in which one track after another is recommended from a whole catalogue.

- **What**: {config.learner.title} ({config.algorithm}, {config.policy}), {steps:,} environment steps, seed
  {config.seed}, state `{config.state}`{discount}. All settings are in `config.json`.
- **Data**: {source}, {n_tracks:,} tracks{synthetic}, fingerprint `{fingerprint}`.
- **Made with**: `{command}`, {versions}.

## Numbers

{numbers}

## Use

```python
from spotify_gym.training import load_run

run = load_run("{folder}")  # reads JSON and safetensors, nothing that could run code
```

`spotify-gym recommend {folder} --history ...` prints the next tracks, and `spotify-gym app {folder}` opens a web page
to listen with the model.

## What it is not for

It was trained in a simulation whose reward depends on the similarity of audio features and on a modelled listener.
Whether it pleases people has not been tested.
"""

_STEPS, _RETURN, _CHANCE = "time/total_timesteps", "rollout/ep_rew_mean", "rollout/exploration_rate"


@dataclass(frozen=True)
class Run:
    """A trained model with its settings and catalogue."""

    model: BaseAlgorithm
    config: TrainConfig
    catalogue: Catalogue
    path: Path | None = None
    """Its folder, if it was saved."""


def weights_of(model: BaseAlgorithm) -> Arrays:
    """Return the policy's weights, including those of a target network, by name.

    Raises:
        RunError: a weight is not finite.
    """
    weights = {name: tensor.detach().cpu().numpy() for name, tensor in model.policy.state_dict().items()}
    if not all(np.isfinite(array).all() for array in weights.values()):
        raise RunError(
            f"the weights diverged before step {model.num_timesteps}; "
            "try a smaller --learning-rate. What was saved before is intact"
        )
    return weights


def load_weights(model: BaseAlgorithm, weights: Mapping[str, NDArray[Any]]) -> None:
    """Load weights into a model.

    Raises:
        RunError: the weights belong to another network, or are not finite.
    """
    if bad := [name for name, array in weights.items() if not np.isfinite(array).all()]:
        raise RunError(f"the weights {bad[0]} are not all finite numbers")
    try:
        model.policy.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
    except RuntimeError as error:
        raise RunError(f"the weights are those of another network: {' '.join(str(error).split())}") from error


def save_results(folder: RunFolder, config: TrainConfig, model: BaseAlgorithm, stopped: bool) -> None:
    """Write the model card, the learning curve and the model in its three formats.

    The weights are written last, so that their presence marks a complete run.

    Args:
        folder: the run folder.
        config: the settings of the run.
        model: the trained model.
        stopped: whether Ctrl-C ended the training.

    Raises:
        RunError: a weight is not finite, or the log is damaged.
    """
    write_card(folder, config, model.num_timesteps, earned_by(model, stopped))
    weights = weights_of(model)
    if isinstance(model, DQN) and _CHANCE in model.logger.name_to_value:  # values not yet written to the log
        model.dump_logs()
    draw_curve(folder.path, title=f"{config.algorithm} ({config.policy}) on {config.env}")
    with replacing(folder.path / "model.zip") as file:
        model.save(file)
    if isinstance(model, DQN):
        with replacing(folder.path / "q_network_checkpoint.pth") as file:
            torch.save(model.q_net.state_dict(), file)
    write_tensors(folder.weights_file(), Tensors(weights, {"steps": model.num_timesteps}))


def last_returns(model: BaseAlgorithm) -> list[float]:
    """Return the returns of the last sessions, up to 100, including exploration."""
    return [episode["r"] for episode in model.ep_info_buffer or ()]


def returns_in_words(model: BaseAlgorithm) -> str:
    """Return a sentence with the mean return of the last sessions, or "" if no session has ended."""
    earned = last_returns(model)
    if not earned:
        return ""
    return f"mean return of the last {len(earned)} sessions, exploration included: {np.mean(earned):.2f}"


def idle_in_words(model: BaseAlgorithm) -> str:
    """Return a warning if a Q-learner has played without taking a gradient step, else ""."""
    if not isinstance(model, DQN) or model._n_updates or not model.num_timesteps:
        return ""
    return f"nothing was learned: the first {model.learning_starts} steps are random play"


def earned_by(model: BaseAlgorithm, stopped: bool) -> str:
    """Return a summary of the training for the model card: its steps, and the mean return of the last sessions."""
    when = f"{'Stopped' if stopped else 'Finished'} after {model.num_timesteps:,} steps"
    said = "; ".join(filter(None, [when, returns_in_words(model)]))
    return f"{said}. `spotify-gym evaluate` adds its scores on held-out sessions here."


def write_card(folder: RunFolder, config: TrainConfig, steps: int, numbers: str) -> None:
    """Write the model card to README.md of the run folder, where model hubs expect it.

    Args:
        folder: the run folder.
        config: the settings of the run.
        steps: environment steps that it took; fewer than in the settings if it was stopped.
        numbers: results as Markdown.
    """
    meta = folder.meta
    about, command = meta["catalogue"], meta.get("command", [])
    text = _CARD.format(
        config=config,
        steps=steps,
        discount=f", γ = {config.gamma:g}" if config.is_q_learner else "",
        source=Path(str(about.get("source"))).name,
        n_tracks=about.get("n_tracks"),
        synthetic=" (synthetic)" if about.get("synthetic") else "",
        fingerprint=about.get("fingerprint"),
        command=shlex.join([*(Path(program).name for program in command[:1]), *command[1:]]),
        versions=", ".join(f"{name} {version}" for name, version in meta.get("versions", {}).items()),
        numbers=numbers,
        folder=folder.path.name,
    )
    with folder.writing(), replacing(folder.path / "README.md") as file:
        file.write(text.encode())


def draw_curve(folder: Path, title: str) -> None:
    """Plot mean return and exploration rate against environment steps, from `progress.csv`.

    Raises:
        RunError: the log is damaged; a resumed training appends to an existing log, which may be untrusted.
    """
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

    try:
        with (folder / "progress.csv").open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row.get(_RETURN)]  # empty until a session has ended
        steps, returns = ([float(row[name]) for row in rows] for name in (_STEPS, _RETURN))
        chances = [float(row.get(_CHANCE) or "nan") for row in rows]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise RunError(f"{folder / 'progress.csv'} is damaged: {error}") from error
    figure = Figure(figsize=(8, 4.5), dpi=120)
    axes = figure.subplots()
    axes.plot(steps, returns, color="#1a7f4b", linewidth=2, marker=".")
    axes.set(title=title, xlabel="environment steps", ylabel="mean return of the last sessions, 100 at most")
    axes.grid(alpha=0.3)
    if not np.isnan(chances).all():  # only Q-learners log it
        chance = axes.twinx()
        chance.plot(steps, chances, color="#999999", linestyle="--", linewidth=1)
        chance.set(ylabel="probability of a random track", ylim=(0, 1.02))
        chance.yaxis.label.set_color("#777777")
    with replacing(folder / "learning_curve.png") as file:
        figure.savefig(file, format="png")


def load_run(
    path: str | Path,
    catalogue: str | Path | Catalogue | None = None,
    *,
    trust: bool = False,
    share: float | None = None,
) -> Run:
    """Load a trained model, ready to play on the CPU, on which a single decision is faster than on a GPU.

    Only JSON and safetensors are read, so the folder need not be trusted.

    Args:
        path: the run folder.
        catalogue: tracks to play; None: those it was trained on. A table is scaled as they were.
        trust: import code that the settings name as `module:Class`, and load `model.zip` if the weights are missing;
            both can run any code.
        share: fraction of the training, one of its `snapshots`, to load the model of that time; None: the final model.

    Raises:
        RunError: there is no run, it is damaged, or it has no model yet.
        CatalogueError: the catalogue cannot be read.
        BindingError: the model does not fit the catalogue.
    """
    folder = RunFolder.open(Path(path), trust)
    config, about = folder.config, folder.meta["catalogue"]
    chosen = catalogue_of(config) if catalogue is None else _scaled(catalogue, folder, about)
    env = sessions_of(config, chosen, n_envs=1, whole=False)
    weights_file = folder.weights_file(share)
    if share is None and not weights_file.exists():
        return Run(_unpickled(folder, config, env), config, chosen, folder.path)
    replays = "buffer_size" in inspect.signature(config.classes[0]).parameters
    changes = {"buffer_size": 1} if replays else {}  # to play, not to learn
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PPO warns that one session does not fill a batch
        model = learner_of(replace(config, device="cpu"), env, **changes)
    if about.get("fingerprint") != chosen.fingerprint:
        if config.learner.points:
            raise BindingError(
                f"{path} has proto-actions bounded by its training catalogue, and cannot play from another"
            )
        learned_in = Spaces(env.observation_space, _learned_from(folder, about)[1])
        getattr(model.policy, "check_spaces", check_same)(learned_in, Spaces.of(env))
    tensors = read_tensors(weights_file)
    load_weights(model, tensors.arrays)
    steps = tensors.facts.get("steps")
    model.num_timesteps = steps if isinstance(steps, int) else config.total_steps
    return Run(model, config, chosen, folder.path)


def _scaled(catalogue: str | Path | Catalogue, folder: RunFolder, about: dict[str, Any]) -> Catalogue:
    """Return the catalogue with the scaling of the training catalogue."""
    scaling, _ = _learned_from(folder, about)
    try:
        return as_catalogue(catalogue, scaling)
    except CatalogueError:
        names = as_catalogue(catalogue).feature_names
        if len(names) == len(scaling.centre):
            raise
        own, others = (", ".join([*some[:12], *["..."][: len(some) - 12]]) for some in (about["feature_names"], names))
        raise CatalogueError(
            f"this model describes tracks by {own}, but {catalogue} by {others}; "
            "train one on these: spotify-gym train --catalogue ..."
        ) from None


def _learned_from(folder: RunFolder, about: dict[str, Any]) -> tuple[Scaling, Discrete]:
    """Return the scaling of the training catalogue, and its action space without the track features."""
    try:
        space = Discrete(int(about["n_tracks"]))
        vars(space).update({name: about[name] for name in ("fingerprint", "coordinates", "feature_names")})
        return Scaling(**about["scaling"]), space
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise RunError(
            f"{folder.path / 'meta.json'} does not say which catalogue the run learned from: {error}"
        ) from error


def _unpickled(folder: RunFolder, config: TrainConfig, env: SessionVecEnv) -> BaseAlgorithm:
    file = folder.path / "model.zip"
    if not file.is_file():
        resume = f"continue it with --resume {shlex.quote(str(folder.path))}"
        on = resume if config.is_q_learner else "train again in another folder"
        raise RunError(f"{folder.path} has no model yet; {on}")
    if not folder.trust:
        raise RunError(
            f"{folder.path} has no weights.safetensors, and loading its model.zip can run any code that is in it; "
            "pass --trust if you know where it comes from"
        )
    try:
        model: BaseAlgorithm = config.classes[0].load(file, env, device="cpu")
        return model
    except (ValueError, KeyError, AssertionError, RuntimeError, UnpicklingError) as error:
        raise RunError(f"{file} is damaged, or is not a model of this program: {error}") from error
