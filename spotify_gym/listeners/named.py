"""Listeners by name, by their parameters, or from a JSON file."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spotify_gym.listeners.listener import Listener, values_in
from spotify_gym.listeners.logged import LoggedListener
from spotify_gym.listeners.satiation import SatiatedListener
from spotify_gym.listeners.skipping import SkippingListener
from spotify_gym.registry import resolve_class

_KINDS: tuple[type[Listener[Any]], ...] = (SatiatedListener, SkippingListener, LoggedListener)
LISTENERS = {one.name: one for one in _KINDS}
"""The built-in listeners by name."""


def as_listener(given: object) -> Listener[Any] | None:
    """Return a listener given as an object, a name, the path of its JSON file, or its parameters; None stays None.

    Parameters name the class under "listener"; a file without that entry contains a :class:`SkippingListener`.

    Raises:
        ValueError: the listener is unknown, or its parameters are not allowed.
    """
    if given is None or isinstance(given, Listener):
        return given
    if isinstance(given, Mapping):
        values: Mapping[str, Any] = given
    elif isinstance(given, Path) or str(given).endswith(".json"):
        values = {"listener": SkippingListener.name, **values_in(str(given))}
        _check_imported(str(given), values["listener"])
    else:
        values = {"listener": given}
    name = values.get("listener")
    if not isinstance(name, str):
        raise ValueError(f"listener={given!r} must be a Listener, or the name, values or JSON file of one")
    return resolve_class("listener", name, LISTENERS, Listener).from_dict(values)  # type: ignore[type-abstract]


def _check_imported(path: str, name: object) -> None:
    """Reject a file that names a class of a module not imported yet: importing it could run arbitrary code."""
    module = str(name).partition(":")[0]
    if name not in LISTENERS and module not in sys.modules:
        raise ValueError(f"{path} needs {name!r}; import {module} first if you trust it")
