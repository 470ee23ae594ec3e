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
        vectors: (n, width).
        mean: (width,) over the actions.
        lasts: whether it will be asked often; one that changes with every step of training is not worth an index.
    """

    def __init__(self, vectors: th.Tensor, mean: th.Tensor, lasts: bool) -> None:
        self.vectors, self.mean, self.lasts = vectors, mean, lasts

    def largest(self, queries: th.Tensor, k: int, excluded: th.Tensor | None = None) -> tuple[th.Tensor, th.Tensor]:
        """Find the `k` recordings with the largest dot product, as :func:`~spotify_gym.search.exact_topk.largest`."""
        if self._index is None:
            return exact_topk.largest(self._columns, len(self.vectors), queries, k, excluded)
        values, places = self._index.largest(
            queries.detach().numpy(), k, None if excluded is None else excluded.numpy()
        )
        return th.from_numpy(values), th.from_numpy(places)

    @cached_property
    def _index(self) -> InnerProductIndex | None:
        """Where it saves time over a scan."""
        if not self.lasts or self.vectors.device.type != "cpu":
            return None
        index = InnerProductIndex(self.vectors.numpy())
        return index if index.is_worthwhile else None

    @cached_property
    def _columns(self) -> th.Tensor:
        return exact_topk.in_blocks(self.vectors)


class Recordings:
    """The distinct recordings among the actions of a space, and the unit features of all actions.

    Attributes:
        n: how many recordings.
        of_action: (n_actions,) int64 the place of each action's recording.
        actions: (n,) int64 the first action of each recording, which stands for it in a search.
        units: (n_actions, d) unit features.
    """

    def __init__(self, space: spaces.Space[object], device: th.device) -> None:
        features, first = features_of(space), recordings_of(space)
        actions, of_action = np.unique(first, return_inverse=True)
        self.n = len(actions)
        self.of_action = th.tensor(of_action, device=device)
        self.actions = th.tensor(actions, device=device)
        self.units = unit(th.tensor(features, device=device))

    @cached_property
    def unit_table(self) -> Table:
        """The unit features, to search in."""
        return self.table(self.units, lasts=True)

    def table(self, vectors: th.Tensor, lasts: bool = False) -> Table:
        """Lay out φ of all actions, (n_actions, width), to search in."""
        return Table(vectors[self.actions], vectors.mean(dim=0), lasts)

    def played(self, actions: th.Tensor | None) -> th.Tensor | None:
        """Return the recordings of the given actions, (batch, width or fewer); padding stays -1."""
        if actions is None or not actions.shape[1]:
            return None
        found = th.where(actions < 0, -1, self.of_action[actions.clamp_min(0)])
        says_more = (found != found[:, :1]).any(dim=0)  # environments may pad by repeating the first
        says_more[0] = True
        return found[:, says_more]


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
