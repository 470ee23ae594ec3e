"""Base class of the single and the vector environment: their sessions, and a spec that can be saved as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any, NoReturn

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue, address_of
from spotify_gym.listeners import Listener, as_listener
from spotify_gym.registration import refuse_catalogue
from spotify_gym.session.dynamics import SessionDynamics
from spotify_gym.session.state import Ints, SessionState
from spotify_gym.session.streams import KeyStream

_LENGTH, _MOST = 50, 1000  # recommended tracks that `played` has room for without a time limit, and at most
_MANY = 10_000  # tracks
_SPARE = 2  # extra columns, so that a session ends before `played` is full


class SessionSpec(EnvSpec):
    """An `EnvSpec` whose error names the argument that cannot be written as JSON."""

    def to_json(self) -> str:
        """Return the spec as JSON.

        Raises:
            TypeError: an argument cannot be written as JSON.
        """
        for name, value in self.kwargs.items():
            try:
                json.dumps(value)
            except (TypeError, ValueError) as error:
                raise TypeError(
                    f"{self.id} cannot be written as JSON, because its {name} is a {type(value).__name__} in memory; "
                    "save it and make the environment with the file's path"
                ) from error
        return super().to_json()


class SharedEnv:
    """The part of an environment that does not depend on the number of its sessions."""

    dynamics: SessionDynamics
    played_width: int
    """W, the width of `played` in `info`."""
    _room: int  # tracks that a session may play
    _width_given: int | None
    _info_texts: bool
    _spec: SessionSpec | None = None
    keys: KeyStream | None = None
    """The source of the session keys; None before the first reset."""
    _sessions: SessionState | None = None

    @property
    def catalogue(self) -> Catalogue:
        """The tracks that can be played."""
        return self.dynamics.catalogue

    @property
    def sessions(self) -> SessionState:
        """The state of all sessions; a batch of one in a single environment.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if self._sessions is None:
            raise ResetNeeded("call reset() first")
        return self._sessions

    @property
    def rules(self) -> NoReturn:
        """Raise an error with the new name of the attribute."""
        raise AttributeError("`rules` is now called `dynamics`")

    @property
    def spec(self) -> EnvSpec | None:
        """The spec of the environment, with plain values as arguments where possible, so that JSON can hold it."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        if spec is None:
            self._spec = None
            return
        refuse_catalogue(spec.id, spec.kwargs)
        parts = {part.name: getattr(spec, part.name) for part in fields(spec) if part.init}
        kwargs = dict(spec.kwargs)
        if not isinstance(kwargs.get("catalogue", ""), (str, Path, Catalogue)):  # a DataFrame is not pickled twice
            kwargs["catalogue"] = self.catalogue
        self._spec = SessionSpec(**{**parts, "kwargs": _plain(kwargs)})
        if isinstance(self, gym.Env):  # a vector environment knows its length from `__init__`
            self._make_room(getattr(gym.registry.get(spec.id), "max_episode_steps", None))

    def _make_room(self, length: int | None) -> None:
        """Set `played_width`, unless given, for this length; raise `ValueError` if it or the catalogue is too small."""
        least = self.dynamics.history_length + 1
        width = self._width_given
        if width is None:
            width = least - 1 + (_LENGTH if length is None else min(length, _MOST))
        elif not isinstance(width, (int, np.integer)) or width < least:
            raise ValueError(f"played_width={width!r} must be a whole number of {least} or more")
        self.played_width = int(width)
        self._room = 2**62 if self.dynamics.repeats else self.played_width - self.dynamics.history_length
        if length is not None and length <= _MOST and not self.dynamics.repeats:
            n_played = min(length, self._room)
            needed, versions = least - 1 + n_played, self.dynamics.first_versions
            # Usually the first tracks are enough, and counting only them saves memory in each of many processes.
            if len(np.unique(versions[:_MANY])) < needed > (there := len(np.unique(versions))):
                shorter = f", or played_width={there} for shorter sessions"
                raise ValueError(
                    f"{self.catalogue.source} has {there} songs, but a session needs {needed}: {least - 1} to start "
                    f"from and {n_played} to play; use more songs{shorter if there >= least else ''}"
                )

    def _begin(self, slots: NDArray[np.intp], history: Ints | None = None) -> SessionState:
        """Begin the next session in each of the slots; return all sessions."""
        assert self.keys is not None  # set by reset()
        keys = self.keys.next(slots)
        if self._sessions is None:
            self._sessions = self.dynamics.start(keys, history, self.played_width + _SPARE)
        else:
            self.dynamics.restart(self._sessions, slots, keys, history)
        return self._sessions

    def _refuse_more(self) -> NoReturn:
        raise ValueError(
            f"played_width={self.played_width} has room for the start and {self._room} tracks, which a session has "
            "played; call reset(), or make the environment with a larger played_width"
        )


def _plain(value: Any) -> Any:
    """Return an equivalent of `value` that JSON can represent, or `value` itself if there is none."""
    match value:
        case Mapping():
            return {name: _plain(part) for name, part in value.items()}
        case Path():
            return str(value)
        case Enum():
            return value.value
        case np.generic():
            return value.item()
        case Catalogue():
            return address_of(value) or value
        case Listener():
            try:
                plain = value.to_dict()
                as_listener(plain)
            except (TypeError, ValueError):  # a class that cannot be imported by name, or values that are not plain
                return value
            return plain
    return value
