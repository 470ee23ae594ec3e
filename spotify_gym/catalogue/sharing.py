"""One catalogue per process, however often it is pickled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast
from weakref import WeakValueDictionary

from spotify_gym.catalogue.errors import CatalogueError


class Shared(Protocol):
    """What is told apart by its content."""

    @property
    def fingerprint(self) -> str:
        """The content, in short."""

    @property
    def source(self) -> str:
        """Where the content comes from, in words."""


Held = TypeVar("Held", bound=Shared)

_held: WeakValueDictionary[str, Any] = WeakValueDictionary()  # by fingerprint, as long as somebody uses it


def remember(fingerprint: str, held: Shared) -> None:
    """Let this process answer to ``fingerprint`` with ``held``, unless it holds an equal one already."""
    _held.setdefault(fingerprint, held)


def revive(fingerprint: str, make: Callable[[], Held]) -> Held:
    """Return what this process holds under ``fingerprint``; make it if it holds nothing.

    Raises:
        CatalogueError: if what is made is another, because the file it comes from has changed.
    """
    held = _held.get(fingerprint)
    if held is not None:
        return cast(Held, held)
    made = make()
    if made.fingerprint != fingerprint:
        raise CatalogueError(f"the catalogue from {made.source} is no longer the one that was pickled.")
    return made
