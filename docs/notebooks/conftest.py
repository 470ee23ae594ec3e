"""Notebooks are tests of `make docs`."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what nbmake collects here."""
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker(pytest.mark.docs)
