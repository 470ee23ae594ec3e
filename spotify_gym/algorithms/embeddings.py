"""Track embeddings φ, one row per recording, laid out for maximum inner-product search."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch as th
from gymnasium import spaces
from torch import nn

from spotify_gym.algorithms.compatibility import features_of, recordings_of
from spotify_gym.search import exact_topk
from spotify_gym.search.pruned import InnerProductIndex

SHORTEST = 1e-6  # smallest length that vectors are divided by


def unit(vectors: th.Tensor) -> th.Tensor:
    """Normalise the last axis to length 1; zero vectors stay zero."""
    lengths: th.Tensor = vectors.norm(dim=-1, keepdim=True)
    return vectors / lengths.clamp_min(SHORTEST)


class Table:
    """Searchable table of the embeddings of all recordings.

    Args:
        vectors: (n_actions, width) φ of each action.
        actions: (n,) int64, the first action of each recording, in ascending order.
        lasts: whether to build an index; a table that changes with every training step is not worth one.
    """

    def __init__(self, vectors: th.Tensor, actions: th.Tensor, lasts: bool) -> None:
        self.actions, self.mean, self.lasts = actions, vectors.mean(dim=0), lasts
        self._vectors = vectors

    def largest(self, queries: th.Tensor, k: int, excluded: th.Tensor | None = None) -> tuple[th.Tensor, th.Tensor]:
        """Return the `k` largest dot products and their actions; see :func:`~spotify_gym.search.exact_topk.largest`."""
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
        """The search index, or None where a full scan is as fast."""
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
        n: number of recordings.
        first: (n_actions,) int64, the first action with the same recording, which represents it in a search.
        actions: (n,) int64, the distinct values of `first`, in ascending order.
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
        """Searchable table of the unit features."""
        return Table(self.units, self.actions, lasts=True)

    def played(self, actions: th.Tensor | None) -> th.Tensor | None:
        """Map played actions, (batch, width), to the first actions of their recordings; padding stays -1."""
        return None if actions is None else th.where(actions < 0, -1, self.first[actions.clamp_min(0)])


class Tracks:
    """Lazily read recordings of an action space, shared by the networks of a policy.

    Args:
        space: the action space; its actions must have features by the first call of `on`.
    """

    def __init__(self, space: spaces.Space[object]) -> None:
        self.space = space
        self._recordings: Recordings | None = None

    def on(self, device: th.device) -> Recordings:
        """Return the recordings, with their tensors on `device`."""
        if self._recordings is None or self._recordings.units.device != device:
            self._recordings = Recordings(self.space, device)
        return self._recordings


class FixedEmbedding(nn.Identity):
    """φ(x) = x / ‖x‖, the vector that the cosine reward depends on; it has no parameters."""

    extra = 0
    """Number of coordinates in addition to the unit features."""

    def __init__(self, n_features: int) -> None:
        super().__init__()


class LearnedEmbedding(nn.Module):
    """φ(x) = [x / ‖x‖, g(x / ‖x‖)] with a small network g: the fixed embedding and a few learned coordinates."""

    extra = 8

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(n_features, 32), nn.ReLU(), nn.Linear(32, self.extra))

    def forward(self, units: th.Tensor) -> th.Tensor:
        """Return φ, (..., d + 8), for unit features (..., d)."""
        return th.cat([units, self.net(units)], dim=-1)
