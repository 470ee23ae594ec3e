"""Files: reading and decompressing them within limits, and replacing them atomically."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import BufferedWriter
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO
from uuid import uuid4

from spotify_gym.catalogue.report import CatalogueError

MAX_BYTES = 2**31 - 2**20
"""The largest table that is read, in bytes after decompression: some twenty million rows."""
MAX_RATIO = 200  # of decompressed to compressed size, past the first `_FREE` bytes; tables reach 50, zip bombs 1,000
MAX_LAYERS = 2  # of compression, such as a zip of a gzip
MAX_ENTRIES = 10_000  # of a folder or an archive
_FREE = 2**26  # bytes
_PART = 2**22  # bytes to read at once
_HIDDEN = re.compile(r"(^|/)(\.|~|__MACOSX/|dataset[_-](metadata|infos?|dict)\.json$)")  # or metadata
_PART_OF_TABLE = re.compile(r"part-|.*-\d{5}-of-\d{5}\.")  # as Spark and Hugging Face name them
_TABLE = re.compile(r"\.(csv|tsv|tab|jsonl?|ndjson|parquet|xlsx)(\.(gz|bz2|xz|zst))?$", re.IGNORECASE)
_NO_TABLES = {
    # regular expression of a file's first bytes: what it is, and what to do
    b"version https://git-lfs": "is a Git LFS pointer, not the table itself; fetch it with `git lfs pull`",
    rb"(<stata_dta>|\$FL[23])": "is a Stata or SPSS file; save the table as CSV or Parquet",
    rb"(\xef\xbb\xbf)?\s*<(?![\w ]+>[,;\t|])[!?a-z]": "is a web page (HTML or XML); download the table itself",
    rb"\x80[\x02-\x05]": "is a pickle, which can run any code when opened; save the table as CSV or Parquet",
    b"(RDX|X\n|RDA)": "is an R file; save the table with write.csv",
    rb"(ARROW1|FEA1)\0": "is a prepared catalogue, which Catalogue.load opens, or Arrow or Feather; save it as Parquet",
    rb"\x93NUMPY": "is a NumPy array without names; save the table as CSV or Parquet",
    rb"\xd0\xcf\x11\xe0": "is an old spreadsheet (.xls), or has a password; save it as .xlsx or CSV without one",
    b"(?s)PK.{28}mimetypeapplication/vnd.oasis": "is an OpenDocument file; save the table as .xlsx or CSV",
    b"SQLite format 3": "is a database; write the table in it to CSV or Parquet",
    rb"(\x89PNG|\xff\xd8\xff|GIF8|%PDF)": "is a picture or a PDF",
    rb"(\x89HDF|Obj\x01|ORC|7z\xbc|Rar!)": "has an unsupported format; save the table as CSV or Parquet",
    rb"(?s).{257}ustar": "is a tar archive; unpack it (tar -xf) and name the table in it",
}


def path_of(source: str | Path) -> Path:
    """Return the path of a table.

    Raises:
        CatalogueError: if ``source`` is not a path, empty, a URL, or the name of a built-in catalogue.
    """
    if not isinstance(source, (str, os.PathLike)):
        raise CatalogueError(
            f"a {type(source).__name__} is not a path; pass a DataFrame to gymnasium.make(id, catalogue=...)."
        )
    text = str(source)
    if not text.strip():
        raise CatalogueError(f"{text!r} is not a path; give the path of a table.")
    if re.match(r"\w\w+:/|(kaggle|hf):", text):
        raise CatalogueError(
            f"{text} is a URL; download the file (`spotify-gym fetch` does so from Kaggle and Hugging Face) "
            "and give its path."
        )
    if re.fullmatch(r"builtin(:\d+)?", text) and not Path(text).exists():
        raise CatalogueError(f"{text} is already a catalogue; use it with --catalogue {text}.")
    return Path(source)


def read_parts(path: Path) -> dict[Path, bytes]:
    """Return the decompressed content of a file, or of each part of the only table in a folder, by path.

    Raises:
        CatalogueError: if a file is missing, empty, unreadable, too large or not a table.
    """
    file: Path = path
    parts: dict[Path, bytes] = {}
    try:
        for file in _list_parts(path) if path.is_dir() else [path]:
            with open_regular(file) as stream:
                parts[file] = _unpack(_read_within_limit(stream))
            _check_size(sum(map(len, parts.values())))
    except CatalogueError as error:
        raise CatalogueError(f"{file}: {error}") from error
    except FileNotFoundError:
        raise CatalogueError(f"{file}: file not found (current folder: {Path.cwd()}).") from None
    except OSError as error:
        raise CatalogueError(f"cannot read {file}: {error.strerror or error}.") from error
    except ValueError as error:  # such as a null byte in the name
        raise CatalogueError(f"{str(file)!r} is not a valid file name: {error}.") from error
    return parts


def tables_below(folder: Path) -> dict[Path, list[Path]]:
    """Return the tables below a folder, by their names, with their files: one file, or the parts in a folder."""
    tables: dict[Path, list[Path]] = {}
    for file in islice(_files_below(folder), MAX_ENTRIES):
        name, is_part = file.relative_to(folder).as_posix(), _PART_OF_TABLE.match(file.name)
        if (is_part or _TABLE.search(name)) and not _HIDDEN.search(name):
            tables.setdefault(file.parent if is_part else file, []).append(file)
    return {table: sorted(tables[table]) for table in sorted(tables) if table.parent not in tables}


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder; links are not followed, since they may lead anywhere."""
    folders = [folder]
    while folders:
        here = folders.pop()
        ignored = () if here == folder else (PermissionError,)
        with suppress(*ignored), os.scandir(here) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry))
                elif entry.is_file(follow_symlinks=False):
                    yield Path(entry)


def _list_parts(folder: Path) -> list[Path]:
    """Return the files of the only table in a folder or, if it has none, below it; empty files are left out."""
    below = tables_below(folder)
    top = [table for table, files in below.items() if files[0].parent == folder]
    tables = {str(table): below[table] for table in top or below}
    files = tables[_only_table(list(tables), "name the one to read, or join them in one file")]
    return [file for file in files if file.stat().st_size] or files


def _only_table(tables: Sequence[str], otherwise: str) -> str:
    """Return the only table; raise `CatalogueError` if there are none or several."""
    if len(tables) > 1:
        raise CatalogueError(f"it has {len(tables)} tables: {', '.join(map(repr, tables[:20]))}; {otherwise}.")
    if not tables:
        raise CatalogueError("it contains no table: no file name ends in .csv, .tsv, .json, .parquet or .xlsx.")
    return tables[0]


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading; raise `CatalogueError` for a pipe or a device, which may have no end."""
    status = path.stat()
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise CatalogueError("it is not a regular file.")
    return path.open("rb")


def is_workbook(content: bytes) -> bool:
    """Return whether the bytes are those of a workbook (XLSX)."""
    if not content.startswith(b"PK\x03\x04") or content.count(b"PK\x01\x02") > MAX_ENTRIES:
        return False
    with suppress(Exception), zipfile.ZipFile(io.BytesIO(content)) as archive:  # damaged in any way
        names = archive.namelist()
        return "[Content_Types].xml" in names and any(name.startswith("xl/") for name in names)
    return False


def _unpack(content: bytes) -> bytes:
    """Decompress content, up to `MAX_LAYERS` times; raise `CatalogueError` if it is not a table."""
    packed = len(content)
    for _ in range(MAX_LAYERS + 1):
        if not content or content.isspace():
            raise CatalogueError("it is empty.")
        for beginning, kind in _NO_TABLES.items():
            if re.match(beginning, content[:1000], re.IGNORECASE):
                raise CatalogueError(f"it {kind}.")
        opener = next((opener for magic, opener in _PACKED.items() if content.startswith(magic)), None)
        if opener is None or is_workbook(content):
            return content
        try:
            with opener(io.BytesIO(content)) as file:
                content = _read_within_limit(file, packed)
        except CatalogueError:
            raise
        except Exception as error:  # each format raises its own
            raise CatalogueError(f"its compressed data is damaged or encrypted: {error}.") from error
    raise CatalogueError(f"it is compressed more than {MAX_LAYERS} times.")


def _open_member(file: io.BytesIO) -> IO[bytes]:
    """Open the only table in a zip archive."""
    if file.getvalue().count(b"PK\x01\x02") > MAX_ENTRIES:
        raise CatalogueError(f"it is a zip archive of more than {MAX_ENTRIES:,} files.")
    archive = zipfile.ZipFile(file)
    names = [name for name in sorted(archive.namelist()) if not name.endswith("/") and not _HIDDEN.search(name)]
    if any(name.endswith(".npy") for name in names):
        raise CatalogueError("it is a prepared catalogue, which Catalogue.load opens, or other NumPy arrays.")
    if len(names) != 1:
        names = [_only_table(list(filter(_TABLE.search, names)), "unpack it, and name the one to read")]
    return archive.open(names[0])


def _open_zst(file: io.BytesIO) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(file, "zstd")


_PACKED: Mapping[bytes, Callable[[io.BytesIO], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"\x28\xb5\x2f\xfd": _open_zst,
    b"PK\x03\x04": _open_member,
}


def _read_within_limit(file: IO[bytes], packed: int | None = None) -> bytes:
    content = io.BytesIO()
    while part := file.read(_PART):  # not at once, which would allocate as much memory as is allowed
        content.write(part)
        _check_size(content.tell())
        if packed is not None and content.tell() > max(_FREE, MAX_RATIO * packed):
            raise CatalogueError(f"it unpacks to more than {MAX_RATIO} times its size; no table does.")
    return content.getvalue()


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise CatalogueError(f"it holds more than {MAX_BYTES / 1e9:.1f} GB; a table that large cannot be read.")


def check_name(path: Path) -> None:
    """Raise `CatalogueError` unless a file's name ends in ``.arrow``, as those of prepared catalogues must."""
    if path.suffix != ".arrow":
        raise CatalogueError(f"{path} must end in .arrow, such as {path.stem or 'catalogue'}.arrow.")


@contextmanager
def replacing(path: Path) -> Iterator[BufferedWriter]:
    """Open a file that replaces `path` when the block ends without an error; until then `path` is unchanged.

    Raises:
        OSError: if `path` cannot be written; the error names it.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "greeting.txt") as file:
    ...         _ = file.write(b"hello")
    ...     (Path(folder) / "greeting.txt").read_text()
    'hello'
    """
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        with unfinished.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:  # it names the unfinished file, or none if the disk is full
        raise type(error)(error.errno, error.strerror, str(path)) from error
    finally:
        unfinished.unlink(missing_ok=True)
