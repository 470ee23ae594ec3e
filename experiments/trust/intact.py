"""Whether every file of a folder of work is whole."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import torch

from spotify_gym.training import RunFolder
from spotify_gym.training.tensors import read_tensors

_PNG_END = b"IEND\xaeB`\x82"


def found_in(path: Path) -> str:
    """Say in words what a run folder holds.

    Raises:
        ValueError: one of its files is not whole.
    """
    check_files(path)
    folder = RunFolder(path)
    if not folder.config_file.exists():
        return "no run yet"
    if folder.is_finished:
        return "finished"
    if not folder.checkpoint_file.exists():
        return "no checkpoint yet"
    return f"checkpoint at step {read_tensors(folder.checkpoint_file).facts['num_timesteps']}"


def check_files(path: Path) -> None:
    """Look at every file of a folder, where there is one.

    Raises:
        ValueError: one is not whole.
    """
    for file in sorted(path.iterdir()) if path.is_dir() else ():
        check = CHECKS.get(file.name) or CHECKS.get(file.suffix)
        if check is None or file.name.startswith("."):  # unfinished ones bear such a name, and are cleared away
            continue
        try:
            check(file)
        except Exception as error:
            raise ValueError(f"{file} is not whole: {error}") from error


def _check_zip(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        if (damaged := archive.testzip()) is not None:
            raise ValueError(f"{damaged} does not match its checksum")


def _check_end(file: Path, end: bytes) -> None:
    if not file.read_bytes().endswith(end):
        raise ValueError("it is cut off")


def _check_rows(file: Path) -> None:
    with file.open(newline="") as lines:
        widths = {len(row) for row in csv.reader(lines)}
    if len(widths) != 1:
        raise ValueError(f"rows of {sorted(widths)} columns")


CHECKS: Mapping[str, Callable[[Path], object]] = {
    "config.json": lambda file: RunFolder(file.parent).config,
    "meta.json": lambda file: RunFolder(file.parent).meta,
    "progress.csv": lambda _: None,  # SB3 writes on in its logs; the checkpoint holds what they are put back to
    "monitor.csv": lambda _: None,
    ".safetensors": read_tensors,
    ".pth": lambda file: torch.load(file, weights_only=True),
    ".zip": _check_zip,
    ".png": lambda file: _check_end(file, _PNG_END),
    ".html": lambda file: _check_end(file, b"</html>"),
    ".csv": _check_rows,
    ".json": lambda file: json.loads(file.read_bytes()),
    ".parquet": pd.read_parquet,
}
"""What reads each file, by its name or else its ending, and raises where it is not whole."""
