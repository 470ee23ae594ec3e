"""Environment options: build session dynamics from user input, which is validated here and trusted elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set, Sized
from difflib import get_close_matches
from numbers import Real
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np

from spotify_gym.catalogue import Catalogue, as_catalogue
from spotify_gym.listeners import Listener, as_listener
from spotify_gym.session.dynamics import SessionDynamics
from spotify_gym.session.state import Ints

Source = Catalogue | str | Path
"""A catalogue, or how to load one: "builtin", "builtin:26000", or the path of a table or a prepared .arrow file."""


MAX_WEIGHT = 1e6
"""Largest weight of a reward term, and largest baseline: next to larger ones a cosine is lost in float32 rounding."""


class EnvOptions(TypedDict, total=False):
    """The options of an environment, see :func:`make_dynamics`; the registered ids set some of them."""

    scaling: Literal["standard", "minmax"] | None
    reward: Mapping[str, float] | None
    history_length: int
    state: str
    repeats: bool
    reward_baseline: float | None
    listener: Listener[Any] | Mapping[str, Any] | str | Path | None
    same: Literal["recording", "song"]


def make_dynamics(
    catalogue: Source,
    *,
    scaling: Literal["standard", "minmax"] | None = None,
    reward: Mapping[str, float] | None = None,
    history_length: int = 5,
    state: str = "mean",
    repeats: bool = True,
    reward_baseline: float | None = None,
    listener: Listener[Any] | Mapping[str, Any] | str | Path | None = None,
    same: Literal["recording", "song"] = "recording",
) -> SessionDynamics:
    """Build the session dynamics that these options describe.

    Args:
        catalogue: the tracks that can be played.
        scaling: how features are scaled; None keeps a catalogue as it is and standardises a table.
        reward: weight of each reward term; None: 1 for "flow" and for each term of the listener.
        history_length: H.
        state: the observation, as names of blocks joined by "+".
        repeats: whether a track, or another version of it, may play again.
        reward_baseline: b; None for the expected cosine of random play.
        listener: a listener, or its name, the path of its JSON file, or its parameters.
        same: which tracks are versions of one another: those of one "recording" (equal features) or of one "song"
            (those, or equal title and first artist).

    Raises:
        CatalogueError: the catalogue cannot be read.
        ValueError: an option has a value that is not allowed.
    """
    person = as_listener(listener)
    if reward is None:
        reward = dict.fromkeys(("flow", *(person.term_bounds if person is not None else ())), 1.0)
    _check_types(history_length, repeats, reward)
    for name, weight in reward.items():
        _check_number(f"reward[{name!r}]", weight)
    if reward_baseline is not None:
        _check_number("reward_baseline", reward_baseline)
    if same not in ("recording", "song"):
        raise ValueError(f'same={same!r} is not known; choose "recording" or "song"')
    return SessionDynamics(
        as_catalogue(catalogue, scaling=scaling),
        reward={name: float(weight) for name, weight in reward.items()},
        history_length=int(history_length),  # NumPy's integers overflow
        state=state,
        repeats=repeats,
        reward_baseline=None if reward_baseline is None else float(reward_baseline),
        listener=person,
        same=same,
    )


def dynamics_from(catalogue: Source, options: EnvOptions) -> SessionDynamics:
    """Build the session dynamics that the options of an environment describe.

    Raises:
        TypeError: an option is unknown.
        CatalogueError, ValueError: as in :func:`make_dynamics`.
    """
    if unknown := options.keys() - EnvOptions.__annotations__:
        name, more = min(unknown), ("max_episode_steps", "render_mode", "played_width", "info_texts")
        known = ["catalogue", *EnvOptions.__annotations__, *(one for one in more if one != name)]
        near = "".join(f"did you mean {one}? " for one in get_close_matches(name, known, 1))
        raise TypeError(f"{name!r} is not an environment option; {near}choose from {', '.join(known)}")
    return make_dynamics(catalogue, **options)


def check_whole(name: str, value: object) -> None:
    """Raise `ValueError` if the value of the argument `name` is not an integer."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{name}={value!r} is not a whole number")


def _check_types(history_length: object, repeats: object, reward: object) -> None:
    check_whole("history_length", history_length)
    if not isinstance(repeats, bool):
        raise ValueError(f"repeats={repeats!r} is neither True nor False")
    if not isinstance(reward, Mapping) or not reward or not all(isinstance(name, str) for name in reward):
        raise ValueError(f"reward={reward!r} must hold names of terms and their weights, such as {{'flow': 1.0}}")


def _check_number(name: str, value: object) -> None:
    if not isinstance(value, Real) or not abs(float(value)) <= MAX_WEIGHT:  # NaN is not either
        raise ValueError(f"{name}={value!r} is not a number from -{MAX_WEIGHT:g} to {MAX_WEIGHT:g}")


def history_of(options: Mapping[str, Any] | None, dynamics: SessionDynamics, n_sessions: int) -> Ints | None:
    """Return `options["history"]`, (H,) or (n_sessions, H) track indices or ids, as indices (n_sessions, H); or None.

    Raises:
        ValueError: an option is unknown, the number of tracks is wrong, or a track is not in the catalogue.
    """
    if not options:
        return None
    if not isinstance(options, Mapping):
        raise ValueError(f"options={options!r} is not a dict, such as {{'history': [...]}}")
    if unknown := sorted(set(options) - {"history"}):
        raise ValueError(f"unknown reset option {unknown[0]!r}; the only one is 'history'")
    if options.get("history") is None:
        return None
    given = options["history"]
    try:
        rows = given if np.ndim(given) == 2 else [given]
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"options['history'] must be H tracks, or H for each session; got {given!r}") from error
    if len(rows) not in (1, n_sessions):
        raise ValueError(
            f"options['history'] has {len(rows)} rows for {n_sessions} sessions; give one, or one for each"
        )
    return np.array(
        np.broadcast_to([_track_indices(row, dynamics) for row in rows], (n_sessions, dynamics.history_length))
    )


def _track_indices(tracks: Sequence[int | str], dynamics: SessionDynamics) -> list[int]:
    ordered = isinstance(tracks, Sized) and not isinstance(tracks, (str, Mapping, Set))
    if not ordered or len(tracks) != dynamics.history_length:
        raise ValueError(f"options['history'] must hold {dynamics.history_length} tracks; got {tracks!r}")
    return [_track_index(track, dynamics.catalogue) for track in tracks]


def _track_index(track: int | str, catalogue: Catalogue) -> int:
    if isinstance(track, str):
        return catalogue.index_of(track)
    if np.asarray(track).dtype.kind not in "iu" or np.ndim(track) or not 0 <= track < len(catalogue):
        raise ValueError(
            f"{track!r} is not a track of this catalogue; give ids, or indices from 0 to {len(catalogue) - 1}"
        )
    return int(track)
