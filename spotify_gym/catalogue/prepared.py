"""The fields of a catalogue to and from a file: texts, arrays, scaling and report, each in plain form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from spotify_gym.catalogue import storage
from spotify_gym.catalogue.errors import CatalogueError
from spotify_gym.catalogue.report import Report
from spotify_gym.catalogue.scaling import Scaling
from spotify_gym.catalogue.text import TextColumn

_TEXTS = ("track_ids", "names", "artists")
_ARRAYS = ("features", "genres", "popularity")
_TUPLES = ("feature_names", "genre_names")


def save_fields(path: Path, fields: Mapping[str, Any]) -> None:
    """Write the fields of a catalogue to a file; those that are ``None`` are left out."""
    scaling: Scaling = fields["scaling"]
    arrays: dict[str, NDArray[Any]] = {"centre": scaling.centre, "scale": scaling.scale}
    for name in _TEXTS:
        if fields[name] is not None:
            arrays |= {f"{name}.data": fields[name].data, f"{name}.offsets": fields[name].offsets}
    arrays |= {name: fields[name] for name in _ARRAYS if fields[name] is not None}
    header = {
        **{name: fields[name] for name in (*_TUPLES, "source", "synthetic")},
        "scaling": scaling.kind,
        "report": fields["report"].to_json(),
    }
    storage.write(path, header, arrays)


def load_fields(path: Path) -> dict[str, Any]:
    """Map the fields of a catalogue from a file.

    Raises:
        CatalogueError: if the file is missing, damaged, of another kind or of a later version.
    """
    header, arrays = storage.read(path)
    try:
        return {
            **{name: tuple(map(str, header[name])) for name in _TUPLES},
            **{name: _text(name, arrays) for name in _TEXTS},
            **{name: arrays.get(name) for name in _ARRAYS},
            "scaling": Scaling(header["scaling"], arrays["centre"], arrays["scale"]),
            "source": str(header["source"]),
            "synthetic": bool(header["synthetic"]),
            "report": Report.from_json(header["report"]),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise CatalogueError(f"{path} is damaged: {error}.") from error


def _text(name: str, arrays: Mapping[str, NDArray[Any]]) -> TextColumn | None:
    if f"{name}.data" not in arrays:
        return None
    column = TextColumn(arrays[f"{name}.data"], arrays[f"{name}.offsets"])
    column.check()
    if name == "track_ids" and not column.is_unique:
        raise CatalogueError("a track id stands twice")
    return column
