"""Whether every file of a run folder is whole."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from spotify_gym.training import RunFolder
from spotify_gym.training.curve import read_csv
from spotify_gym.training.tensors import read_tensors

_PNG_END = b"IEND\xaeB`\x82"


def found_in(path: Path) -> str:
    """Say in words what a run folder holds.

    Raises:
        ValueError: one of its files is not whole.
    """
    names = {file.name for file in path.iterdir()} if path.is_dir() else set()
    for name in sorted(names & CHECKS.keys()):
        try:
            CHECKS[name](path / name)
        except Exception as error:
            raise ValueError(f"{path / name} is not whole: {error}") from error
    if "config.json" not in names:
        return "no run yet"
    folder = RunFolder.open(path)
    if folder.is_finished:
        return "finished"
    if "checkpoint.safetensors" not in names:
        return "no checkpoint yet"
    return f"checkpoint at step {read_tensors(folder.checkpoint_file).facts['num_timesteps']}"


def _check_zip(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        if (damaged := archive.testzip()) is not None:
            raise ValueError(f"{damaged} does not match its checksum")


def _check_png(file: Path) -> None:
    if not file.read_bytes().endswith(_PNG_END):
        raise ValueError("the picture is cut off")


def _check_rows(file: Path) -> None:
    with file.open(newline="") as lines:
        widths = {len(row) for row in csv.reader(lines)}
    if len(widths) != 1:
        raise ValueError(f"rows of {sorted(widths)} columns")


CHECKS: Mapping[str, Callable[[Path], object]] = {
    "config.json": lambda file: RunFolder(file.parent).config,
    "meta.json": lambda file: RunFolder(file.parent).meta,
    "checkpoint.safetensors": read_tensors,
    "weights.safetensors": read_tensors,
    "q_network_checkpoint.pth": lambda file: torch.load(file, weights_only=True),
    "model.zip": _check_zip,
    "learning_curve.csv": read_csv,
    "learning_curve.png": _check_png,
    "evaluation.csv": _check_rows,
}
"""What reads each file, and raises where it is not whole."""
