"""Small environments that isolate one thing a learner must get right, and a small playlist."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from gymnasium import spaces


class FeatureSpace(spaces.Discrete):
    """An action space with the attributes that the learners need; its features are not pickled."""

    def __init__(self, features, scaling="standard", names=None):
        features = np.ascontiguousarray(features, np.float32)
        super().__init__(len(features))
        _, first, inverse = np.unique(features, axis=0, return_index=True, return_inverse=True)
        self.features = features
        self.recordings = first[inverse]
        self.feature_names = tuple(names or (f"feature{i}" for i in range(features.shape[1])))
        self.fingerprint = f"{scaling}-{features.tobytes().hex()[:200]}-{len(features)}"
        self.coordinates = f"{scaling}-{'-'.join(self.feature_names)}"

    def __eq__(self, other):
        return isinstance(other, FeatureSpace) and self.fingerprint == other.fingerprint

    def __hash__(self):
        return hash(self.fingerprint)

    def __getstate__(self):
        return {**self.__dict__, "features": None, "recordings": None}


def tracks(n, d=4, n_versions=0, seed=0):
    """Return random features of `n` tracks; the last `n_versions` equal the first ones."""
    features = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    if n_versions:
        features[-n_versions:] = features[:n_versions]
    return features


def randomize(*networks, seed=0):
    """Set all weights of networks to random numbers, so that none is zero by initialisation."""
    generator = th.Generator().manual_seed(seed)
    for network in networks:
        weights = network.state_dict()
        network.load_state_dict({name: th.randn(w.shape, generator=generator) for name, w in weights.items()})


class Probe(gym.Env):
    """An environment of two actions and one observed number; `values` are the true (observation, action, Q)."""

    gamma = 0.5

    def __init__(self):
        self.observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.action_space = FeatureSpace([[1.0, 0.0], [0.0, 1.0]])

    def seen(self):
        return np.array([self.state], np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = self.start()
        return self.seen(), {}

    def step(self, action):
        reward, self.state, done = self.rule(self.state, action)
        return self.seen(), reward, done, False, {}


class ValueProbe(Probe):
    """One state, one step, reward 1: is anything learned at all?"""

    values = ((1.0, 0, 1.0), (1.0, 1, 1.0))

    def start(self):
        return 1.0

    def rule(self, state, action):
        return 1.0, state, True


class FeatureProbe(Probe):
    """The reward is what was seen: does the observation reach the value?"""

    values = ((-1.0, 0, -1.0), (-1.0, 1, -1.0), (1.0, 0, 1.0), (1.0, 1, 1.0))

    def start(self):
        return self.np_random.choice([-1.0, 1.0])

    def rule(self, state, action):
        return state, state, True


class DiscountProbe(Probe):
    """Reward 1 one step later: is the next state's value discounted, and that after the end of an episode 0?"""

    values = ((-1.0, 0, 0.5), (-1.0, 1, 0.5), (1.0, 0, 1.0), (1.0, 1, 1.0))

    def start(self):
        return -1.0

    def rule(self, state, action):
        return (1.0, 1.0, True) if state > 0 else (0.0, 1.0, False)


class ActionProbe(Probe):
    """One of two actions pays: is the right one found?"""

    values = ((1.0, 0, -1.0), (1.0, 1, 1.0))

    def start(self):
        return 1.0

    def rule(self, state, action):
        return (1.0 if action == 1 else -1.0), state, True


class BothProbe(Probe):
    """The action that pays depends on what is seen."""

    values = ((-1.0, 0, 1.0), (-1.0, 1, -1.0), (1.0, 0, -1.0), (1.0, 1, 1.0))

    def start(self):
        return self.np_random.choice([-1.0, 1.0])

    def rule(self, state, action):
        return (1.0 if (action == 1) == (state > 0) else -1.0), state, True


PROBES = [ValueProbe, FeatureProbe, DiscountProbe, ActionProbe, BothProbe]


class Playlist(gym.Env):
    """Rewards tracks that are close to the last one; `repeats=False` forbids all versions of played tracks.

    With `strict=False`, forbidden tracks are counted in `refused` instead of failing.
    """

    def __init__(self, features=None, length=6, repeats=True, space=None, strict=True):
        self.action_space = FeatureSpace(tracks(30) if features is None else features) if space is None else space
        self.observation_space = spaces.Box(-9.0, 9.0, (self.action_space.features.shape[1],), np.float32)
        self.action_space.forbids_repeats = not repeats
        self.length, self.repeats, self.strict, self.refused = length, repeats, strict, 0

    def _info(self):
        return {} if self.repeats else {"played": np.array(self.heard)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.heard = [int(self.np_random.integers(self.action_space.n))]
        return self.action_space.features[self.heard[-1]], self._info()

    def step(self, action):
        features, recordings = self.action_space.features, self.action_space.recordings
        if not self.repeats and recordings[action] in recordings[self.heard]:
            assert not self.strict, "a forbidden track was played"
            self.refused += 1
        last, track = features[self.heard[-1]], features[action]
        self.heard.append(int(action))
        reward = float(last @ track / (np.linalg.norm(last) * np.linalg.norm(track)))
        info: dict[str, Any] = self._info()
        return track, reward, False, len(self.heard) > self.length, info
