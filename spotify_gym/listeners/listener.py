"""Base classes of listeners: how a person responds to a track, and when they leave."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from spotify_gym.compiled import compiled

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
S = TypeVar("S", bound="BatchState")

MAX_BYTES = 1_000_000
"""The largest JSON file of a listener that is read."""


@dataclass
class BatchState:
    """Arrays (or further batch states) whose first axis is the session.

    A subclass only lists its fields. Planners copy sessions with :meth:`take`; autoreset writes fresh ones over
    ended ones with :meth:`put`.
    """

    def take(self, rows: NDArray[Any]) -> Self:
        """Copy the given sessions, in the given order; an index may stand more than once."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return type(self)(**{name: _take(part, rows) for name, part in parts.items()})

    def put(self, rows: NDArray[Any], other: Self) -> None:
        """Overwrite the given sessions with those of `other`, one for one."""
        for f in fields(self):
            mine, theirs = getattr(self, f.name), getattr(other, f.name)
            if isinstance(mine, BatchState):
                mine.put(rows, theirs)
            elif mine is not None:
                mine[rows] = theirs


def _take(part: Any, rows: NDArray[Any]) -> Any:
    if part is None:
        return None
    return part.take(rows) if isinstance(part, BatchState) else np.take(part, rows, axis=0)


@dataclass(init=False)
class Response:
    """What the listeners of B sessions did with one track each."""

    terms: Mapping[str, Floats]
    """Reward terms by name, each (B,)."""
    completed: Bools | None = None
    """(B,) whether the track was heard out, so that it enters the history; None: all were."""
    left: Bools | None = None
    """(B,) whether the listener ends the session with this track; None: nobody does."""

    def __init__(
        self, terms: Mapping[str, Floats], completed: Bools | None = None, left: Bools | None = None, **other: Any
    ) -> None:
        if other:
            raise TypeError(f"Response has no {', '.join(other)}; what was `listened` is now called `completed`")
        self.terms, self.completed, self.left = terms, completed, left


class Listener(ABC, Generic[S]):
    """The model of a person, for a batch of sessions: arrays in, arrays out.

    A listener knows no session and draws no random numbers: the uniform numbers it needs are handed to it, so that a
    session is a pure function of its seed. Tracks come as *unit features* u = x / ‖x‖ (0 where x = 0).

    Example:
        Your own listener defines its state, how a session starts, how it responds, the expected response, and
        optionally the part of its state that the agent observes. This one likes change, and leaves after any track
        with probability 0.02.

        >>> from dataclasses import dataclass
        >>> import gymnasium, numpy as np
        >>> from spotify_gym.listeners import BatchState, Listener, Response
        >>> @dataclass
        ... class Whereabouts(BatchState):
        ...     place: np.ndarray  # (B, d) where the music has lately been
        >>> class RestlessListener(Listener[Whereabouts]):
        ...     n_uniforms = 1
        ...     term_bounds = {"change": (0.0, 1.0)}
        ...
        ...     def start(self, pool, history_length, uniforms):
        ...         in_order = np.tile(np.arange(history_length), (len(pool), 1))
        ...         return in_order, Whereabouts(pool.mean(axis=1))
        ...
        ...     def respond(self, state, unit, cosine, uniforms):
        ...         change = (1 - np.einsum("bd,bd->b", unit, state.place)) / 2
        ...         state.place += (unit - state.place) / 10
        ...         return Response({"change": change}, left=uniforms[:, 0] < 0.02)
        ...
        ...     def expect(self, state, units, cosine):
        ...         return {"change": (1 - state.place @ units.T) / 2}
        ...
        ...     def visible(self, state):
        ...         return state.place
        ...
        ...     def visible_bounds(self, n_features):
        ...         return np.full(n_features, -1, np.float32), np.full(n_features, 1, np.float32)

        Pass it to any environment of the family, single or vector:

        >>> reward = {"flow": 1.0, "change": 0.5}
        >>> env = gymnasium.make("SpotifySession-v0", listener=RestlessListener(), reward=reward)
    """

    name: ClassVar[str] = ""
    """Name of this class, not of its subclasses, in the registry of listeners; "": not registered."""
    n_uniforms: ClassVar[int] = 0
    """Uniform numbers in [0, 1) used by each response."""
    n_start_uniforms: ClassVar[int] = 0
    """Uniform numbers in [0, 1) used at the start of a session."""
    hides: ClassVar[bool] = False
    """Whether the listener has a hidden state, which an agent can only infer from the responses."""
    visible_vectors: ClassVar[int] = 0
    """Number of feature vectors that :meth:`visible` consists of; 0: it has other numbers."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "expect" in vars(cls) and "rising" not in vars(cls):  # what a parent says of it is so no more
            cls.rising = Listener.rising  # type: ignore[method-assign]

    @property
    def start_pool(self) -> int:
        """Number of distinct tracks to draw, from which the listener chooses the history; 0: only the history."""
        return 0

    @property
    @abstractmethod
    def term_bounds(self) -> Mapping[str, tuple[float, float]]:
        """The reward terms of this listener, each with its lowest and highest value; may be a class attribute."""

    @abstractmethod
    def start(self, pool: Floats, history_length: int, uniforms: Floats) -> tuple[NDArray[np.intp], S]:
        """Start B sessions.

        Args:
            pool: (B, P, d) unit features of P distinct tracks drawn at random. P is `history_length` where the history
                was given by the user, else at least `start_pool`.
            history_length: how many of them were heard before the session starts.
            uniforms: (B, n_start_uniforms) in [0, 1).

        Returns:
            (B, history_length) positions in the pool, the oldest first, and the listeners' state.
        """

    @abstractmethod
    def respond(self, state: S, unit: Floats, cosine: Floats, uniforms: Floats) -> Response:
        """Respond to one track per session and update `state` in place.

        Args:
            state: of B listeners.
            unit: (B, d) unit features of the tracks.
            cosine: (B,) cosine of the tracks to the vibe, in [-1, 1].
            uniforms: (B, n_uniforms) in [0, 1).
        """

    @abstractmethod
    def expect(self, state: S, units: Floats, cosine: Floats) -> Mapping[str, Floats]:
        """Return the expected reward terms, each (B, N), of playing each of N tracks now; `state` is not changed.

        Args:
            state: of B listeners.
            units: (N, d) unit features of the tracks, the same for all sessions.
            cosine: (B, N) cosines to the vibe.
        """

    def rising(self, state: S) -> tuple[Floats, Callable[[Floats], Floats]] | None:
        """Return directions (B, d) along which the expected term rises, and the function from dot products to it.

        With them the best track can be found by an index, without valuing every track. None, as here: there is no such
        direction, or more than one term.
        """
        return None

    def rollout_rewards(
        self, state: S, units: Floats, cosine: Floats, rest: Floats, rest_cosine: Floats
    ) -> Mapping[str, Floats]:
        """Return the summed reward terms of K later tracks if each of N tracks were played before them.

        Planners call this. Here the tracks are played to N copies of the listener; override it if there is a faster
        way. It is deterministic: every uniform number is 1/2.

        Args:
            state: of one listener, a batch of one; not changed.
            units: (N, d) unit features of the tracks, one of which plays now.
            cosine: (N,) their cosines to the vibe.
            rest: (K, d) unit features of the tracks that follow, the same whichever plays now.
            rest_cosine: (K, N) their cosines to the vibe then.

        Returns:
            Terms, (N,) each, of the K tracks alone.
        """
        listeners = state.take(np.zeros(len(units), np.intp))
        middling = np.full((len(units), self.n_uniforms), 0.5, np.float32)
        self.respond(listeners, units, cosine, middling)
        totals = {name: np.zeros(len(units), np.float32) for name in self.term_bounds}
        for unit, its_cosine in zip(rest, rest_cosine, strict=True):
            response = self.respond(listeners, np.broadcast_to(unit, units.shape), its_cosine, middling)
            for name, values in response.terms.items():
                totals[name] += values
        return totals

    def visible(self, state: S) -> Floats | None:
        """Return the part of the state that an agent observes, (B, k); None: nothing."""
        return None

    def visible_bounds(self, n_features: int) -> tuple[Floats, Floats] | None:
        """Return the lower and the upper bounds, (k,) each, of what :meth:`visible` returns."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return what it is and its values, plain as in JSON; an environment takes that for the listener.

        Raises:
            TypeError: it has values, and is no dataclass that lists them or holds what JSON cannot.
        """
        kind = vars(type(self)).get("name") or f"{type(self).__module__}:{type(self).__qualname__}"
        if not is_dataclass(self) and vars(self):
            raise TypeError(f"{self!r} cannot be written down: make {kind} a dataclass that lists its values")
        names: list[str] = [f.name for f in fields(self)] if is_dataclass(self) else []
        values = {name: getattr(self, name) for name in names}
        plain: dict[str, Any] = json.loads(json.dumps({"listener": kind, **values}))
        return plain

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make the listener of these values; those not given are the class's own.

        Raises:
            ValueError: they are those of another class, or not allowed.
        """
        own = {name: as_tuples(value) for name, value in values.items() if name != "listener"}
        try:
            return cls(**own)
        except TypeError as error:
            raise ValueError(f"{own!r:.200} are no values of {cls.__name__}: {error}") from error

    @classmethod
    def from_json(cls, path: str | Path) -> Self:
        """Read the listener that :meth:`to_json` wrote.

        Raises:
            ValueError: the file is no JSON, or holds something else than the values of this class.
        """
        values = values_in(path)
        try:
            return cls.from_dict(values)
        except ValueError as error:
            raise ValueError(f"{path} holds no {cls.__name__}: {error}") from error

    def to_json(self, path: str | Path) -> None:
        """Write :meth:`to_dict` to a file."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")


class CompiledListener(Listener[S]):
    """A listener of one term that begins and responds in code that :func:`compile_listener` has been told.

    A child that leaves this to it deals it no fewer numbers: loops look at no bounds.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, compiled_too in (("n_start_uniforms", "start"), ("n_uniforms", "respond")):
            is_compiled = getattr(cls, compiled_too) is getattr(CompiledListener, compiled_too)
            if is_compiled and any(getattr(cls, name) < getattr(parent, name, 0) for parent in cls.__mro__[1:]):
                raise TypeError(f"{cls.__name__}.{name} must be no less than its parent's, or {compiled_too} its own")

    @abstractmethod
    def blank(self, n_sessions: int, n_features: int) -> S:
        """Return the state of B listeners whose sessions are still to begin."""

    @abstractmethod
    def compiled_form(self, state: S) -> tuple[Any, Any]:
        """Return the listener's numbers and `state` as named tuples of arrays and numbers, not copied."""

    def start(self, pool: Floats, history_length: int, uniforms: Floats) -> tuple[NDArray[np.intp], S]:
        """Begin one session after the other."""
        if pool.shape[1] < history_length or uniforms.shape[1] < self.n_start_uniforms:
            raise ValueError(
                f"{type(self).__name__} starts from {history_length} tracks and {self.n_start_uniforms} uniform "
                f"numbers; got {pool.shape} and {uniforms.shape}"
            )
        state, places = self.blank(len(pool), pool.shape[2]), np.empty((len(pool), history_length), np.intp)
        meet(*self.compiled_form(state), np.arange(len(pool)), pool, uniforms, places)
        return places, state

    def respond(self, state: S, unit: Floats, cosine: Floats, uniforms: Floats) -> Response:
        """Respond one session after the other."""
        term, flags = np.empty(len(unit), np.float32), np.ones((2, len(unit)), np.bool_)
        ask(*self.compiled_form(state), unit, cosine, uniforms, term, flags)
        return Response(dict.fromkeys(self.term_bounds, term), *flags)


def arrive(listener: Any, mind: Any, b: int, pool: Floats, i: int, chance: Floats, places: NDArray[np.intp]) -> None:
    """Begin session b: choose its starting tracks, and write what the listener remembers: for compiled loops alone.

    Args:
        listener: its numbers, as :meth:`CompiledListener.compiled_form` returns them,
        mind: and what it remembers of each session.
        b: the session.
        pool: (n, P, d) unit features of the tracks drawn for n sessions that begin, of which this is the i-th.
        i: its place among them.
        chance: (n, n_start_uniforms) in [0, 1).
        places: (n, H) to be written: positions in the pool, the oldest first.
    """
    raise NotImplementedError


def answer(listener: Any, mind: Any, b: int, units: Floats, cosine: Floats, chance: Floats) -> Any:
    """Respond to one track in session b, and move what the listener remembers of it: for compiled loops alone.

    Args:
        listener: its numbers, as :meth:`CompiledListener.compiled_form` returns them,
        mind: and what it remembers of each session.
        b: the session.
        units: (B, d) unit features of the tracks.
        cosine: (B,) of the tracks to the vibe.
        chance: (B, n_uniforms) in [0, 1).

    Returns:
        The term, whether the track was heard out, whether the listener leaves.
    """
    raise NotImplementedError


def compile_listener(kind: type, arrival: Callable[..., None], response: Callable[..., Any]) -> None:
    """Say how listeners :func:`arrive` and :func:`answer` whose numbers are a `kind`, a class of named tuples."""

    @overload(arrive, strict=False, inline="always")
    def arrives(
        listener: Any, mind: Any, b: Any, pool: Any, i: Any, chance: Any, places: Any
    ) -> Callable[..., None] | None:
        return arrival if getattr(listener, "instance_class", None) is kind else None

    @overload(answer, strict=False, inline="always")
    def answers(listener: Any, mind: Any, b: Any, units: Any, cosine: Any, chance: Any) -> Callable[..., Any] | None:
        return response if getattr(listener, "instance_class", None) is kind else None


@compiled(_nrt=False)
def meet(
    listener: Any, mind: Any, rows: NDArray[np.intp], pool: Floats, chance: Floats, places: NDArray[np.intp]
) -> None:
    """Let the listeners of some sessions, (n,), arrive; the rest as in :func:`arrive`."""
    for i, b in enumerate(rows):
        arrive(listener, mind, b, pool, i, chance, places)


@compiled(_nrt=False)  # nothing is allocated here, and to count references to arrays would take longer than all else
def ask(listener: Any, mind: Any, units: Floats, cosine: Floats, chance: Floats, term: Floats, flags: Bools) -> None:
    """Let the listeners whose first flag is set answer; write terms, (B,), and who completed and who left, (2, B)."""
    for b in range(len(units)):
        if flags[0, b]:
            term[b], flags[0, b], flags[1, b] = answer(listener, mind, b, units, cosine, chance)


def as_tuples(value: Any) -> Any:
    """Return lists, which JSON has for tuples, as such, at any depth."""
    return tuple(map(as_tuples, value)) if isinstance(value, (list, tuple)) else value


def values_in(path: str | Path) -> dict[str, Any]:
    """Read the values of a listener from its JSON file.

    Raises:
        ValueError: there is no such file, or it holds no values.
    """
    try:
        if Path(path).stat().st_size > MAX_BYTES or not Path(path).is_file():
            raise ValueError(f"it is no regular file of up to {MAX_BYTES:,} bytes")
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} holds no listener as to_json writes one: {error}") from error
    if not isinstance(values, dict) or not values:
        raise ValueError(f"{path} holds no listener as to_json writes one, but {str(values)[:40]}")
    return values
