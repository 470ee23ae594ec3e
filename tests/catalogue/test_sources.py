import os
from pathlib import Path

import pandas as pd
import pytest

from spotify_gym.catalogue import Catalogue, CatalogueError, address_of, as_catalogue
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


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("builtin:100k", 'write the number of built-in tracks in digits, as in "builtin:100000"'),
        ("https://example.org/songs.csv", "is an address; download the file"),
        (Path("https://example.org/songs.csv"), "is an address; download the file"),
        (None, "catalogue=None is none: give"),
        (7, "catalogue=7 is none: give"),
    ],
)
def test_what_names_no_catalogue__is_told_so(source: object, message: str) -> None:
    with pytest.raises(CatalogueError, match=message):
        as_catalogue(source)


@pytest.mark.parametrize("mixed", [False, True])
def test_frame__is_read_as_its_file_would_be(mixed: bool, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "songs.csv", songs(30))
    frame = pd.read_csv(path)
    if mixed:
        frame["what"] = [1, "one"] * 15
    from_frame = as_catalogue(frame)
    assert from_frame.fingerprint == as_catalogue(path).fingerprint
    assert as_catalogue(frame.copy()) is from_frame
    assert as_catalogue(frame, "minmax").scaling.kind == "minmax"


def test_address__makes_the_same_catalogue_again(tmp_path: Path) -> None:
    Catalogue.builtin(20).save(tmp_path / "saved.arrow")
    for catalogue in Catalogue.builtin(20), Catalogue.load(tmp_path / "saved.arrow"):
        address = address_of(catalogue)
        assert address is not None
        assert as_catalogue(address).fingerprint == catalogue.fingerprint
    assert address_of(Catalogue.builtin(20, seed=1)) is None
    assert address_of(Catalogue.builtin(20).take([1, 2])) is None
