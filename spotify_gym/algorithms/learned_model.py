"""Learned dynamics model for planning: predicts the reward of a track and the next observation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from spotify_gym.algorithms.compatibility import features_of, recordings_of
from spotify_gym.search.planning import Bools, Floats, Ints, PlanningModel, Rollout
from spotify_gym.search.points import NearestIndex, points_of

_TINY = np.float32(1e-8)
_REACHES = 1e-3  # smaller coefficients are rounding errors: the track has no effect on that block any more


class PlanTracks:
    """The tracks available to a plan, with an index for nearest-neighbour search.

    Attributes:
        features: (N, d).
        units: (N, d) unit features.
        both: (N, 2d) features and unit features, concatenated.
        recordings: (N,) the first version of the same track: with the same recording, or of the same song.
        distinct: (n,) the distinct values of `recordings`.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.features = features_of(space)
        self.units = _units(self.features)
        self.both = np.concatenate([self.features, self.units], axis=1)
        self.recordings = recordings_of(space)
        self.distinct = np.flatnonzero(self.recordings == np.arange(len(self.recordings)))
        self._index = NearestIndex(_points(self.features[self.distinct]), self.distinct)

    def nearest(self, features: Floats, k: int = 1, excluded: Ints | None = None) -> Ints:
        """Return the tracks nearest to each feature vector, nearest first, (n, k).

        Args:
            features: (n, d).
            k: number of tracks per vector.
            excluded: (n, any) recordings that are not returned, padded with -1.
        """
        return self._index.largest(_points(features), min(k, len(self.distinct)), excluded)[1]


def _units(features: Floats) -> Floats:
    units: Floats = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), _TINY)
    return units


def _points(features: Floats) -> Floats:
    return points_of(features, _units(features))


@dataclass
class Seen:
    """Model state of B sessions: their observations and the recordings that may not play again."""

    observations: Floats
    """(B, k)."""
    played: Ints
    """(B, any) forbidden recordings, padded with -1; zero columns if none is forbidden."""

    def __len__(self) -> int:
        return len(self.observations)

    def take(self, rows: NDArray[Any]) -> Self:
        """Return a copy of the given sessions."""
        return type(self)(self.observations[rows], self.played[rows])


class RewardNet(NamedTuple):
    """Reward network in NumPy: a perceptron with one hidden layer of rectified units."""

    hidden: Floats  # (n_inputs, width)
    hidden_bias: Floats  # (width,)
    out: Floats  # (width,)
    out_bias: float

    def __call__(self, inputs: Floats) -> Floats:
        """Return the rewards, (...), for inputs (..., n_inputs)."""
        between = inputs.reshape(-1, inputs.shape[-1]) @ self.hidden + self.hidden_bias
        rewards: Floats = np.maximum(between, 0, out=between) @ self.out + np.float32(self.out_bias)
        return rewards.reshape(inputs.shape[:-1])


class LearnedModel(PlanningModel[Seen]):
    """Dynamics learned from experience: the next observation o' is linear in (o, x, u, 1), the reward a small network.

    x are the features of a track and u its unit features. The reward network reads the dot products of u with each
    block of the observation and with the block's unit vector, and the numbers of the observation outside the blocks.

    Because o' is linear, putting track c at one position of a plan adds z_c·A_j to the observation j steps later, where
    z = (x, u) and A_j is fixed. All replacement values are therefore a few matrix products.

    Args:
        tracks: the available tracks.
        blocks: slices of an observation that are vectors in feature space.
        transition: (k + 2d + 1, k), maps (o, x, u, 1) to o'.
        reward: the reward network.
        repeats: whether a plan may contain a recording twice.
    """

    def __init__(
        self,
        tracks: PlanTracks,
        blocks: Sequence[slice],
        transition: Floats,
        reward: RewardNet,
        repeats: bool = False,
    ) -> None:
        k = transition.shape[1]
        self.tracks, self.reward, self.repeats, self.n_actions = tracks, reward, repeats, len(tracks.features)
        columns = np.arange(k)
        self._blocks = np.stack([columns[block] for block in blocks])  # (n, d)
        self._others = np.setdiff1d(columns, self._blocks)
        self._keeps, self._adds, self._constant = np.split(transition, [k, len(transition) - 1])
        self._reach = [self._adds]  # z_c·reach[j] is what track c adds to the observation j + 1 steps later

    def step(self, states: Seen, actions: Ints) -> tuple[Floats, Bools]:
        """Play one track in each session, in place; return rewards (B,) and `terminated` (B,), always False."""
        rewards = self.reward(self.read(states.observations, self.tracks.units[actions][:, None]))[:, 0]
        added = self.tracks.both[actions] @ self._adds
        states.observations = states.observations @ self._keeps + added + self._constant
        return rewards, np.zeros(len(states), np.bool_)

    def expected_rewards(self, states: Seen, actions: Ints | None = None) -> Floats:
        """Return the predicted reward of playing each of `actions` (M,), None for all, next in each session, (B, M)."""
        units = self.tracks.units[slice(None) if actions is None else actions]
        return self.reward(self.read(states.observations, units))

    def replacement_values(self, rollout: Rollout[Seen], position: int, actions: Ints | None = None) -> Floats:
        """Return the plan's predicted return from `position` on with each candidate track placed there, (M,).

        If repeats are forbidden, candidates that the session or the plan already contains get -inf.
        """
        before = rollout.before[position]
        actions = np.arange(self.n_actions) if actions is None else actions
        values: Floats = self.expected_rewards(before, actions)[0]
        if n_later := len(rollout.plan) - position - 1:
            values += self._later(rollout, position, self.tracks.both[actions], n_later)
        if not self.repeats:
            recordings = self.tracks.recordings
            taken = np.append(before.played[0], recordings[np.delete(rollout.plan, position)])
            values[np.isin(recordings[actions], taken)] = -np.inf
        return values

    def _later(self, rollout: Rollout[Seen], position: int, both: Floats, n: int) -> Floats:
        """Return the summed reward of the n later tracks, (M,), for each candidate, (M, 2d), at `position`."""
        while len(self._reach) < n:
            self._reach.append(self._reach[-1] @ self._keeps)
        reach = np.stack(self._reach[:n])  # (n, 2d, k)
        seen = np.concatenate([states.observations for states in rollout.before[position + 1 :]])
        rest = seen - self.tracks.both[rollout.plan[position]] @ reach  # without the effect of the planned track
        units = self.tracks.units[rollout.plan[position + 1 :]]
        blocks, added = rest[:, self._blocks], reach[:, :, self._blocks]  # (n, b, d), (n, 2d, b, d)
        dots = np.einsum("nbd,nd->nb", blocks, units)
        more = np.einsum("nzbd,nd->znb", added, units)  # linear map from z to the change of the dot products
        dots = dots + (both @ more.reshape(len(more), -1)).reshape(-1, *dots.shape)  # (M, n, b)
        squares = np.broadcast_to(np.vecdot(blocks, blocks), dots.shape).copy()
        places, which = np.nonzero(np.abs(added).max(axis=(1, 3)) > _REACHES)
        if len(places):
            moved = both @ added[places, :, which].transpose(1, 0, 2).reshape(both.shape[1], -1)
            moved = (moved + blocks[places, which].ravel()).reshape(len(both), len(places), -1)
            squares[:, places, which] = np.vecdot(moved, moved)
        others = rest[:, self._others] + np.einsum("mz,nzo->mno", both, reach[:, :, self._others])
        total: Floats = self.reward(_inputs(dots, squares, others)).sum(axis=1)
        return total

    def read(self, observations: Floats, units: Floats) -> Floats:
        """Return the reward network's inputs, (B, M, n_inputs), for unit features (M, d) or (B, M, d) in B sessions."""
        blocks = observations[:, self._blocks]
        dots = units @ blocks.mT
        squares = np.broadcast_to(np.vecdot(blocks, blocks)[:, None], dots.shape)
        others = observations[:, None, self._others]
        return _inputs(dots, squares, np.broadcast_to(others, (*dots.shape[:2], others.shape[2])))


def _inputs(dots: Floats, squares: Floats, others: Floats) -> Floats:
    inputs: Floats = np.concatenate([dots / np.sqrt(squares + _TINY), dots, others], axis=-1)
    return inputs
