"""What the agent sees: blocks of numbers read off a session, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue
from spotify_gym.listeners import Listener
from spotify_gym.session.state import SessionState

Floats = NDArray[np.float32]

STATES = ("mean", "decayed", "mean+decayed", "mean+genres", "history", "mean+history")
"""The state options, by name."""


@dataclass(frozen=True)
class Block:
    """One part of the observation: how to read it, (B, k), and its bounds, (k,) each."""

    read: Callable[[SessionState], Floats]
    low: Floats
    high: Floats
    n_vectors: int = 0
    """Vectors in the space of the features that it consists of, k / d; 0: it is something else."""


@dataclass(frozen=True)
class Observer:
    """Writes observations, its blocks side by side."""

    blocks: tuple[Block, ...]

    def observe(self, sessions: SessionState) -> Floats:
        """Return the observations, (B, k), in memory of their own."""
        if len(self.blocks) == 1:
            return self.blocks[0].read(sessions).copy()
        return np.concatenate([block.read(sessions) for block in self.blocks], axis=1)

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """The lower and the upper bounds of an observation, (k,) each."""
        return np.concatenate([b.low for b in self.blocks]), np.concatenate([b.high for b in self.blocks])

    @property
    def vectors(self) -> tuple[slice, ...]:
        """Where the vectors in the space of the features stand in an observation."""
        places, begin = [], 0
        for block in self.blocks:
            width = len(block.low) // max(block.n_vectors, 1)
            places += [slice(begin + i * width, begin + (i + 1) * width) for i in range(block.n_vectors)]
            begin += len(block.low)
        return tuple(places)


def observer(
    catalogue: Catalogue, state: str, history_length: int, *, shows_seed: bool, listener: Listener[Any] | None
) -> Observer:
    """Compose the observation: the chosen state, the seed vibe where it matters, and what the listener shows.

    Raises:
        ValueError: the state is not one of :data:`STATES`, or needs genres that the catalogue lacks.
    """
    blocks = _state_blocks(catalogue, state, history_length)
    if shows_seed:
        blocks.append(_vibe_block(catalogue, "seed_vibe", history_length))
    if listener is not None and (bounds := listener.visible_bounds(catalogue.features.shape[1])) is not None:
        blocks.append(Block(_Visible(listener), *bounds, listener.visible_vectors))
    return Observer(tuple(blocks))


def _state_blocks(catalogue: Catalogue, state: str, history_length: int) -> list[Block]:
    if state not in STATES:
        raise ValueError(f"state={state!r} is not known; choose one of {', '.join(map(repr, STATES))}")
    return [_part_block(catalogue, part, history_length) for part in state.split("+")]


def _part_block(catalogue: Catalogue, part: str, history_length: int) -> Block:
    match part:
        case "genres":
            return _genre_block(catalogue)
        case "history":
            low, high = _vibe_bounds(catalogue, history_length)
            return Block(_flat_window, np.tile(low, history_length), np.tile(high, history_length), history_length)
        case _:
            return _vibe_block(catalogue, {"mean": "vibe", "decayed": "memory"}[part], history_length)


def _vibe_block(catalogue: Catalogue, name: str, history_length: int) -> Block:
    return Block(attrgetter(name), *_vibe_bounds(catalogue, history_length), n_vectors=1)


def _vibe_bounds(catalogue: Catalogue, history_length: int) -> tuple[Floats, Floats]:
    """Smallest and largest value of each feature, a little wider: a mean of equal numbers may round past them."""
    low, high = catalogue.features.min(axis=0), catalogue.features.max(axis=0)
    rounding = np.float32(max(1e-6, history_length * float(np.finfo(np.float32).eps)))
    return low - rounding * (np.abs(low) + 1), high + rounding * (np.abs(high) + 1)


def _flat_window(sessions: SessionState) -> Floats:
    return sessions.window.reshape(len(sessions), -1)


def _genre_block(catalogue: Catalogue) -> Block:
    if catalogue.genres is None:
        raise ValueError(
            f"state='mean+genres' needs genres, and {catalogue.source} has none; "
            "bring a table with a genre column, or choose another state"
        )
    member = catalogue.genres.astype(np.float32)
    shares = member / np.maximum(member.sum(axis=1, keepdims=True), 1)
    n_genres = shares.shape[1]
    return Block(_GenreMix(shares), np.zeros(n_genres, np.float32), np.full(n_genres, 1 + 1e-6, np.float32))


@dataclass(frozen=True)
class _GenreMix:
    """Mean genre share of the history; a track of two genres counts half for each."""

    shares: Floats  # (n_tracks, n_genres)

    def __call__(self, sessions: SessionState) -> Floats:
        mix: Floats = self.shares[sessions.history].mean(axis=1)
        return mix


@dataclass(frozen=True)
class _Visible:
    """What the listener shows of itself."""

    listener: Listener[Any]

    def __call__(self, sessions: SessionState) -> Floats:
        visible = self.listener.visible(sessions.listener)
        assert visible is not None  # it has bounds
        return visible
