"""The search for the list of tracks that earns the most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter, itemgetter

import numpy as np
from numpy.typing import NDArray

from spotify_gym.policies.expected_rewards import mean_expected_rewards
from spotify_gym.policies.neighbourhoods import best_neighbourhood
from spotify_gym.policies.replacement import Replacements
from spotify_gym.policies.rollout import Rollout
from spotify_gym.session import SessionDynamics, SessionState

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_LEAST_GAIN = 1e-6  # of the return: below that it is rounding
_SHAKEN = 4  # tracks replaced at random
_PROMISING = 256  # tracks for each place of a plan
_STRIDE = 64  # one score in so many makes the sieve


def beam(
    dynamics: SessionDynamics, sessions: SessionState, n_tracks: int, width: int, tracks: Ints | None = None
) -> tuple[Ints, float]:
    """Grow lists track by track, keeping those that earn the most so far.

    Args:
        dynamics: of the sessions; nothing is left to chance.
        sessions: S sessions that all get the same list; they stay as they are.
        n_tracks: T, the length of the list.
        width: W, how many lists are kept.
        tracks: (M,) what may be played; None for the whole catalogue.

    Returns:
        The best list found, (T,), and what it is expected to earn, the mean over the sessions.
    """
    n_sessions = len(sessions)
    nodes = sessions.take(np.arange(n_sessions))  # S · W sessions: those of the first session, then of the second, ...
    playing = np.ones(n_sessions, np.bool_)
    earned, lists = np.zeros(1), np.zeros((1, 0), np.int64)
    for _ in range(n_tracks):
        scores = mean_expected_rewards(dynamics, nodes, tracks, len(lists), playing) + earned[:, None].astype(
            np.float32
        )
        best = largest(scores.ravel(), width)
        parent, place = np.divmod(best, scores.shape[1])
        chosen = place if tracks is None else tracks[place]
        rows = (np.arange(n_sessions)[:, None] * len(lists) + parent).ravel()
        nodes, playing = nodes.take(rows), playing[rows]
        playing &= ~dynamics.step(nodes, np.tile(chosen, n_sessions)).left
        earned = scores.ravel()[best].astype(np.float64)
        lists = np.concatenate([lists[parent], chosen[:, None]], axis=1)
    return lists[0], float(earned[0])


def largest(scores: Floats, k: int) -> Ints:
    """Return where the k largest of the scores (n,) stand, the largest first; all of them if there are fewer.

    The k-th largest of a part is no larger than the k-th largest of all, and so a first sieve.
    """
    part = scores[::_STRIDE]
    least = np.partition(part, -k)[-k] if len(part) > k else -np.inf
    candidates = np.flatnonzero(scores >= least)
    order = np.argsort(-scores[candidates], kind="stable")[:k]
    return candidates[order]


def improve(course: Rollout, replacements: Replacements) -> Rollout:
    """Replace one track at a time by the best there is for its place, until no replacement earns more."""
    position = unchanged = 0
    while unchanged < len(course.plan):
        track = replacements.best(course, position)
        better = course if track == course.plan[position] else course.replaced(replacements.dynamics, position, track)
        gained = better.value > course.value + _LEAST_GAIN
        course, unchanged = (better, 0) if gained else (course, unchanged + 1)
        position = (position + 1) % len(course.plan)
    return course


def shake(course: Rollout, replacements: Replacements, rounds: int) -> Rollout:
    """Replace a few adjacent tracks by random ones and improve again, which may end better; keep the best.

    Iterated local search (Lourenço, Martin and Stützle 2003, "Iterated local search").
    """
    rng = np.random.default_rng(0)
    tracks = np.arange(len(replacements.dynamics.catalogue)) if replacements.tracks is None else replacements.tracks
    n_shaken = min(_SHAKEN, len(course.plan), len(tracks))
    for _ in range(rounds):
        first = rng.integers(len(course.plan) - n_shaken + 1)
        plan = course.plan.copy()
        plan[first : first + n_shaken] = rng.choice(tracks, n_shaken, replace=False)
        other = improve(Rollout.played(replacements.dynamics, course.before[0], plan), replacements)
        course = max(course, other, key=attrgetter("value"))
    return course


@dataclass(frozen=True)
class Search:
    """Beam searches, then improvement of the best list found, one track at a time.

    The last beam search sees a sample of the catalogue only. It may be wide, and its list is improved within the
    sample, which costs little. The better of that list and those from the whole catalogue is improved over the whole
    catalogue, until no other track in any place earns more.

    Where there is a listener, many lists are such that no single track can be bettered, and some earn far more than
    others: before the last improvement the list is shaken, among the sample and the tracks that promise most for it.
    Where chance decides what listeners do, replacements cannot be foreseen, and the best list of the beam searches over
    the whole catalogue stands.

    Attributes:
        dynamics: of the sessions.
        widths: of the beam searches over the whole catalogue; 1 is greedy search.
        sample_width: of the beam search over the sample.
        sample_size: tracks in the sample.
        n_centres: tracks of the sample whose neighbourhoods are tried too.
        rounds: how often a list is shaken.
    """

    dynamics: SessionDynamics
    widths: Sequence[int] = (1, 8)
    sample_width: int = 64
    sample_size: int = 4096
    n_centres: int = 0
    rounds: int = 10

    def best(self, sessions: SessionState, n_tracks: int) -> Rollout:
        """Find the list of n_tracks tracks that earns the most, the mean over the sessions, which stay as they are."""
        grown = [beam(self._dynamics, sessions, n_tracks, width) for width in self.widths]
        if self.dynamics.is_stochastic:
            tracks, _ = max(grown, key=itemgetter(1))
            return Rollout.played(self._dynamics, sessions, tracks)
        courses = [Rollout.played(self._dynamics, sessions, tracks) for tracks, _ in grown]
        courses += [
            improve(Rollout.played(self._dynamics, sessions, tracks), self._sample)
            for tracks in self._sampled(sessions, n_tracks)
        ]
        course = max(courses, key=attrgetter("value"))
        if self.dynamics.listener is not None:
            pool = self._promising(course)
            course = shake(improve(course, pool), pool, self.rounds)
        return improve(course, self._whole)

    def _sampled(self, sessions: SessionState, n_tracks: int) -> Iterator[Ints]:
        """Lists of tracks from the sample."""
        tracks = self._sample.tracks
        assert tracks is not None
        yield beam(self._dynamics, sessions, n_tracks, self.sample_width, tracks)[0]
        if self.n_centres:
            yield best_neighbourhood(self._dynamics, sessions, n_tracks, tracks, self.n_centres)

    def _promising(self, course: Rollout) -> Replacements:
        """The sample, and for each place the tracks of the whole catalogue with which the plan would earn the most."""
        sample = self._sample.tracks
        assert sample is not None
        if len(sample) < self.sample_size:
            return self._sample
        values = (self._whole.values(course, position) for position in range(len(course.plan)))
        best = self.dynamics.catalogue.recordings[np.concatenate([largest(value, _PROMISING) for value in values])]
        return Replacements(self._dynamics, np.union1d(sample, best))

    @cached_property
    def _dynamics(self) -> SessionDynamics:
        return self.dynamics.determinized()

    @cached_property
    def _sample(self) -> Replacements:
        """Drawn from one version of each recording."""
        catalogue = self.dynamics.catalogue
        tracks = np.flatnonzero(catalogue.recordings == np.arange(len(catalogue)))
        if len(tracks) > self.sample_size:
            tracks = np.sort(np.random.default_rng(0).choice(tracks, self.sample_size, replace=False))
        return Replacements(self._dynamics, tracks)

    @cached_property
    def _whole(self) -> Replacements:
        return Replacements(self._dynamics)
