"""What a network knows of each track: the embedding φ, one row per recording, laid out for the search."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch as th
from gymnasium import spaces
from torch import nn

from spotify_gym.algorithms.compatibility import features_of, recordings_of
from spotify_gym.search import exact_topk
from spotify_gym.search.pruned import InnerProductIndex

SHORTEST = 1e-6  # length of a vector that has a direction


def unit(vectors: th.Tensor) -> th.Tensor:
    """Bring the last axis to length 1; a zero vector stays what it is."""
    lengths: th.Tensor = vectors.norm(dim=-1, keepdim=True)
    return vectors / lengths.clamp_min(SHORTEST)


class Table:
    """φ of all recordings, to search in.

    Args:
        vectors: (n_actions, width).
        actions: (n,) int64 those that stand for a recording, in order.
        lasts: whether it will be asked often; one that changes with every step of training is not worth an index.
    """

    def __init__(self, vectors: th.Tensor, actions: th.Tensor, lasts: bool) -> None:
        self.actions, self.mean, self.lasts = actions, vectors.mean(dim=0), lasts
        self._vectors = vectors

    def largest(self, queries: th.Tensor, k: int, excluded: th.Tensor | None = None) -> tuple[th.Tensor, th.Tensor]:
        """Find the `k` actions with the largest dot product, as :func:`~spotify_gym.search.exact_topk.largest`."""
        if self._index is not None:
            without = None if excluded is None else excluded.numpy()
            values, actions = self._index.largest(queries.detach().numpy(), k, without)
            return th.from_numpy(values), th.from_numpy(actions)
        if excluded is not None:
            excluded = th.where(excluded < 0, -1, th.searchsorted(self.actions, excluded))
        products, places = exact_topk.largest(self._columns, len(self.actions), queries, k, excluded)
        return products, self.actions[places]

    @cached_property
    def _index(self) -> InnerProductIndex | None:
        """Where it saves time over a scan."""
        if not self.lasts or self.actions.device.type != "cpu":
            return None
        index = InnerProductIndex(self._vectors.numpy(), rows=self.actions.numpy())
        return index if index.is_worthwhile else None

    @cached_property
    def _columns(self) -> th.Tensor:
        return exact_topk.in_blocks(self._vectors[self.actions])


class Recordings:
    """The distinct recordings among the actions of a space, and the unit features of all actions.

    Attributes:
        n: how many recordings.
        first: (n_actions,) int64 the first action of the same recording, which stands for it in a search.
        actions: (n,) int64 these first ones, in order.
        units: (n_actions, d) unit features.
    """

    def __init__(self, space: spaces.Space[object], device: th.device) -> None:
        features, first = features_of(space), recordings_of(space)
        self.first = th.tensor(first, device=device)
        self.actions = th.from_numpy(np.flatnonzero(first == np.arange(len(first)))).to(device)
        self.n = len(self.actions)
        self.units = unit(th.tensor(features, device=device))

    @cached_property
    def unit_table(self) -> Table:
        """The unit features, to search in."""
        return Table(self.units, self.actions, lasts=True)

    def played(self, actions: th.Tensor | None) -> th.Tensor | None:
        """Return the first actions of the same recordings, (batch, width); padding stays -1."""
        return None if actions is None else th.where(actions < 0, -1, self.first[actions.clamp_min(0)])


class Tracks:
    """The recordings of an action space, read when a network first asks; the networks of a policy share one.

    Args:
        space: whose actions have features, by then.
    """

    def __init__(self, space: spaces.Space[object]) -> None:
        self.space = space
        self._recordings: Recordings | None = None

    def on(self, device: th.device) -> Recordings:
        """Return the recordings, in the memory of `device`."""
        if self._recordings is None or self._recordings.units.device != device:
            self._recordings = Recordings(self.space, device)
        return self._recordings


class FixedEmbedding(nn.Identity):
    """φ(x) = x / ‖x‖, as the reward sees a track: nothing to learn, nothing to refresh."""

    extra = 0
    """Coordinates beside the unit features."""

    def __init__(self, n_features: int) -> None:
        super().__init__()


class LearnedEmbedding(nn.Module):
    """φ(x) = [x / ‖x‖, g(x / ‖x‖)] with a small network g, so that it starts from what the fixed one knows."""

    extra = 8

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(n_features, 32), nn.ReLU(), nn.Linear(32, self.extra))

    def forward(self, units: th.Tensor) -> th.Tensor:
        """Return φ, (..., d + 8), of unit features (..., d)."""
        return th.cat([units, self.net(units)], dim=-1)
