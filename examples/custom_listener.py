"""A listener of your own: someone on a run, who wants the tempo high and stops when it drops too often."""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np

import spotify_gym
from spotify_gym.listeners import BatchState, Listener, Response
from spotify_gym.policies import NearestPolicy, RandomPolicy
from spotify_gym.training import evaluate


@dataclass
class Breath(BatchState):
    """What B runners have left."""

    slow: np.ndarray  # (B,) slow tracks so far


@dataclass(frozen=True)
class Runner(Listener[Breath]):
    """Earns 1 for a track that goes along with `direction`, of unit features, and bears so many that do not."""

    name = "runner"
    term_bounds = {"pace": (0.0, 1.0)}
    direction: int = 7  # the place of tempo among the audio features
    patience: int = 4

    def start(self, pool, history_length, uniforms):
        """Take the pool as it comes."""
        return np.tile(np.arange(history_length), (len(pool), 1)), Breath(np.zeros(len(pool)))

    def respond(self, state, unit, cosine, uniforms):
        """Enjoy fast tracks; count slow ones, and leave when there were too many."""
        fast = unit[:, self.direction] > 0
        state.slow += ~fast
        return Response({"pace": fast.astype(np.float32)}, left=state.slow > self.patience)

    def expect(self, state, units, cosine):
        """Say what each track of the catalogue would earn: what the nearest policy and the planner go by."""
        return {"pace": np.broadcast_to(units[:, self.direction] > 0, cosine.shape).astype(np.float32)}


options = {"listener": Runner(), "reward": {"pace": 1.0}, "catalogue": spotify_gym.Catalogue.builtin(2000)}
env = gym.make("SpotifyPlaylist-v0", **options)
print("the agent sees", env.observation_space)
for policy in RandomPolicy, NearestPolicy:
    played = evaluate(policy, "SpotifyPlaylist-v0", n_sessions=50, **options)
    print(f"{policy.__name__}: {played.returns.mean():.1f} fast tracks in {played.lengths.mean():.1f}")
