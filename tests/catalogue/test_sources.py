import os
from pathlib import Path

import pytest

from spotify_gym.catalogue import Catalogue, CatalogueError, as_catalogue
from tests.catalogue.songs import songs, write_csv


def test_builtin__is_made_once() -> None:
    assert as_catalogue("builtin:300") is as_catalogue("builtin:300")
    assert len(as_catalogue("builtin:300")) == 300
    assert as_catalogue("builtin:300", "minmax").scaling.kind == "minmax"


def test_table__is_read_once_until_it_changes(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "songs.csv", songs(5))
    first = as_catalogue(path)
    assert as_catalogue(str(path)) is first
    write_csv(path, songs(6))
    os.utime(path, ns=(1, 1))
    assert len(as_catalogue(path)) == 6


def test_prepared_file__is_loaded_once(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.arrow"
    Catalogue.builtin(20).save(path)
    assert as_catalogue(path) is as_catalogue(path)


def test_catalogue__is_left_as_it_is_unless_another_scaling_is_asked_for() -> None:
    catalogue = Catalogue.builtin(20)
    assert as_catalogue(catalogue) is catalogue
    assert as_catalogue(catalogue, "standard") is catalogue
    assert as_catalogue(catalogue, Catalogue.builtin(9).scaling) is catalogue
    minmax = as_catalogue(catalogue, "minmax")
    assert minmax.scaling.kind == "minmax"
    assert as_catalogue(catalogue, "minmax") is minmax


@pytest.mark.parametrize("source", ["builtin:many", "absent.csv", "absent.arrow", "absent.npz", "builtin:0"])
def test_nonsense__is_named(source: str) -> None:
    with pytest.raises(CatalogueError, match=source.partition(":")[2] or source):
        as_catalogue(source)
