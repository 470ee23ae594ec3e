"""What the single and the vector environment share: their sessions, `info`, and a spec that survives JSON."""

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

_LENGTH, _MOST = 50, 1000  # tracks that `played` has room for where sessions have no length, or an enormous one
_MANY = 10_000  # tracks
_SPARE = 2  # places, so that a session is over before `played` is full


class SessionSpec(EnvSpec):
    """Gymnasium's, which says which argument cannot be written as JSON."""

    def to_json(self) -> str:
        """Return the spec as JSON.

        Raises:
            TypeError: an argument cannot be written down.
        """
        for name, value in self.kwargs.items():
            try:
                json.dumps(value)
            except (TypeError, ValueError) as error:
                raise TypeError(
                    f"{self.id} cannot be written as JSON, because its {name} is a {type(value).__name__} in memory "
                    "alone; save it and make the environment with the file's path"
                ) from error
        return super().to_json()


class SharedEnv:
    """An environment, as far as it does not matter how many sessions it has."""

    dynamics: SessionDynamics
    played_width: int
    """W, of `played` in `info`."""
    _room: int  # tracks that a session may play
    _width_given: int | None
    _info_texts: bool
    _spec: SessionSpec | None = None
    keys: KeyStream | None = None
    """What the randomness of each session comes from; None before the first reset."""
    _sessions: SessionState | None = None

    @property
    def catalogue(self) -> Catalogue:
        """What can be played."""
        return self.dynamics.catalogue

    @property
    def sessions(self) -> SessionState:
        """The state of all sessions; of a single environment, a batch of one.

        Raises:
            gymnasium.error.ResetNeeded: there is none before the first reset.
        """
        if self._sessions is None:
            raise ResetNeeded("call reset() first")
        return self._sessions

    @property
    def rules(self) -> NoReturn:
        """Say the new name."""
        raise AttributeError("`rules` is now called `dynamics`")

    @property
    def spec(self) -> EnvSpec | None:
        """How the environment was made; plain values wherever they say as much, so that it survives JSON."""
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
        if isinstance(self, gym.Env):  # which has not been told the length; a vector environment has
            self._make_room(getattr(gym.registry.get(spec.id), "max_episode_steps", None))

    def _make_room(self, length: int | None) -> None:
        """Set `played_width`, where it is not given, for sessions of this length; songs must be enough for one."""
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
            # Of many tracks the first will do, which takes little memory in each of many processes.
            if len(np.unique(versions[:_MANY])) < needed > (there := len(np.unique(versions))):
                shorter = f", or make the environment with played_width={there}, for shorter ones"
                raise ValueError(
                    f"{self.catalogue.source} has {there} songs, and a session needs {needed}, {least - 1} to start "
                    f"from and {n_played} to play; bring more songs{shorter if there >= least else ''}"
                )

    def _begin(self, slots: NDArray[np.intp], history: Ints | None = None) -> SessionState:
        """Begin the next session in each of the slots; return all sessions."""
        assert self.keys is not None  # set up by whoever resets
        keys = self.keys.next(slots)
        if self._sessions is None:
            self._sessions = self.dynamics.start(keys, history, self.played_width + _SPARE)
        else:
            self.dynamics.restart(self._sessions, slots, keys, history)
        return self._sessions

    def _refuse_more(self) -> NoReturn:
        raise ValueError(
            f"played_width={self.played_width} has room for the start and {self._room} tracks, and a session has "
            "played them; call reset(), or make the environment with a larger played_width"
        )


def _plain(value: Any) -> Any:
    """Return what says as much in JSON, or the value itself where there is no such thing."""
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
            except (TypeError, ValueError):  # a class that nobody else can import, or values that are not plain
                return value
            return plain
    return value
