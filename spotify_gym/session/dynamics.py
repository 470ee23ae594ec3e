"""Session dynamics: the reward of a track and the transition of the session state, for a batch of sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue
from spotify_gym.listeners import CompiledListener, Listener
from spotify_gym.registry import make_named
from spotify_gym.session import kernels
from spotify_gym.session.kernels import Given, in_lines, unit
from spotify_gym.session.observation import Observer, observer
from spotify_gym.session.reward import Look, RewardTerm, expected_cosine
from spotify_gym.session.state import Bools, Floats, Ints, Ints32, SessionState, StepResult
from spotify_gym.session.streams import Keys, chances

_ROOM = 52  # played tracks allocated for a new session: the 50 of the longest in the family, and two spare; it grows


def _flow(catalogue: Catalogue, b: float) -> RewardTerm:
    """cos(x, s) − b, with s the vibe before the track plays."""
    return RewardTerm((-1 - b, 1 - b), None, direction=lambda sessions: unit(sessions.vibe), constant=-b)


def _fit(catalogue: Catalogue, b: float) -> RewardTerm:
    """cos(x, s₀) − b, with s₀ the vibe that the session started with."""
    return RewardTerm((-1 - b, 1 - b), None, direction=lambda sessions: unit(sessions.seed_vibe), constant=-b)


REWARD_TERMS: dict[str, Callable[[Catalogue, float], RewardTerm]] = {"flow": _flow, "fit": _fit}
"""The reward terms that need no listener: name to a function of the catalogue and its baseline b."""
_LOOP_TERMS = ("flow", "fit")  # computed by the compiled loop
_MANY, _MOST = 256, 2**22  # at least 256 sessions over at most 2**22 tracks read the cache-aligned copy of the table
_lines_by_same: WeakKeyDictionary[Catalogue, dict[str, tuple[Floats, Ints32]]] = WeakKeyDictionary()
_N_NUMBERS = 3  # rows of `StepResult.numbers` before the terms: the reward and two cosines


@dataclass(frozen=True, eq=False)
class SessionDynamics:
    """The transition and reward functions of one environment of the family, for a batch of sessions.

    Attributes:
        catalogue: the N tracks that can be played, with d features.
        reward: weight of each reward term: a name in :data:`REWARD_TERMS`, a term of the listener, or `module:term`
            for your own.
        history_length: H, the number of tracks whose mean is the vibe.
        state: the observation, as names in :data:`~spotify_gym.session.observation.STATES` joined by "+".
        repeats: whether a track, or another version of it, may play again. If not, playing one earns the lowest
            reward and leaves vibe and listener unchanged.
        reward_baseline: b, subtracted from each cosine; None for the default of the catalogue, see :attr:`baseline`.
        listener: the model of the person; None for one who hears every track out.
        same: which tracks are versions of one another: those of one "recording" or of one "song". A session that
            forbids repeats plays at most one version.
        certain: whether the listener gets 1/2 instead of random numbers, so that the likelier of two responses
            happens. Expected rewards do not change.
    """

    catalogue: Catalogue
    reward: Mapping[str, float]
    history_length: int = 5
    state: str = "mean"
    repeats: bool = True
    reward_baseline: float | None = None
    listener: Listener[Any] | None = None
    same: Literal["recording", "song"] = "recording"
    certain: bool = False

    def __post_init__(self) -> None:
        if self.history_length < 1:
            raise ValueError(f"history_length={self.history_length} must be at least 1")
        if len(self.catalogue) < self._pool_size:
            size = "history_length" if self._pool_size <= self.history_length + 1 else "start_pool of the listener"
            raise ValueError(
                f"the catalogue has {len(self.catalogue)} tracks, but a session starts from {self._pool_size}; "
                f"use more tracks or a smaller {size}"
            )
        if unknown := sorted(set(self.reward) - set(self._terms)):
            raise ValueError(f"unknown reward term {unknown[0]!r}; choose from {sorted(self._terms)}")

    def __deepcopy__(self, memo: dict[int, Any]) -> SessionDynamics:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, f.name) for f in fields(self))

    def start(self, keys: Keys, history: Ints | None = None, room: int | None = None) -> SessionState:
        """Begin one session per key, (B,), with the given history, (B, H), or one drawn from the key.

        `room` is the number of played tracks to allocate; by default enough for every registered id. It grows.
        """
        n, length, d = len(keys), self.history_length, self.catalogue.features.shape[1]
        is_plain = self._is_compiled and self.listener is None and not self.observer.n_memory
        is_logged = not is_plain or self.observer.reads_log
        sessions = SessionState.blank(n, length, d, length + _ROOM if room is None else room, is_logged)
        self.restart(sessions, np.arange(n), keys, history)
        return sessions

    def restart(self, sessions: SessionState, rows: NDArray[np.intp], keys: Keys, history: Ints | None = None) -> None:
        """Restart the sessions in `rows`, (n,), in place, one per key, (n,); see :meth:`start`."""
        given, one, asked = self._given(sessions), self.listener, (None, None)
        if history is not None:
            history = self._checked_start(history, len(keys))
        n_uniforms, d = (0, 0) if one is None else (one.n_start_uniforms, sessions.vibe.shape[1])
        n_tracks, n_pool = len(self.catalogue), self._pool_size
        pool, units, dealt = kernels.draw(given[0], history, keys, n_tracks, n_pool, d, n_uniforms, self.certain)
        if isinstance(one, CompiledListener) and type(one).start is CompiledListener.start:
            if sessions.listener is None:
                sessions.listener = one.blank(len(sessions), d)
            asked = one.compiled_form(sessions.listener)
        elif one is not None:
            places, begun = one.start(units, self.history_length, dealt)
            pool = self._checked_start(pool[np.arange(len(pool))[:, None], places], len(keys))
            if sessions.listener is None:
                sessions.listener = begun
            else:
                sessions.listener.put(rows, begun)
        kernels.begin(given, keys, pool, rows, sessions.key, sessions.seed_vibe, *sessions.moved, *asked, units, dealt)
        self.observer.start(sessions, rows)

    def step(self, sessions: SessionState, tracks: Ints, result: StepResult | None = None) -> StepResult:
        """Play one track in each session, (B,), and update `sessions` in place.

        A step looks the tracks up, asks the listeners to respond, sums weight · term over the reward terms, and appends
        completed tracks to the window, whose mean is the vibe. Where repeats are forbidden, the listener is not asked
        about a repeat: it earns the lowest value of each term and changes no state. A given `result` is overwritten
        and returned.
        """
        if result is None:
            result = self.no_step(len(tracks))
        if (self._play if self._is_compiled else self._ask)(sessions, tracks, result):
            sessions.grow()
        if sessions.memory is not None:
            self.observer.move(sessions, result)
        return result

    def no_step(self, n_sessions: int) -> StepResult:
        """Return a zero-filled result for B sessions that have not played a track yet."""
        numbers = np.zeros((self._earning.shape[1], n_sessions), np.float32)
        flags, terms = np.zeros((3, n_sessions), np.bool_), {name: numbers[row] for name, row in self._rows.items()}
        seen = np.empty((n_sessions, self._n_shown), np.float32) if self._n_shown else None
        return StepResult(numbers, flags, seen, numbers[0], terms, numbers[1], *flags)

    def _play(self, sessions: SessionState, tracks: Ints, result: StepResult) -> bool:
        """Step in one compiled call, and return whether `played` is full."""
        one: Any = self.listener
        asked: tuple[Any, ...] = (None, False, None, None, 0)
        if one is not None:
            asked = sessions.key, self.certain, *one.compiled_form(sessions.listener), one.n_uniforms
        before = self._given(sessions), tracks, self._earning, result.numbers, result.flags
        seed_vibe = sessions.seed_vibe if "fit" in self.reward else None
        return kernels.play(*before, *sessions.moved, seed_vibe, result.seen, *asked)

    def _ask(self, sessions: SessionState, tracks: Ints, result: StepResult) -> bool:
        """Step with a listener or reward terms that are not compiled, and return whether `played` is full."""
        given, numbers, flags = self._given(sessions), result.numbers, result.flags
        units = np.empty((len(tracks), sessions.vibe.shape[1]), np.float32)
        state = sessions.played, sessions.vibe, sessions.seed_vibe
        kernels.look(given, tracks, *state, numbers, flags, units)
        response = {} if self.listener is None else self._respond(sessions, units, result)
        look = Look(tracks, result.cosine, numbers[2], result.repeat, response)
        for name, term in self._others.items():
            assert term.value is not None  # only terms of the compiled loop have none
            result.terms[name][:] = term.value(sessions, look)
        return kernels.move(given, tracks, self._earning, numbers, flags, *sessions.moved)

    def _respond(self, sessions: SessionState, units: Floats, result: StepResult) -> Mapping[str, Floats]:
        """Ask the listeners whose track is not refused to respond; write `completed` and `left`, return their terms."""
        assert self.listener is not None
        asked, state = np.flatnonzero(result.completed), sessions.listener
        chance = chances(sessions.key, sessions.time, self.listener.n_uniforms, 0, self.certain)
        if len(asked) < len(units):
            state, units, chance = state.take(asked), units[asked], chance[asked]
        response = self.listener.respond(state, units, result.cosine[asked], chance)
        if len(asked) < len(result.cosine):
            sessions.listener.put(asked, state)
        result.completed[asked] = True if response.completed is None else response.completed
        result.left[asked] = False if response.left is None else response.left
        terms = {name: np.zeros(len(result.cosine), np.float32) for name in response.terms}
        for name, values in response.terms.items():
            terms[name][asked] = values
        return terms

    def observe(self, sessions: SessionState) -> Floats:
        """Return the observations, (B, k)."""
        return self.observer.observe(sessions)

    @property
    def is_stochastic(self) -> bool:
        """Whether the responses of the listener are random."""
        return self.listener is not None and self.listener.n_uniforms > 0 and not self.certain

    def determinized(self) -> SessionDynamics:
        """Return the dynamics for planning: listeners respond in the likeliest way; expected rewards do not change."""
        return replace(self, certain=True) if self.is_stochastic else self

    def expected_rewards(self, sessions: SessionState, tracks: Ints | None = None) -> Floats:
        """Return the expected reward of each track if it were played now, given the true state of the listeners.

        Args:
            sessions: B sessions; not modified.
            tracks: (M,) the tracks to value; None for the whole catalogue, which is faster than listing all tracks.

        Returns:
            (B, M) or (B, N).
        """
        chosen = slice(None) if tracks is None else tracks
        direction, constant = self.likeness(sessions)
        reward: Floats = direction @ self.catalogue.unit_features[chosen].T + constant
        for name, weight in self.reward.items():
            if (expected := self._terms[name].expected) is not None:
                reward += np.float32(weight) * expected(sessions, chosen)
        if not self.repeats:
            reward[self.refused(sessions, tracks)] = self.reward_bounds[0]
        return reward

    @property
    def is_linear(self) -> bool:
        """Whether the expected reward of every track that is not refused is its :meth:`likeness`."""
        return all(self._terms[name].expected is None for name in self.reward)

    def likeness(self, sessions: SessionState) -> tuple[Floats, np.float32]:
        """Return directions, (B, d), and a constant: linear terms of unit features u sum to u·direction + constant."""
        direction, constant = np.zeros_like(sessions.vibe), np.float32(0)
        for name, given in self.reward.items():
            term, weight = self._terms[name], np.float32(given)
            if term.direction is not None:
                direction += weight * term.direction(sessions)
                constant += weight * np.float32(term.constant)
        return direction, constant

    def rising(self, sessions: SessionState) -> tuple[Floats, Callable[[Floats], Floats]] | None:
        """Return directions, (B, d), along which expected rewards rise, and the function from u·direction to rewards.

        The function maps products, (B, k), to rewards, (B, k). None if there is no such direction: then the best track
        can only be found by evaluating all tracks.
        """
        if self.is_linear:
            directions, constant = self.likeness(sessions)
            return directions, lambda products: products + constant
        (name, weight), *more = self.reward.items()
        if self.listener is None or more or name not in self.listener.term_bounds or weight <= 0:
            return None
        found = self.listener.rising(sessions.listener)
        return found and (found[0], lambda products: np.float32(weight) * found[1](products))

    def allowed(self, sessions: SessionState) -> Bools:
        """Return which tracks may be played now, (B, N); without repeats, those of which no version was played."""
        mask = np.ones((len(sessions), len(self.catalogue)), dtype=np.bool_)
        if not self.repeats:
            mask[self.refused(sessions)] = False
        return mask

    def refused(self, sessions: SessionState, tracks: Ints | None = None) -> tuple[Ints, Ints]:
        """Return the pairs that are repeats: session indices, and indices into `tracks` or the catalogue."""
        order, ordered = self._by_version if tracks is None else _grouped(self.first_versions[tracks])
        rows, places = np.nonzero(sessions.played >= 0)
        played = sessions.played[rows, places]
        first = np.searchsorted(ordered, played, side="left")
        counts = np.searchsorted(ordered, played, side="right") - first
        versions = np.arange(counts.sum()) + np.repeat(first - counts.cumsum() + counts, counts)
        return np.repeat(rows, counts), order[versions]

    @cached_property
    def first_versions(self) -> Ints:
        """For each track, (N,), the index of the first track of the same recording, or of the same song."""
        return self.catalogue.songs if self.same == "song" else self.catalogue.recordings

    @cached_property
    def observer(self) -> Observer:
        """The function from sessions to observations."""
        return observer(
            self.catalogue,
            self.state,
            self.history_length,
            shows_seed="fit" in self.reward,
            listener=self.listener,
        )

    @cached_property
    def baseline(self) -> float:
        """b: `reward_baseline`, or else the expected cosine of a random track to the mean of H random tracks."""
        if self.reward_baseline is not None:
            return self.reward_baseline
        return expected_cosine(self.catalogue, self.history_length)

    @property
    def term_bounds(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest value of each available reward term, before its weight."""
        return {name: term.bounds for name, term in self._terms.items()}

    @cached_property
    def reward_bounds(self) -> tuple[float, float]:
        """Lowest and highest reward of a step."""
        ends = [sorted(w * b for b in self._terms[name].bounds) for name, w in self.reward.items()]
        return sum(low for low, _ in ends), sum(high for _, high in ends)

    @cached_property
    def _terms(self) -> dict[str, RewardTerm]:
        """All available reward terms by name."""
        names = {**REWARD_TERMS, **{name: None for name in self.reward if ":" in name}}
        given = RewardTerm, self.catalogue, self.baseline
        terms = {name: make_named("reward term", name, REWARD_TERMS, *given) for name in names}
        bounds = {} if self.listener is None else self.listener.term_bounds
        return terms | {name: self._of_listener(name, ends) for name, ends in bounds.items()}

    def _of_listener(self, name: str, bounds: tuple[float, float]) -> RewardTerm:
        def expected(sessions: SessionState, tracks: Ints | slice) -> Floats:
            assert self.listener is not None
            units = self.catalogue.unit_features[tracks]
            return self.listener.expect(sessions.listener, units, unit(sessions.vibe) @ units.T)[name]

        return RewardTerm(bounds, lambda _, look: look.response[name], expected)

    @cached_property
    def _others(self) -> dict[str, RewardTerm]:
        """The rewarded terms that the compiled loop does not compute."""
        return {name: self._terms[name] for name in self.reward if name not in _LOOP_TERMS}

    @cached_property
    def _rows(self) -> dict[str, int]:
        """The row of each rewarded term in `StepResult.numbers`."""
        rows = {name: row for row, name in enumerate((*_LOOP_TERMS, *self._others), _N_NUMBERS)}
        return {name: rows[name] for name in self.reward}

    @cached_property
    def _n_shown(self) -> int:
        """Width of the observation if the compiled step writes it, as vibe and seed vibe alone; 0 for any other one."""
        width = self.catalogue.features.shape[1] * (1 + ("fit" in self.reward))
        return width if self._is_compiled and self.observer.shows_vibes(width) else 0

    def _given(self, sessions: SessionState) -> Given:
        """Return features, first versions and `repeats` for the compiled loops."""
        if len(sessions.key) < _MANY or len(self.catalogue) > _MOST:
            return self._table
        return self._lines

    @cached_property
    def _table(self) -> Given:
        return self.catalogue.features, self.first_versions, self.repeats

    @cached_property
    def _lines(self) -> Given:
        """As `_table`, each track aligned to a cache line: large batches spend most of a step waiting for memory."""
        kept = _lines_by_same.setdefault(self.catalogue, {})
        if self.same not in kept:
            kept[self.same] = in_lines(self.catalogue.features, self.first_versions)
        return *kept[self.same], self.repeats

    @cached_property
    def _earning(self) -> Floats:
        """For each row of `StepResult.numbers`: weight, offset subtracted before it, weighted value of a repeat."""
        earning = np.zeros((3, _N_NUMBERS + len(_LOOP_TERMS) + len(self._others)), np.float32)
        earning[1, _N_NUMBERS : _N_NUMBERS + len(_LOOP_TERMS)] = self.baseline
        for name, row in self._rows.items():
            weight = self.reward[name]
            earning[[0, 2], row] = weight, min(weight * bound for bound in self._terms[name].bounds)
        return earning

    @cached_property
    def _is_compiled(self) -> bool:
        """Whether a compiled loop does the whole step: listener and terms, at most one of them the listener's."""
        if self.listener is None:
            return not self._others
        kind = type(self.listener)
        is_compiled = issubclass(kind, CompiledListener) and kind.respond is CompiledListener.respond
        return is_compiled and len(self._others) <= 1 and self._others.keys() <= self.listener.term_bounds.keys()

    @property
    def _pool_size(self) -> int:
        """Number of tracks to draw for a start: H, or more if the listener chooses the history among them."""
        n_drawn = 0 if self.listener is None else self.listener.start_pool
        return max(self.history_length + (n_drawn > 0), n_drawn)

    def _checked_start(self, tracks: Ints, n_sessions: int) -> Ints:
        """Return the starting tracks, (n, H), after checking them: compiled loops do not check bounds."""
        given, n_tracks = np.asarray(tracks), len(self.catalogue)
        is_right = given.shape == (n_sessions, self.history_length) and given.dtype.kind in "iu"
        if not is_right or ((given < 0) | (given >= n_tracks)).any():
            raise ValueError(
                f"{n_sessions} sessions need {self.history_length} tracks each, from 0 to {n_tracks - 1}; "
                f"got {given.dtype} {given.shape}"
            )
        return given.astype(np.int64)

    @cached_property
    def _by_version(self) -> tuple[Ints, Ints]:
        return _grouped(self.first_versions)


def _grouped(versions: Ints) -> tuple[Ints, Ints]:
    """Return the order that groups equal versions, and the versions in that order."""
    order = np.argsort(versions, kind="stable")
    return order, versions[order]
