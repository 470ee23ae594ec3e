"""User sessions: each user's choices and answers, private to that user."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any

from spotify_gym.app.app_state import AppState
from spotify_gym.app.listening import Agent, ListeningSession
from spotify_gym.catalogue.files import replacing

DOUBLE_CLICK = 0.4
"""A second click on one button this soon after the first is done belongs to it [s]."""
_MOST_USERS = 1_000
_MOST_SESSIONS = 10  # of one person
_END = "-end"
_KEPT = 30 * 86_400.0  # after its last click, on disk [s]


@dataclass
class Tab:
    """A tab of a browser."""

    seen: int = 0
    """The version of the session that it shows."""
    address: dict[str, str] = field(default_factory=dict)
    """What its address bar says."""
    notice: str = ""
    """What was not done with the last click in it, and why; until that has been shown."""


class UserSession:
    """One user's choices, and their listening session once it has begun.

    Args:
        app_state: what can be played and who recommends.
        keep: is given the session, as plain values, whenever it has changed.
        clock: what time it is [s].
    """

    def __init__(
        self,
        app_state: AppState,
        keep: Callable[[dict[str, Any]], None] = lambda plain: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app_state = app_state
        self.agent: Agent = next(iter(app_state.agents.values()))
        self.chosen: list[int] = []
        self.sessions: dict[str, ListeningSession] = {}
        """The last few sessions that were begun, by name."""
        self.at = ""
        """Name of the current session; "" at the start."""
        self.version = 0
        """Number of actions so far."""
        self._keep = keep
        self._clock = clock
        self._last: tuple[str, float] = ("", -DOUBLE_CLICK)
        self._lock = RLock()

    @property
    def session(self) -> ListeningSession | None:
        """The current session; None at the start."""
        return self.sessions.get(self.at)

    @property
    def place(self) -> str:
        """The user's place, for the address bar: at the start, in a session, or at its end."""
        return f"{self.at}{_END}" if self.session and self.session.is_over else self.at

    @property
    def is_full(self) -> bool:
        """Whether enough tracks are chosen to begin."""
        return len(self.chosen) == self.app_state.dynamics.history_length

    def click(self, button: str, action: Callable[[], None], tab: Tab) -> None:
        """Run a button's action, once for a double click, and only if its page shows the current state.

        The time counts from the end of the action, because a busy page delivers the second click late.

        Args:
            button: its key.
            action: what it does.
            tab: where it was pressed.
        """
        with self._lock:
            pressed, done = self._last
            if button == pressed and self._clock() - done < DOUBLE_CLICK:
                return
            if tab.seen != self.version:
                tab.notice = f"Nothing was done: {self._changes()}"
                return
            action()
            self.version += 1
            tab.seen = self.version  # of several clicks before the page is drawn anew, all count
            self._last = button, self._clock()
            self._keep(self.to_json())

    def _changes(self) -> str:
        """Describe the state of the session to a user whose page is outdated."""
        other = "this page was out of date after a change in another tab."
        if self.session is None:
            return f"{other} There is no session now."
        return f"{other} The session is at track {len(self.session.plays) + 1} now, as shown here."

    def choose(self, track: int) -> None:
        """Add a track to the start, unless it is full or contains the song."""
        if not self.is_full and not self.has(track):
            self.chosen.append(track)

    def has(self, track: int) -> bool:
        """Return whether this song is part of the start."""
        songs = self.app_state.catalogue.songs
        return bool(songs[track] in songs[self.chosen])

    def drop(self, place: int) -> None:
        """Remove the chosen track at `place`."""
        del self.chosen[place : place + 1]

    def begin(self, start: Iterable[int] | None = None, key: int | None = None) -> None:
        """Begin a session from the chosen tracks or another start, which may be a simulated listener's."""
        tracks, app = self.chosen if start is None else start, self.app_state
        self._add(ListeningSession(app.dynamics, self.agent, tracks, app.length, key))

    def meet(self) -> None:
        """Begin a session with a simulated listener, drawn anew each time."""
        app = self.app_state
        self._add(ListeningSession.of_listener(app.dynamics, self.agent, secrets.randbits(32), app.length))

    def _add(self, session: ListeningSession) -> None:
        self.at = secrets.token_hex(4)
        self.sessions = {**dict([*self.sessions.items()][1 - _MOST_SESSIONS :]), self.at: session}

    def leave(self) -> None:
        """Leave the session and return to the start."""
        self.at, self.chosen = "", []

    def go_to(self, place: str) -> None:
        """Go to a `place` visited before; from the end of a session, to before its last answer."""
        name = place.removesuffix(_END)
        if name == self.at and self.session and self.session.is_over and name == place:
            self.session.undo()
        elif name in {"", *self.sessions}:
            self.at = name
            self.agent = self.session.agent if self.session else self.agent

    def sit_with(self, agent: Agent) -> None:
        """Switch to another agent."""
        self.agent = agent
        if self.session is not None:
            self.session.agent = agent

    def to_json(self) -> dict[str, Any]:
        """Return plain values that `resume` reads."""
        return {"at": self.at, "sessions": {name: session.to_json() for name, session in self.sessions.items()}}

    def resume(self, plain: Mapping[str, Any]) -> None:
        """Restore the values of `to_json`; ignore them if they do not fit this catalogue and these agents."""
        app = self.app_state
        with suppress(ValueError, TypeError, AttributeError):
            self.sessions = {
                str(name): ListeningSession.from_json(session, app.dynamics, app.agents, app.length)
                for name, session in plain.get("sessions", {}).items()
            }
            self.go_to(str(plain.get("at", "")))


class UserSessions:
    """The sessions of all users, each identified by a secret in that user's address bar.

    A reloaded page finds its session again, also after a restart of the server: sessions are kept on disk, one file
    each, named after the hash of its secret. The least recently used one leaves memory when there are many.

    Args:
        app_state: what can be played and who recommends.
        folder: where sessions are kept; None: with the state of this user's programs.
    """

    def __init__(self, app_state: AppState, folder: Path | None = None) -> None:
        state = Path(os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"))
        self._app_state = app_state
        self._folder = folder or state / "spotify_gym" / "sessions"
        self._users: OrderedDict[str, UserSession] = OrderedDict()
        self._lock = RLock()
        with suppress(OSError):  # another server may be clearing up too
            for file in self._folder.glob("*.json"):
                if time.time() - file.stat().st_mtime > _KEPT:
                    file.unlink()

    def find(self, secret: str | None) -> tuple[str, UserSession]:
        """Return the session of a secret, or a new one with a new secret if it is unknown."""
        with self._lock:
            if secret is None or secret not in self._users:
                kept = None if secret is None else self._load(secret)
                if secret is None or kept is None:
                    secret = secrets.token_urlsafe(16)
                self._users[secret] = user = UserSession(self._app_state, partial(self._save, secret))
                user.resume(kept or {})
                if len(self._users) > _MOST_USERS:
                    self._users.popitem(last=False)
            self._users.move_to_end(secret)
            return secret, self._users[secret]

    def _save(self, secret: str, plain: Mapping[str, Any]) -> None:
        with suppress(OSError):  # where nothing can be written a session lives as long as the server
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with replacing(self._file(secret)) as file:
                file.write(json.dumps(plain).encode())

    def _load(self, secret: str) -> Mapping[str, Any] | None:
        with suppress(OSError, ValueError, RecursionError):
            plain = json.loads(self._file(secret).read_bytes())
            return plain if isinstance(plain, dict) else None
        return None

    def _file(self, secret: str) -> Path:
        return self._folder / f"{hashlib.blake2b(secret.encode(errors='replace'), digest_size=16).hexdigest()}.json"
