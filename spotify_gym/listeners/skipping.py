"""A listener with a hidden taste, who skips as people in public logs do, and leaves when out of patience."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotify_gym.compiled import compiled
from spotify_gym.listeners.listener import BatchState, CompiledListener, Floats, compile_listener

MEMORY = 3
"""Number of last responses that influence the listener and are visible to the agent."""


@dataclass
class Mind(BatchState):
    """The state of B listeners, hidden except for their last responses."""

    taste: Floats
    """(B, d) the direction of the tracks they like best, of length 1."""
    mood: Floats
    """(B,) log-odds of a skip added throughout the session."""
    patience: Floats
    """(B,) further skips until the listener leaves."""
    position: NDArray[np.int64]
    """(B,) number of tracks played in the session so far."""
    responses: Floats
    """(B, MEMORY) the last responses, the oldest first: 1 heard out, -1 skipped, 0 none yet."""


@dataclass(frozen=True)
class SkippingListener(CompiledListener[Mind]):
    """A listener with a hidden taste, who hears a track out or skips it, and leaves when out of patience.

    *State*: taste τ, a direction; mood m; patience p; position t of the track in the session, from 0; and the last
    three responses.

    *What changes it*: taste and mood stay for the session; each skip costs one unit of patience, each track heard out
    gives one back, up to the initial patience.

    *Response*: the track is skipped with probability

        σ(position_t + last_skip · [the last one was skipped] + recent_skips · #{skips among the last three} + m
          − taste_weight · u·τ),     σ(z) = 1 / (1 + exp(−z)),

    and the term "listened" is 1 if it was heard out and 0 if not, so that the rewards of a session sum to the number of
    tracks heard out. A skipped track does not enter the history. The listener leaves when patience reaches 0.

    *What is visible*: the last three responses: 1 heard out, -1 skipped, 0 none yet. The rest is hidden.

    *Start*: τ is the unit features of the first track of the random pool. The rest of the pool is divided equally among
    the starting tracks, each of which is the nearest to τ in its share. If the user gives the history, τ is the
    direction of the sum of its unit features. m is normal with mean 0; p = patience.

    *Source*: the defaults of `position`, `last_skip`, `recent_skips` and `mood_sd` were adjusted until simulated
    sessions matched statistics of public ones, within tolerances that a test checks: the skip rate at each of 20
    positions, after a skip and after a track heard out, with 0 to 3 skips among the last three, and its spread between
    sessions. (The number of skips alone was not enough: the last one counts for more.) The simulated sessions are
    played by a policy that plays at random half the time and near the vibe otherwise, over the built-in catalogue.

    Three numbers are choices that these statistics do not determine. `taste_weight` makes the taste worth learning; for
    real listeners sound matters less (in one long log the tracks heard out were .04 nearer to the one before, as a
    cosine, than those skipped; here .11). With `patience` one in eleven leaves within those 20 plays, which does not
    change the statistics. `start_pool` makes the starting vibe a fair hint of the taste, at a cosine of .6.

    Attributes:
        position: log-odds of a skip at positions 0, 1, ... of a session; the last value holds for all later positions.
        last_skip: log-odds added if the last track was skipped.
        recent_skips: log-odds added for each skip among the last three tracks.
        mood_sd: standard deviation of the mood between sessions, in log-odds.
        taste_weight: log-odds subtracted per unit of cosine to the taste.
        patience: skips until the listener leaves; each track heard out makes up for one.
        start_pool: tracks drawn for a start: one for the taste, the rest in equal shares for the H starting tracks.
    """

    name: ClassVar[str] = "skipping"
    n_uniforms: ClassVar[int] = 1
    n_start_uniforms: ClassVar[int] = 2
    hides: ClassVar[bool] = True

    position: tuple[float, ...] = (-0.12, -0.51, -0.59, -0.68, -0.92)
    last_skip: float = 1.58
    recent_skips: float = 0.36
    mood_sd: float = 0.45
    taste_weight: float = 2.0
    patience: float = 15.0
    start_pool: int = 16

    def __post_init__(self) -> None:
        if not self.position:
            raise ValueError("position must hold at least one number: the log-odds of a skip")
        if self.mood_sd < 0:
            raise ValueError(f"mood_sd={self.mood_sd} must be at least 0: a standard deviation")
        if not self.patience > 0:
            raise ValueError(f"patience={self.patience} must be above 0; math.inf for a listener who never leaves")
        numbers = (*self.position, self.last_skip, self.recent_skips, self.mood_sd, self.taste_weight)
        if not np.isfinite(numbers).all():
            raise ValueError(f"every log-odds must be finite; got {self}")

    @property
    def term_bounds(self) -> Mapping[str, tuple[float, float]]:
        """Bounds of "listened", 1 for a track heard out and else 0."""
        return {"listened": (0.0, 1.0)}

    def blank(self, n_sessions: int, n_features: int) -> Mind:
        """Return an uninitialised state."""
        mood, patience = np.empty((2, n_sessions), np.float32)
        taste, responses = (np.empty((n_sessions, k), np.float32) for k in (n_features, MEMORY))
        return Mind(taste, mood, patience, np.empty(n_sessions, np.int64), responses)

    def compiled_form(self, state: Mind) -> tuple[Odds, tuple[Any, ...]]:
        """Return the parameters and the state."""
        return self._odds, (state.taste, state.mood, state.patience, state.position, state.responses)

    def expect(self, state: Mind, units: Floats, cosine: Floats) -> Mapping[str, Floats]:
        """Return the probability that each track would be heard out."""
        directions, listened = SkippingListener.rising(self, state)  # a subclass may have no `rising`
        return {"listened": listened(directions @ units.T)}

    def rising(self, state: Mind) -> tuple[Floats, Callable[[Floats], Floats]]:
        """Return the weighted tastes, and the function to the probability of being heard out."""
        readiness = _readiness(self._odds, state.mood, state.position, state.responses)[:, None]
        return np.float32(self.taste_weight) * state.taste, lambda products: sigmoid(products - readiness)

    def visible(self, state: Mind) -> Floats:
        """Return the last responses, (B, MEMORY), the oldest first: 1 heard out, -1 skipped, 0 none yet."""
        return state.responses

    def visible_bounds(self, n_features: int) -> tuple[Floats, Floats]:
        """Return -1 and 1 for each response."""
        high = np.ones(MEMORY, np.float32)
        return -high, high

    @cached_property
    def _odds(self) -> Odds:
        numbers = self.last_skip, self.recent_skips, self.taste_weight, self.patience, self.mood_sd
        return Odds(np.array(self.position, np.float32), *numbers)


class Odds(NamedTuple):
    """The parameters of a :class:`SkippingListener`, for compiled code."""

    position: Floats
    last_skip: float
    recent_skips: float
    taste_weight: float
    patience: float
    mood_sd: float


@compiled(inline="always")
def _ready(odds: Odds, mood: Floats, position: NDArray[np.int64], responses: Floats, b: int) -> np.float32:
    """Return the log-odds of a skip in session b, without the effect of the track."""
    n_skipped = 0
    for place in range(MEMORY):
        n_skipped += responses[b, place] < 0
    log_odds = odds.position[min(position[b], len(odds.position) - 1)] + mood[b]
    log_odds += np.float32(odds.last_skip) * np.float32(responses[b, MEMORY - 1] < 0)
    return log_odds + np.float32(odds.recent_skips) * np.float32(n_skipped)  # type: ignore[no-any-return]


@compiled
def _readiness(odds: Odds, mood: Floats, position: NDArray[np.int64], responses: Floats) -> Floats:
    log_odds = np.empty_like(mood)
    for b in range(len(mood)):
        log_odds[b] = _ready(odds, mood, position, responses, b)
    return log_odds


def _arrive(listener: Odds, mind: Any, b: int, pool: Floats, i: int, chance: Floats, places: NDArray[Any]) -> None:
    """Choose taste and starting tracks, draw the mood, and initialise the rest of the state."""
    taste, mood, patience, position, responses = mind
    choose_start(pool, i, places, taste, b)
    mood[b] = np.float32(listener.mood_sd) * normals(chance, i)[0]
    patience[b], position[b] = listener.patience, 0
    for place in range(MEMORY):
        responses[b, place] = 0


def _answer(
    listener: Odds, mind: tuple[Any, ...], b: int, units: Floats, cosine: Floats, chance: Floats
) -> tuple[np.float32, bool, bool]:
    """Skip the track or hear it out, and leave if patience has run out."""
    taste, mood, patience, position, responses = mind
    likeness = np.float32(0)
    for j in range(units.shape[1]):
        likeness += units[b, j] * taste[b, j]
    log_odds = _ready(listener, mood, position, responses, b) - np.float32(listener.taste_weight) * likeness
    completed = chance[b, 0] >= logistic(log_odds)
    response = np.float32(2) * np.float32(completed) - np.float32(1)
    for place in range(MEMORY - 1):
        responses[b, place] = responses[b, place + 1]
    responses[b, MEMORY - 1] = response
    patience[b] = min(patience[b] + response, np.float32(listener.patience))
    position[b] += 1
    return np.float32(completed), completed, patience[b] <= 0


compile_listener(Odds, _arrive, _answer)


@compiled(inline="always")
def choose_start(pool: Floats, i: int, places: NDArray[np.intp], taste: Floats, b: int) -> None:
    """Choose the taste of session b, in row b of (B, d), and its starting tracks, in row i of `places`, (n, H).

    If the pool, (n, P, d), is larger than the history, its first track is the taste, and each starting track is the
    nearest to the taste in an equal share of the rest. Otherwise the pool is the history, and the taste is the unit
    vector of its sum.
    """
    (_, n_pool, n_features), n_start = pool.shape, places.shape[1]
    n_rivals = (n_pool - 1) // n_start if n_pool > n_start else 0
    square = np.float32(0)
    for j in range(n_features):
        total = pool[i, 0, j]
        for place in range(1, n_start if n_rivals == 0 else 1):
            total += pool[i, place, j]
        taste[b, j] = total
        square += total * total
    for j in range(n_features if n_rivals == 0 and square > 0 else 0):
        taste[b, j] /= np.sqrt(square)
    for h in range(n_start):
        most, places[i, h] = np.float32(-np.inf), h
        for place in range(1 + h * n_rivals, 1 + (h + 1) * n_rivals):
            nearness = np.float32(0)
            for j in range(n_features):
                nearness += pool[i, place, j] * pool[i, 0, j]
            if nearness > most:
                most, places[i, h] = nearness, place


@compiled(inline="always")
def normals(uniforms: Floats, i: int) -> tuple[np.float32, np.float32]:
    """Turn the first two uniform numbers of a row into two standard normal ones (Box and Muller 1958)."""
    radius = np.sqrt(np.float32(-2) * np.log(max(np.float32(1) - uniforms[i, 0], np.float32(1e-7))))
    angle = np.float32(2 * np.pi) * uniforms[i, 1]
    return radius * np.cos(angle), radius * np.sin(angle)


def directions(vectors: Floats) -> Floats:
    """Return vectors, (B, d), scaled to length 1; zero vectors stay zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    units: Floats = vectors / lengths
    return units


def sigmoid(log_odds: Floats) -> Floats:
    """Return 1 / (1 + exp(-log_odds)), in a form that cannot overflow."""
    probability: Floats = np.tanh(log_odds * np.float32(0.5))
    probability += 1
    probability *= 0.5
    return probability


@compiled(inline="always", error_model="numpy")
def logistic(log_odds: np.float32) -> np.float32:
    """Return 1 / (1 + exp(-log_odds)) to 2e-7 (so it may be just below 0), without calls or branches.

    A continued fraction of tanh, whose argument is doubled twice. Numerator and denominator stay separate until the
    end, because a division takes longer than everything else.
    """
    x = min(max(log_odds, np.float32(-18)), np.float32(18)) / np.float32(8)
    square = x * x
    above = x * (np.float32(10395) + square * (np.float32(1260) + square * np.float32(21)))
    below = np.float32(10395) + square * (np.float32(4725) + square * (np.float32(210) + square))
    for _ in range(2):
        above, below = np.float32(2) * above * below, above * above + below * below
    return (above + below) / (np.float32(2) * below)
