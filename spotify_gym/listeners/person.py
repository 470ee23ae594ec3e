"""A person in the place of a simulated listener: what they answer is what happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotify_gym.listeners.listener import BatchState, Bools, Floats, Listener, Response

_LUCK = (0.0, float(np.nextafter(np.float32(1), np.float32(0))))  # the least and the most that a listener can be dealt


@dataclass
class Answers(BatchState):
    """What B people are about to answer, and the state of the listeners that they replace."""

    completed: Bools
    """(B,) whether the next track is heard out; to be set before it plays."""
    replaced: Any
    """A :class:`BatchState`; None where nobody is replaced."""


@dataclass(frozen=True)
class Person(Listener[Answers]):
    """A person who answers for themselves, so that a trained agent can be tried on somebody real.

    *Response*: what stands in :attr:`Answers.completed`. A track that is not heard out earns nothing and moves no vibe.
    Nobody leaves: a person closes the page.

    An agent that learned from a simulated listener sees what that listener shows, so the listener comes along and is
    dealt, of the two ends of chance, the one under which it does what the person did. Where it would never do so (a
    satiated listener skips nothing), it has not met the track.

    Attributes:
        replaces: the listener of the environment; None where nobody in particular listens.
    """

    replaces: Listener[Any] | None = None

    @property
    def hides(self) -> bool:  # type: ignore[override]
        """As the listener that is replaced does."""
        return self.replaces is not None and self.replaces.hides

    @property
    def visible_vectors(self) -> int:  # type: ignore[override]
        """Those of the listener that is replaced."""
        return 0 if self.replaces is None else self.replaces.visible_vectors

    @property
    def term_bounds(self) -> Mapping[str, tuple[float, float]]:
        """Those of the listener that is replaced."""
        return {} if self.replaces is None else self.replaces.term_bounds

    def start(self, pool: Floats, history_length: int, uniforms: Floats) -> tuple[NDArray[np.intp], Answers]:
        """Take the history as it comes; a listener that is replaced starts in its middling mood."""
        places, replaced = np.tile(np.arange(history_length), (len(pool), 1)), None
        if self.replaces is not None:
            middling = np.full((len(pool), self.replaces.n_start_uniforms), 0.5, np.float32)
            places, replaced = self.replaces.start(pool, history_length, middling)
        return places, Answers(np.ones(len(pool), np.bool_), replaced)

    def respond(self, state: Answers, unit: Floats, cosine: Floats, uniforms: Floats) -> Response:
        """Answer as was set, and let the listener that is replaced live through the same."""
        terms = {name: np.zeros(len(unit), np.float32) for name in self.term_bounds}
        if self.replaces is None:
            return Response(terms, state.completed.copy())
        everyone, before = np.arange(len(unit)), state.replaced.take(np.arange(len(unit)))
        for luck in _LUCK:
            trial = before.take(everyone)
            response = self.replaces.respond(
                trial, unit, cosine, np.full((len(unit), self.replaces.n_uniforms), luck, np.float32)
            )
            did = np.ones(len(unit), np.bool_) if response.completed is None else response.completed
            alike = np.flatnonzero(did == state.completed)
            state.replaced.put(alike, trial.take(alike))
            for name, values in response.terms.items():
                terms[name][alike] = values[alike]
        return Response(terms, state.completed.copy())

    def expect(self, state: Answers, units: Floats, cosine: Floats) -> Mapping[str, Floats]:
        """Give what the listener that is replaced would be expected to earn."""
        return {} if self.replaces is None else self.replaces.expect(state.replaced, units, cosine)

    def visible(self, state: Answers) -> Floats | None:
        """Return what the listener that is replaced shows."""
        return None if self.replaces is None else self.replaces.visible(state.replaced)

    def visible_bounds(self, n_features: int) -> tuple[Floats, Floats] | None:
        """Return the bounds of what it shows."""
        return None if self.replaces is None else self.replaces.visible_bounds(n_features)
