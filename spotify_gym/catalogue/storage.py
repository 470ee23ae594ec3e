"""A prepared catalogue as a file: arrays that are mapped into memory instead of read, and no pickle anywhere.

The file is an ordinary uncompressed ``.npz`` (``numpy.load`` opens it), with each array placed at a multiple of 64
bytes, so that the arrays of a loaded catalogue *are* the file's pages: loading copies nothing, and all processes that
load one file share one copy in memory.
"""

from __future__ import annotations

import io
import json
import mmap
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from spotify_gym.catalogue.atomic import replacing
from spotify_gym.catalogue.errors import CatalogueError
from spotify_gym.catalogue.files import open_regular

FORMAT = "spotify_gym catalogue"
VERSION = 1
ALIGNMENT = 64  # bytes; what the fastest paths of NumPy and BLAS want
_PADDING_ID = 0xD935  # the "extra field" that zip tools know as alignment
_LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip member, ending in the lengths of its name and extra field
_HEADER = "header"
_NPY_HEAD = re.compile(
    rb"\x93NUMPY\x01\x00(?s:..)\{'descr': '(?P<dtype>[<|][biuf][1248])', 'fortran_order': False, "
    rb"'shape': \((?P<shape>[0-9, ]*)\), \} *\n"
)


def write(path: Path, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a header of plain values and named arrays to ``path``, which holds the old file or the new one, never half.

    Raises:
        CatalogueError: if the folder cannot be written to.
    """
    text = json.dumps({"format": FORMAT, "version": VERSION, "arrays": sorted(arrays), **header}).encode()
    members = {_HEADER: np.frombuffer(text, dtype=np.uint8), **arrays}
    try:
        with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, array in members.items():
                _write_member(archive, file, name, array)
    except OSError as error:
        raise CatalogueError(f"cannot write {path}: {error.strerror or error}.") from error


def _write_member(archive: zipfile.ZipFile, file: BinaryIO, name: str, array: NDArray[Any]) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    member = zipfile.ZipInfo(f"{name}.npy")
    start = file.tell() + _LOCAL_HEADER.size + len(member.filename) + 4  # of the data, were the padding empty
    padding = -start % ALIGNMENT
    member.extra = struct.pack("<HH", _PADDING_ID, padding) + bytes(padding)
    archive.writestr(member, buffer.getvalue())


def read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Map the file at ``path`` into memory and return its header and its read-only arrays, verified by their checksums.

    Raises:
        CatalogueError: if the file is missing, damaged, of another kind or of a later version.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            arrays = {member.filename.removesuffix(".npy"): _map(content, member) for member in archive.infolist()}
        header = json.loads(arrays.pop(_HEADER).tobytes())
        json.dumps(header, ensure_ascii=False).encode()  # fails where a text is half a character
    except OSError as error:
        raise CatalogueError(f"cannot read {path}: {error.strerror or error}.") from error
    except (zipfile.BadZipFile, ValueError, KeyError, struct.error, NotImplementedError, RecursionError) as error:
        raise CatalogueError(f"{path} is not a prepared catalogue, or is damaged: {error}.") from error
    _check_version(path, header)
    if header.get("arrays") != sorted(arrays):
        raise CatalogueError(f"{path} is damaged: some of its arrays are missing or misnamed.")
    return header, arrays


def _map(content: memoryview, member: zipfile.ZipInfo) -> NDArray[Any]:
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{member.filename} is compressed, which this program never does")
    name_length, extra_length = _LOCAL_HEADER.unpack_from(content, member.header_offset)
    start = member.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    stored = content[start : start + member.file_size]
    if len(stored) != member.file_size or zlib.crc32(stored) != member.CRC:
        raise ValueError(f"{member.filename} does not match its checksum")
    return _parse_npy(stored)


def _parse_npy(stored: memoryview) -> NDArray[Any]:
    """View the array in the bytes of an ``.npy`` file, of the plain kind that this program writes."""
    head = _NPY_HEAD.match(stored)
    if head is None:
        raise ValueError("an array is not plain numbers (Python objects, which need pickle, are never loaded)")
    shape = tuple(int(length) for length in head["shape"].split(b",") if length.strip())
    array = np.frombuffer(stored[head.end() :], dtype=head["dtype"].decode()).reshape(shape)
    return array if array.flags.aligned else array.copy()


def _check_version(path: Path, header: Any) -> None:
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise CatalogueError(f"{path} is an .npz file, but not one written by Catalogue.save.")
    if header.get("version") != VERSION:
        raise CatalogueError(
            f"{path} has format version {header.get('version')}; this program reads version {VERSION}. "
            "Update spotify_gym, or prepare the table again."
        )
