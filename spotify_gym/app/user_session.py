"""One person's place at the page, and the room in which nobody sees another's."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from threading import RLock

from spotify_gym.app.agents import Agent
from spotify_gym.app.app_state import AppState
from spotify_gym.app.listening import ListeningSession

DOUBLE_CLICK = 0.4
"""A second click on one button this soon after the first is done belongs to it [s]."""
_MOST_SEATS = 1_000


class UserSession:
    """What one person has chosen, and their session once it has begun.

    Args:
        app_state: what can be played and who recommends.
        clock: what time it is [s].
    """

    def __init__(self, app_state: AppState, clock: Callable[[], float] = time.monotonic) -> None:
        self.app_state = app_state
        self.agent: Agent = next(iter(app_state.agents.values()))
        self.chosen: list[int] = []
        self.session: ListeningSession | None = None
        self._clock = clock
        self._last: tuple[str, float] = ("", -DOUBLE_CLICK)
        self._lock = RLock()

    @property
    def is_full(self) -> bool:
        """Whether enough tracks are chosen to begin."""
        return len(self.chosen) == self.app_state.dynamics.history_length

    def click(self, button: str, action: Callable[[], None]) -> None:
        """Do what a button does, once for a double click.

        The time counts from the moment the action is done: a page that is busy delivers the second click late.
        """
        with self._lock:
            pressed, done = self._last
            if button != pressed or self._clock() - done >= DOUBLE_CLICK:
                action()
                self._last = button, self._clock()

    def choose(self, track: int) -> None:
        """Add a track to the start, unless it is full or has this recording already."""
        if not self.is_full and not self.has(track):
            self.chosen.append(track)

    def has(self, track: int) -> bool:
        """Say whether this recording is part of the start already."""
        recordings = self.app_state.catalogue.recordings
        return bool(recordings[track] in recordings[self.chosen])

    def drop(self, place: int) -> None:
        """Take the chosen track at `place` out again."""
        del self.chosen[place : place + 1]

    def begin(self, start: Iterable[int] | None = None) -> None:
        """Begin the session, from what was chosen or from another start."""
        self.session = ListeningSession(self.app_state.dynamics, self.agent, self.chosen if start is None else start)

    def leave(self) -> None:
        """End the session, and choose anew."""
        self.session = None
        self.chosen = []

    def sit_with(self, agent: Agent) -> None:
        """Let another agent recommend from now on."""
        self.agent = agent
        if self.session is not None:
            self.session.agent = agent


class UserSessions:
    """The sessions of all users, each known by a secret that only its person's address bar holds.

    A reloaded page finds its user again. Of very many user_sessions the one unused for longest is given up.
    """

    def __init__(self, app_state: AppState) -> None:
        self._app_state = app_state
        self._user_sessions: OrderedDict[str, UserSession] = OrderedDict()
        self._lock = RLock()

    def find(self, secret: str | None) -> tuple[str, UserSession]:
        """Return the session that a secret belongs to; a new one, with a new secret, where it belongs to none."""
        with self._lock:
            if secret is None or secret not in self._user_sessions:
                secret = secrets.token_urlsafe(16)
                self._user_sessions[secret] = UserSession(self._app_state)
                if len(self._user_sessions) > _MOST_SEATS:
                    self._user_sessions.popitem(last=False)
            self._user_sessions.move_to_end(secret)
            return secret, self._user_sessions[secret]
