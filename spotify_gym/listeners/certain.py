"""A listener who leaves nothing to chance, for planners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotify_gym.listeners.listener import Floats, Listener, Response


@dataclass(frozen=True)
class CertainListener(Listener[Any]):
    """A listener who does as another one most likely would.

    Chance is dealt to listeners as uniform numbers; this one is always dealt 1/2, under which, of two responses, the
    likelier happens. What a track is expected to earn stays what it was.

    Attributes:
        listener: the other one.
    """

    listener: Listener[Any]

    @property
    def term_bounds(self) -> Mapping[str, tuple[float, float]]:
        """Those of the other listener."""
        return self.listener.term_bounds

    def start(self, pool: Floats, history_length: int, uniforms: Floats) -> tuple[NDArray[np.intp], Any]:
        """Start as the other listener does in the middle of all chances."""
        middling = np.full((len(pool), self.listener.n_start_uniforms), 0.5, np.float32)
        return self.listener.start(pool, history_length, middling)

    def respond(self, state: Any, unit: Floats, cosine: Floats, uniforms: Floats) -> Response:
        """Respond as the other listener most likely would."""
        middling = np.full((len(unit), self.listener.n_uniforms), 0.5, np.float32)
        return self.listener.respond(state, unit, cosine, middling)

    def expect(self, state: Any, units: Floats, cosine: Floats) -> Mapping[str, Floats]:
        """Expect what is to be expected of the other listener."""
        return self.listener.expect(state, units, cosine)
