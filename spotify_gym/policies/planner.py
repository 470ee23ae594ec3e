"""Planning with the true dynamics: the best list for one session or for all, and an upper bound on the return."""

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

_PROMISING = 256  # best tracks of the catalogue that join the sample, per position of the plan
_TRIED = 64  # sessions in which neighbourhoods are evaluated
_LOOKAHEAD = 5  # tracks planned at a time where responses are random
_KEYS_SEED = 0x5EED  # seed of the keys of the fixed policy's starts, which no seed of an environment gives
_STARTS, _LISTENERS = 2048, 256  # number of these starts, without and with a listener
_WIDTH, _CENTRES = 4, 1024  # `sample_width` and `n_centres` of its search


@dataclass(frozen=True)
class Search:
    """Beam searches, followed by local search that replaces one track of the best list at a time.

    The last beam search is over a sample of the catalogue. It can be wide, and its list is first improved within the
    sample, which is cheap. The best list of all beam searches is then improved over the whole catalogue, until no
    replacement of a single track increases the return.

    With a listener there are many such local optima, of very different returns. Therefore an iterated local search
    precedes the last improvement, over the sample and the most promising tracks for each position. With random
    responses, the value of a replacement cannot be predicted, and the best list of the beam searches over the whole
    catalogue is returned.

    Attributes:
        dynamics: dynamics of the sessions.
        widths: widths of the beam searches over the whole catalogue; 1 is greedy search.
        sample_width: width of the beam search over the sample.
        sample_size: number of tracks in the sample.
        n_centres: number of tracks of the sample whose neighbourhoods are candidates too.
        n_rounds: rounds of the iterated local search.
    """

    dynamics: SessionDynamics
    widths: Sequence[int] = (1, 8)
    sample_width: int = 64
    sample_size: int = 4096
    n_centres: int = 0
    n_rounds: int = 10

    def best(self, sessions: SessionState, n_tracks: int) -> Rollout:
        """Search for the list of `n_tracks` tracks with the highest mean return; the sessions are not modified."""
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
        """The model of the dynamics to plan in."""
        return SessionModel(self.dynamics)

    @cached_property
    def sample(self) -> Ints:
        """A sorted random sample of the first versions."""
        versions = self.dynamics.first_versions
        tracks = np.flatnonzero(versions == np.arange(len(versions)))
        if len(tracks) <= self.sample_size:
            return tracks
        return np.sort(np.random.default_rng(0).choice(tracks, self.sample_size, replace=False))

    def _sampled(self, sessions: SessionState, n_tracks: int) -> Iterator[Ints]:
        """Yield candidate lists of tracks from the sample."""
        yield beam(self.model, sessions, n_tracks, self.sample_width, self.sample)[0]
        if self.n_centres:
            lists = self.neighbourhoods(n_tracks)
            few = sessions.take(np.arange(min(len(sessions), _TRIED)))
            yield lists[self.model.returns(few, lists).argmax()]

    def neighbourhoods(self, n_tracks: int) -> Ints:
        """Return lists, (n_centres, n_tracks), each of one track repeated or, without repeats, of its neighbours.

        A beam search misses these lists because their first tracks earn little; they pay off by moving the vibe. Long
        feature vectors move it the most, so the centres are the tracks with the longest ones.
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
        """Return the sample and, for each position, the tracks of the catalogue that are the best replacements."""
        if len(self.sample) < self.sample_size:
            return self.sample
        values = (self.model.replacement_values(rollout, position) for position in range(len(rollout.plan)))
        best = np.concatenate([largest(value, _PROMISING) for value in values])
        return np.union1d(self.sample, self.dynamics.catalogue.recordings[best])


class PlannerPolicy(ReferencePolicy):
    """Plan ahead with the true dynamics and play the plan: the reference with full knowledge, which defines skill 1.

    The plan is found by :class:`Search`: no replacement of a single track increases its return. It is a local optimum,
    so a better plan may exist; it is never worse than what :class:`~spotify_gym.policies.NearestPolicy` would play.

    With random responses, the policy knows the true state of the listeners, and plans a few tracks ahead for the
    expected rewards under their likeliest responses. It plans again when something else happens or the plan is used up.

    Args:
        env: see :class:`ReferencePolicy`.
        lookahead: tracks planned at a time; None for the rest of the session, or 5 with random responses.
    """

    is_quick = False

    def __init__(self, env: Any, lookahead: int | None = None) -> None:
        super().__init__(env)
        self._n_tracks = _session_length(env)
        self._lookahead = lookahead or (_LOOKAHEAD if self.dynamics.is_stochastic else self._n_tracks)
        self._search = Search(self.dynamics)
        self._rollouts: dict[int, Rollout] = {}

    def choose(self, sessions: SessionState) -> Ints:
        """Continue the plan of each session, or make a new one if the session has not gone as planned."""
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
    """Return whether the rollout was planned for this session, which has gone as planned so far."""
    place = _place(rollout, session)
    if not 0 <= place < len(rollout.plan):
        return False
    planned = rollout.before[place]
    return bool(planned.key == session.key and (planned.history == session.history).all())


class FixedPolicy(ReferencePolicy):
    """Play one list of tracks in every session, the best one found without looking at the state. It defines skill 0.

    The list is computed on first use, by the search of the planner for one list and many random starts at once, none of
    which any seed of an environment gives. On 200,000 tracks that takes seconds, or a minute with a listener. A track
    is played even if the session happened to start with it, because the policy ignores the state.

    Args:
        env: see :class:`ReferencePolicy`.
        tracks: the list, if it is known already.
        n_starts: number of random starts to optimise for; None for 2,048, or 256 with a listener.
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
        """Return the track of the list at the position of each session."""
        return self.tracks[np.minimum(sessions.time, len(self.tracks) - 1)]


def _session_length(env: Any) -> int:
    """Return the number of tracks after which a session of this environment is truncated.

    Raises:
        ValueError: sessions are never truncated.
    """
    inner = getattr(env, "unwrapped", None)
    length = (
        inner.max_episode_steps if isinstance(inner, SpotifyVectorEnv) else getattr(env.spec, "max_episode_steps", None)
    )
    if length is None:
        raise ValueError(f"{env} has no max_episode_steps, which the planner needs; create it with gymnasium.make")
    return int(length)


def upper_bound(dynamics: SessionDynamics, sessions: SessionState, n_tracks: int) -> NDArray[np.float64]:
    """Return an upper bound on the return of the next tracks, for any policy.

    The first track earns at most the highest reward available now. Each later track earns at most

    - in "flow" the maximum, 1 − b: some vibe might suit it perfectly;
    - in "fit" its own value, which does not depend on the others: all of them together at most the sum of the best
      distinct ones, or a multiple of the best one if repeats are legal;
    - in the terms of the listener their maximum.

    With random responses, the highest reward now is only an expectation, so the first track is bounded like the later
    ones.

    Args:
        dynamics: dynamics of the sessions.
        sessions: B sessions; not modified.
        n_tracks: number of tracks still to come, 1 or more.

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
    """Return the highest possible sum of "fit" over `n_tracks` tracks, weighted."""
    catalogue, weight = dynamics.catalogue, dynamics.reward["fit"]
    seed_vibe = session.seed_vibe[0].astype(np.float64)
    cosine = catalogue.unit_features @ (seed_vibe / max(float(np.linalg.norm(seed_vibe)), 1e-12))
    fits = weight * (cosine - dynamics.baseline)
    if dynamics.repeats:
        return n_tracks * float(fits.max())
    fits[dynamics.refused(session)[1]] = -np.inf
    first = catalogue.recordings == np.arange(len(catalogue))
    best = np.sort(fits[first & np.isfinite(fits)])[::-1][:n_tracks]
    lowest = min(weight * b for b in dynamics.term_bounds["fit"])  # earned by repeats, once all tracks are played
    return float(best.sum()) + (n_tracks - len(best)) * lowest
