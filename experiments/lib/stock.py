"""QRDQN as sb3-contrib ships it, one output per track and quantile: what distributions over returns are worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sb3_contrib import QRDQN

from experiments.lib.cases import Case
from spotify_gym.catalogue import Catalogue
from spotify_gym.training.learners import arguments_of, sessions_of, silent_logger
from spotify_gym.training.trainer import one_thread


@dataclass(frozen=True)
class QuantileCase(Case):
    """A run of QR-DQN (Dabney et al. 2018) with the settings of the case, as far as it knows them.

    Its output layer has `n_quantiles` numbers per track, so that it is for small catalogues; it is told nothing of the
    tracks played, and what it repeats costs it the lowest reward.
    """

    n_quantiles: int = 10
    """Of the return of each track."""

    def player(self, catalogue: Catalogue) -> Any:
        """Train the learner."""
        config = self.config
        env = sessions_of(config, catalogue, config.n_envs)
        env.seed(config.first_seed)
        network = {"net_arch": list(config.hidden), "n_quantiles": self.n_quantiles}
        with one_thread():
            model = QRDQN("MlpPolicy", env, policy_kwargs=network, **arguments_of(config))
            model.set_logger(silent_logger())
            return model.learn(config.total_steps)
