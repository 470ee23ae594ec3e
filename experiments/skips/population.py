"""A population of simulated listeners, met by a policy that is neither good nor bad."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.skips.log import SkipLog
from spotify_gym import Catalogue
from spotify_gym.listeners import SkippingListener
from spotify_gym.session import SpotifyVectorEnv

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class MixedPolicy:
    """Neither good nor bad, as the recommendations in a log are.

    Each play is, by the toss of a coin, a random track of the catalogue, or of `n_choices` random tracks the one with
    the highest cosine to the vibe.
    """

    n_choices: int = 10
    chance: float = 0.5
    """Of a random track."""

    def play(self, units: Floats, vibe: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
        """Choose a track for each session.

        Args:
            units: (N, d) unit features of the catalogue.
            vibe: (B, d).
            rng: of the policy; listeners have their own.

        Returns:
            (B,) track indices.
        """
        choices = rng.integers(len(units), size=(len(vibe), self.n_choices))
        nearness = np.einsum("bkd,bd->bk", units[choices], vibe)
        best = np.where(rng.random(len(vibe)) < self.chance, 0, nearness.argmax(axis=1))
        return np.take_along_axis(choices, best[:, None], axis=1)[:, 0]


MIXED = MixedPolicy()
"""The policy behind the facts: cosine to the taste .13 on average, where a random track has .0 and the best 1."""


@dataclass(frozen=True, eq=False)
class Population:
    """What happened in S sessions of up to T plays."""

    log: SkipLog
    tracks: NDArray[np.int64]
    """(S, T) indices of what played."""
    fit: Floats
    """(S, T) cosine of each track to the listener's taste, which no log shows."""


def simulate(
    listener: SkippingListener,
    catalogue: Catalogue,
    n_sessions: int,
    n_plays: int = 20,
    policy: MixedPolicy = MIXED,
    seed: int = 0,
) -> Population:
    """Let a policy play to a population of listeners, all at once.

    The same seed draws the same random numbers for every listener, so that two populations differ only by what the
    parameters of their listeners make of them. Tracks may repeat, as they do in real sessions.
    """
    env = SpotifyVectorEnv(
        n_sessions,
        catalogue=catalogue,
        listener=listener,
        reward={"listened": 1.0},
        max_episode_steps=n_plays,
    )
    rng, units = np.random.default_rng(seed), catalogue.unit_features
    env.reset(seed=seed)
    taste = env.sessions.listener.taste.copy()  # the sessions that follow on ended ones have another
    skipped, played = np.zeros((2, n_sessions, n_plays), np.bool_)
    tracks = np.zeros((n_sessions, n_plays), np.int64)
    going = np.ones(n_sessions, np.bool_)
    for t in range(n_plays):
        tracks[:, t] = policy.play(units, env.sessions.vibe, rng)
        _, _, terminated, _, info = env.step(tracks[:, t])
        played[:, t] = going
        skipped[:, t] = going & ~info["listened"].astype(np.bool_)
        going &= ~terminated
    fit = np.einsum("std,sd->st", units[tracks], taste)
    return Population(SkipLog(skipped, played), tracks, fit)
