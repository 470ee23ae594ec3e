"""One catalogue per process, however often it is pickled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from spotify_gym.catalogue.errors import CatalogueError

if TYPE_CHECKING:
    from spotify_gym.catalogue.catalogue import Catalogue

_held: WeakValueDictionary[str, Catalogue] = WeakValueDictionary()  # by fingerprint, as long as somebody uses it


def remember(fingerprint: str, catalogue: Catalogue) -> None:
    """Let this process answer to ``fingerprint`` with ``catalogue``, unless it holds an equal one already."""
    _held.setdefault(fingerprint, catalogue)


def revive(fingerprint: str, make: Callable[[], Catalogue]) -> Catalogue:
    """Return the catalogue that this process holds under ``fingerprint``; make it if it holds none.

    Raises:
        CatalogueError: if what is made is another one, because the file it comes from has changed.
    """
    held = _held.get(fingerprint)
    if held is not None:
        return held
    made = make()
    if made.fingerprint != fingerprint:
        raise CatalogueError(f"the catalogue from {made.source} is no longer the one that was pickled.")
    return made
