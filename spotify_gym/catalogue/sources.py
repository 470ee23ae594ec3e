"""One catalogue for many environments: whatever names it, the same object."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from spotify_gym.catalogue.catalogue import Catalogue
from spotify_gym.catalogue.errors import CatalogueError
from spotify_gym.catalogue.scaling import Scaling, check_kind


def as_catalogue(source: str | Path | Catalogue, scaling: str | Scaling | None = None) -> Catalogue:
    """Return the catalogue that ``source`` names; the same object as long as the source is the same.

    Args:
        source: ``"builtin"``, ``"builtin:26000"`` (that many tracks), the path of a table or of a prepared
            ``.arrow``, or a catalogue.
        scaling: what the features must be scaled by. ``None`` leaves a catalogue as it is and standardises a table.
    """
    if scaling is not None and not isinstance(scaling, Scaling):
        check_kind(scaling)
    if isinstance(source, Catalogue):
        return _scaled(source, scaling)
    builtin = re.fullmatch(r"builtin(?::(\d+))?", str(source))
    what = int(builtin[1] or 100_000) if builtin else located(source)
    return _scaled(_opened(what, None if isinstance(what, int) else _stamp(what), scaling), scaling)


def located(source: str | Path) -> Path:
    """Return the path of a file from the root, with the home of whoever ``~`` names.

    Raises:
        CatalogueError: there is no such home.
    """
    try:
        return Path(source).expanduser().absolute()
    except RuntimeError as error:
        raise CatalogueError(f"{source}: there is no such file. {error}") from None


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return what tells one state of a file from another; ``None`` if there is no file, which reading will explain."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=8)
def _opened(what: int | Path, stamp: tuple[int, int] | None, scaling: str | Scaling | None) -> Catalogue:
    """Make a built-in catalogue of so many tracks, or open a file, which is another whenever its stamp is."""
    if isinstance(what, int):
        return Catalogue.builtin(what, scaling=scaling or "standard")
    if what.suffix in (".arrow", ".npz"):
        return Catalogue.load(what)
    return Catalogue.read(what, scaling=scaling or "standard")


@lru_cache(maxsize=8)
def _scaled(catalogue: Catalogue, scaling: str | Scaling | None) -> Catalogue:
    if scaling is None or scaling == catalogue.scaling.kind:
        return catalogue
    if isinstance(scaling, Scaling) and scaling.equals(catalogue.scaling):
        return catalogue
    return catalogue.rescaled(scaling)
