"""What a plan would earn with another track in one place: exact, for every track of the catalogue at once.

Let the plan be a_0 ... a_{T-1}, H the history length, x the features and u the unit features of a track. Another track
c in place i changes the reward of that place, and the vibe before the H tracks that follow. With v_t the planned vibe
before a_t and w_t = v_t − x_{a_i} / H what is left of it without a_i,

    cos(a_t, vibe with c) = (u_{a_t}·w_t + u_{a_t}·x_c / H) / √(‖w_t‖² + 2 w_t·x_c / H + ‖x_c‖² / H²).

Numerator and radicand are linear in (x_c, 1, ‖x_c‖²): for all c and t they are one product with an (N, d + 2) matrix.
What the later tracks earn from a listener, the listener is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue.catalogue import TINY
from spotify_gym.policies.expected_rewards import mean_expected_rewards
from spotify_gym.policies.rollout import Rollout
from spotify_gym.session import SessionDynamics

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_NUMBERS_AT_ONCE = 2**17  # they stay in the cache
_FOLLOWED = 256  # sessions over which that which follows is averaged; what a track earns at once, over all of them
_LISTENERS = 32  # the same where a listener must be asked
_ROUNDING = 1e-4  # of a sum of rewards


class Cosines(NamedTuple):
    """The cosines of K later tracks to the vibes that they would meet, as a function of the candidate."""

    numerator: Floats
    """(K, d + 2), to be multiplied with (x, 1, ‖x‖²)."""
    radicand: Floats
    """(K, d + 2), likewise."""

    @classmethod
    def of(cls, units: Floats, rest: Floats, share: np.float32) -> Cosines:
        """Prepare them.

        Args:
            units: (K, d) unit features of the later tracks.
            rest: (K, d) the vibes before them, less what the planned track adds.
            share: of one track in a vibe, 1 / H.
        """
        dot, square = np.vecdot(units, rest)[:, None], np.vecdot(rest, rest)[:, None]
        return cls(
            np.concatenate([share * units, dot, np.zeros_like(dot)], axis=1),
            np.concatenate([2 * share * rest, square, np.full_like(square, share**2)], axis=1),
        )

    def __call__(self, lifted: Floats) -> Floats:
        """Return the cosines, (K, M), for M candidates given as (x, 1, ‖x‖²), (M, d + 2)."""
        cosine = self.numerator @ lifted.T
        length = self.radicand @ lifted.T
        np.sqrt(np.maximum(length, TINY, out=length), out=length)
        cosine /= length
        return cosine


class Replacements:
    """Values the tracks that could take the place of a planned one.

    Args:
        dynamics: of the sessions; nothing is left to chance.
        tracks: (M,) the candidates; None for the whole catalogue.
    """

    def __init__(self, dynamics: SessionDynamics, tracks: Ints | None = None) -> None:
        catalogue, which = dynamics.catalogue, slice(None) if tracks is None else tracks
        features, recordings = catalogue.features[which], catalogue.recordings[which]
        square = np.vecdot(features, features)[:, None]
        self.dynamics = dynamics
        self.tracks = tracks
        self._units = catalogue.unit_features[which]
        self._lifted = np.concatenate([features, np.ones_like(square), square], axis=1)
        self._order = np.argsort(recordings, kind="stable")
        self._recordings = recordings[self._order]
        self._flow = np.float32(dynamics.reward.get("flow", 0.0))

    def best(self, course: Rollout, position: int) -> int:
        """Return the track with which the plan would earn the most, the planned one itself if none is better."""
        values = self.values(course, position)
        place = int(values.argmax())
        if values[place] == -np.inf:
            return int(course.plan[position])
        return place if self.tracks is None else int(self.tracks[place])

    def values(self, course: Rollout, position: int) -> Floats:
        """Return what the plan would earn from `position` on with each candidate there, the mean over the sessions.

        Left out is what no candidate can change: the baseline and "fit" of the later tracks. Given -inf are candidates
        that the plan or every session holds already, where repeats are forbidden, and those that could not beat the
        planned track if all later tracks earned the most there is. The rest is exact where listeners hear every track
        out and stay, and, among several sessions, for tracks that none of them started with.

        Returns:
            (M,), or (N,) for the whole catalogue.
        """
        now = mean_expected_rewards(self.dynamics, course.before[position], self.tracks)[0]
        if not self.dynamics.repeats:
            now[self._places(self._taken(course, position))] = -np.inf
        hopeful = np.flatnonzero(now >= course.rewards[position] - self._headroom(course, position))
        values: Floats = np.full_like(now, -np.inf)
        if len(hopeful):
            values[hopeful] = now[hopeful] + self._later(course, position, hopeful)
        return values

    def _taken(self, course: Rollout, position: int) -> Ints:
        """Recordings that may not be played at `position`, in any order."""
        planned = self.dynamics.catalogue.recordings[np.delete(course.plan, position)]
        played = course.before[position].played
        by_all = [recording for recording in np.unique(played[0]) if (played == recording).any(axis=1).all()]
        return np.concatenate([planned, by_all]).astype(np.int64)

    def _places(self, recordings: Ints) -> Ints:
        """Where the candidates with these recordings stand."""
        first = np.searchsorted(self._recordings, recordings, side="left")
        last = np.searchsorted(self._recordings, recordings, side="right")
        return np.concatenate([self._order[i:j] for i, j in zip(first, last, strict=True)])

    def _headroom(self, course: Rollout, position: int) -> float:
        """How much more the later tracks could earn at most."""
        bounds = self.dynamics.term_bounds
        highest = sum(max(w * b for b in bounds[name]) for name, w in self.dynamics.reward.items() if name != "fit")
        reach = self.dynamics.history_length if self.dynamics.listener is None else len(course.plan)
        earned = (course.rewards - course.fits)[position + 1 :][:reach]
        return float((highest - earned).sum()) + _ROUNDING

    def _later(self, course: Rollout, position: int, hopeful: Ints) -> Floats:
        """What the later tracks would earn with each of the hopeful candidates, (len(hopeful),)."""
        if position + 1 == len(course.plan):
            return np.zeros(len(hopeful), np.float32)
        if self.dynamics.listener is None:
            return self._later_flow(course, position, hopeful)
        n_sessions = min(len(course.before[position]), _LISTENERS)
        heard = [self._later_heard(course, position, hopeful, row) for row in range(n_sessions)]
        mean: Floats = np.mean(heard, axis=0)
        return mean

    def _later_flow(self, course: Rollout, position: int, hopeful: Ints) -> Floats:
        """Sum up the flow of the H tracks after `position`, sessions with the same vibe taken together."""
        catalogue, length = self.dynamics.catalogue, self.dynamics.history_length
        vibes, units, weights = [], [], []
        for track, sessions in zip(course.plan[position + 1 :][:length], course.before[position + 1 :], strict=False):
            vibe, counts = np.unique(sessions.vibe[:_FOLLOWED], axis=0, return_counts=True)
            vibes.append(vibe)
            units.append(np.broadcast_to(catalogue.unit_features[track], vibe.shape))
            weights.append(self._flow * (counts / counts.sum()).astype(np.float32))
        weight = np.concatenate(weights)
        cosines = self._cosines(np.concatenate(units), np.concatenate(vibes), int(course.plan[position]))
        return np.concatenate([weight @ cosines(self._lifted[part]) for part in _parts(hopeful, len(weight))])

    def _later_heard(self, course: Rollout, position: int, hopeful: Ints, row: int) -> Floats:
        """Sum up flow and the listener's terms of all tracks after `position`, in one of the sessions."""
        assert self.dynamics.listener is not None
        state = course.before[position].listener.take(np.array([row]))
        vibes = np.stack([sessions.vibe[row] for sessions in course.before[position:]])
        directions = vibes / np.maximum(np.linalg.norm(vibes, axis=1, keepdims=True), TINY)
        units = self.dynamics.catalogue.unit_features[course.plan[position + 1 :]]
        reached = slice(self.dynamics.history_length)
        cosines = self._cosines(units[reached], vibes[1:][reached], int(course.plan[position]))
        later = np.repeat(np.vecdot(units, directions[1:])[:, None], _NUMBERS_AT_ONCE // len(units), axis=1)
        values = []
        for part in _parts(hopeful, len(units)):
            unit = self._units[part]
            rest_cosine = later[:, : len(unit)]
            rest_cosine[reached] = cosines(self._lifted[part])
            value = self._flow * rest_cosine[reached].sum(axis=0)
            terms = self.dynamics.listener.rollout_rewards(state, unit, unit @ directions[0], units, rest_cosine)
            for name, total in terms.items():
                value += np.float32(self.dynamics.reward.get(name, 0.0)) * total
            values.append(value)
        return np.concatenate(values)

    def _cosines(self, units: Floats, vibes: Floats, planned: int) -> Cosines:
        share = np.float32(1 / self.dynamics.history_length)
        return Cosines.of(units, vibes - share * self.dynamics.catalogue.features[planned], share)


def _parts(places: Ints, n_rows: int) -> Iterator[Ints | slice]:
    """Cut places into parts so small that n_rows numbers for each stay in the cache; slices where they are adjacent."""
    size = max(1, _NUMBERS_AT_ONCE // n_rows)
    for start in range(0, len(places), size):
        part = places[start : start + size]
        adjacent = part[-1] - part[0] == len(part) - 1
        yield slice(int(part[0]), int(part[-1]) + 1) if adjacent else part
