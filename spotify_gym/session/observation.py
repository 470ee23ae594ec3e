"""State blocks: what the agent sees of a session, one block of numbers after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from spotify_gym.catalogue import Catalogue
from spotify_gym.listeners import Listener
from spotify_gym.registry import resolve
from spotify_gym.session.state import Floats, SessionState, StepResult

_DECAY = np.float32(0.9)  # of a track's weight in `Decayed` with each further track heard


class Block(ABC):
    """One part of an observation, k numbers.

    A block that needs more than :class:`SessionState` holds says how many numbers, and keeps them itself: they travel
    with the sessions.

    Args:
        low, high: its bounds, (k,) each.
    """

    n_vectors: int = 0
    """Vectors in the space of the features that it consists of, k / d; 0: it is something else."""
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
    """The mean of all tracks heard, weights falling geometrically with age, (d,)."""

    def __init__(self, catalogue: Catalogue, history_length: int) -> None:
        super().__init__(catalogue, history_length)
        self.n_memory = len(self.low)

    def start(self, sessions: SessionState, memory: Floats) -> None:
        """Take the mean over the window."""
        weights = _DECAY ** np.arange(sessions.window.shape[1] - 1, -1, -1, dtype=np.float32)
        memory[:] = np.einsum("h,bhd->bd", weights / weights.sum(), sessions.window)

    def move(self, sessions: SessionState, memory: Floats, result: StepResult) -> None:
        """Take in the tracks that were heard out."""
        heard = result.completed
        memory[heard] = _DECAY * memory[heard] + (1 - _DECAY) * sessions.window[heard, -1]

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


STATES: dict[str, Callable[[Catalogue, int], Block]] = {
    "mean": Mean,
    "decayed": Decayed,
    "history": History,
    "genres": Genres,
}
"""The blocks that a state is composed of, by name: from catalogue and H to the block. "mean+genres" shows both."""


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
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.bounds = np.concatenate([b.low for b in blocks]), np.concatenate([b.high for b in blocks])
        places = zip(blocks, _side_by_side([len(block.low) for block in blocks]), strict=True)
        self.vectors = tuple(vector for block, place in places for vector in _cut(place, block.n_vectors))
        self.n_memory = sum(block.n_memory for block in blocks)
        self._parts = list(zip(blocks, _side_by_side([block.n_memory for block in blocks]), strict=True))

    def start(self, sessions: SessionState) -> None:
        """Give sessions that begin the memory that the blocks need."""
        if self.n_memory:
            sessions.memory = np.empty((len(sessions), self.n_memory), np.float32)
            for block, place in self._parts:
                block.start(sessions, sessions.memory[:, place])

    def move(self, sessions: SessionState, result: StepResult) -> None:
        """Bring the memory up to date after a step."""
        if sessions.memory is not None:
            for block, place in self._parts:
                block.move(sessions, sessions.memory[:, place], result)

    def observe(self, sessions: SessionState) -> Floats:
        """Return the observations, (B, k), in memory of their own."""
        memory: Any = sessions.memory
        if len(self._parts) == 1:
            return self._parts[0][0].read(sessions, memory).copy()
        owned: list[Any] = [memory if memory is None else memory[:, place] for _, place in self._parts]
        seen = [block.read(sessions, own) for (block, _), own in zip(self._parts, owned, strict=True)]
        return np.concatenate(seen, axis=1)


def _side_by_side(widths: Sequence[int]) -> list[slice]:
    return [slice(end - width, end) for end, width in zip(accumulate(widths), widths, strict=True)]


def _cut(place: slice, n: int) -> list[slice]:
    """Cut a slice into n equal ones, 0 or more."""
    width = (place.stop - place.start) // max(n, 1)
    return [slice(place.start + i * width, place.start + (i + 1) * width) for i in range(n)]


def observer(
    catalogue: Catalogue, state: str, history_length: int, *, shows_seed: bool, listener: Listener[Any] | None
) -> Observer:
    """Compose the observation: the chosen state, the seed vibe where it matters, and what the listener shows.

    Raises:
        ValueError: a part of the state is not one of :data:`STATES`, or needs genres that the catalogue lacks.
    """
    blocks = [resolve("state", part, STATES)(catalogue, history_length) for part in str(state).split("+")]
    if shows_seed:
        blocks.append(Seed(catalogue, history_length))
    if listener is not None and (bounds := listener.visible_bounds(catalogue.features.shape[1])) is not None:
        blocks.append(Visible(listener, *bounds))
    return Observer(blocks)
