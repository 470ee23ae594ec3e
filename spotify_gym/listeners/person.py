"""A real person in place of a simulated listener, whose answers are the responses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotify_gym.listeners.listener import BatchState, Bools, Floats, Listener, Response

_LUCK = (0.0, float(np.nextafter(np.float32(1), np.float32(0))))  # the smallest and the largest uniform number


@dataclass
class Answers(BatchState):
    """The next answers of B people, and the state of the listeners that they replace."""

    completed: Bools
    """(B,) whether the next track is heard out; the caller sets it before the track plays."""
    replaced: Any
    """State of the replaced listeners, a :class:`BatchState`; None if there are none."""


@dataclass(frozen=True)
class Person(Listener[Answers]):
    """A person who answers for themselves, so that a trained agent can be tried on a real person.

    *Response*: the value of :attr:`Answers.completed`. A track that is not heard out does not enter the history. The
    listener never leaves: a person closes the page.

    An agent trained with a simulated listener expects to observe the visible state of that listener. Therefore the
    simulated listener is kept, and responds with the smallest or the largest uniform numbers, whichever reproduces the
    answer of the person. If neither does (a satiated listener never skips), its state does not change and its terms
    are 0.

    Attributes:
        replaces: the listener of the environment; None if it has none.
    """

    replaces: Listener[Any] | None = None

    @property
    def hides(self) -> bool:  # type: ignore[override]
        """Whether the replaced listener hides its state."""
        return self.replaces is not None and self.replaces.hides

    @property
    def visible_vectors(self) -> int:  # type: ignore[override]
        """Number of visible vectors of the replaced listener."""
        return 0 if self.replaces is None else self.replaces.visible_vectors

    @property
    def term_bounds(self) -> Mapping[str, tuple[float, float]]:
        """Reward terms of the replaced listener."""
        return {} if self.replaces is None else self.replaces.term_bounds

    def start(self, pool: Floats, history_length: int, uniforms: Floats) -> tuple[NDArray[np.intp], Answers]:
        """Use the first tracks of the pool, or let the replaced listener choose, with uniform numbers of 1/2."""
        places, replaced = np.tile(np.arange(history_length), (len(pool), 1)), None
        if self.replaces is not None:
            middling = np.full((len(pool), self.replaces.n_start_uniforms), 0.5, np.float32)
            places, replaced = self.replaces.start(pool, history_length, middling)
        return places, Answers(np.ones(len(pool), np.bool_), replaced)

    def respond(self, state: Answers, unit: Floats, cosine: Floats, uniforms: Floats) -> Response:
        """Return the answers as set, and update the replaced listener accordingly."""
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
        """Return the expected terms of the replaced listener."""
        return {} if self.replaces is None else self.replaces.expect(state.replaced, units, cosine)

    def visible(self, state: Answers) -> Floats | None:
        """Return the visible state of the replaced listener."""
        return None if self.replaces is None else self.replaces.visible(state.replaced)

    def visible_bounds(self, n_features: int) -> tuple[Floats, Floats] | None:
        """Return the bounds of the visible state."""
        return None if self.replaces is None else self.replaces.visible_bounds(n_features)
