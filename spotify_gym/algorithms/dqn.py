"""DQN and Double DQN, with the target rule as a hook."""

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
    """Deep Q-network (Mnih et al. 2015, https://www.nature.com/articles/nature14236), SB3's `train` split into hooks.

    With "MlpPolicy" and no hook overridden, the weights equal those of SB3's DQN bit for bit. A variant overrides the
    target rule, `next_values`; the head belongs to the network.

    Deviations from the paper, all inherited from SB3: Adam instead of RMSProp, the Huber loss, gradient norm clipping.
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
                weights.grad = None  # what `zero_grad` does, with less overhead
            loss.backward()  # type: ignore[no-untyped-call]
            norm = th.nn.utils.get_total_norm([weights.grad for weights in learned if weights.grad is not None])
            if not norm < 0.99 * self.max_grad_norm:  # otherwise clipping would multiply by 1
                th.nn.utils.clip_grads_with_norm_(learned, self.max_grad_norm, norm)
            self.policy.optimizer.step()
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/loss", np.mean(losses))

    def targets(self, batch: Batch) -> th.Tensor:
        """Return r + (1 - done) * gamma^n * (value of the next state), (batch, 1)."""
        if self.gamma == 0.0:  # the next state does not matter, so skip its search over the catalogue
            return batch.rewards
        discounts = self.gamma if batch.discounts is None else batch.discounts
        return batch.rewards + (1 - batch.dones) * discounts * self.next_values(batch)

    def next_values(self, batch: Batch) -> th.Tensor:
        """Return the value of the next states, (batch, 1): max_a Q_target(s', a) over the tracks still allowed."""
        return self.q_net_target.best(batch.next_observations, batch.played).values

    def values_taken(self, batch: Batch) -> th.Tensor:
        """Return Q(s, a) of the actions taken, (batch, 1), with gradients."""
        return self.q_net.taken(batch.observations, batch.actions)


class DoubleDQN(DQN):
    """Double DQN (van Hasselt, Guez and Silver 2016, https://arxiv.org/abs/1509.06461).

    The online network selects the next action and the target network evaluates it, equation 4.

    Deviations from the paper: those of `DQN`; SB3's default hyperparameters.
    """

    def next_values(self, batch: Batch) -> th.Tensor:
        """Return Q_target(s', argmax_a Q(s', a)), (batch, 1)."""
        chosen = self.q_net.best(batch.next_observations, batch.played).actions
        return self.q_net_target.taken(batch.next_observations, chosen)
