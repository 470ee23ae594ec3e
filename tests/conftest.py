"""Fixtures that all rooms share."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before Torch loads: threads of parallel tests stand in each other's way

from pathlib import Path

import pytest
from hypothesis import settings

from spotify_gym import Catalogue
from tests.catalogues import real_table

settings.register_profile("untimed", deadline=None)  # how long an example takes is the machine's affair, not a result
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def small() -> Catalogue:
    """A built-in catalogue of 400 tracks."""
    return Catalogue.builtin(400, seed=1)


@pytest.fixture(scope="session")
def real_tracks() -> Path:
    """The full-size real table, where it is at hand."""
    return real_table("tracks_211871.csv")
