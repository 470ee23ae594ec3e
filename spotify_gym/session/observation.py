"""Observations: concatenated state blocks, chosen by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue
from spotify_gym.listeners import Listener
from spotify_gym.registry import make_named
from spotify_gym.session import kernels
from spotify_gym.session.blocks import (
    Answered,
    Belief,
    Block,
    Decayed,
    Genres,
    History,
    Mean,
    Place,
    Responses,
    Seed,
    Taste,
    UpperConfidence,
)
from spotify_gym.session.state import Floats, SessionState, StepResult

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
    "belief": Belief,
}
"""The blocks by name, as functions of catalogue and H. "mean+genres" concatenates two of them.

"decayed=0.8" sets the decay of a weight with each further track heard, which is 0.9 by default."""


class Visible(Block):
    """The visible state of the listener."""

    def __init__(self, listener: Listener[Any], low: Floats, high: Floats) -> None:
        super().__init__(low, high)
        self.n_vectors = listener.visible_vectors
        self._listener = listener

    def read(self, sessions: SessionState, memory: Floats) -> Floats:
        """Return the visible states."""
        visible = self._listener.visible(sessions.listener)
        assert visible is not None  # because it has bounds
        return visible


class Observer:
    """Computes observations as the concatenation of blocks.

    Attributes:
        bounds: the lower and the upper bounds of an observation, (k,) each.
        vectors: slices of an observation that are vectors in the space of the features.
        reads_log: whether any block reads the log of the sessions.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.bounds = np.concatenate([b.low for b in blocks]), np.concatenate([b.high for b in blocks])
        places = zip(blocks, _side_by_side([len(block.low) for block in blocks]), strict=True)
        self.vectors = tuple(vector for block, place in places for vector in _cut(place, block))
        self.reads_log = any(block.reads_log for block in blocks)
        self.n_memory = sum(block.n_memory for block in blocks)
        self._parts = list(zip(blocks, _side_by_side([block.n_memory for block in blocks]), strict=True))

    def shows_vibes(self, width: int) -> bool:
        """Return whether observations are the vibe, or vibe and seed vibe, and `width` numbers wide."""
        kinds = [type(block) for block, _ in self._parts]
        return kinds in ([Mean], [Mean, Seed]) and len(self.bounds[0]) == width

    def start(self, sessions: SessionState, rows: NDArray[np.intp]) -> None:
        """Initialise the memory of the blocks for the new sessions in `rows`, (n,)."""
        if self.n_memory:
            if sessions.memory is None:
                sessions.memory = np.empty((len(sessions), self.n_memory), np.float32)
            begun, memory = sessions.take(rows), sessions.memory[rows]
            for block, place in self._parts:
                block.start(begun, memory[:, place])
            sessions.memory[rows] = memory

    def move(self, sessions: SessionState, result: StepResult) -> None:
        """Update the memory of the blocks after a step."""
        assert sessions.memory is not None  # called only where a block has memory
        for block, place in self._parts:
            block.move(sessions, sessions.memory[:, place], result)

    def observe(self, sessions: SessionState) -> Floats:
        """Return the observations, (B, k), as a new array."""
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
    """Return the slices of the vectors in a block that occupies `place`."""
    width = (place.stop - block.n_scalars - place.start) // max(block.n_vectors, 1)
    return [slice(place.start + i * width, place.start + (i + 1) * width) for i in range(block.n_vectors)]


def observer(
    catalogue: Catalogue, state: str, history_length: int, *, shows_seed: bool, listener: Listener[Any] | None
) -> Observer:
    """Return the observer of the chosen state, the seed vibe where `shows_seed`, and the visible listener state.

    Raises:
        ValueError: a part of the state is not in :data:`STATES`, or needs genres that the catalogue lacks.
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
        raise ValueError(f"state={part!r}: the decay must be at least 0 and below 1, such as decayed=0.8")
    return Decayed(catalogue, history_length, decay)
