"""From a run folder back to a model that plays, on its own catalogue or on another."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from gymnasium.spaces import Discrete

from spotify_gym.algorithms import DQN
from spotify_gym.algorithms.compatibility import Spaces
from spotify_gym.catalogue import Catalogue, Scaling, as_catalogue
from spotify_gym.training.checkpoint import load_weights
from spotify_gym.training.config import TrainConfig
from spotify_gym.training.errors import RunError
from spotify_gym.training.learners import ALGORITHMS, catalogue_of, learner_of, sessions_of
from spotify_gym.training.learning_curve import read_csv
from spotify_gym.training.run_folder import RunFolder
from spotify_gym.training.tensors import read_tensors
from spotify_gym.training.trainer import Run
from spotify_gym.training.vec_adapter import SessionVecEnv


def load_run(path: str | Path, catalogue: str | Path | Catalogue | None = None, *, trust: bool = False) -> Run:
    """Load a trained model, ready to play.

    Only JSON and safetensors are read, so that the folder may be a stranger's.

    Args:
        path: the run folder.
        catalogue: what it plays from; None for the one it was trained on. A table is scaled as that one was.
        trust: where the weights are missing, load `model.zip` instead, which can run any code that is in it.

    Raises:
        RunError: there is no run, or it is damaged, or it has no model yet.
        CatalogueError: the catalogue cannot be read.
        BindingError: the model does not fit the catalogue.
    """
    folder = RunFolder.open(Path(path))
    config, about = folder.config, folder.meta["catalogue"]
    chosen = catalogue_of(config) if catalogue is None else as_catalogue(catalogue, scaling=_scaling(folder, about))
    env = sessions_of(config, chosen, n_envs=1)
    model = (
        _from_weights(folder, config, env) if folder.weights_file.exists() else _from_zip(folder, config, env, trust)
    )
    return Run(model, config, chosen, read_csv(folder.path / "learning_curve.csv"), folder.path)


def _scaling(folder: RunFolder, about: dict[str, Any]) -> Scaling:
    try:
        return Scaling(**about["scaling"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{folder.path / 'meta.json'} does not say how tracks were scaled: {error}") from error


def _from_weights(folder: RunFolder, config: TrainConfig, env: SessionVecEnv) -> DQN:
    model = learner_of(config, env, buffer_size=1)  # to play, not to learn
    about = folder.meta["catalogue"]
    if about.get("fingerprint") != env.env.catalogue.fingerprint:
        model.policy.check_spaces(
            Spaces(env.observation_space, _space(folder, about)), Spaces(env.observation_space, env.action_space)
        )
    load_weights(model, read_tensors(folder.weights_file).arrays)
    return model


def _space(folder: RunFolder, about: dict[str, Any]) -> Discrete:
    """Return the action space of the training, as far as it is known without its catalogue."""
    try:
        space = Discrete(int(about["n_tracks"]))
        vars(space).update({name: about[name] for name in ("fingerprint", "coordinates", "feature_names")})
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise RunError(
            f"{folder.path / 'meta.json'} does not say which catalogue the run learned from: {error}"
        ) from error
    return space


def _from_zip(folder: RunFolder, config: TrainConfig, env: SessionVecEnv, trust: bool) -> DQN:
    file = folder.path / "model.zip"
    if not file.is_file():
        raise RunError(f"{folder.path} has no model yet; go on training with --resume {folder.path}")
    if not trust:
        raise RunError(
            f"{folder.path} has no weights.safetensors, and loading its model.zip can run any code that is in it; "
            "pass --trust if you know where it comes from"
        )
    try:
        return ALGORITHMS[config.algorithm].load(file, env, device=config.device)
    except (ValueError, KeyError, AssertionError, RuntimeError, UnpicklingError) as error:
        raise RunError(f"{file} is damaged, or is no model of this program: {error}") from error
