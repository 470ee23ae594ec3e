"""Find the listener whose population answers as a log does, or shows stated facts.

What a listener does depends on how well the tracks fit a taste that no log shows. So the listener is found by
simulation: its numbers are moved until a population of such listeners, met by a recommender of mixed quality, looks as
it should (indirect inference: Gourieroux, Monfort and Renault 1993). Every population is drawn with the same random
numbers. What neither logs nor facts speak of (how much fit matters, patience, how sessions start) is taken as given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, least_squares

from experiments.skips.facts import Facts, facts_of
from experiments.skips.model import SkipModel, fit, jacobian
from experiments.skips.population import Population, simulate
from spotify_gym import Catalogue
from spotify_gym.listeners import SkippingListener

Floats = NDArray[np.float64]

_STEP = 0.1  # in log-odds: the facts about a finite population change in jumps, which a small step would not see
_CLOSE_ENOUGH = 0.01  # relative gain of a round below which the facts are met as well as they can be
_DIGITS = 2  # hundredths of log-odds, well below what a population can tell apart
_ROUNDS = 5  # each leaves about a quarter of the misfit to a model


@dataclass(frozen=True)
class Matcher:
    """Looks for a listener, given what is not looked for."""

    like: SkippingListener
    """Has what neither logs nor facts speak of (taste_weight, patience, start_pool); as many positions as sought."""
    catalogue: Catalogue
    n_sessions: int
    n_plays: int = 20
    seed: int = 0
    progress: Callable[[float], None] = lambda misfit: None
    """Called after each round with how far the population is from what it should be."""

    def match_facts(self, target: Facts) -> SkippingListener:
        """Return the listener whose population comes closest to the facts, in units of their tolerances."""

        def misfit(theta: Floats) -> Floats:
            return (facts_of(self._population(theta).log).values() - target.values()) / target.tolerances()

        def report(intermediate_result: OptimizeResult) -> None:
            self.progress(float(np.abs(intermediate_result.fun).max()))

        start = _numbers(self.like)
        lowest = np.r_[np.full(len(start) - 1, -np.inf), 0]
        found = least_squares(
            misfit,
            np.maximum(start, lowest + 2 * _STEP),
            jac=lambda theta: jacobian(misfit, theta, _STEP),
            bounds=(lowest, np.inf),
            ftol=_CLOSE_ENOUGH,
            callback=report,
        )
        return self._listener(np.round(found.x, _DIGITS))

    def match_model(self, target: SkipModel, prior_sd: float) -> SkippingListener:
        """Return the listener to whose population the same model would be fitted."""
        theta = target.values
        for _ in range(_ROUNDS):
            found = fit(self._population(theta).log, target.n_positions, prior_sd)
            theta = theta + target.values - found.values
            theta[-1] = max(theta[-1], 0)
            self.progress(float(np.abs(found.values - target.values).max()))
        return self._listener(np.round(theta, _DIGITS))

    def population(self, listener: SkippingListener) -> Population:
        """Simulate the population that the match is about."""
        return simulate(listener, self.catalogue, self.n_sessions, self.n_plays, seed=self.seed)

    def _population(self, theta: Floats) -> Population:
        return self.population(self._listener(theta))

    def _listener(self, theta: Floats) -> SkippingListener:
        *position, last_skip, recent_skips, mood_sd = map(float, theta)
        return replace(
            self.like, position=tuple(position), last_skip=last_skip, recent_skips=recent_skips, mood_sd=abs(mood_sd)
        )


def _numbers(listener: SkippingListener) -> Floats:
    return np.array([*listener.position, listener.last_skip, listener.recent_skips, listener.mood_sd])
