"""What a network knows of each track: the embedding φ, one row per recording, laid out for the scan."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch as th
from gymnasium import spaces
from torch import nn

from spotify_gym.algorithms.compatibility import BindingError, features_of, recordings_of
from spotify_gym.search import exact_topk

TINY = 1e-6


def unit(vectors: th.Tensor) -> th.Tensor:
    """Bring the last axis to length 1; a zero vector stays what it is."""
    lengths: th.Tensor = vectors.norm(dim=-1, keepdim=True)
    return vectors / lengths.clamp_min(TINY)


class Recordings:
    """The distinct recordings among the actions of a space, and their unit features.

    Attributes:
        n: how many.
        of_action: (n_actions,) int64 the place of each action's recording.
        actions: (n,) int64 the first action of each recording.
        units: (n, d) unit features.
    """

    def __init__(self, space: spaces.Discrete, device: th.device) -> None:
        features = features_of(space)
        if features is None:
            raise BindingError(
                "this model has no catalogue yet: its file keeps none. Load it with `env=`, or `bind` it to a space"
            )
        first = recordings_of(space)
        actions = np.flatnonzero(first == np.arange(len(first)))
        places = np.zeros(len(first), np.int64)
        places[actions] = np.arange(len(actions))
        self.n = len(actions)
        self.of_action = th.tensor(places[first], device=device)
        self.actions = th.tensor(actions, device=device)
        self.units = unit(th.tensor(features[actions], device=device))

    @cached_property
    def unit_table(self) -> Table:
        """The unit features, to search in."""
        return Table(self, self.units)

    def played(self, actions: th.Tensor | None) -> th.Tensor | None:
        """Return the recordings of the given actions, (batch, width or fewer); padding stays -1."""
        if actions is None or not actions.shape[1]:
            return None
        found = th.where(actions < 0, -1, self.of_action[actions.clamp_min(0)])
        says_more = (found != found[:, :1]).any(dim=0)  # environments may pad by repeating the first
        says_more[0] = True
        return found[:, says_more]


class FixedEmbedding(nn.Module):
    """φ(x) = x / ‖x‖, as the reward sees a track: nothing to learn, nothing to refresh.

    Args:
        n_features: d.
    """

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.width = n_features

    def forward(self, units: th.Tensor) -> th.Tensor:
        """Return φ, (..., width), of unit features (..., d)."""
        return units


class LearnedEmbedding(nn.Module):
    """φ(x) = [x / ‖x‖, g(x / ‖x‖)] with a small network g, so that it starts from what the fixed one knows.

    Args:
        n_features: d.
        width: of the hidden layer.
        n_outputs: coordinates that g adds.
    """

    def __init__(self, n_features: int, width: int = 32, n_outputs: int = 8) -> None:
        super().__init__()
        self.width = n_features + n_outputs
        self.net = nn.Sequential(nn.Linear(n_features, width), nn.ReLU(), nn.Linear(width, n_outputs))

    def forward(self, units: th.Tensor) -> th.Tensor:
        """Return φ, (..., width), of unit features (..., d)."""
        return th.cat([units, self.net(units)], dim=-1)


class Table:
    """φ of all recordings as `scan` reads it, and its mean over the actions.

    Args:
        recordings: of the space.
        vectors: (n, width) φ of each.
    """

    def __init__(self, recordings: Recordings, vectors: th.Tensor) -> None:
        self.columns = exact_topk.in_blocks(vectors)
        counts = th.bincount(recordings.of_action, minlength=recordings.n)
        self.mean = (counts.to(vectors.dtype) @ vectors) / counts.sum()
