"""Logged sessions as Minari datasets (https://minari.farama.org).

They are written through Minari's buffers as Arrow files, which needs neither its collector nor JAX. For each
observation, `infos["propensity"]` is the probability of the track that led to it, 1 for the first observation. If
repeats are forbidden, `infos["played"]` holds the tracks played before it, including the starting tracks.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import gymnasium as gym
import minari
import numpy as np
from minari.data_collector import EpisodeBuffer

from experiments.logged.behaviour import MixedPolicy
from spotify_gym.policies import ReferencePolicy
from spotify_gym.session import SpotifyVectorEnv
from spotify_gym.training import TrainConfig

_AT_ONCE = 64  # sessions in parallel


@dataclass(frozen=True)
class Log:
    """Specification of a dataset of logged sessions.

    Raises:
        ValueError: `n_sessions` is below 1, `epsilon` is not in [0, 1], or the task has `max_tracks`.
    """

    task: TrainConfig
    """The task: env, catalogue, state."""
    behaviour: str
    """Name of the reference policy that plays."""
    epsilon: float
    """Probability that it plays a random track instead, in [0, 1]."""
    n_sessions: int
    """Number of sessions."""
    label: str = ""
    """Name of the dataset; "" for the behaviour and a hash of this specification."""

    def __post_init__(self) -> None:
        if self.n_sessions < 1:
            raise ValueError(f"n_logged={self.n_sessions} must be at least 1")
        if not 0 <= self.epsilon <= 1:
            raise ValueError(f"epsilon={self.epsilon} must be from 0 to 1")
        if self.task.max_tracks is not None:
            raise ValueError("max_tracks: a dataset names its catalogue; use a smaller one, such as builtin:26000")

    @property
    def dataset_id(self) -> str:
        """Minari's id of the dataset; without a label it is unique to the specification."""
        if self.label:
            return f"spotify/{self.label}-v0"
        made_of = {name: value for name, value in asdict(self).items() if name != "label"}
        key = hashlib.blake2b(json.dumps(made_of, sort_keys=True).encode(), digest_size=6).hexdigest()
        return f"spotify/{self.behaviour}-{key}-v0"

    def written(self, folder: Path) -> Path:
        """Return the path of the dataset under `folder`, after writing it unless it is complete."""
        data = folder / self.dataset_id / "data"
        with suppress(OSError, ValueError):  # missing, or incomplete after an interrupted call
            if minari.MinariDataset(data).total_episodes == self.n_sessions:
                return data
        shutil.rmtree(data.parent, ignore_errors=True)
        options = {"catalogue": self.task.catalogue, "scaling": self.task.scaling, **self.task.env_options}
        env: Any = gym.make_vec(self.task.env, num_envs=_AT_ONCE, **options).unwrapped
        policy = MixedPolicy(env, self.behaviour, self.epsilon)
        episodes = list(record(env, policy, self.n_sessions, self.task.first_seed))
        there = {"MINARI_DATASETS_PATH": str(folder.resolve())}  # Minari resolves relative paths against its own folder
        with patch.dict(os.environ, there), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about the missing author
            minari.create_dataset_from_buffers(
                self.dataset_id,
                episodes,
                env=gym.make(self.task.env, **options),
                eval_env=self.task.env,
                algorithm_name=f"{self.behaviour}, any other track with probability {self.epsilon:g}",
                description="Listening sessions; infos['played'] names the recordings that may not play again.",
                data_format="arrow",
            )
        return data


def record(env: SpotifyVectorEnv, policy: ReferencePolicy, n_sessions: int, seed: int) -> Iterator[EpisodeBuffer]:
    """Play sessions with a policy, and yield each as an episode.

    Args:
        env: vector environment with `AutoresetMode.NEXT_STEP`, which returns the final observation of a session.
        policy: a policy made for `env`.
        n_sessions: number of sessions; session i is the first one of seed `seed` + i.
        seed: seed of the first session.
    """
    for first in range(0, n_sessions, env.num_envs):
        for slot, episode in enumerate(_play(env, policy, seed + first)[: n_sessions - first]):
            yield replace(episode, id=first + slot, seed=seed + first + slot)


def _play(env: SpotifyVectorEnv, policy: ReferencePolicy, seed: int) -> list[EpisodeBuffer]:
    """Play one session in each of B slots."""
    assert env.max_episode_steps is not None  # all ids of this package have one
    observation, info = env.reset(seed=seed)
    observations, infos, steps, chances = [observation], [info], [], [np.ones(env.num_envs)]
    for _ in range(env.max_episode_steps):
        actions = policy.predict(observation)[0]
        observation, *outcome, info = env.step(actions)
        chances.append(getattr(policy, "propensity", np.full(env.num_envs, np.nan)))
        observations.append(observation)
        infos.append(info)
        steps.append((actions, *outcome))
    seen = np.stack(observations, axis=1)  # (B, T + 1, k)
    columns = [np.stack(column, axis=1) for column in zip(*steps, strict=True)]  # (B, T): actions, rewards, ends
    chance = np.stack(chances, axis=1)
    lengths = 1 + np.argmax(columns[2] | columns[3], axis=1)
    room = env.dynamics.history_length + env.max_episode_steps
    heard = None if env.dynamics.repeats else np.stack([info["played"][:, :room] for info in infos], axis=1)
    return [
        EpisodeBuffer(
            None,
            None,
            None,
            seen[slot, : n + 1],
            *(column[slot, :n] for column in columns),
            infos={"propensity": chance[slot, : n + 1, None]}
            | ({} if heard is None else {"played": heard[slot, : n + 1]}),
        )
        for slot, n in enumerate(lengths)
    ]
