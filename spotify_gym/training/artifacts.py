"""Put a model into its run folder: a checkpoint on the way, the results in the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from spotify_gym.algorithms import DQN
from spotify_gym.catalogue.atomic import replacing
from spotify_gym.training.checkpoint import take_snapshot, weights_of
from spotify_gym.training.errors import RunError
from spotify_gym.training.learning_curve import CurvePoint, write_csv, write_png
from spotify_gym.training.run_folder import RunFolder
from spotify_gym.training.tensors import Tensors, write_tensors
from spotify_gym.training.vec_adapter import SessionVecEnv


def keep_checkpoint(folder: RunFolder, model: DQN, env: SessionVecEnv, curve: Sequence[CurvePoint]) -> None:
    """Write all that the training depends on into one file, in the place of the earlier one.

    Raises:
        RunError: the weights are no numbers any more, or the folder cannot be written to.
    """
    _check_finite(model)
    snapshot = take_snapshot(model, env)
    with folder.writing():
        write_tensors(folder.checkpoint_file, Tensors(snapshot.arrays, {**snapshot.facts, "curve": list(curve)}))


def earlier_curve(checkpoint: Tensors) -> list[CurvePoint]:
    """Return the learning curve up to a checkpoint.

    Raises:
        RunError: the checkpoint has none.
    """
    try:
        return [CurvePoint(*point) for point in checkpoint.facts["curve"]]
    except (KeyError, TypeError) as error:
        raise RunError("there is no learning curve in the checkpoint") from error


def keep_results(folder: RunFolder, model: DQN, curve: Sequence[CurvePoint]) -> None:
    """Write the model in its three forms and the learning curve; the weights last, as the sign that all is there.

    Raises:
        RunError: the weights are no numbers any more, or the folder cannot be written to.
    """
    _check_finite(model)
    config = folder.config
    with folder.writing():
        write_csv(folder.path / "learning_curve.csv", curve)
        write_png(
            folder.path / "learning_curve.png", curve, title=f"{config.algorithm} ({config.policy}) on {config.env}"
        )
        with replacing(folder.path / "model.zip") as file:
            model.save(file)
        with replacing(folder.path / "q_network_checkpoint.pth") as file:
            torch.save(model.q_net.state_dict(), file)
        write_tensors(folder.weights_file, Tensors(weights_of(model), {"steps": model.num_timesteps}))


def _check_finite(model: DQN) -> None:
    if not all(np.isfinite(array).all() for array in weights_of(model).values()):
        raise RunError(
            f"the weights grew beyond all bounds before step {model.num_timesteps}; "
            "try a smaller --learning-rate. What was saved before is intact"
        )
