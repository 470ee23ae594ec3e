"""Catalogues by name, path or DataFrame: environments that name the same one share one object."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock

from spotify_gym.catalogue.catalogue import Catalogue, held
from spotify_gym.catalogue.files import MAX_BYTES, path_of
from spotify_gym.catalogue.report import CatalogueError
from spotify_gym.catalogue.scaling import Scaling, check_kind

_LARGE = 2**20  # bytes; a smaller table is read in every process, without a prepared copy
_MOST_KEPT = 8  # prepared copies
_AS_IT_IS = (None, None, "keep", None, False, 0)  # the defaults of `Catalogue.read` for ``columns`` to ``seed``


def as_catalogue(source: Any, scaling: str | Scaling | None = None) -> Catalogue:
    """Return the catalogue that ``source`` names; the same object while the source is unchanged.

    Args:
        source: ``"builtin"``, ``"builtin:26000"`` (that many tracks), the path of a table or of a prepared
            ``.arrow``, a pandas or polars DataFrame, or a catalogue. A prepared copy of a large table is kept in the
            user's cache folder; all processes that open the same table memory-map it.
        scaling: the scaling that the features must have. ``None`` keeps that of a catalogue and standardises a table.

    Raises:
        CatalogueError: if ``source`` names no catalogue, or cannot be read.
    """
    if scaling is not None and not isinstance(scaling, Scaling):
        check_kind(scaling)
    if isinstance(source, Catalogue):
        return _scaled(source, scaling)
    if hasattr(source, "to_parquet") or hasattr(source, "write_parquet"):
        return _scaled(_from_frame(source, scaling), scaling)
    if not isinstance(source, (str, Path)):
        raise CatalogueError(
            f'catalogue={repr(source)[:60]} must be "builtin", the path of a table, a DataFrame or a Catalogue; '
            "for an array, use Catalogue.from_features."
        )
    builtin = re.fullmatch(r"builtin(?::(\d+))?", str(source))
    if not builtin and str(source).startswith("builtin:"):
        raise CatalogueError(f'{source}: write the number of built-in tracks in digits, as in "builtin:100000".')
    what = int(builtin[1] or 100_000) if builtin else located(path_of(source))
    return _scaled(_opened(what, None if isinstance(what, int) else _stamp(what), scaling), scaling)


def address_of(catalogue: Catalogue) -> str | None:
    """Return the text from which `as_catalogue` makes this catalogue; ``None`` if there is none."""
    origin = catalogue.origin
    if not isinstance(origin, partial):
        return None
    plain = {Catalogue.load: (), as_catalogue: ("standard",), Catalogue.read: ("standard", *_AS_IT_IS)}
    if origin.args[1:] == plain.get(origin.func):
        return str(origin.args[0])
    n_tracks, seed, scaling = origin.args if origin.func == Catalogue.builtin else (0, None, None)
    return f"builtin:{n_tracks}" if seed == 0 and scaling == "standard" else None


def located(source: str | Path) -> Path:
    """Return the absolute path of a file, with ``~`` and ``~user`` expanded.

    Raises:
        CatalogueError: if there is no such home folder.
    """
    try:
        return Path(source).expanduser().absolute()
    except RuntimeError as error:
        raise CatalogueError(f"{source}: file not found. {error}") from None


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return modification time [ns] and size [bytes] of a file; ``None`` without one, which reading will report."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=8)
def _opened(what: int | Path, stamp: tuple[int, int] | None, scaling: str | Scaling | None) -> Catalogue:
    """Return a built-in catalogue of ``what`` tracks, or that of a file; a new ``stamp`` opens a file again."""
    if isinstance(what, int):
        return Catalogue.builtin(what, scaling=scaling or "standard")
    if what.suffix in (".arrow", ".npz"):
        return Catalogue.load(what)
    if stamp is None or not what.is_file() or not _LARGE <= stamp[1] <= MAX_BYTES:
        return Catalogue.read(what, scaling=scaling or "standard")
    return _read_once(what, scaling or "standard")


def _read_once(path: Path, scaling: str | Scaling) -> Catalogue:
    """Return a large table from its prepared copy, made where missing: all processes share one copy in memory."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "spotify_gym"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = folder / f"{_key(path, scaling)}.arrow"
        with FileLock(folder / ".lock"):  # so that only one process prepares it
            if not kept.exists():
                for old in sorted(folder.glob("*.arrow"), key=os.path.getmtime)[: 1 - _MOST_KEPT]:
                    old.unlink()
                Catalogue.read(path, scaling=scaling).save(kept)
            return replace(Catalogue.load(kept), origin=partial(as_catalogue, path, scaling))
    except (CatalogueError, OSError, RuntimeError):  # no home, full disk, damaged copy; bad tables raise again
        return Catalogue.read(path, scaling=scaling)


def _key(path: Path, scaling: str | Scaling) -> str:
    """Return the cache key of a table: a hash of its content, its path, the scaling and the version of the code."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "blake2b")
    code = max(module.stat().st_mtime_ns for module in Path(__file__).parent.glob("*.py"))
    values = scaling.plain if isinstance(scaling, Scaling) else scaling
    digest.update(repr((str(path), values, code)).encode())
    return digest.hexdigest()[:32]


def _from_frame(frame: Any, scaling: str | Scaling | None) -> Catalogue:
    """Read a DataFrame through a temporary file; the same content gives the same object."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "DataFrame.parquet"
        try:
            frame.to_parquet(path) if hasattr(frame, "to_parquet") else frame.write_parquet(path)
        except (ValueError, TypeError):  # columns of mixed types, which only CSV can hold
            path = path.with_suffix(".csv")
            frame.to_csv(path)
        try:
            made = Catalogue.read(path, scaling=scaling or "standard")
        except CatalogueError as error:
            raise CatalogueError(str(error).replace(str(path), path.stem)) from error
    first = held(made.fingerprint)
    return replace(made, origin=None) if first is None or first is made else first


@lru_cache(maxsize=8)
def _scaled(catalogue: Catalogue, scaling: str | Scaling | None) -> Catalogue:
    if scaling is None or scaling == catalogue.scaling.kind:
        return catalogue
    if isinstance(scaling, Scaling) and scaling.equals(catalogue.scaling):
        return catalogue
    origin = catalogue.origin
    if isinstance(origin, partial) and origin.func == Catalogue.builtin and not isinstance(scaling, Scaling):
        n_tracks, seed, _ = origin.args
        return Catalogue.builtin(n_tracks, seed, scaling)  # its fixed scaling, not one fitted to these tracks
    return catalogue.rescaled(scaling)
