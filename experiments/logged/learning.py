"""Learning from logged sessions alone, without a step in the environment."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import minari
import torch as th
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from spotify_gym.algorithms import DQN
from spotify_gym.algorithms.catalogue_policy import CatalogueQNetwork
from spotify_gym.algorithms.replay import Batch
from spotify_gym.catalogue import Catalogue
from spotify_gym.training import TrainConfig
from spotify_gym.training.learners import learner_of
from spotify_gym.training.trainer import one_thread
from spotify_gym.training.vec_adapter import sessions_of

_CHUNK = 2**15  # tracks
_RIVALS = 127  # random negative tracks per logged track in behaviour cloning


def learn_offline(config: TrainConfig, data: Path, catalogue: Catalogue) -> DQN:
    """Train a learner on logged transitions, with as many updates of both networks as `train` makes online."""
    return _learned(config, data, catalogue, DQN.train)


def clone(config: TrainConfig, data: Path, catalogue: Catalogue) -> DQN:
    """Train the network of a learner to predict the track played: behaviour cloning (Pomerleau 1991).

    Its outputs are treated as logits. The softmax is over the track played and random negatives instead of the whole
    catalogue, which converges to the same logits up to a constant per state (Gutmann and Hyvärinen 2010).
    """
    return _learned(config, data, catalogue, partial(_descend, cloning_loss))


def learn_conservatively(config: TrainConfig, data: Path, catalogue: Catalogue) -> DQN:
    """Train a learner on logged transitions, with low values for unlogged tracks: CQL(H) of Kumar et al. (2020).

    The penalty is log Σₐ exp Q(s, a), computed exactly over the whole catalogue, minus Q of the track played.
    """
    return _learned(config, data, catalogue, partial(_descend, conservative_loss))


def conservative_loss(model: DQN, batch_size: int, alpha: float = 1.0) -> th.Tensor:
    """Return the temporal-difference loss plus `alpha` times the CQL penalty."""
    batch = model.sample(batch_size)
    with th.no_grad():
        targets = model.targets(batch)
    taken = model.values_taken(batch)
    gap = log_sum_exp(model.q_net, batch.observations) - taken[:, 0]
    return F.smooth_l1_loss(taken, targets) + alpha * gap.mean()


def log_sum_exp(network: Any, observations: Any) -> th.Tensor:
    """Return log Σₐ exp Q(s, a) over all actions, (batch,), in chunks that the backward pass recomputes."""
    if not isinstance(network, CatalogueQNetwork):
        return th.logsumexp(network(observations), dim=1)
    directions, values = network.encode(observations)

    def of_chunk(units: th.Tensor) -> th.Tensor:
        return th.logsumexp(directions @ network.embedding(units).T, dim=1)

    chunks = th.split(network.recordings.units, _CHUNK)
    parts = [checkpoint(of_chunk, units, use_reentrant=False) for units in chunks]
    return th.logsumexp(th.stack(parts), dim=0) + values[:, 0]


def cloning_loss(model: DQN, batch_size: int) -> th.Tensor:
    """Return the mean of −log p(track played), with the softmax over it and its random negatives."""
    assert model.replay_buffer is not None
    batch: Batch = model.replay_buffer.sample(batch_size)  # type: ignore[assignment]
    n_tracks = int(model.action_space.n)  # type: ignore[attr-defined]
    rivals = th.randint(n_tracks, (batch_size, _RIVALS))
    candidates = th.cat([batch.actions, rivals], dim=1)
    states = batch.observations.repeat_interleave(candidates.shape[1], dim=0)
    scores = model.q_net.taken(states, candidates.reshape(-1, 1)).view(candidates.shape)
    return F.cross_entropy(scores, th.zeros(batch_size, dtype=th.int64))


def filled_learner(config: TrainConfig, data: Path, catalogue: Catalogue) -> DQN:
    """Return an untrained learner whose replay buffer holds the sessions of a Minari dataset.

    Args:
        config: settings of the learner.
        data: folder of the dataset.
        catalogue: catalogue of the logged sessions.
    """
    dataset = minari.MinariDataset(data)
    changes = {"buffer_size": dataset.total_steps, "target_update_interval": 1}
    model = learner_of(config, sessions_of(config, catalogue, n_envs=1), **changes)
    assert isinstance(model, DQN)
    buffer = model.replay_buffer
    assert buffer is not None
    for episode in dataset.iterate_episodes():
        truncated = episode.truncations & ~episode.terminations
        dones = episode.terminations | episode.truncations
        for t in range(len(episode)):
            info = {"TimeLimit.truncated": truncated[t]}
            if "played" in episode.infos:
                info["played"] = episode.infos["played"][t + 1]
            now, later = episode.observations[t : t + 2, None]
            buffer.add(now, later, episode.actions[t : t + 1], episode.rewards[t : t + 1], dones[t : t + 1], [info])
    return model


def _descend(loss_of: Callable[[DQN, int], th.Tensor], model: DQN, gradient_steps: int, batch_size: int) -> None:
    """Take gradient steps as `DQN.train` does, on another loss."""
    optimizer = model.policy.optimizer
    model._update_learning_rate(optimizer)
    for _ in range(gradient_steps):
        loss = loss_of(model, batch_size)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@one_thread()
def _learned(config: TrainConfig, data: Path, catalogue: Catalogue, train: Callable[[DQN, int, int], None]) -> DQN:
    """Return a learner trained offline by `train`, with as many updates of both networks as online."""
    model = filled_learner(config, data, catalogue)
    n_rounds = max(0, config.total_steps - config.learning_starts) // (config.update_cycle[0] * config.n_envs)
    for number in range(n_rounds):
        model._update_current_progress_remaining(number, n_rounds)
        train(model, config.update_cycle[1], config.batch_size)
        model._on_step()  # moves the target network
    return model
