"""State blocks: the parts that an observation is concatenated from."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from spotify_gym.catalogue import Catalogue
from spotify_gym.catalogue.catalogue import TINY
from spotify_gym.session import estimation
from spotify_gym.session.state import Floats, SessionState, StepResult, log_of

_PLACES = 50  # tracks in the longest session of the family
_LONGEST = 10**6  # responses for which the bounds of `Taste` and `UpperConfidence` hold
_MANY = 10  # tracks: the count that `Responses` maps to 1/2


class Block(ABC):
    """One part of an observation, k numbers.

    A block that needs more than :class:`SessionState` holds declares `n_memory` and maintains that many numbers per
    session; they are stored with the sessions.

    Args:
        low, high: bounds of the block, (k,) each.
    """

    n_vectors: int = 0
    """Number of feature-space vectors that the block begins with; 0 if it contains none."""
    n_scalars: int = 0
    """Number of scalars after the vectors."""
    reads_log: bool = False
    """Whether the block reads the log of the sessions."""
    n_memory: int = 0
    """Numbers remembered per session; `memory` is (B, n_memory)."""

    def __init__(self, low: Floats, high: Floats) -> None:
        self.low, self.high = low, high

    @abstractmethod
    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Return this block of the observations, (B, k)."""

    def start(self, sessions: SessionState, memory: Floats) -> None:
        """Initialise the memory of new sessions, in place."""
        memory[:] = 0

    def move(self, sessions: SessionState, memory: Floats, result: StepResult) -> None:  # noqa: B027 - most have none
        """Update the memory after a step, in place."""


class Mean(Block):
    """The vibe: the mean of the last H tracks heard, (d,)."""

    n_vectors = 1

    def __init__(self, catalogue: Catalogue, history_length: int) -> None:
        low, high = catalogue.features.min(axis=0), catalogue.features.max(axis=0)
        # Slightly wider than the range of the features, which the mean of equal numbers may exceed by rounding.
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
    """A mean of all tracks heard, whose weights fall by the factor `decay` with each further one, (d,).

    It starts as m = Σ decay^age x / Σ decay^age over the window, and each track x heard out moves it to
    decay · m + (1 − decay) · x.
    """

    def __init__(self, catalogue: Catalogue, history_length: int, decay: float = 0.9) -> None:
        super().__init__(catalogue, history_length)
        self.n_memory, self._decay = len(self.low), np.float32(decay)

    def start(self, sessions: SessionState, memory: Floats) -> None:
        """Set the memory to the weighted mean of the window."""
        weights = self._decay ** np.arange(sessions.window.shape[1] - 1, -1, -1, dtype=np.float32)
        memory[:] = np.einsum("h,bhd->bd", weights / weights.sum(), sessions.window)

    def move(self, sessions: SessionState, memory: Floats, result: StepResult) -> None:
        """Add the tracks that were heard out."""
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
                "use a table with a genre column, or choose another state"
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
    """One-hot encoding of the number of tracks recommended so far, (50,); the last entry stands for 49 and more.

    It lets a value function know how close the time limit is (Pardo et al. 2018, "Time limits in reinforcement
    learning"): one value per place, and none after the last.
    """

    def __init__(self, catalogue: Catalogue, history_length: int) -> None:
        super().__init__(np.zeros(_PLACES, np.float32), np.ones(_PLACES, np.float32))

    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Return the one-hot vectors."""
        places: Floats = np.zeros((len(sessions), _PLACES), np.float32)
        places[np.arange(len(sessions)), np.minimum(sessions.time, _PLACES - 1)] = 1
        return places


class Responses(Block):
    """Means and counts of the tracks played, by the response of the listener, (3d + 4,).

    Mean unit features of the start, of the tracks heard out since and of those skipped, 0 where there are none; then
    the number heard out, the number skipped, their sum, and the patience spent (a skip costs one, a track heard out
    gives one back). A count n is encoded as n / (n + 10).
    """

    n_vectors, n_scalars = 3, 4
    reads_log = True

    def __init__(self, catalogue: Catalogue, history_length: int) -> None:
        n_numbers = 3 * catalogue.features.shape[1]
        high = np.full(n_numbers + self.n_scalars, 1 + 1e-5, np.float32)
        super().__init__(np.concatenate([-high[:n_numbers], np.zeros(self.n_scalars, np.float32)]), high)
        self._catalogue, self._history_length = catalogue, history_length

    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Return means and encoded counts."""
        log = log_of(sessions)
        means, counts = estimation.told(self._catalogue.features, log.tracks, log.answers, self._history_length)
        counts = np.column_stack([counts[:, :2], counts[:, :2].sum(axis=1), counts[:, 2]])
        return np.concatenate([means.reshape(len(means), -1), counts / (counts + np.float32(_MANY))], axis=1)


class Answered(Block):
    """Unit features of the last 50 tracks with a response, the oldest first, negated if skipped, (50d,).

    Padded with zeros in front. Nothing is aggregated: the learner has to find out what the responses say.
    """

    n_vectors = _PLACES
    reads_log = True

    def __init__(self, catalogue: Catalogue, history_length: int) -> None:
        high = np.full(_PLACES * catalogue.features.shape[1], 1 + 1e-6, np.float32)
        super().__init__(-high, high)
        self._units = catalogue.unit_features

    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Return the signed unit features."""
        log = log_of(sessions)
        asked = log.answers != 0
        last = np.argsort(asked, axis=1, kind="stable")[:, -_PLACES:]
        answers, tracks = (np.take_along_axis(part, last, axis=1) for part in (log.answers, log.tracks))
        answered = self._units[tracks] * answers[:, :, None].astype(np.float32)
        seen = np.zeros((len(sessions), len(self.high)), np.float32)
        seen[:, -answered[0].size :] = answered.reshape(len(seen), -1)
        return seen


class Taste(Block):
    """Ridge regression estimates of the taste from the responses, with a prior from the catalogue, (3d,).

    For each of three prior weights λ, the vector f that fits f·u to the responses y (1 heard out, -1 skipped) over
    the tracks played, with unit features u, by penalised least squares:

        f = (Σuuᵀ + λ(9C)⁻¹)⁻¹ (Σyu + λ(9C)⁻¹ 2μ) = (1 + 9C Σuuᵀ / λ)⁻¹ (2μ + 9C Σyu / λ)

    μ and C are mean and covariance of the unit features of the catalogue: tastes are assumed to be distributed like
    tracks. A step costs d³ operations per session, too many for hundreds of features.
    """

    n_vectors = 3
    reads_log = True
    weights = np.array([0.25, 1.0, 4.0])

    def __init__(self, catalogue: Catalogue, history_length: int) -> None:
        mean, covariance = catalogue.unit_moments
        self._mean, self._spread = 2 * mean, 9 * covariance / self.weights[:, None, None]  # (d,), (3, d, d)
        # The loss at f is at most that at 2μ, whose squared errors over n responses of 1 or -1 sum to at most 9n.
        reach = np.sqrt(9 * _LONGEST * np.diagonal(self._spread, axis1=1, axis2=2)) + 1e-3
        low, high = ((self._mean + sign * reach).ravel().astype(np.float32) for sign in (-1, 1))
        super().__init__(low, high)
        self._catalogue = catalogue

    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Return f for each λ, (B, 3, d) flattened to (B, 3d)."""
        log = log_of(sessions)
        gram, moment = estimation.regression(self._catalogue.unit_features, log.tracks, log.answers)
        matrix = np.eye(len(self._mean)) + self._spread @ gram[:, None].astype(np.float64)
        target = self._mean[:, None] + self._spread @ moment[:, None, :, None].astype(np.float64)
        taste = np.linalg.solve(matrix, target)
        return taste.astype(np.float32).reshape(len(sessions), -1)


class Optimistic(Block):
    """The gradient of an upper confidence bound on what the listener likes, given the responses, (d,).

    With mean f and covariance P of what the listener likes, the bound on a track with unit features u is
    f·u + 5/4 √(uᵀPu), and its gradient at u = f / ‖f‖

        f + 5/4 P f / √(fᵀPf).
    """

    n_vectors = 1
    reads_log = True
    bonus = np.float32(1.25)

    @abstractmethod
    def estimate(self, sessions: SessionState, memory: Floats) -> tuple[Floats, Floats]:
        """Return f and P f, (B, d) each."""

    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Return the gradient of the bound after all responses so far."""
        mean, uncertain = self.estimate(sessions, memory)
        variance = np.maximum((uncertain * mean).sum(axis=1, keepdims=True), TINY)
        optimistic: Floats = mean + self.bonus * uncertain / np.sqrt(variance)
        np.clip(optimistic, self.low, self.high, out=optimistic)  # rounding counts where nothing is uncertain
        return optimistic


class UpperConfidence(Optimistic):
    """The bound of :class:`Optimistic` by a filter, without knowledge of the listener model, (d,).

    f and P come from :func:`~spotify_gym.session.estimation.logistic_filter`. Tastes are assumed to be distributed like
    tracks: f starts at 2μ and P at 16C, with μ and C mean and covariance of the unit features of the catalogue.

    An observation costs d² operations per response so far, too many for hundreds of features.
    """

    def __init__(self, catalogue: Catalogue, history_length: int) -> None:
        mean, covariance = catalogue.unit_moments
        self._units = catalogue.unit_features
        self._prior = (2 * mean).astype(np.float32), (16 * covariance).astype(np.float32)
        deviation = 4 * np.sqrt(np.diagonal(covariance))
        reach = deviation * (4 * np.sqrt(np.trace(covariance)) * _LONGEST + self.bonus) + 1e-3  # |Pu| for each answer
        super().__init__((2 * mean - reach).astype(np.float32), (2 * mean + reach).astype(np.float32))

    def estimate(self, sessions: SessionState, memory: Floats) -> tuple[Floats, Floats]:
        """Return f and P f after the filter's pass over all responses."""
        log, odds = log_of(sessions), np.zeros((1, 1), np.float32)
        mean, covariance = estimation.logistic_filter(self._units, log.tracks, log.answers, odds, *self._prior)
        return mean, np.einsum("bij,bj->bi", covariance, mean)


class Belief(Optimistic):
    """The bound of :class:`Optimistic` by Bayes' rule, with a rough model of the listener, (d,).

    The taste may be any of 4,096 tracks, a sample of the catalogue, all equally likely at first; `memory` holds the
    log-likelihood of each. A track with unit features u is heard out by a taste τ with log-odds 4 τ·u + 0.6 after a
    track that was heard out, and 4 τ·u - 1 after a skip, which is about how listeners of the public log respond (the
    source of :class:`~spotify_gym.listeners.SkippingListener`). f and P are mean and covariance of 4τ. Unlike a filter,
    Bayes' rule uses that tastes have length 1 and come in clusters, like tracks.

    A step costs 4,096 d operations per session.
    """

    n_tastes = 4096
    weight = np.float32(4)
    log_odds = np.float32(-1), np.float32(0.6)  # after a skip, and after a track heard out

    def __init__(self, catalogue: Catalogue, history_length: int) -> None:
        self._units = catalogue.unit_features
        reach = self.weight * (1 + self.bonus) + np.float32(1e-3)  # 4τ and its deviation in any direction are at most 4
        high = np.full(self._units.shape[1], reach, np.float32)
        super().__init__(-high, high)
        self.n_memory = min(self.n_tastes, len(catalogue))
        some = np.random.default_rng(0).choice(len(catalogue), self.n_memory, replace=False)
        self._tastes: Floats = self.weight * self._units[np.sort(some)]
        self._history_length = history_length

    def move(self, sessions: SessionState, memory: Floats, result: StepResult) -> None:
        """Add the log-likelihood of the last response."""
        log, rows, place = log_of(sessions), np.arange(len(sessions)), sessions.time + self._history_length - 1
        units, answers = self._units[log.tracks[rows, place]], log.answers[rows, place]
        odds = np.where(log.answers[rows, place - 1] < 0, *self.log_odds)
        memory += estimation.log_likelihood(self._tastes, units, answers, odds)

    def estimate(self, sessions: SessionState, memory: Floats) -> tuple[Floats, Floats]:
        """Return the posterior mean f of 4τ, and P f with its covariance P = E[4τ (4τ)ᵀ] - f fᵀ, (B, d) each."""
        weights = np.exp(memory - memory.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        mean: Floats = weights @ self._tastes
        weights *= mean @ self._tastes.T
        return mean, weights @ self._tastes - mean * (mean * mean).sum(axis=1, keepdims=True)
