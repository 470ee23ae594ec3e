"""Fixtures shared by all tests."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before Torch loads: threads of parallel tests slow each other down

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from spotify_gym import Catalogue
from spotify_gym.catalogue import TextColumn
from tests.catalogues import hand_made, real_table

# How long an example takes depends on the machine.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def small() -> Catalogue:
    """A built-in catalogue of 400 tracks."""
    return Catalogue.builtin(400, seed=1)


@pytest.fixture(scope="session")
def real_tracks() -> Path:
    """The full-size real table; the test is skipped without it."""
    return real_table("tracks_211871.csv")


@pytest.fixture(scope="session")
def titled() -> Catalogue:
    """Six tracks, of which the last two are one recording."""
    features = np.array([[1, 0], [0, 1], [1, 1], [2, 1], [3, 1], [3, 1]], np.float32)
    names = ["Blue Train", "A Blue Note", "BLUE", "Red", "Black and Blue", "Black and Blue"]
    artists = TextColumn.of(["Coltrane", "Nina", "Joni", "Taylor", "Louis;Ella", "Louis;Ella"])
    popularity = np.array([10, 90, 50, 80, np.nan, 20], np.float32)
    return replace(hand_made(features, names), artists=artists, popularity=popularity)
