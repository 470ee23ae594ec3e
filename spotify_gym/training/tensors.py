"""Reading and writing of arrays and plain values in safetensors files, which are safe to load from any source."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from spotify_gym.catalogue.files import replacing

Arrays = dict[str, NDArray[Any]]


class RunError(ValueError):
    """A run folder, or a file in it, cannot be used."""


class Tensors(NamedTuple):
    """The content of a file."""

    arrays: Arrays
    facts: dict[str, Any]
    """Plain values that JSON can hold."""

    def part(self, name: str) -> Arrays:
        """Return the arrays whose names begin with `name` and a dot, with this prefix removed."""
        return {key[len(name) + 1 :]: array for key, array in self.arrays.items() if key.startswith(f"{name}.")}


def prefixed(name: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """Prefix every array's name with `name` and a dot; the inverse of `Tensors.part`."""
    return {f"{name}.{key}": array for key, array in arrays.items()}


def write_tensors(path: Path, tensors: Tensors) -> None:
    """Write the file atomically."""
    arrays = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in tensors.arrays.items()}
    facts = json.dumps(tensors.facts)
    with replacing(path) as file:
        file.write(save(arrays, metadata={"facts": facts, "digest": _digest(arrays, facts)}))


def read_tensors(path: Path) -> Tensors:
    """Read a file written by `write_tensors`.

    Raises:
        RunError: the file is missing, damaged or of another format.
    """
    if not path.is_file():
        raise RunError(f"{path.name} not found in {path.parent}")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata["digest"] != _digest(arrays, metadata["facts"]):
            raise ValueError("it does not match its checksum")
        return Tensors(arrays, dict(json.loads(metadata["facts"])))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{path} is damaged, or is not a file of this program: {error}") from error


def _digest(arrays: Mapping[str, NDArray[Any]], facts: str) -> str:
    digest = hashlib.blake2b(facts.encode(), digest_size=16)
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape} ".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()
