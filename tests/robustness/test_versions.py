"""The oldest libraries that `make versions` tries are those that the project allows."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from noxfile import lowest_versions

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_lowest_versions__are_what_the_project_allows() -> None:
    lowest = lowest_versions(tomllib.loads(PYPROJECT.read_text())["project"])
    assert "stable-baselines3==2.7" in lowest
    assert all("==" in one for one in lowest)


def test_lowest_versions__refuse_what_names_none() -> None:
    with pytest.raises(ValueError, match=r"'numpy<3' in pyproject\.toml should be name>=version"):
        lowest_versions({"name": "x", "dependencies": ["numpy<3"], "optional-dependencies": {}})
