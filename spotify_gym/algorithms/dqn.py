"""Deep Q-learning, with the target rule as a hook."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch as th
from stable_baselines3.common.policies import BasePolicy
from torch.nn import functional as F

from spotify_gym.algorithms.base import TrackDQN
from spotify_gym.algorithms.catalogue_policy import CataloguePolicy
from spotify_gym.algorithms.networks import DenseQNetwork
from spotify_gym.algorithms.policies import CnnPolicy, MlpPolicy, MultiInputPolicy
from spotify_gym.algorithms.replay import Batch


class DQN(TrackDQN):
    """Deep Q-network (Mnih et al. 2015, https://www.nature.com/articles/nature14236), with SB3's `train` opened up.

    Reads and computes as SB3's: with "MlpPolicy" and no hook changed the weights are the same bit for bit. A variant
    overrides `next_values`, the target rule; the head is the network's business.

    Deviations from the paper, all of them SB3's: Adam for RMSProp, the Huber loss, gradients clipped by norm.
    """

    q_net: DenseQNetwork
    q_net_target: DenseQNetwork
    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": MlpPolicy,
        "CnnPolicy": CnnPolicy,
        "MultiInputPolicy": MultiInputPolicy,
        "CataloguePolicy": CataloguePolicy,
    }

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """Take `gradient_steps` steps of gradient descent on replayed transitions."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        losses, learned = [], [weights for group in self.policy.optimizer.param_groups for weights in group["params"]]
        for _ in range(gradient_steps):
            batch = self.sample(batch_size)
            with th.no_grad():
                targets = self.targets(batch)
            loss = F.smooth_l1_loss(self.values_taken(batch), targets)
            losses.append(loss.item())

            for weights in learned:
                weights.grad = None  # as `zero_grad` does, with less ado
            loss.backward()  # type: ignore[no-untyped-call]
            norm = th.nn.utils.get_total_norm([weights.grad for weights in learned if weights.grad is not None])
            if not norm < 0.99 * self.max_grad_norm:  # else it would multiply by 1
                th.nn.utils.clip_grads_with_norm_(learned, self.max_grad_norm, norm)
            self.policy.optimizer.step()
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/loss", np.mean(losses))

    def targets(self, batch: Batch) -> th.Tensor:
        """Return r + (1 - done) * gamma^n * (value of the next state), (batch, 1)."""
        if self.gamma == 0.0:  # no look at the next state, nor the search over the catalogue that it costs
            return batch.rewards
        discounts = self.gamma if batch.discounts is None else batch.discounts
        return batch.rewards + (1 - batch.dones) * discounts * self.next_values(batch)

    def next_values(self, batch: Batch) -> th.Tensor:
        """Return the value of the next states, (batch, 1): max_a Q_target(s', a), over what may still be played."""
        return self.q_net_target.best(batch.next_observations, batch.played).values

    def values_taken(self, batch: Batch) -> th.Tensor:
        """Return Q(s, a) of the actions that were taken, (batch, 1), with its gradient."""
        return self.q_net.taken(batch.observations, batch.actions)


class DoubleDQN(DQN):
    """Double DQN (van Hasselt, Guez and Silver 2016, https://arxiv.org/abs/1509.06461).

    The online network chooses the next action and the target network says what it is worth, equation 4.

    Deviations from the paper: those of `DQN`; SB3's default hyperparameters.
    """

    def next_values(self, batch: Batch) -> th.Tensor:
        """Return Q_target(s', argmax_a Q(s', a)), (batch, 1)."""
        chosen = self.q_net.best(batch.next_observations, batch.played).actions
        return self.q_net_target.taken(batch.next_observations, chosen)
