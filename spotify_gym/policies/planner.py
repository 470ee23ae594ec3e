"""Planning with the true dynamics: the list that earns the most, for one session or all; the upper bound on that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter, itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotify_gym.policies.policy import ReferencePolicy
from spotify_gym.policies.session_model import Rollout, SessionModel
from spotify_gym.search.planning import beam, improve, iterated_local_search, largest
from spotify_gym.session import SessionDynamics, SessionState, SpotifyVectorEnv
from spotify_gym.session.state import Ints

_PROMISING = 256  # tracks for each place of a plan
_TRIED = 64  # sessions that neighbourhoods are tried in
_LOOKAHEAD = 5
_KEYS_SEED = 0x5EED  # of the keys of the starts; keys are 64-bit, and no seed of an environment gives these
_STARTS, _LISTENERS = 2048, 256
_WIDTH, _CENTRES = 4, 1024


@dataclass(frozen=True)
class Search:
    """Beam searches, then improvement of the best list found, one track at a time.

    The last beam search sees a sample of the catalogue only. It may be wide, and its list is improved within the
    sample, which costs little. The better of that list and those from the whole catalogue is improved over the whole
    catalogue, until no other track in any place earns more.

    Where there is a listener, many lists are such that no single track can be bettered, and some earn far more than
    others: before the last improvement follows an iterated local search among the sample and the tracks that promise
    most for the list. Where chance decides what listeners do, replacements cannot be foreseen, and the best list of the
    beam searches over the whole catalogue stands.

    Attributes:
        dynamics: of the sessions.
        widths: of the beam searches over the whole catalogue; 1 is greedy search.
        sample_width: of the beam search over the sample.
        sample_size: tracks in the sample.
        n_centres: tracks of the sample whose neighbourhoods are tried too.
        n_rounds: of the iterated local search.
    """

    dynamics: SessionDynamics
    widths: Sequence[int] = (1, 8)
    sample_width: int = 64
    sample_size: int = 4096
    n_centres: int = 0
    n_rounds: int = 10

    def best(self, sessions: SessionState, n_tracks: int) -> Rollout:
        """Find the list of n_tracks tracks that earns the most, the mean over the sessions, which stay as they are."""
        model = self.model
        grown = [beam(model, sessions, n_tracks, width) for width in self.widths]
        if self.dynamics.is_stochastic:
            return model.rollout(sessions, max(grown, key=itemgetter(1))[0])
        rollouts = [model.rollout(sessions, plan) for plan, _ in grown]
        for plan in self._sampled(sessions, n_tracks):
            rollouts.append(improve(model, model.rollout(sessions, plan), self.sample))
        rollout = max(rollouts, key=attrgetter("value"))
        if self.dynamics.listener is not None:
            pool = self._promising(rollout)
            rollout = iterated_local_search(model, improve(model, rollout, pool), pool, self.n_rounds)
        return improve(model, rollout)

    @cached_property
    def model(self) -> SessionModel:
        """What is planned in."""
        return SessionModel(self.dynamics)

    @cached_property
    def sample(self) -> Ints:
        """Tracks drawn from the first versions, in order."""
        versions = self.dynamics.first_versions
        tracks = np.flatnonzero(versions == np.arange(len(versions)))
        if len(tracks) <= self.sample_size:
            return tracks
        return np.sort(np.random.default_rng(0).choice(tracks, self.sample_size, replace=False))

    def _sampled(self, sessions: SessionState, n_tracks: int) -> Iterator[Ints]:
        """Lists of tracks from the sample."""
        yield beam(self.model, sessions, n_tracks, self.sample_width, self.sample)[0]
        if self.n_centres:
            lists = self.neighbourhoods(n_tracks)
            few = sessions.take(np.arange(min(len(sessions), _TRIED)))
            yield lists[self.model.returns(few, lists).argmax()]

    def neighbourhoods(self, n_tracks: int) -> Ints:
        """Return lists (n_centres, n_tracks) that stay around one track: it alone, or its like where none repeats.

        A search that goes track by track passes these lists by, as their first track earns little. It is there to take
        the vibe along, at which long feature vectors are best: the centres are those with the longest.
        """
        catalogue = self.dynamics.catalogue
        lengths = np.linalg.norm(catalogue.features[self.sample], axis=1)
        centres = self.sample[np.argsort(-lengths, kind="stable")[: self.n_centres]]
        if self.dynamics.repeats:
            return np.repeat(centres[:, None], n_tracks, axis=1)
        far = -catalogue.unit_features[centres] @ catalogue.unit_features[self.sample].T
        near = far.argsort(axis=1)[:, :n_tracks]
        return np.resize(self.sample[near].T, (n_tracks, len(centres))).T

    def _promising(self, rollout: Rollout) -> Ints:
        """The sample, and for each place the tracks of the whole catalogue with which the plan would earn the most."""
        if len(self.sample) < self.sample_size:
            return self.sample
        values = (self.model.replacement_values(rollout, position) for position in range(len(rollout.plan)))
        best = np.concatenate([largest(value, _PROMISING) for value in values])
        return np.union1d(self.sample, self.dynamics.catalogue.recordings[best])


class PlannerPolicy(ReferencePolicy):
    """Plan ahead with the true dynamics and play the plan: the reference that knows the environment. It sets skill 1.

    The plan is what :class:`Search` finds: no other track in any one place earns more.
    That is a local optimum, so that a better plan may exist; it is never worse than what
    :class:`~spotify_gym.policies.NearestPolicy` would play.

    Where chance decides what listeners do, the policy knows their true state and plans for the rewards to be expected
    under their most likely responses, a few tracks ahead; when something else happens, or the plan is used up, it makes
    another.

    Args:
        env: see :class:`ReferencePolicy`.
        lookahead: tracks planned at a time; None for the rest of the session, or 5 where chance has a part.
    """

    is_quick = False

    def __init__(self, env: Any, lookahead: int | None = None) -> None:
        super().__init__(env)
        self._n_tracks = _session_length(env)
        self._lookahead = lookahead or (_LOOKAHEAD if self.dynamics.is_stochastic else self._n_tracks)
        self._search = Search(self.dynamics)
        self._rollouts: dict[int, Rollout] = {}

    def choose(self, sessions: SessionState) -> Ints:
        """Go on with the plan of each session, or make a new one where it does not stand as planned."""
        return np.array([self._next(row, sessions.take(np.array([row]))) for row in range(len(sessions))])

    def _next(self, slot: int, session: SessionState) -> int:
        rollout = self._rollouts.get(slot)
        if rollout is None or not _as_planned(rollout, session):
            rest = max(1, self._n_tracks - int(session.time[0]))
            rollout = self._rollouts[slot] = self._search.best(session, min(self._lookahead, rest))
        return int(rollout.plan[_place(rollout, session)])


def _place(rollout: Rollout, session: SessionState) -> int:
    return int(session.time[0] - rollout.before[0].time[0])


def _as_planned(rollout: Rollout, session: SessionState) -> bool:
    """Say whether the session is one that the rollout was planned for, and has gone as planned so far."""
    place = _place(rollout, session)
    if not 0 <= place < len(rollout.plan):
        return False
    planned = rollout.before[place]
    return bool(planned.key == session.key and (planned.history == session.history).all())


class FixedPolicy(ReferencePolicy):
    """Play one list of tracks to every session: the best found without a look at the state. It sets skill 0.

    The list is searched for when it is first needed: the planner's search, for one list and many random starts at once,
    none of which any seed of an environment gives. On 200,000 tracks that takes seconds, or a minute where there is a
    listener to ask. Being blind, the policy plays a track even where a session happened to start with it.

    Args:
        env: see :class:`ReferencePolicy`.
        tracks: the list, where it was found before.
        n_starts: random starts that the list is made for; None for 2,048, or 256 where there is a listener.
    """

    def __init__(self, env: Any, tracks: Sequence[int] | None = None, n_starts: int | None = None) -> None:
        super().__init__(env)
        self._n_tracks = _session_length(env)
        self._n_starts = n_starts or (_STARTS if self.dynamics.listener is None else _LISTENERS)
        if tracks is not None:
            self.tracks = np.array(tracks, np.int64)

    @cached_property
    def tracks(self) -> Ints:
        """The list, as long as a session."""
        keys = np.random.default_rng(_KEYS_SEED).integers(2**64, size=self._n_starts, dtype=np.uint64)
        search = Search(self.dynamics, widths=(1,), sample_width=_WIDTH, n_centres=_CENTRES)
        return search.best(self.dynamics.start(keys), self._n_tracks).plan

    def choose(self, sessions: SessionState) -> Ints:
        """Go down the list."""
        return self.tracks[np.minimum(sessions.time, len(self.tracks) - 1)]


def _session_length(env: Any) -> int:
    """Return after how many tracks a session of this environment is truncated.

    Raises:
        ValueError: it never is.
    """
    inner = getattr(env, "unwrapped", None)
    length = (
        inner.max_episode_steps if isinstance(inner, SpotifyVectorEnv) else getattr(env.spec, "max_episode_steps", None)
    )
    if length is None:
        raise ValueError(f"{env} has no max_episode_steps, so no plan can be long enough; make it by gymnasium.make")
    return int(length)


def upper_bound(dynamics: SessionDynamics, sessions: SessionState, n_tracks: int) -> NDArray[np.float64]:
    """Return more than can be earned in the next tracks, or just as much, whoever chooses them.

    The first track earns at most the best reward there is now. Each later track has at most

    - in "flow" the most there is, 1 − b: some vibe might suit it perfectly;
    - in "fit" its own, which no choice changes: all of them together at most the sum of the best distinct ones, or as
      many times the best one where repeats are legal;
    - in the listener's terms the most there is.

    Where chance decides what listeners do, the best reward now is only expected, and the first track is treated like
    the later ones.

    Args:
        dynamics: of the sessions.
        sessions: B sessions; they stay as they are.
        n_tracks: how many tracks are still to come, 1 or more.

    Returns:
        (B,).
    """
    rows = (sessions.take(np.array([row])) for row in range(len(sessions)))
    return np.array([_bound(dynamics, session, n_tracks) for session in rows])


def _bound(dynamics: SessionDynamics, session: SessionState, n_tracks: int) -> float:
    first = 0.0 if dynamics.is_stochastic else float(dynamics.expected_rewards(session).max())
    n_later = n_tracks if dynamics.is_stochastic else n_tracks - 1
    highest = {name: max(weight * b for b in dynamics.term_bounds[name]) for name, weight in dynamics.reward.items()}
    fit = _best_fits(dynamics, session, n_later) if highest.pop("fit", None) is not None else 0.0
    return first + n_later * sum(highest.values()) + fit


def _best_fits(dynamics: SessionDynamics, session: SessionState, n_tracks: int) -> float:
    """The most that so many tracks can have in "fit", weighted."""
    catalogue, weight = dynamics.catalogue, dynamics.reward["fit"]
    seed_vibe = session.seed_vibe[0].astype(np.float64)
    cosine = catalogue.unit_features @ (seed_vibe / max(float(np.linalg.norm(seed_vibe)), 1e-12))
    fits = weight * (cosine - dynamics.baseline)
    if dynamics.repeats:
        return n_tracks * float(fits.max())
    fits[dynamics.refused(session)[1]] = -np.inf
    first = catalogue.recordings == np.arange(len(catalogue))
    best = np.sort(fits[first & np.isfinite(fits)])[::-1][:n_tracks]
    lowest = min(weight * b for b in dynamics.term_bounds["fit"])  # what repeats earn, once nothing else is left
    return float(best.sum()) + (n_tracks - len(best)) * lowest
