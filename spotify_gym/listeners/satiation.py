"""A listener who tires of similar tracks and recovers with rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotify_gym.listeners.listener import BatchState, CompiledListener, Floats, compile_listener


@dataclass
class Satiation(BatchState):
    """The recent exposure of B listeners."""

    exposure: Floats
    """(B, d) sum of the unit features of all tracks heard, weighted by decay^age [tracks]."""


class Satiated(NamedTuple):
    """The parameters of a :class:`SatiatedListener`, for compiled code."""

    decay: float
    weight: float


@dataclass(frozen=True)
class SatiatedListener(CompiledListener[Satiation]):
    """A listener who tires of similar tracks: the more of them were heard recently, the less a track is worth.

    *State*: exposure e, one number per feature. e·u measures how many tracks like u the listener has just heard.

    *What changes it*: each track a that plays, e ← decay · e + u_a. It starts from the history, e = Σ_i decay^(H−i) u_i
    over the H starting tracks. Those were heard too, so e is the same function of the tracks throughout a session, and
    the first recommendation is as constrained as the tenth.

    *Response*: the term "satiation" = −weight · max(0, u_a · e), with e before the track plays. A track unlike the
    recent ones costs nothing and earns nothing. Every track is heard out, nobody leaves, and nothing is random.

    *What is visible*: e, which is all that is needed to plan.

    Adapted from Rebounding Bandits (Leqi, Kılınç-Karzan, Lipton and Montgomery 2021), where the satiation of an arm
    follows s ← γ (s + pulled), and λ s is subtracted from a fixed base reward. The differences:

    - a track also satiates similar tracks, in proportion to their cosine; an arm satiates only itself;
    - the track just played counts in full (with decay^0); the last pull of an arm counts γ;
    - all tracks share one decay and one weight, known and without noise; arms have their own, which must be learnt;
    - the base reward is the cosine to a vibe that moves. Their result that greedy play is optimal for identical arms
      therefore does not carry over.

    Also related to boredom in SARDINE (Deffayet et al. 2024), where a user loses interest in a topic for a fixed time
    after enough recent clicks on it. Here there are no topics, thresholds, timers or randomness, and tracks played
    count, not clicks.

    Attributes:
        decay: share of the exposure that remains after one more track, in [0, 1).
        weight: reward lost per track of exposure, at least 0.
    """

    name: ClassVar[str] = "satiated"
    visible_vectors: ClassVar[int] = 1

    decay: float = 0.8
    weight: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay={self.decay} must be at least 0 and below 1; at 1 nothing is ever forgotten")
        if not 0 <= self.weight < np.inf:
            raise ValueError(f"weight={self.weight} must be at least 0: reward lost per track of exposure")

    @property
    def most_exposure(self) -> float:
        """Upper bound of the exposure, Σ decay^k, approached by repeating one kind of track [tracks]."""
        return 1 / (1 - self.decay)

    @property
    def term_bounds(self) -> Mapping[str, tuple[float, float]]:
        """Bounds of "satiation": at the upper bound of the exposure, and at none."""
        return {"satiation": (-self.weight * self.most_exposure, 0.0)}

    def blank(self, n_sessions: int, n_features: int) -> Satiation:
        """Return uninitialised exposures."""
        return Satiation(np.empty((n_sessions, n_features), np.float32))

    def compiled_form(self, state: Satiation) -> tuple[Satiated, Floats]:
        """Return the parameters and the exposure."""
        return Satiated(self.decay, self.weight), state.exposure

    def expect(self, state: Satiation, units: Floats, cosine: Floats) -> Mapping[str, Floats]:
        """Return the "satiation" of every track, which is exact because nothing is random."""
        return {"satiation": self._loss(state.exposure @ units.T)}

    def rollout_rewards(
        self, state: Satiation, units: Floats, cosine: Floats, rest: Floats, rest_cosine: Floats
    ) -> Mapping[str, Floats]:
        """Return the "satiation" of the rest by one matrix product: a candidate u adds decay^k u before track k."""
        decay = np.float32(self.decay)
        exposure, planned = decay * state.exposure[0], np.empty((len(rest), 1), np.float32)
        for k, unit in enumerate(rest):
            planned[k] = exposure @ unit
            exposure = decay * exposure + unit
        share = decay ** np.arange(len(rest), dtype=np.float32)[:, None]
        heard: Floats = np.matmul(share * rest, units.T) + planned
        return {"satiation": self._loss(heard).sum(axis=0)}

    def visible(self, state: Satiation) -> Floats:
        """Return the exposure, (B, d)."""
        return state.exposure

    def visible_bounds(self, n_features: int) -> tuple[Floats, Floats]:
        """Return minus and plus the upper bound of the exposure."""
        high = np.full(n_features, self.most_exposure, np.float32)
        return -high, high

    def _loss(self, heard: Floats) -> Floats:
        loss: Floats = np.minimum(np.float32(-self.weight) * heard, np.float32(0))
        return loss


def _arrive(listener: Satiated, mind: Any, b: int, pool: Floats, i: int, chance: Floats, places: NDArray[Any]) -> None:
    """Use the pool as the history, and compute its exposure."""
    for h in range(places.shape[1]):
        places[i, h] = h
    for j in range(pool.shape[2]):
        mind[b, j] = 0
        for h in range(places.shape[1]):
            mind[b, j] = np.float32(listener.decay) * mind[b, j] + pool[i, h, j]


def _answer(
    listener: Satiated, mind: Floats, b: int, units: Floats, cosine: Floats, chance: Floats
) -> tuple[np.float32, bool, bool]:
    """Return the satiation of the track, then add the track to the exposure."""
    heard = np.float32(0)
    for j in range(units.shape[1]):
        heard += units[b, j] * mind[b, j]
        mind[b, j] = np.float32(listener.decay) * mind[b, j] + units[b, j]
    return min(np.float32(-listener.weight) * heard, np.float32(0)), True, False


compile_listener(Satiated, _arrive, _answer)
