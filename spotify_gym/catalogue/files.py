"""Bytes from a file, unpacked, within limits."""

from __future__ import annotations

import gzip
import io
import stat
import zlib
from pathlib import Path
from typing import BinaryIO

from spotify_gym.catalogue.errors import CatalogueError

MAX_BYTES = 2**31 - 2**20
"""The largest table that is read, unpacked, in bytes: some twenty million rows."""
_PART = 2**22  # bytes


def read_content(path: Path) -> bytes:
    """Read a whole file, unpacked if it is gzipped.

    Raises:
        CatalogueError: if the file is missing, empty, unreadable, too large or no table at all.
    """
    try:
        with open_regular(path) as file:
            content = _read_within_limit(file, path)
    except FileNotFoundError:
        raise CatalogueError(f"{path}: there is no such file (looked from {Path.cwd()}).") from None
    except IsADirectoryError:
        raise CatalogueError(f"{path} is a folder; the name of a table in it is needed.") from None
    except OSError as error:
        raise CatalogueError(f"cannot read {path}: {error.strerror or error}.") from error
    except ValueError as error:  # no system has a file of such a name
        raise CatalogueError(f"{str(path)!r} is no name of a file: {error}.") from error
    if content.startswith(b"\x1f\x8b"):
        content = _unpack(content, path)
    _check_kind(content, path)
    return content


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading; not a pipe or a device, which may have no end.

    Raises:
        CatalogueError: it is one.
        OSError: it cannot be opened.
    """
    status = path.stat()
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise CatalogueError(f"{path} is no regular file.")
    return path.open("rb")


def _unpack(content: bytes, path: Path) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as file:
            return _read_within_limit(file, path)
    except (OSError, EOFError, zlib.error) as error:
        raise CatalogueError(f"{path} is gzipped, but damaged or cut off: {error}.") from error


def _read_within_limit(file: BinaryIO | gzip.GzipFile, path: Path) -> bytes:
    content = io.BytesIO()
    while part := file.read(_PART):  # not all at once, which would set aside as much memory as is allowed
        content.write(part)
        if content.tell() > MAX_BYTES:
            raise CatalogueError(f"{path} holds more than {MAX_BYTES / 1e9:.1f} GB; a table that large cannot be read.")
    return content.getvalue()


def _check_kind(content: bytes, path: Path) -> None:
    if not content.strip():
        raise CatalogueError(f"{path} is empty.")
    if content.startswith(b"PK\x03\x04"):
        raise CatalogueError(
            f"{path} is a zip archive. A prepared catalogue is opened by Catalogue.load, not read; "
            "a spreadsheet must first be exported as CSV."
        )
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise CatalogueError(f"{path} is written in UTF-16; save it as UTF-8.")
