"""A listener with graded responses and a slowly changing mood, which can be fitted to a log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotify_gym.compiled import compiled
from spotify_gym.listeners.listener import BatchState, CompiledListener, Floats, as_tuples, compile_listener
from spotify_gym.listeners.skipping import MEMORY, choose_start, directions, logistic, normals, sigmoid

Ints = NDArray[np.int64]

GRADES = ("heard out", "left late", "left early", "left at once")
"""The ways in which a track can be left."""
NONE = len(GRADES)
"""The grade before the first track."""
STARTS = ("track done", "forward", "back", "chosen")
"""The ways in which a play can be started."""
SHOWN = np.array([1, 1 / 3, -1 / 3, -1, 0], np.float32)
"""The visible value of each grade, and of NONE."""
HEARD = 20
"""Number of last tracks that the listener recognises."""
DECAY = np.float32(0.8)
"""Decay per track of the weights in the mean of what was heard, for regard="decayed"."""
_NOBODYS = 1e9  # no track has this signature

Row = tuple[float, ...]


@dataclass
class LoggedMind(BatchState):
    """The state of B listeners, hidden except for the grades of the last tracks."""

    taste: Floats
    """(B, d) the direction of the tracks they like best, of length 1; or the decayed sum of what they heard."""
    regard: Floats
    """(B,) w: log-odds of a skip subtracted per unit of cosine."""
    mood: Floats
    """(B,) m: log-odds of a skip added now."""
    position: Ints
    """(B,) number of tracks played in the session so far."""
    grades: Ints
    """(B, MEMORY) how the last tracks were left, the oldest first: indices of :data:`GRADES`, or NONE."""
    started: Ints
    """(B,) how the next play is started: indices of :data:`STARTS`."""
    heard: Floats
    """(B, HEARD) signatures by which the last tracks are recognised; _NOBODYS where there is none yet."""


@dataclass(frozen=True)
class LoggedListener(CompiledListener[LoggedMind]):
    """A listener with graded responses and a slowly moving mood, which can be fitted to any log of plays.

    *State*: taste τ, a direction; regard for sound w; mood m; position t in the session, from 0; how the last three
    tracks were left; how the next play is started.

    *Response*: a track is heard out (grade 0), or left late (1), early (2) or at once (3). Grades from `skip_from` on
    are skips. The track is skipped with probability

        σ(position_t + Σ_k left[k][grade of the track k before] + started[how] + m + again · [heard before] − w · c),

    σ(z) = 1 / (1 + exp(−z)), c its cosine to τ, or to the tracks heard, depending on `regard`; `together` and
    `started_after` add interactions of these effects. The grade among skips, and among the others, has the
    probabilities that `grades` gives for the grade of the last track. The term "listened" is 1 if the track was not
    skipped and 0 if it was; only tracks that were not skipped enter the history.

    *What changes it*: m ← mood_decay · m + mood_shift[grade]: the initial mood fades slowly, and a response can have an
    effect long after the last three are forgotten. How the next play is started follows `starts`. The listener leaves
    after a track with the log-odds `leave`.

    *Start*: m is normal with mean 0 and `mood_sd`, w normal around `taste_weight`; τ and the history are those of
    :class:`~spotify_gym.listeners.SkippingListener`.

    *What is visible*: the last three grades as 1 heard out, 1/3, −1/3, −1 left at once; 0 none yet.

    *Source*: the defaults of position, left and mood were adjusted until simulated sessions, played half at random and
    half near the vibe, matched statistics of 5,955 public ones: the skip rate at each of 20 positions, after a
    skip and after a track heard out, with 0 to 3 skips among the last three, its spread between sessions, and the
    autocorrelation of skips at lags 1, 2, 3, 5 and 10; within tolerances that a test checks. `taste_weight` and
    its spread are set so that sound matters as little as in the sessions of five people. The shares of the grades,
    `start_pool` and `leave` are choices; with the last, one in nine leaves within 20 plays. A listener fitted to a log
    by `spotify-gym listener fit` keeps only `start_pool` of these, and `leave` if the log holds no end of a session.

    Attributes:
        position: log-odds of a skip at positions 0, 1, ... of a session; the last value holds for all later positions.
        left: for each of the last three tracks, the newest first, the log-odds added if it was left late, early,
            at once.
        mood_sd: standard deviation of the mood at the start, in log-odds.
        mood_decay: share of the mood that is left after one more track, in [0, 1].
        mood_shift: log-odds that a track left late, early, at once adds to the mood.
        started: log-odds added if a play is started by forward, back, or the listener's own choice.
        together: log-odds added for each combination of the grades of the last three tracks, 64 values, the newest
            first: 0 0 0, 0 0 1, ...; empty: none.
        started_after: the same for the last grade and how the play is started, 12 values: heard out and forward, back,
            chosen; left late and forward, ...; empty: none.
        again: log-odds added if the track is one of the last 20 of the session.
        taste_weight: log-odds subtracted per unit of cosine, on average over listeners.
        taste_spread: standard deviation of that weight between listeners.
        regard: the vector that the cosine is to: the hidden "taste"; or one known from a log: the "vibe", the mean of
            the last tracks heard, or "decayed", the mean of all their unit features, weighted by .8^age.
        leave: log-odds of leaving after a track that was not skipped, and after one that was.
        grades: rows: last grade, none and then 0 to 3; columns: probabilities of the grades 0 to 3. Those below
            `skip_from` sum to 1, and so do the others.
        starts: probabilities of :data:`STARTS`, with the same rows.
        skip_from: the lowest grade that is a skip: 1, 2 or 3.
        start_pool: tracks drawn for a start: one for the taste, the rest in equal shares for the H starting tracks.
        fitted: the log that it was fitted to, and the intervals of its numbers; None: not fitted.
    """

    name: ClassVar[str] = "logged"
    n_uniforms: ClassVar[int] = 3
    n_start_uniforms: ClassVar[int] = 3
    hides: ClassVar[bool] = True

    position: Row = (-0.63, -0.75, -0.78, -0.8, -0.9, -0.94)
    left: tuple[Row, ...] = ((0.38, 1.51, 1.66), (0.08, 0.32, 0.35), (0.03, 0.11, 0.12))
    mood_sd: float = 1.6
    mood_decay: float = 0.9
    mood_shift: Row = (0.0, 0.0, 0.0)
    started: Row = (0.0, 0.0, 0.0)
    together: Row = ()
    started_after: Row = ()
    again: float = 0.0
    taste_weight: float = 0.6
    taste_spread: float = 0.4
    regard: Literal["taste", "vibe", "decayed"] = "taste"
    leave: Row = (-6.0, -4.6)
    grades: tuple[Row, ...] = (
        (0.75, 0.25, 0.3, 0.7),
        (0.85, 0.15, 0.35, 0.65),
        (0.65, 0.35, 0.35, 0.65),
        (0.65, 0.35, 0.4, 0.6),
        (0.7, 0.3, 0.15, 0.85),
    )
    starts: tuple[Row, ...] = ((0.0, 0.0, 0.0, 1.0), (1.0, 0.0, 0.0, 0.0), *3 * ((0.0, 1.0, 0.0, 0.0),))
    skip_from: int = 2
    start_pool: int = 16
    fitted: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.position, tuple) or not 1 <= len(self.position) <= 1000:
            raise ValueError("position must hold 1 to 1000 numbers: the log-odds of a skip")
        shapes = {"position": (len(self.position),), "left": (MEMORY, 3), "mood_shift": (3,), "started": (3,)}
        shapes |= {"leave": (2,), "grades": (5, 4), "starts": (5, 4)}
        for name, n in (("together", 64), ("started_after", 12)):
            shapes[name] = (n,) if getattr(self, name) != () else (0,)  # these alone may be empty
        for name in (f.name for f in fields(self) if f.name not in ("regard", "fitted")):
            object.__setattr__(self, name, as_tuples(getattr(self, name)))
            _check_numbers(name, getattr(self, name), shapes.get(name, ()))
        for name, low, high in (("mood_sd", 0, 100), ("taste_spread", 0, 100), ("mood_decay", 0, 1)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name}={getattr(self, name)} must be from {low} to {high}")
        if self.regard not in ("taste", "vibe", "decayed"):
            raise ValueError(f'regard={self.regard!r} must be "taste", "vibe" or "decayed"')
        if self.skip_from not in (1, 2, 3) or not isinstance(self.start_pool, int) or not 0 <= self.start_pool <= 1000:
            wrong = f"skip_from={self.skip_from} must be 1, 2 or 3, start_pool={self.start_pool} from 0 to 1000"
            raise ValueError(wrong)
        self._check_probabilities()
        self._check_fitted()

    def _check_probabilities(self) -> None:
        grades, starts = np.array(self.grades), np.array(self.starts)
        sides = (grades[:, : self.skip_from], grades[:, self.skip_from :], starts)
        for name, table in zip(("grades", "grades", "starts"), sides, strict=True):
            if (table < 0).any() or np.abs(table.sum(axis=1) - 1).max() > 1e-3:
                raise ValueError(
                    f"{name} must hold probabilities, at least 0 and summing to 1 (grades: those from "
                    f"{self.skip_from} on, and those below); got {getattr(self, name)}"
                )

    def _check_fitted(self) -> None:
        if self.fitted is None:
            return
        intervals = self.fitted.get("intervals") if isinstance(self.fitted, Mapping) else None
        if not isinstance(intervals, Mapping):
            raise ValueError(f"fitted={str(self.fitted)[:60]} must be a mapping that contains intervals")
        for name, interval in intervals.items():
            _check_numbers(f"the interval of {str(name)[:60]!r}", interval, (3,))

    @property
    def term_bounds(self) -> Mapping[str, tuple[float, float]]:
        """Bounds of "listened", 0 for a skipped track and else 1."""
        return {"listened": (0.0, 1.0)}

    def blank(self, n_sessions: int, n_features: int) -> LoggedMind:
        """Return an uninitialised state."""
        regard, mood = np.empty((2, n_sessions), np.float32)
        position, started = np.empty((2, n_sessions), np.int64)
        taste, heard = (np.empty((n_sessions, k), np.float32) for k in (n_features, HEARD))
        return LoggedMind(taste, regard, mood, position, np.empty((n_sessions, MEMORY), np.int64), started, heard)

    def compiled_form(self, state: LoggedMind) -> tuple[Numbers, tuple[Any, ...]]:
        """Return the parameters and the state."""
        mind = state.taste, state.regard, state.mood, state.position, state.grades, state.started, state.heard
        return self._numbers, (*mind, _marks(state.taste.shape[1]))

    def expect(self, state: LoggedMind, units: Floats, cosine: Floats) -> Mapping[str, Floats]:
        """Return the probability that each track would not be skipped."""
        log_odds: Floats = (cosine if self.regard == "vibe" else self._liked(state) @ units.T) * state.regard[:, None]
        log_odds -= self._readiness(state)[:, None]
        if self.again:
            known = units @ _marks(units.shape[1])
            again = np.stack([(np.abs(heard - known[:, None]) < 1e-5).any(axis=1) for heard in state.heard])
            log_odds -= np.float32(self.again) * again
        return {"listened": sigmoid(log_odds)}

    def rising(self, state: LoggedMind) -> tuple[Floats, Callable[[Floats], Floats]] | None:
        """Return weighted tastes and the function to the probability of no skip; None with `again` or regard="vibe"."""
        if self.again or self.regard == "vibe":
            return None
        readiness = self._readiness(state)[:, None]
        return state.regard[:, None] * self._liked(state), lambda products: sigmoid(products - readiness)

    def visible(self, state: LoggedMind) -> Floats:
        """Return the last grades, (B, MEMORY), the oldest first, from 1 heard out to -1 left at once; see SHOWN."""
        return SHOWN[state.grades]

    def visible_bounds(self, n_features: int) -> tuple[Floats, Floats]:
        """Return -1 and 1 for each response."""
        high = np.ones(MEMORY, np.float32)
        return -high, high

    def _liked(self, state: LoggedMind) -> Floats:
        """Return the unit vectors that the cosine is to, (B, d)."""
        return directions(state.taste) if self.regard == "decayed" else state.taste

    def _readiness(self, state: LoggedMind) -> Floats:
        """Return the log-odds of a skip, (B,), without the effect of the track."""
        return _readiness(self._numbers, state.mood, state.position, state.grades, state.started)

    @cached_property
    def _numbers(self) -> Numbers:
        started = np.zeros((NONE + 1, len(STARTS)), np.float32)
        started[:, 1:] = self.started
        started[:NONE, 1:] += np.reshape(self.started_after or np.zeros(12), (4, 3))
        together = np.zeros(3 * (NONE + 1,), np.float32)
        together[:NONE, :NONE, :NONE] = np.reshape(self.together or np.zeros(64), (4, 4, 4))
        return Numbers(
            np.array(self.position, np.float32),
            started,
            np.array([(0, *effects, 0) for effects in self.left], np.float32),
            together,
            np.roll(np.array(self.grades, np.float32), -1, axis=0),
            np.roll(np.cumsum(np.array(self.starts, np.float32), axis=1), -1, axis=0),
            sigmoid(np.array(self.leave, np.float32)),
            np.array((0, *self.mood_shift), np.float32),
            self.mood_decay,
            self.skip_from,
            self.again,
            self.regard == "vibe",
            self.regard == "decayed",
            self.mood_sd,
            self.taste_weight,
            self.taste_spread,
        )


class Numbers(NamedTuple):
    """The parameters of a :class:`LoggedListener`, for compiled code; in each table the row of NONE comes last."""

    position: Floats
    started: Floats  # (5, 4) log-odds by the last grade and how the play is started
    left: Floats  # (3, 5)
    together: Floats  # (5, 5, 5)
    grades: Floats  # (5, 4)
    starts: Floats  # (5, 4) cumulative probabilities
    leave: Floats  # (2,) probabilities
    mood_shift: Floats  # (4,)
    mood_decay: float
    skip_from: int
    again: float
    to_vibe: bool
    decays: bool
    mood_sd: float
    taste_weight: float
    taste_spread: float


@compiled(inline="always")
def _ready(numbers: Numbers, mood: Floats, position: Ints, grades: Ints, started: Ints, b: int) -> Any:
    """Return the log-odds of a skip in session b, without the effect of the track."""
    odds = mood[b] + numbers.position[min(max(position[b], 0), len(numbers.position) - 1)]
    one = min(max(grades[b, MEMORY - 1], 0), NONE)
    two = min(max(grades[b, MEMORY - 2], 0), NONE)
    three = min(max(grades[b, MEMORY - 3], 0), NONE)
    odds += numbers.started[one, min(max(started[b], 0), 3)]
    return (
        odds + numbers.left[0, one] + numbers.left[1, two] + numbers.left[2, three] + numbers.together[one, two, three]
    )


@compiled
def _readiness(numbers: Numbers, mood: Floats, position: Ints, grades: Ints, started: Ints) -> Floats:
    log_odds = np.empty_like(mood)
    for b in range(len(mood)):
        log_odds[b] = _ready(numbers, mood, position, grades, started, b)
    return log_odds


@compiled(inline="always")
def _log_odds(listener: Numbers, mind: tuple[Any, ...], b: int, units: Floats, cosine: Floats) -> Any:
    """Return the log-odds of a skip in session b, and add the track to those recognised."""
    taste, regard, mood, position, grades, started, heard, marks = mind
    likeness, square = cosine[b], np.float32(0)
    if not listener.to_vibe:
        likeness = np.float32(0)
        for j in range(units.shape[1]):
            likeness += units[b, j] * taste[b, j]
            square += taste[b, j] * taste[b, j]
    if listener.decays and square > 0:
        likeness /= np.sqrt(square)
    log_odds = _ready(listener, mood, position, grades, started, b) - regard[b] * likeness
    if listener.again != 0:
        known, stands = np.float32(0), False
        for j in range(units.shape[1]):
            known += units[b, j] * marks[j]
        for place in range(HEARD):
            stands |= abs(heard[b, place] - known) < 1e-5
            heard[b, place] = known if place == HEARD - 1 else heard[b, place + 1]
        log_odds += np.float32(listener.again) * np.float32(stands)
    return log_odds


def _arrive(listener: Numbers, mind: Any, b: int, pool: Floats, i: int, chance: Floats, places: NDArray[Any]) -> None:
    """Choose taste and starting tracks, and draw regard, mood and how the first play is started."""
    taste, regard, mood, position, grades, started, heard, _ = mind
    choose_start(pool, i, places, taste, b)
    for j in range(pool.shape[2] if listener.decays else 0):
        taste[b, j] = 0
        for h in range(places.shape[1]):
            taste[b, j] = DECAY * taste[b, j] + pool[i, places[i, h], j]
    normal, other = normals(chance, i)
    mood[b] = np.float32(listener.mood_sd) * normal
    regard[b] = np.float32(listener.taste_weight) + np.float32(listener.taste_spread) * other
    position[b], started[b] = 0, 0
    for place in range(HEARD):
        heard[b, place], grades[b, min(place, MEMORY - 1)] = _NOBODYS, NONE
    while started[b] < 3 and chance[i, 2] >= listener.starts[NONE, started[b]]:
        started[b] += 1


def _answer(
    listener: Numbers, mind: tuple[Any, ...], b: int, units: Floats, cosine: Floats, chance: Floats
) -> tuple[np.float32, bool, bool]:
    """Draw the grade of the track, update the state, and draw whether the listener leaves.

    The first uniform number decides on a skip and, rescaled, on the grade: the larger, the longer the track is heard.
    """
    taste, _, mood, position, grades, started, _, _ = mind
    log_odds = _log_odds(listener, mind, b, units, cosine)
    skips = logistic(log_odds)
    last = min(max(grades[b, MEMORY - 1], 0), NONE)
    completed = chance[b, 0] >= skips
    if completed:
        grade, least, share = listener.skip_from - 1, 0, (chance[b, 0] - skips) / max(1 - skips, 1e-30)
    else:
        grade, least, share = 3, listener.skip_from, chance[b, 0] / max(skips, 1e-30)
    reached = listener.grades[last, grade]
    while grade > least and share >= reached:
        grade -= 1
        reached += listener.grades[last, grade]
    for place in range(MEMORY - 1):
        grades[b, place] = grades[b, place + 1]
    grades[b, MEMORY - 1] = grade
    mood[b] = np.float32(listener.mood_decay) * mood[b] + listener.mood_shift[grade]
    position[b] += 1
    started[b] = 0
    while started[b] < 3 and chance[b, 2] >= listener.starts[grade, started[b]]:
        started[b] += 1
    if listener.decays and completed:
        for j in range(units.shape[1]):
            taste[b, j] = DECAY * taste[b, j] + units[b, j]
    return np.float32(completed), completed, chance[b, 1] < listener.leave[0 if completed else 1]


compile_listener(Numbers, _arrive, _answer)


def _check_numbers(name: str, value: Any, shape: tuple[int, ...]) -> None:
    """Raise `ValueError` unless the value holds finite numbers, not booleans or text, in this shape."""
    try:
        numbers = np.array(value)
    except (TypeError, ValueError):  # rows of different lengths
        numbers = np.array(None)
    if numbers.shape != shape or numbers.dtype.kind not in "if" or not (np.abs(numbers) <= 1e6).all():
        form = " × ".join(map(str, shape))
        what = f"{form} finite numbers" if form else "a finite number"
        raise ValueError(f"{name}={str(value)[:60]} must be {what}, from -1e6 to 1e6")


@lru_cache
def _marks(n_features: int) -> Floats:
    """Return random weights, (d,): u·weights is the signature of a track u, equal for equal tracks."""
    return np.random.default_rng(0).standard_normal(n_features, np.float32)
