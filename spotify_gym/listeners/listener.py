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
"""Size limit of the JSON file of a listener, in bytes."""


@dataclass
class BatchState:
    """Arrays (or further batch states) whose first axis is the session.

    A subclass only lists its fields. Planners copy sessions with :meth:`take`; autoreset overwrites ended sessions
    with new ones by :meth:`put`.
    """

    def take(self, rows: NDArray[Any]) -> Self:
        """Copy the given sessions, in the given order; an index may occur more than once."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return type(self)(**{name: _take(part, rows) for name, part in parts.items()})

    def put(self, rows: NDArray[Any], other: Self) -> None:
        """Overwrite the given sessions with those of `other`, in order."""
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
    """The responses of the listeners of B sessions to one track each."""

    terms: Mapping[str, Floats]
    """Reward terms by name, each (B,)."""
    completed: Bools | None = None
    """(B,) whether the track was heard out, so that it enters the history; None: all tracks were."""
    left: Bools | None = None
    """(B,) whether the listener ends the session with this track; None: no listener does."""

    def __init__(
        self, terms: Mapping[str, Floats], completed: Bools | None = None, left: Bools | None = None, **other: Any
    ) -> None:
        if other:
            raise TypeError(f"Response has no {', '.join(other)}; `listened` is now called `completed`")
        self.terms, self.completed, self.left = terms, completed, left


class Listener(ABC, Generic[S]):
    """The model of a person, for a batch of sessions.

    A listener has no access to the session and draws no random numbers: it is given the uniform numbers it needs, so
    that a session is a pure function of its seed. Tracks are given as *unit features* u = x / ‖x‖ (0 where x = 0).

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
    """Number of uniform numbers in [0, 1) used by each response."""
    n_start_uniforms: ClassVar[int] = 0
    """Number of uniform numbers in [0, 1) used at the start of a session."""
    hides: ClassVar[bool] = False
    """Whether the listener has a hidden state, which an agent can only infer from the responses."""
    visible_vectors: ClassVar[int] = 0
    """Number of feature-space vectors that :meth:`visible` consists of; 0 if it returns anything else."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "expect" in vars(cls) and "rising" not in vars(cls):  # an inherited `rising` does not match the new `expect`
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
            pool: (B, P, d) unit features of P distinct random tracks. P is `history_length` if the user gave the
                history, else at least `start_pool`.
            history_length: H, the number of tracks heard before the session starts.
            uniforms: (B, n_start_uniforms) in [0, 1).

        Returns:
            Positions of the starting tracks in the pool, (B, history_length), the oldest first, and the state.
        """

    @abstractmethod
    def respond(self, state: S, unit: Floats, cosine: Floats, uniforms: Floats) -> Response:
        """Respond to one track per session and update `state` in place.

        Args:
            state: state of B listeners.
            unit: (B, d) unit features of the tracks.
            cosine: (B,) cosine of the tracks to the vibe, in [-1, 1].
            uniforms: (B, n_uniforms) in [0, 1).
        """

    @abstractmethod
    def expect(self, state: S, units: Floats, cosine: Floats) -> Mapping[str, Floats]:
        """Return the expected reward terms, each (B, N), of playing each of N tracks now; `state` is not changed.

        Args:
            state: state of B listeners.
            units: (N, d) unit features of the tracks, the same for all sessions.
            cosine: (B, N) cosines to the vibe.
        """

    def rising(self, state: S) -> tuple[Floats, Callable[[Floats], Floats]] | None:
        """Return directions (B, d) along which the expected term rises, and the function from dot products to it.

        With them the best track can be found by an index, without valuing every track. None, the default: there is no
        such direction, or more than one term.
        """
        return None

    def rollout_rewards(
        self, state: S, units: Floats, cosine: Floats, rest: Floats, rest_cosine: Floats
    ) -> Mapping[str, Floats]:
        """Return the summed reward terms of K later tracks if each of N tracks were played before them.

        Planners call this. Here the tracks are played to N copies of the listener; override it if there is a faster
        way. It is deterministic: every uniform number is 1/2.

        Args:
            state: state of one listener, a batch of one; not changed.
            units: (N, d) unit features of the candidates, one of which plays now.
            cosine: (N,) their cosines to the vibe.
            rest: (K, d) unit features of the later tracks, the same for all candidates.
            rest_cosine: (K, N) their cosines to the vibe when they play, for each candidate.

        Returns:
            Terms of the K tracks, without the candidate, (N,) each.
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
        """Return the lower and the upper bounds, (k,) each, of :meth:`visible`; None: nothing is visible."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return class name and parameters as plain JSON values; environments accept them as `listener`.

        Raises:
            TypeError: the listener has parameters but is not a dataclass, or JSON cannot represent one of them.
        """
        kind = vars(type(self)).get("name") or f"{type(self).__module__}:{type(self).__qualname__}"
        if not is_dataclass(self) and vars(self):
            raise TypeError(f"{self!r} cannot be saved as JSON: make {kind} a dataclass of its values")
        names: list[str] = [f.name for f in fields(self)] if is_dataclass(self) else []
        values = {name: getattr(self, name) for name in names}
        plain: dict[str, Any] = json.loads(json.dumps({"listener": kind, **values}))
        return plain

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Create a listener from its parameters; missing ones get their defaults.

        Raises:
            ValueError: a parameter is unknown, or its value is not allowed.
        """
        own = {name: as_tuples(value) for name, value in values.items() if name != "listener"}
        try:
            return cls(**own)
        except TypeError as error:
            raise ValueError(f"{own!r:.200} are not values of {cls.__name__}: {error}") from error

    @classmethod
    def from_json(cls, path: str | Path) -> Self:
        """Read a listener from a file written by :meth:`to_json`.

        Raises:
            ValueError: the file is not JSON, or does not contain parameters of this class.
        """
        values = values_in(path)
        try:
            return cls.from_dict(values)
        except ValueError as error:
            raise ValueError(f"{path} is not a {cls.__name__}: {error}") from error

    def to_json(self, path: str | Path) -> None:
        """Write :meth:`to_dict` to a file."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")


class CompiledListener(Listener[S]):
    """A listener with one reward term whose functions are compiled and registered by :func:`compile_listener`.

    A subclass that inherits `start` or `respond` must not reduce the number of uniform numbers it uses, because
    compiled loops do not check bounds.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, compiled_too in (("n_start_uniforms", "start"), ("n_uniforms", "respond")):
            is_compiled = getattr(cls, compiled_too) is getattr(CompiledListener, compiled_too)
            if is_compiled and any(getattr(cls, name) < getattr(parent, name, 0) for parent in cls.__mro__[1:]):
                raise TypeError(f"{cls.__name__}.{name} must be at least its parent's; or override {compiled_too}")

    @abstractmethod
    def blank(self, n_sessions: int, n_features: int) -> S:
        """Return an uninitialised state of B listeners."""

    @abstractmethod
    def compiled_form(self, state: S) -> tuple[Any, Any]:
        """Return the parameters, a named tuple, and `state`, an array or a tuple of arrays, without copying."""

    def start(self, pool: Floats, history_length: int, uniforms: Floats) -> tuple[NDArray[np.intp], S]:
        """Begin B sessions in a compiled loop."""
        if pool.shape[1] < history_length or uniforms.shape[1] < self.n_start_uniforms:
            raise ValueError(
                f"{type(self).__name__} starts from {history_length} tracks and {self.n_start_uniforms} uniform "
                f"numbers; got {pool.shape} and {uniforms.shape}"
            )
        state, places = self.blank(len(pool), pool.shape[2]), np.empty((len(pool), history_length), np.intp)
        meet(*self.compiled_form(state), np.arange(len(pool)), pool, uniforms, places)
        return places, state

    def respond(self, state: S, unit: Floats, cosine: Floats, uniforms: Floats) -> Response:
        """Respond in a compiled loop over the sessions."""
        term, flags = np.empty(len(unit), np.float32), np.ones((2, len(unit)), np.bool_)
        ask(*self.compiled_form(state), unit, cosine, uniforms, term, flags)
        return Response(dict.fromkeys(self.term_bounds, term), *flags)


def arrive(listener: Any, mind: Any, b: int, pool: Floats, i: int, chance: Floats, places: NDArray[np.intp]) -> None:
    """Choose the starting tracks of session b and write the state of its listener; for compiled code only.

    Args:
        listener: parameters, as returned by :meth:`CompiledListener.compiled_form`.
        mind: state of all listeners, likewise.
        b: index of the session.
        pool: (n, P, d) unit features of the tracks drawn for the n sessions that begin.
        i: index of the session among those n.
        chance: (n, n_start_uniforms) in [0, 1).
        places: (n, H) output: positions of the starting tracks in the pool, the oldest first.
    """
    raise NotImplementedError


def answer(listener: Any, mind: Any, b: int, units: Floats, cosine: Floats, chance: Floats) -> Any:
    """Respond to one track in session b and update the state of its listener; for compiled code only.

    Args:
        listener: parameters, as returned by :meth:`CompiledListener.compiled_form`.
        mind: state of all listeners, likewise.
        b: index of the session.
        units: (B, d) unit features of the tracks.
        cosine: (B,) cosines of the tracks to the vibe.
        chance: (B, n_uniforms) in [0, 1).

    Returns:
        The reward term, whether the track was heard out, and whether the listener leaves.
    """
    raise NotImplementedError


def compile_listener(kind: type, arrival: Callable[..., None], response: Callable[..., Any]) -> None:
    """Register the :func:`arrive` and :func:`answer` of listeners whose parameters are the named tuple `kind`."""

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
    """Call :func:`arrive` for the sessions in `rows`, (n,)."""
    for i, b in enumerate(rows):
        arrive(listener, mind, b, pool, i, chance, places)


@compiled(_nrt=False)  # nothing is allocated, and reference counting would take longer than everything else
def ask(listener: Any, mind: Any, units: Floats, cosine: Floats, chance: Floats, term: Floats, flags: Bools) -> None:
    """Call :func:`answer` where the first flag is set; write terms, (B,), and flags `completed` and `left`, (2, B)."""
    for b in range(len(units)):
        if flags[0, b]:
            term[b], flags[0, b], flags[1, b] = answer(listener, mind, b, units, cosine, chance)


def as_tuples(value: Any) -> Any:
    """Convert lists to tuples, at any depth, because JSON has only lists."""
    return tuple(map(as_tuples, value)) if isinstance(value, (list, tuple)) else value


def values_in(path: str | Path) -> dict[str, Any]:
    """Read the parameters of a listener from its JSON file.

    Raises:
        ValueError: the file does not exist, is too large, or does not contain a JSON object.
    """
    try:
        if Path(path).stat().st_size > MAX_BYTES or not Path(path).is_file():
            raise ValueError(f"it is not a regular file of up to {MAX_BYTES:,} bytes")
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a listener written by to_json: {error}") from error
    if not isinstance(values, dict) or not values:
        raise ValueError(f"{path} is not a listener written by to_json: {str(values)[:40]}")
    return values
