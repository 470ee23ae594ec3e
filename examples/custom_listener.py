"""A listener of your own: a runner who wants a high tempo, and stops when it drops too often."""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np

import spotify_gym
from spotify_gym.listeners import BatchState, Listener, Response
from spotify_gym.policies import NearestPolicy, RandomPolicy
from spotify_gym.training import evaluate


@dataclass
class Breath(BatchState):
    """State of B runners."""

    slow: np.ndarray  # (B,) slow tracks so far


@dataclass(frozen=True)
class Runner(Listener[Breath]):
    """Gives 1 for a track above average in the feature `direction`, and leaves after more than `patience` others."""

    name = "runner"
    term_bounds = {"pace": (0.0, 1.0)}
    direction: int = 7  # column of the tempo among the audio features
    patience: int = 4

    def start(self, pool, history_length, uniforms):
        """Start from the first tracks of the pool."""
        return np.tile(np.arange(history_length), (len(pool), 1)), Breath(np.zeros(len(pool)))

    def respond(self, state, unit, cosine, uniforms):
        """Enjoy fast tracks; count slow ones, and leave after too many."""
        fast = unit[:, self.direction] > 0
        state.slow += ~fast
        return Response({"pace": fast.astype(np.float32)}, left=state.slow > self.patience)

    def expect(self, state, units, cosine):
        """Return the expected reward of each track, which the nearest policy and the planner use."""
        return {"pace": np.broadcast_to(units[:, self.direction] > 0, cosine.shape).astype(np.float32)}


options = {"listener": Runner(), "reward": {"pace": 1.0}, "catalogue": spotify_gym.Catalogue.builtin(2000)}
env = gym.make("SpotifyPlaylist-v0", **options)
print("the agent sees", env.observation_space)
for policy in RandomPolicy, NearestPolicy:
    played = evaluate(policy, "SpotifyPlaylist-v0", n_sessions=50, **options)
    print(f"{policy.__name__}: {played.returns.mean():.1f} fast tracks in {played.lengths.mean():.1f}")
