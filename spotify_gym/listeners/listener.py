"""What every listener answers: how the person responds to a track, and when they leave."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from spotify_gym.listeners.batch import BatchState

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
S = TypeVar("S", bound=BatchState)


@dataclass(frozen=True)
class Response:
    """What the listeners of B sessions did with one track each."""

    terms: Mapping[str, Floats]
    """Reward terms by name, each (B,)."""
    listened: Bools | None = None
    """(B,) whether the track was heard out, so that it enters the history; None: all were."""
    left: Bools | None = None
    """(B,) whether the listener ends the session with this track; None: nobody does."""


class Listener(ABC, Generic[S]):
    """The model of a person, for a batch of sessions: arrays in, arrays out.

    A listener knows no session and draws no random numbers: the uniform numbers it needs are handed to it, so that a
    session is a pure function of its seed. Tracks come as *unit features* u = x / ‖x‖ (0 where x = 0).

    Example:
        A listener of your own says what it remembers, how a session starts, how it responds, and what response to
        expect; and what of its state the agent sees, where there is something to see. This one likes a change, and
        leaves after any track with probability 0.02.

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

        It goes to any environment of the family, alone or in a batch:

        >>> reward = {"flow": 1.0, "change": 0.5}
        >>> env = gymnasium.make("SpotifySession-v0", listener=RestlessListener(), reward=reward)
    """

    n_uniforms: ClassVar[int] = 0
    """Uniform numbers in [0, 1) used by each response."""
    n_start_uniforms: ClassVar[int] = 0
    """Uniform numbers in [0, 1) used at the start of a session."""
    visible_vectors: ClassVar[int] = 0
    """Vectors in the space of the features that :meth:`visible` consists of; 0: it is something else."""

    @property
    def start_pool(self) -> int:
        """Distinct tracks to draw for a start, of which the listener chooses the history; 0: the history itself."""
        return 0

    @property
    @abstractmethod
    def term_bounds(self) -> Mapping[str, tuple[float, float]]:
        """The reward terms of this listener, each with its lowest and highest value; a class attribute will do."""

    @abstractmethod
    def start(self, pool: Floats, history_length: int, uniforms: Floats) -> tuple[NDArray[np.intp], S]:
        """Begin B sessions.

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
        """Respond to one track per session and move `state`, in place.

        Args:
            state: of B listeners.
            unit: (B, d) unit features of the tracks.
            cosine: (B,) cosine of the tracks to the vibe, in [-1, 1].
            uniforms: (B, n_uniforms) in [0, 1).
        """

    @abstractmethod
    def expect(self, state: S, units: Floats, cosine: Floats) -> Mapping[str, Floats]:
        """Give the expected reward terms, each (B, N), if one of N tracks were played now; `state` stays.

        Args:
            state: of B listeners.
            units: (N, d) unit features of the tracks, the same for all sessions.
            cosine: (B, N) cosines to the vibe.
        """

    def rollout_rewards(
        self, state: S, units: Floats, cosine: Floats, rest: Floats, rest_cosine: Floats
    ) -> Mapping[str, Floats]:
        """Give the reward terms that K further tracks would earn, summed up, were one of N tracks played before them.

        Planners ask this. Here the tracks are played to N such listeners; override it where there is a shorter way.
        Chance has no part in it: a listener with `n_uniforms` is dealt 1/2 throughout.

        Args:
            state: of one listener, a batch of one; it stays.
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
        """Return what an agent may see of the state, (B, k); None: nothing."""
        return None

    def visible_bounds(self, n_features: int) -> tuple[Floats, Floats] | None:
        """Return the lower and the upper bounds, (k,) each, of what :meth:`visible` returns."""
        return None
