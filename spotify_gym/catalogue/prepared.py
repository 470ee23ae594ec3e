"""Prepared catalogues: saved as Arrow files, and memory-mapped when loaded; no pickle is involved.

The file is an Arrow IPC file of one uncompressed record batch, one row per track, which pandas (``read_feather``),
polars (``read_ipc``) and the Hugging Face hub read as a table. Features and genres are fixed-size lists, so that the
arrays (n_tracks, d) of a loaded catalogue are views of the file's pages: loading copies nothing, and all processes
that load one file share one copy in memory. Properties of the whole catalogue are JSON in the schema's metadata.
Columns with other names are ignored.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import struct
import sys
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from spotify_gym.catalogue.files import check_name, open_regular, replacing
from spotify_gym.catalogue.report import CatalogueError, Report
from spotify_gym.catalogue.scaling import Scaling
from spotify_gym.catalogue.tracks import TEXTS, TextColumn

FORMAT, VERSION, NPZ_VERSION = "spotify_gym catalogue", 2, 1
ALIGNMENT = 64  # bytes, of the features in the file, for the fastest paths of NumPy and BLAS
_HEADER, _CHECKSUM = b"spotify_gym", b"spotify_gym_crc32"  # in the schema's metadata
_MANY = 1_000_000  # ids from which on importing Numba pays
_MAGIC = b"ARROW1"  # at both ends of the file; two zeros follow the first
_NPY_HEAD = re.compile(
    rb"\x93NUMPY\x01\x00(?s:..)\{'descr': '(?P<dtype>[<|][biuf][1248])', 'fortran_order': False, "
    rb"'shape': \((?P<shape>[0-9, ]*)\), \} *\n"
)

_DAMAGE = (
    *(ValueError, LookupError, TypeError, ArithmeticError, RuntimeError, EOFError, OSError),
    *(struct.error, zipfile.BadZipFile, pa.ArrowException),
)

Contents = tuple[dict[str, Any], dict[str, Any]]  # header, and columns by name


def save_fields(path: Path, fields: Mapping[str, Any]) -> None:
    """Write the fields of a catalogue to ``path`` atomically: it holds the old file or the new one, never a part.

    Raises:
        CatalogueError: if the name does not end in ``.arrow``, or the file cannot be written.
    """
    check_name(path)
    types = {name: kind for name, kind in _column_types(fields).items() if fields[name] is not None}
    batch = pa.record_batch({name: _to_arrow(fields[name], kind) for name, kind in types.items()})
    packed = batch.serialize()
    message = pa.ipc.read_message(packed)
    header = {name: fields[name] for name in ("feature_names", "genre_names", "source", "synthetic")} | {
        "format": FORMAT,
        "version": VERSION,
        "columns": list(types),
        "scaling": fields["scaling"].plain,
        "report": asdict(fields["report"]),
    }
    text = json.dumps(header).encode()
    schema = batch.schema.with_metadata({_HEADER: text, _CHECKSUM: _checksum(text, message)})
    text += b" " * (-(8 + schema.serialize().size + packed.size - message.body.size) % ALIGNMENT)
    batch = batch.replace_schema_metadata({_HEADER: text, _CHECKSUM: _checksum(text, message)})
    try:
        with replacing(path) as file, pa.ipc.new_file(file, batch.schema) as writer:
            writer.write_batch(batch)
    except OSError as error:
        raise CatalogueError(f"cannot write {path}: {error.strerror or error}.") from error


def load_fields(path: Path) -> dict[str, Any]:
    """Return the fields of a catalogue, memory-mapped from a file.

    Raises:
        CatalogueError: if the file is missing, damaged, of another kind or version; the message does not name the file.
    """
    try:
        with open_regular(path) as file:
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            header, columns = _read_npz(file) if bytes(content[:2]) == b"PK" else _read_arrow(content)
        ids, genres = columns["track_ids"].arrow, columns.get("genres")
        if _may_repeat(ids) and len(ids.unique()) < len(ids):
            raise ValueError("a track id is repeated")
        pa.default_memory_pool().release_unused()  # memory of `unique`
        if genres is not None and genres.view(np.uint8).max(initial=0) > 1:
            raise ValueError("a genre is neither 0 nor 1")
        return {
            **columns,
            "features": columns["features"],
            "genres": None if genres is None else genres.view(np.bool_),
            **{name: tuple(map(str, header[name])) for name in ("feature_names", "genre_names")},
            "scaling": Scaling(**header["scaling"]),
            "source": str(header["source"]),
            "synthetic": bool(header["synthetic"]),
            "report": Report.from_json(header["report"]),
        }
    except CatalogueError:
        raise
    except _DAMAGE as error:
        told = error.strerror if isinstance(error, OSError) else None  # by the operating system, not by pyarrow
        raise CatalogueError(f"{told or f'it is not a prepared catalogue, or damaged: {error}'}.") from error


def _read_arrow(content: memoryview) -> Contents:
    """Return header and columns of an Arrow file, as views of its bytes.

    The file is read as the stream of messages that it begins with. Only that way can a compressed record batch be
    refused before it takes the memory that it claims to need.
    """
    if content[:6] != _MAGIC or content[-6:] != _MAGIC:
        raise ValueError("it is not a whole Arrow file (for a table, use Catalogue.read)")
    first, *others = pa.ipc.MessageReader.open_stream(pa.BufferReader(content[8:]))
    schema = pa.ipc.read_schema(first)
    metadata = {_HEADER: b"null", **(schema.metadata or {})}
    header = _checked_header(metadata[_HEADER], VERSION)
    types = {name: kind for name, kind in _column_types(header).items() if name in header["columns"]}
    for name, kind in types.items():
        if schema.field(name).type != kind:
            raise ValueError(f"its column {name!r} holds {schema.field(name).type}, not {kind}")
    if [message.type for message in others] != ["record batch"] or _is_compressed(others[0].metadata.to_pybytes()):
        raise ValueError("it must hold one record batch without compression or dictionaries")
    if metadata[_CHECKSUM] != _checksum(metadata[_HEADER], others[0]):
        raise ValueError("its content does not match its checksum")
    batch = pa.ipc.read_record_batch(others[0], schema).select(list(types))
    batch.validate(full=True)  # a wrong offset would crash the process
    return header, {name: _from_arrow(batch.column(name)) for name in types}


def _read_npz(file: BinaryIO) -> Contents:
    """Read the format before Arrow: an uncompressed ``.npz`` of plain arrays, one of them a JSON header."""
    with zipfile.ZipFile(file) as archive:
        members, size = archive.infolist(), os.fstat(file.fileno()).st_size
        if any(m.compress_type != zipfile.ZIP_STORED or max(m.compress_size, m.file_size) > size for m in members):
            raise ValueError("it is compressed, or a member is larger than the file")
        arrays = {name.removesuffix(".npy"): _parse_npy(archive.read(name)) for name in archive.namelist()}
    header = _checked_header(arrays.pop("header").tobytes(), NPZ_VERSION)
    if header["arrays"] != sorted(arrays):
        raise ValueError("some of its arrays are missing or misnamed")
    header["scaling"] = {"kind": header["scaling"], **{name: arrays.pop(name) for name in ("centre", "scale")}}
    columns: dict[str, Any] = {name: array for name, array in arrays.items() if "." not in name}
    for name in TEXTS:
        if (data := arrays.get(f"{name}.data")) is not None:
            offsets = arrays[f"{name}.offsets"].astype(np.int64)
            texts = pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))
            texts.validate(full=True)
            columns[name] = TextColumn(texts)
    return header, columns


def _parse_npy(stored: bytes) -> NDArray[Any]:
    """Return a view of the array in the bytes of an ``.npy`` file, which must be plain, C-ordered numbers."""
    head = _NPY_HEAD.match(stored)
    if head is None:
        raise ValueError("an array is not plain numbers (Python objects, which need pickle, are never loaded)")
    shape = tuple(int(length) for length in head["shape"].split(b",") if length.strip())
    return np.frombuffer(stored[head.end() :], dtype=head["dtype"].decode()).reshape(shape)


def _checksum(header: bytes, message: pa.ipc.Message) -> bytes:
    return b"%08x" % zlib.crc32(message.body, zlib.crc32(message.metadata, zlib.crc32(header)))


def _checked_header(text: bytes, version: int) -> dict[str, Any]:
    header = json.loads(text)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError("it was not written by Catalogue.save")
    if header.get("version") != version:
        raise CatalogueError(
            f"its format version is {header.get('version')}; this program reads version {version}. "
            "Update spotify_gym, or prepare the table again."
        )
    json.dumps(header, ensure_ascii=False).encode()  # raises if a text has a lone surrogate
    return header


def _is_compressed(message: bytes) -> bool:
    """Return whether the FlatBuffers of a message (`Message.fbs` of Arrow) have `header.compression`."""
    place = 0
    for number in (2, 3):  # of the fields `header` and `compression` in their FlatBuffers tables
        table = place + struct.unpack_from("<I", message, place)[0]
        index = table - struct.unpack_from("<i", message, table)[0]
        entry, (size,) = 4 + 2 * number, struct.unpack_from("<H", message, index)
        (offset,) = struct.unpack_from("<H", message, index + entry) if entry < size else (0,)
        if not offset:
            return False
        place = table + offset
    return True


def _column_types(names: Mapping[str, Any]) -> dict[str, pa.DataType]:
    """Return the type of each column, given the names of the features and of the genres."""
    return {
        "features": pa.list_(pa.float32(), len(names["feature_names"])),
        "genres": pa.list_(pa.uint8(), len(names["genre_names"])),  # 0 or 1; Arrow would pack booleans into bits
        "popularity": pa.float32(),
        **dict.fromkeys(TEXTS, pa.large_string()),
    }


def _to_arrow(column: TextColumn | NDArray[Any], kind: pa.DataType) -> pa.Array:
    if isinstance(column, TextColumn):
        return column.arrow
    buffers = [None, pa.py_buffer(column)]
    if column.ndim == 1:
        return pa.Array.from_buffers(kind, len(column), buffers)
    values = pa.Array.from_buffers(kind.value_type, column.size, buffers)
    return pa.Array.from_buffers(kind, len(column), [None], children=[values])


def _from_arrow(column: pa.Array) -> TextColumn | NDArray[Any]:
    """Return a view of the values of a column that `_to_arrow` made."""
    is_wide = pa.types.is_fixed_size_list(column.type)
    values = column.values if is_wide else column  # `flatten` would import pyarrow.compute
    if column.null_count or values.null_count:
        raise ValueError("a value is missing")
    if pa.types.is_large_string(column.type):
        return TextColumn(column)
    every = np.frombuffer(values.buffers()[1], values.type.to_pandas_dtype())  # Array.to_numpy would import pandas
    if not is_wide:
        return every[values.offset : values.offset + len(values)]
    n, d = len(column), column.type.list_size
    begin = values.offset + column.offset * d
    return every[begin : begin + n * d].reshape(n, d)


def _may_repeat(ids: pa.LargeStringArray) -> bool:
    """Return False if hashes show that no id repeats; True without a look where importing Numba would take longer."""
    if len(ids) < _MANY and "numba" not in sys.modules:
        return True
    from spotify_gym.catalogue.hashing import share_a_hash

    _, begins, letters = ids.buffers()
    places = np.frombuffer(begins, np.int64)[ids.offset : ids.offset + len(ids) + 1]
    return share_a_hash(np.frombuffer(letters or b"", np.uint8), places)
