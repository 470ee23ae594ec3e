"""Lookup by name: registry entries, or user-defined classes as `module:Class`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib import import_module
from operator import attrgetter
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T")


def resolve(kind: str, name: str, known: Mapping[str, T]) -> T:
    """Return the registry entry of a name, or the object that `module:Class` imports.

    An import executes code: never pass a name from an untrusted file.

    Args:
        kind: what the name is for, as the user wrote it: "state", "--algorithm".
        name: the name.
        known: the registry.

    Raises:
        ValueError: the name is unknown, or cannot be imported.
    """
    if name in known:
        return known[name]
    module, colon, attribute = name.partition(":")
    if not colon:
        choice = ", ".join(map(repr, known))
        raise ValueError(f"{kind}={name!r} is not known; choose one of {choice}, or name your own as 'module:Class'")
    try:
        own: Any = attrgetter(attribute)(_module(module))
    except (ImportError, AttributeError, ValueError, TypeError, SyntaxError) as error:
        raise ValueError(f"{kind}={name!r} cannot be imported as 'module:Class': {error}") from error
    found: T = own
    return found


def resolve_class(kind: str, name: str, known: Mapping[str, type[Any]], base: type[T]) -> type[T]:
    """Return the class of a name; see `resolve`.

    Raises:
        ValueError: the name is unknown, or is not a class derived from `base`.
    """
    found: object = resolve(kind, name, known)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ValueError(f"{kind}={name!r} is not a class derived from {base.__module__}.{base.__name__}")
    return found


def make_named(kind: str, name: str, known: Mapping[str, Callable[..., T]], base: type[T], *arguments: Any) -> T:
    """Call the factory of a name, see `resolve`, and return the object it makes.

    Raises:
        ValueError: the name is unknown, or a user-defined factory does not make a `base`.
    """
    make = resolve(kind, name, known)
    if name in known:
        return make(*arguments)
    try:
        made = make(*arguments)
    except TypeError as error:  # raised also if `make` is not callable
        raise ValueError(f"{kind}={name!r} is not a {base.__name__}: {error}") from error
    if not isinstance(made, base):
        raise ValueError(f"{kind}={name!r} makes {made!r:.60}, not a {base.__name__}")
    return made


def pairs_of(texts: Iterable[str]) -> dict[str, str]:
    """Parse texts of the form NAME=VALUE.

    Raises:
        ValueError: a text has no "=", or a name occurs twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or name in found:
            raise ValueError(f"{text[:80]!r} must be NAME=VALUE, each name once")
        found[name] = value
    return found


def _module(name: str) -> ModuleType:
    """Import a module; if it is not on the path, try the current folder, as `python -m` does."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0] or "" in sys.path:
            raise
        sys.path.append("")
        try:
            return import_module(name)
        finally:
            with suppress(ValueError):  # the module itself has removed it
                sys.path.remove("")
