"""The rules of a listening session: how it starts, what a track earns, how the vibe moves; once, for a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue
from spotify_gym.listeners import Listener
from spotify_gym.listeners.certain import CertainListener
from spotify_gym.session import kernels
from spotify_gym.session.baseline import expected_cosine
from spotify_gym.session.observation import Observer, observer
from spotify_gym.session.state import Bools, Floats, Ints, SessionState, StepResult
from spotify_gym.session.streams import Keys, fast_uniforms

_DECAY = np.float32(0.9)  # of a track's weight in `SessionState.memory` with each further track heard
_ROOM = 51  # tracks that a fresh session has room for, one to spare; it grows


@dataclass(frozen=True, eq=False)
class SessionDynamics:
    """One problem of the family, exactly.

    Attributes:
        catalogue: what can be played, N tracks with d features.
        reward: weight of each reward term: "flow", the cosine of the track to the vibe; "fit", its cosine to the seed
            vibe; and those of the listener.
        history_length: H, the tracks whose mean is the vibe.
        state: what the agent sees, one of :data:`~spotify_gym.session.observation.STATES`.
        repeats: whether a recording may play again. Where it may not, playing it earns the lowest reward and leaves
            vibe and listener as they were.
        reward_baseline: b, taken from each cosine; None for the catalogue's own, :attr:`baseline`.
        listener: who listens; None for nobody in particular, who hears everything out.
    """

    catalogue: Catalogue
    reward: Mapping[str, float]
    history_length: int = 5
    state: str = "mean"
    repeats: bool = True
    reward_baseline: float | None = None
    listener: Listener[Any] | None = None

    def __post_init__(self) -> None:
        if self.history_length < 1:
            raise ValueError(f"history_length={self.history_length} must be at least 1")
        if len(self.catalogue) < self._pool_size:
            raise ValueError(
                f"the catalogue has {len(self.catalogue)} tracks, and a session starts from {self._pool_size}; "
                "bring more tracks or a smaller history_length"
            )
        if unknown := sorted(set(self.reward) - set(self.term_bounds)):
            raise ValueError(f"unknown reward term {unknown[0]!r}; choose from {sorted(self.term_bounds)}")

    def __deepcopy__(self, memo: dict[int, Any]) -> SessionDynamics:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, f.name) for f in fields(self))

    @cached_property
    def observer(self) -> Observer:
        """What the agent sees."""
        return observer(
            self.catalogue,
            self.state,
            self.history_length,
            shows_seed="fit" in self.reward,
            listener=self.listener,
        )

    @cached_property
    def baseline(self) -> float:
        """The b in use: as given, or the expected cosine of a random track to the mean of H random tracks."""
        if self.reward_baseline is not None:
            return self.reward_baseline
        return expected_cosine(self.catalogue, self.history_length)

    @cached_property
    def _weights(self) -> list[tuple[str, Floats | None]]:
        """Weights as arrays of shape (1,), which NumPy multiplies faster than scalars; None for 1."""
        return [(name, None if w == 1 else np.array([w], np.float32)) for name, w in self.reward.items()]

    @cached_property
    def _baseline(self) -> Floats:
        return np.array([self.baseline], np.float32)

    @cached_property
    def term_bounds(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest value of each possible reward term, before its weight."""
        cosine = (-1.0 - self.baseline, 1.0 - self.baseline)
        own = {} if self.listener is None else dict(self.listener.term_bounds)
        return {"flow": cosine, "fit": cosine, **own}

    @cached_property
    def reward_bounds(self) -> tuple[float, float]:
        """Lowest and highest reward of a step."""
        ends = [sorted(w * b for b in self.term_bounds[name]) for name, w in self.reward.items()]
        return sum(low for low, _ in ends), sum(high for _, high in ends)

    @property
    def is_stochastic(self) -> bool:
        """Whether chance has a part in how listeners respond."""
        return self.listener is not None and self.listener.n_uniforms > 0

    def determinized(self) -> SessionDynamics:
        """Return the rules to plan by: listeners do what is most likely, and expected rewards are what they were."""
        if self.listener is None or not self.is_stochastic:
            return self
        return replace(self, listener=CertainListener(self.listener))

    def start(self, keys: Keys, history: Ints | None = None) -> SessionState:
        """Begin one session per key, (B,), with the given history (B, H) or one drawn from the key."""
        n_start = self.listener.n_start_uniforms if self.listener is not None else 0
        n_pool = 0 if history is not None else self._pool_size
        drawn = fast_uniforms(keys, np.zeros(len(keys), np.int64) - 1, n_pool + n_start)
        pool = kernels.fast_distinct(drawn[:, :n_pool], len(self.catalogue)) if history is None else history
        listener = None
        if self.listener is not None:
            units = self.catalogue.unit_features[pool]
            chosen, listener = self.listener.start(units, self.history_length, _single(drawn[:, n_pool:]))
            pool = np.take_along_axis(pool, chosen, axis=1)
        return self._sessions(keys, pool, listener)

    def step(self, sessions: SessionState, tracks: Ints) -> StepResult:
        """Play one track in each session, (B,), and move `sessions`, in place."""
        if self.listener is None and sessions.memory is None:
            return self._play(sessions, tracks)
        catalogue = self.catalogue
        looked, recording, cosine, fit, repeat, any_repeat = kernels.fast_look(
            catalogue.features,
            catalogue.recordings,
            tracks,
            sessions.vibe,
            sessions.seed_vibe,
            sessions.played,
            sessions.time,
            self.history_length,
        )
        raw = self._compare(cosine, fit)
        refused = repeat if any_repeat and not self.repeats else None
        heard, left = self._respond(sessions, looked, cosine, refused, raw)
        terms = self._weigh(raw, refused)
        self._move(sessions, tracks, looked, recording, heard)
        return StepResult(_total(terms), terms, cosine, repeat, heard, left)

    def expected_rewards(self, sessions: SessionState, tracks: Ints | None = None) -> Floats:
        """Return the expected reward of each track if it were played now, in the listeners' true state.

        Args:
            sessions: B sessions; they stay as they are.
            tracks: (M,) the tracks to value; None for the whole catalogue, which is quicker than naming all of it.

        Returns:
            (B, M) or (B, N).
        """
        units = self.catalogue.unit_features
        units = units if tracks is None else units[tracks]
        direction, constant = self.likeness(sessions)
        reward: Floats = direction @ units.T + constant
        if self.listener is not None:
            terms = self.listener.expect(sessions.listener, units, _unit(sessions.vibe) @ units.T)
            for name in terms.keys() & self.reward.keys():
                reward += np.float32(self.reward[name]) * terms[name]
        if not self.repeats:
            reward[self.refused(sessions, tracks)] = self.reward_bounds[0]
        return reward

    def likeness(self, sessions: SessionState) -> tuple[Floats, np.float32]:
        """Return directions (B, d) and a constant: "flow" and "fit" of a track u come to u·direction + constant."""
        flow, fit = (np.float32(self.reward.get(name, 0.0)) for name in ("flow", "fit"))
        direction: Floats = flow * _unit(sessions.vibe) + fit * _unit(sessions.seed_vibe)
        return direction, -np.float32(self.baseline) * (flow + fit)

    def allowed(self, sessions: SessionState) -> Bools:
        """Return which tracks may be played now, (B, N): all but the recordings played, where repeats are forbidden."""
        mask = np.ones((len(sessions), len(self.catalogue)), dtype=np.bool_)
        if not self.repeats:
            mask[self.refused(sessions)] = False
        return mask

    def refused(self, sessions: SessionState, tracks: Ints | None = None) -> tuple[Ints, Ints]:
        """Return which pairs of session and track are repeats: sessions, and places in `tracks` or the catalogue."""
        order, ordered = self._by_recording if tracks is None else _grouped(self.catalogue.recordings[tracks])
        n_played = self.history_length + sessions.time
        rows, places = np.nonzero(np.arange(sessions.played.shape[1]) < n_played[:, None])  # the rest repeats the first
        played = sessions.played[rows, places]
        first = np.searchsorted(ordered, played, side="left")
        counts = np.searchsorted(ordered, played, side="right") - first
        versions = np.arange(counts.sum()) + np.repeat(first - counts.cumsum() + counts, counts)
        return np.repeat(rows, counts), order[versions]

    def observe(self, sessions: SessionState) -> Floats:
        """Return what the agents see, (B, k)."""
        return self.observer.observe(sessions)

    @property
    def _pool_size(self) -> int:
        return max(self.history_length, 0 if self.listener is None else self.listener.start_pool)

    @cached_property
    def _by_recording(self) -> tuple[Ints, Ints]:
        return _grouped(self.catalogue.recordings)

    def _sessions(self, keys: Keys, history: Ints, listener: Any) -> SessionState:
        window = self.catalogue.features[history]
        vibe = np.add.reduce(window, axis=1) / np.float32(self.history_length)
        recordings = self.catalogue.recordings[history]
        played = np.empty((len(keys), self.history_length + _ROOM), np.int64)
        played[:] = recordings[:, :1]
        played[:, : self.history_length] = recordings
        return SessionState(
            key=keys,
            time=np.zeros(len(keys), np.int64),
            played=played,
            history=history.copy(),
            window=window,
            vibe=vibe,
            seed_vibe=vibe.copy(),
            memory=_remember(window) if "decayed" in self.state else None,
            listener=listener,
        )

    def _play(self, sessions: SessionState, tracks: Ints) -> StepResult:
        """Do what `step` does, in one loop, where nobody has to be asked and only the window is remembered."""
        cosine, fit, repeat, heard, any_repeat, full = kernels.fast_play(
            self.catalogue.features,
            self.catalogue.recordings,
            tracks,
            self.repeats,
            sessions.time,
            sessions.played,
            sessions.history,
            sessions.window,
            sessions.vibe,
            sessions.seed_vibe,
        )
        if full:
            sessions.grow()
        terms = self._weigh(self._compare(cosine, fit), repeat if any_repeat and not self.repeats else None)
        return StepResult(_total(terms), terms, cosine, repeat, heard, np.zeros(len(tracks), np.bool_))

    def _compare(self, cosine: Floats, fit: Floats) -> dict[str, Floats]:
        """Return the terms that need no listener, before their weights."""
        if "fit" in self.reward:
            return {"flow": cosine - self._baseline, "fit": fit - self._baseline}
        return {"flow": cosine - self._baseline}

    def _respond(
        self, sessions: SessionState, looked: Floats, cosine: Floats, refused: Bools | None, raw: dict[str, Floats]
    ) -> tuple[Bools, Bools]:
        """Ask the listeners whose track is not refused; add their terms to `raw`; return heard and left."""
        left = np.zeros(len(looked), np.bool_)
        heard = ~left if refused is None else ~refused
        if self.listener is None:
            return heard, left
        asked = slice(None) if refused is None else np.flatnonzero(heard)
        state = sessions.listener if refused is None else sessions.listener.take(asked)
        unit = _unit(looked[asked])
        chance = _single(fast_uniforms(sessions.key, sessions.time, self.listener.n_uniforms)[asked])
        response = self.listener.respond(state, unit, cosine[asked], chance)
        if refused is not None:
            sessions.listener.put(asked, state)
        for name, values in response.terms.items():
            raw[name] = np.zeros(len(looked), np.float32)
            raw[name][asked] = values
        if response.listened is not None:
            heard[asked] = response.listened
        if response.left is not None:
            left[asked] = response.left
        return heard, left

    def _weigh(self, raw: Mapping[str, Floats], refused: Bools | None) -> dict[str, Floats]:
        """Weigh the terms that count, (B,), each at its lowest where the track is refused."""
        terms = {name: raw[name] if weight is None else weight * raw[name] for name, weight in self._weights}
        if refused is not None:
            for name, values in terms.items():
                values[refused] = min(self.reward[name] * bound for bound in self.term_bounds[name])
        return terms

    def _move(self, sessions: SessionState, tracks: Ints, looked: Floats, recording: Ints, heard: Bools) -> None:
        """Note the tracks as played, and let those heard out enter history, vibe and memory."""
        full = kernels.fast_move(
            looked,
            recording,
            tracks,
            heard,
            sessions.time,
            sessions.played,
            sessions.history,
            sessions.window,
            sessions.vibe,
        )
        if full:
            sessions.grow()
        if sessions.memory is not None:
            sessions.memory[heard] = _DECAY * sessions.memory[heard] + (1 - _DECAY) * looked[heard]


def _grouped(recordings: Ints) -> tuple[Ints, Ints]:
    """Return places with the versions of a recording side by side, and the recording of each."""
    order = np.argsort(recordings, kind="stable")
    return order, recordings[order]


def _single(uniform: NDArray[np.float64]) -> Floats:
    """Uniform numbers in [0, 1) as float32, none of them rounded up to 1."""
    return (uniform * (1 - 2.0**-24)).astype(np.float32)


def _unit(vibe: Floats) -> Floats:
    return vibe / kernels.lengths(vibe)[:, None]


def _total(terms: Mapping[str, Floats]) -> Floats:
    return reduce(np.add, terms.values())


def _remember(window: Floats) -> Floats:
    """Mean over the window, (B, H, d), weights falling geometrically with age."""
    weights = _DECAY ** np.arange(window.shape[1] - 1, -1, -1, dtype=np.float32)
    memory: Floats = np.einsum("h,bhd->bd", weights / weights.sum(), window)
    return memory
