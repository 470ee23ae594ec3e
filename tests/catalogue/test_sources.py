import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spotify_gym.catalogue import Catalogue, CatalogueError, address_of, as_catalogue
from spotify_gym.catalogue.catalogue import _revive
from tests.catalogues import songs, write_csv


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


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of more than a megabyte; its prepared copies go to a cache folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rows = pd.DataFrame(songs(20)).sample(16_000, replace=True, random_state=0)
    rows["track_id"] = np.arange(16_000)
    rows.to_csv(tmp_path / "large.csv", index=False)
    return tmp_path / "large.csv"


def kept_of(table: Path) -> list[Path]:
    return sorted((table.parent / "cache" / "spotify_gym").glob("*.arrow"))


def test_large_table__is_read_once_for_all_processes_which_map_it(large: Path) -> None:
    code = "import sys, time; from spotify_gym.catalogue import as_catalogue; c = as_catalogue(sys.argv[1])"
    told = "print(c.fingerprint, 'spotify_gym/' in open('/proc/self/maps').read(), 'pyarrow.csv' in sys.modules)"
    told = [
        subprocess.run(
            [sys.executable, "-c", f"{code};{told}", large], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    fingerprint = Catalogue.read(large).fingerprint
    assert [one.split() for one in told] == [[fingerprint, "True", "True"], [fingerprint, "True", "False"]]
    assert len(kept_of(large)) == 1


def test_large_table__is_kept_by_content_and_scaling(large: Path) -> None:
    catalogue, minmax = as_catalogue(large), as_catalogue(large, "minmax")
    assert (catalogue.scaling.kind, minmax.scaling.kind, len(kept_of(large))) == ("standard", "minmax", 2)
    assert catalogue.report == Catalogue.read(large).report
    assert (address_of(catalogue), address_of(minmax)) == (str(large), None)
    before, text = large.stat(), large.read_text()
    large.write_text(text.replace(",0.", ",1.", 1))
    os.utime(large, ns=(before.st_atime_ns, before.st_mtime_ns - 1))
    assert as_catalogue(large).fingerprint != catalogue.fingerprint
    with pytest.raises(CatalogueError, match="has changed since it was pickled"):
        _revive(catalogue.fingerprint + "?", catalogue.origin)


@pytest.mark.parametrize("fault", ["damaged", "no folder"])
def test_large_table__is_read_where_nothing_can_be_kept(
    large: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = as_catalogue(large).fingerprint
    if fault == "damaged":
        kept_of(large)[0].write_bytes(b"ARROW1")
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", str(large))
    os.utime(large, ns=(1, 1))
    assert as_catalogue(large).fingerprint == expected


def test_table__is_pickled_as_its_path_and_how_it_was_read(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "songs.csv", songs(30))
    plain, shuffled = Catalogue.read(path), Catalogue.read(path, "minmax", duplicates="merge", shuffle=True, seed=3)
    assert (address_of(plain), address_of(shuffled)) == (str(path), None)
    for catalogue in (plain, shuffled):
        assert catalogue.origin is not None
        assert catalogue.origin().fingerprint == catalogue.fingerprint
        assert len(pickle.dumps(catalogue)) < 2000
    frame = as_catalogue(pd.read_csv(path).head(20))
    assert (frame.origin, address_of(frame)) == (None, None)
    assert as_catalogue(pd.read_csv(path).head(20).set_index("track_id")).fingerprint == frame.fingerprint


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
        ("https://example.org/songs.csv", "is a URL; download the file"),
        (Path("https://example.org/songs.csv"), "is a URL; download the file"),
        ("kaggle:owner/name", r"is a URL; download the file \(`spotify-gym fetch` does so"),
        ("", "'' is not a path"),
        (None, 'catalogue=None must be "builtin"'),
        (7, 'catalogue=7 must be "builtin"'),
        (np.eye(9), r"(?s)catalogue=array\(\[.{30,60} must be .*for an array, use Catalogue\.from_features"),
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
