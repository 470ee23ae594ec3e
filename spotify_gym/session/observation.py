"""State blocks: what the agent sees of a session, one block of numbers after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue
from spotify_gym.catalogue.catalogue import TINY
from spotify_gym.listeners import Listener
from spotify_gym.registry import make_named
from spotify_gym.session import estimation, kernels
from spotify_gym.session.state import Floats, SessionState, StepResult, log_of

_PLACES = 50  # tracks in the longest session of the family
_LONGEST = 10**6  # answers that the bounds of `Taste` are made for
_MANY = 10  # tracks: half of the scale on which `Responses` shows a count


class Block(ABC):
    """One part of an observation, k numbers.

    A block that needs more than :class:`SessionState` holds says how many numbers, and keeps them itself: they travel
    with the sessions.

    Args:
        low, high: its bounds, (k,) each.
    """

    n_vectors: int = 0
    """Vectors in the space of the features that it consists of, or begins with; 0: it is something else."""
    n_scalars: int = 0
    """Numbers after the vectors."""
    reads_log: bool = False
    """Whether it reads the log of the sessions."""
    n_memory: int = 0
    """Numbers that it remembers of each session. Its `memory` is (B, n_memory)."""

    def __init__(self, low: Floats, high: Floats) -> None:
        self.low, self.high = low, high

    @abstractmethod
    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Return what the agents see, (B, k)."""

    def start(self, sessions: SessionState, memory: Floats) -> None:
        """Fill the memory of sessions that begin, in place."""
        memory[:] = 0

    def move(self, sessions: SessionState, memory: Floats, result: StepResult) -> None:  # noqa: B027 - most have none
        """Bring the memory up to date after a step, in place."""


class Mean(Block):
    """The vibe: the mean of the last H tracks heard, (d,)."""

    n_vectors = 1

    def __init__(self, catalogue: Catalogue, history_length: int) -> None:
        low, high = catalogue.features.min(axis=0), catalogue.features.max(axis=0)
        # A little wider than the features: a mean of equal numbers may round past them.
        rounding = np.float32(max(1e-6, history_length * float(np.finfo(np.float32).eps)))
        super().__init__(low - rounding * (np.abs(low) + 1), high + rounding * (np.abs(high) + 1))

    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Return the vibes."""
        return sessions.vibe


class Seed(Mean):
    """The vibe that the session started with, (d,)."""

    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Return the seed vibes."""
        return sessions.seed_vibe


class Decayed(Mean):
    """The mean of all tracks heard, weights falling geometrically with age, (d,): `decay` of them is left a track."""

    def __init__(self, catalogue: Catalogue, history_length: int, decay: float = 0.9) -> None:
        super().__init__(catalogue, history_length)
        self.n_memory, self._decay = len(self.low), np.float32(decay)

    def start(self, sessions: SessionState, memory: Floats) -> None:
        """Take the mean over the window."""
        weights = self._decay ** np.arange(sessions.window.shape[1] - 1, -1, -1, dtype=np.float32)
        memory[:] = np.einsum("h,bhd->bd", weights / weights.sum(), sessions.window)

    def move(self, sessions: SessionState, memory: Floats, result: StepResult) -> None:
        """Take in the tracks that were heard out."""
        heard = result.completed
        memory[heard] = self._decay * memory[heard] + (1 - self._decay) * sessions.window[heard, -1]

    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Return the means."""
        return memory


class History(Mean):
    """The last H tracks heard, the oldest first, (H·d,)."""

    def __init__(self, catalogue: Catalogue, history_length: int) -> None:
        super().__init__(catalogue, history_length)
        self.n_vectors = history_length
        self.low, self.high = np.tile(self.low, history_length), np.tile(self.high, history_length)

    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Return the windows, flat."""
        return sessions.window.reshape(len(sessions), -1)


class Genres(Block):
    """The mix of genres of the last H tracks heard, (G,); a track of two genres counts half for each."""

    def __init__(self, catalogue: Catalogue, history_length: int) -> None:
        if catalogue.genres is None:
            raise ValueError(
                f"state='genres' needs genres, and {catalogue.source} has none; "
                "bring a table with a genre column, or choose another state"
            )
        member = catalogue.genres.astype(np.float32)
        self._shares = member / np.maximum(member.sum(axis=1, keepdims=True), 1)
        n_genres = member.shape[1]
        super().__init__(np.zeros(n_genres, np.float32), np.full(n_genres, 1 + 1e-6, np.float32))

    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Return the mixes."""
        mix: Floats = self._shares[sessions.history].mean(axis=1)
        return mix


class Place(Block):
    """How many tracks were recommended so far, as 50 numbers, of which one is 1; the last stands for all from there on.

    Who sees it can tell an end of sessions from an accident (Pardo et al. 2018, "Time limits in reinforcement
    learning"): a value for each place, and nothing after the last.
    """

    def __init__(self, catalogue: Catalogue, history_length: int) -> None:
        super().__init__(np.zeros(_PLACES, np.float32), np.ones(_PLACES, np.float32))

    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Return the places."""
        places: Floats = np.zeros((len(sessions), _PLACES), np.float32)
        places[np.arange(len(sessions)), np.minimum(sessions.time, _PLACES - 1)] = 1
        return places


class Responses(Block):
    """What the listener has told: all that was played, summed up by what came of it, (3d + 4,).

    Mean unit features of the start, of the tracks heard out since and of those skipped, 0 where there are none; then
    how many were heard out, how many skipped, the place in the session (their sum), and the patience spent, of which
    a skip takes one and a track heard out gives one back. A count n is shown as n / (n + 10).
    """

    n_vectors, n_scalars = 3, 4
    reads_log = True

    def __init__(self, catalogue: Catalogue, history_length: int) -> None:
        n_numbers = 3 * catalogue.features.shape[1]
        high = np.full(n_numbers + self.n_scalars, 1 + 1e-5, np.float32)
        super().__init__(np.concatenate([-high[:n_numbers], np.zeros(self.n_scalars, np.float32)]), high)
        self._catalogue, self._history_length = catalogue, history_length

    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Sum up."""
        log = log_of(sessions)
        means, counts = estimation.told(self._catalogue.features, log.tracks, log.answers, self._history_length)
        counts = np.column_stack([counts[:, :2], counts[:, :2].sum(axis=1), counts[:, 2]])
        return np.concatenate([means.reshape(len(means), -1), counts / (counts + np.float32(_MANY))], axis=1)


class Answered(Block):
    """The last 50 tracks that were answered, the oldest first: unit features, turned round where skipped, (50d,).

    Zeros stand before the first. Nothing is summed up: what answers say is for the learner to find out.
    """

    n_vectors = _PLACES
    reads_log = True

    def __init__(self, catalogue: Catalogue, history_length: int) -> None:
        high = np.full(_PLACES * catalogue.features.shape[1], 1 + 1e-6, np.float32)
        super().__init__(-high, high)
        self._units = catalogue.unit_features

    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Look them up."""
        log = log_of(sessions)
        asked = log.answers != 0
        last = np.argsort(asked, axis=1, kind="stable")[:, -_PLACES:]
        answers, tracks = (np.take_along_axis(part, last, axis=1) for part in (log.answers, log.tracks))
        answered = self._units[tracks] * answers[:, :, None].astype(np.float32)
        seen = np.zeros((len(sessions), len(self.high)), np.float32)
        seen[:, -answered[0].size :] = answered.reshape(len(seen), -1)
        return seen


class Taste(Block):
    """What the answers say of the taste: ridge least squares in the metric of the catalogue, (3d,).

    For each of three weights λ of what is known beforehand, the vector f that makes f·u nearest to the answers y (1
    heard out, -1 skipped) over the tracks of unit features u that were played:

        f = (Σuuᵀ + λ(9C)⁻¹)⁻¹ (Σyu + λ(9C)⁻¹ 2μ) = (1 + 9C Σuuᵀ / λ)⁻¹ (2μ + 9C Σyu / λ)

    with μ and C mean and covariance of the unit features of the catalogue: tastes are like tracks. A session costs
    d³ operations a step, so that it is not for features in the hundreds.
    """

    n_vectors = 3
    reads_log = True
    weights = np.array([0.25, 1.0, 4.0])

    def __init__(self, catalogue: Catalogue, history_length: int) -> None:
        mean, covariance = catalogue.unit_moments
        self._mean, self._spread = 2 * mean, 9 * covariance / self.weights[:, None, None]  # (d,), (3, d, d)
        # f is no worse than 2μ, which n answers of 1 or -1 contradict by 9n at most.
        reach = np.sqrt(9 * _LONGEST * np.diagonal(self._spread, axis1=1, axis2=2)) + 1e-3
        low, high = ((self._mean + sign * reach).ravel().astype(np.float32) for sign in (-1, 1))
        super().__init__(low, high)
        self._catalogue = catalogue

    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Solve for f, (B, 3, d) made flat."""
        log = log_of(sessions)
        gram, moment = estimation.regression(self._catalogue.unit_features, log.tracks, log.answers)
        matrix = np.eye(len(self._mean)) + self._spread @ gram[:, None].astype(np.float64)
        target = self._mean[:, None] + self._spread @ moment[:, None, :, None].astype(np.float64)
        taste = np.linalg.solve(matrix, target)
        return taste.astype(np.float32).reshape(len(sessions), -1)


class UpperConfidence(Block):
    """What the listener may like at best after these answers: an upper confidence bound made linear, (d,).

    Mean f and covariance P of what they like are those of
    :func:`~spotify_gym.session.estimation.logistic_filter`, which is not told by what rules the listener answers.
    Tastes are like tracks, so that f begins at 2μ and P at 16C, with μ and C mean and covariance of the unit features
    of the catalogue. Seen is the gradient of the bound f·u + 5/4 √(uᵀPu) at u = f / ‖f‖:

        f + 5/4 P f / √(fᵀPf).

    A session costs d² operations for each of its answers, so that it is not for features in the hundreds.
    """

    n_vectors = 1
    reads_log = True
    bonus = np.float32(1.25)

    def __init__(self, catalogue: Catalogue, history_length: int) -> None:
        mean, covariance = catalogue.unit_moments
        self._units = catalogue.unit_features
        self._prior = (2 * mean).astype(np.float32), (16 * covariance).astype(np.float32)
        deviation = 4 * np.sqrt(np.diagonal(covariance))
        reach = deviation * (4 * np.sqrt(np.trace(covariance)) * _LONGEST + self.bonus) + 1e-3  # |Pu| for each answer
        super().__init__((2 * mean - reach).astype(np.float32), (2 * mean + reach).astype(np.float32))

    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Filter all answers so far."""
        log, odds = log_of(sessions), np.zeros((1, 1), np.float32)
        mean, covariance = estimation.logistic_filter(self._units, log.tracks, log.answers, odds, *self._prior)
        uncertain = np.einsum("bij,bj->bi", covariance, mean)
        variance = np.maximum((uncertain * mean).sum(axis=1, keepdims=True), TINY)
        optimistic: Floats = mean + self.bonus * uncertain / np.sqrt(variance)
        return optimistic


STATES: dict[str, Callable[[Catalogue, int], Block]] = {
    "mean": Mean,
    "decayed": Decayed,
    "history": History,
    "genres": Genres,
    "place": Place,
    "responses": Responses,
    "answered": Answered,
    "taste": Taste,
    "ucb": UpperConfidence,
}
"""The blocks that a state is composed of, by name: from catalogue and H to the block. "mean+genres" shows both.

"decayed=0.8" sets what is left of a weight with each further track heard, otherwise 0.9."""


class Visible(Block):
    """What the listener shows of itself."""

    def __init__(self, listener: Listener[Any], low: Floats, high: Floats) -> None:
        super().__init__(low, high)
        self.n_vectors = listener.visible_vectors
        self._listener = listener

    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Ask the listener."""
        visible = self._listener.visible(sessions.listener)
        assert visible is not None  # it has bounds
        return visible


class Observer:
    """Writes observations, blocks side by side.

    Attributes:
        bounds: the lower and the upper bounds of an observation, (k,) each.
        vectors: where vectors in the space of the features stand in it.
        reads_log: whether a block reads the log of the sessions.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.bounds = np.concatenate([b.low for b in blocks]), np.concatenate([b.high for b in blocks])
        places = zip(blocks, _side_by_side([len(block.low) for block in blocks]), strict=True)
        self.vectors = tuple(vector for block, place in places for vector in _cut(place, block))
        self.reads_log = any(block.reads_log for block in blocks)
        self.n_memory = sum(block.n_memory for block in blocks)
        self._parts = list(zip(blocks, _side_by_side([block.n_memory for block in blocks]), strict=True))

    def shows_vibes(self, width: int) -> bool:
        """Say whether an observation is the vibe, or that and the seed vibe, of so many numbers in all."""
        kinds = [type(block) for block, _ in self._parts]
        return kinds in ([Mean], [Mean, Seed]) and len(self.bounds[0]) == width

    def start(self, sessions: SessionState, rows: NDArray[np.intp]) -> None:
        """Give the sessions that begin, (n,), the memory that the blocks need."""
        if self.n_memory:
            if sessions.memory is None:
                sessions.memory = np.empty((len(sessions), self.n_memory), np.float32)
            begun, memory = sessions.take(rows), sessions.memory[rows]
            for block, place in self._parts:
                block.start(begun, memory[:, place])
            sessions.memory[rows] = memory

    def move(self, sessions: SessionState, result: StepResult) -> None:
        """Bring the memory up to date after a step."""
        assert sessions.memory is not None  # nobody remembers anything otherwise
        for block, place in self._parts:
            block.move(sessions, sessions.memory[:, place], result)

    def observe(self, sessions: SessionState) -> Floats:
        """Return the observations, (B, k), in memory of their own."""
        memory: Any = sessions.memory
        if len(self._parts) == 1:
            return self._parts[0][0].read(sessions, memory).copy()
        if self.n_memory:
            parts = [block.read(sessions, memory[:, place]) for block, place in self._parts]
        else:
            parts = [block.read(sessions, memory) for block, _ in self._parts]
        return reduce(kernels.beside, map(np.asarray, parts))


def _side_by_side(widths: Sequence[int]) -> list[slice]:
    return [slice(end - width, end) for end, width in zip(accumulate(widths), widths, strict=True)]


def _cut(place: slice, block: Block) -> list[slice]:
    """Cut the vectors of a block out of its place."""
    width = (place.stop - block.n_scalars - place.start) // max(block.n_vectors, 1)
    return [slice(place.start + i * width, place.start + (i + 1) * width) for i in range(block.n_vectors)]


def observer(
    catalogue: Catalogue, state: str, history_length: int, *, shows_seed: bool, listener: Listener[Any] | None
) -> Observer:
    """Compose the observation: the chosen state, the seed vibe where it matters, and what the listener shows.

    Raises:
        ValueError: a part of the state is not one of :data:`STATES`, or needs genres that the catalogue lacks.
    """
    blocks = [_block(part, catalogue, history_length) for part in str(state).split("+")]
    if shows_seed:
        blocks.append(Seed(catalogue, history_length))
    if listener is not None and (bounds := listener.visible_bounds(catalogue.features.shape[1])) is not None:
        blocks.append(Visible(listener, *bounds))
    return Observer(blocks)


def _block(part: str, catalogue: Catalogue, history_length: int) -> Block:
    name, equals, rate = part.partition("=")
    if name != "decayed" or not equals:
        return make_named("state", part, STATES, Block, catalogue, history_length)  # type: ignore[type-abstract]
    try:
        decay = float(rate)
    except ValueError:
        decay = np.nan
    if not 0 <= decay < 1:
        raise ValueError(f"state={part!r}: what is left of a weight must be from 0 to below 1, such as decayed=0.8")
    return Decayed(catalogue, history_length, decay)
