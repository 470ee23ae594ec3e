import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spotify_gym.catalogue import Catalogue, CatalogueError, storage

SMALL = Catalogue.builtin(40)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prepared") / "catalogue.npz"
    SMALL.save(path)
    return path


def test_load__brings_back_everything(prepared: Path) -> None:
    loaded = Catalogue.load(prepared)
    assert loaded.fingerprint == SMALL.fingerprint
    assert loaded.report == SMALL.report
    assert (loaded.source, loaded.synthetic) == (SMALL.source, True)
    assert [loaded.label(index) for index in range(40)] == [SMALL.label(index) for index in range(40)]


def test_load__brings_back_what_is_not_known(tmp_path: Path) -> None:
    bare = Catalogue.from_features(np.eye(4), scaling="minmax")
    bare.save(tmp_path / "bare.npz")
    loaded = Catalogue.load(tmp_path / "bare.npz")
    assert loaded.names is loaded.genres is loaded.popularity is None
    assert loaded.scaling.equals(bare.scaling)


def test_load__maps_aligned_read_only_memory(prepared: Path) -> None:
    features = Catalogue.load(prepared).features
    assert features.ctypes.data % storage.ALIGNMENT == 0
    with pytest.raises(ValueError, match="read-only"):
        features[0] = 0
    base = features
    while isinstance(base, np.ndarray):
        base = base.base
    assert type(base.obj).__name__ == "mmap"


def test_file__is_an_ordinary_npz_without_pickle(prepared: Path) -> None:
    with np.load(prepared, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["features"], SMALL.features)


def test_load__needs_no_heavy_library(prepared: Path) -> None:
    code = (
        "import sys; from spotify_gym.catalogue import Catalogue; c = Catalogue.load(sys.argv[1]); c.label(0); "
        "c.fingerprint; Catalogue.builtin(10); "
        "print({'pandas', 'pyarrow', 'sklearn', 'scipy', 'torch'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code, str(prepared)], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"


def test_save__replaces_the_old_file_only_when_the_new_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "catalogue.npz"
    SMALL.save(path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CatalogueError, match="No space left on device"):
        Catalogue.builtin(50).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_save__while_loaded_leaves_the_loaded_one_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.npz"
    SMALL.save(path)
    loaded = Catalogue.load(path)
    Catalogue.builtin(50).save(path)
    np.testing.assert_array_equal(loaded.features, SMALL.features)
    assert len(Catalogue.load(path)) == 50


def test_save__into_no_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"cannot write .*: No such file"):
        SMALL.save(tmp_path / "absent" / "catalogue.npz")


def test_load__of_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"cannot read .*: No such file"):
        Catalogue.load(tmp_path / "catalogue.npz")
    with pytest.raises(CatalogueError, match=r"cannot read .*: Is a directory"):
        Catalogue.load(tmp_path)


class Loud:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch executed",)


def test_load__never_unpickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("evil.npz", features=np.array([Loud()], dtype=object))
    with pytest.raises(CatalogueError, match="Python objects, which need pickle, are never loaded"):
        Catalogue.load("evil.npz")
    assert not Path("executed").exists()


def with_header(prepared: Path, path: Path, old: bytes, new: bytes) -> Path:
    """Copy a prepared file with a change in its header, every checksum right."""
    with zipfile.ZipFile(prepared) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "header.npy":
                buffer = io.BytesIO()
                text = np.load(io.BytesIO(content)).tobytes()
                assert old in text
                np.save(buffer, np.frombuffer(text.replace(old, new), dtype=np.uint8))
                content = buffer.getvalue()
            target.writestr(name, content)
    return path


def test_load__of_a_later_version_names_it(prepared: Path, tmp_path: Path) -> None:
    later = with_header(prepared, tmp_path / "later.npz", b'"version": 1', b'"version": 2')
    with pytest.raises(CatalogueError, match="has format version 2; this program reads version 1"):
        Catalogue.load(later)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"format": "spotify_gym', b'"format": "other', "not one written by Catalogue.save"),
        (b'"scaling": "standard"', b'"scaling": "robust"', "'robust' is not known"),
        (b'"acousticness", ', b"", "must have shape"),
        (b'"source"', b'"sauce"', "damaged: 'source'"),
        (b'"features", ', b"", "arrays are missing"),
        (b"{", b"", "damaged"),
    ],
)
def test_load__of_a_crafted_header_says_what_is_wrong(
    prepared: Path, tmp_path: Path, old: bytes, new: bytes, message: str
) -> None:
    with pytest.raises(CatalogueError, match=message):
        Catalogue.load(with_header(prepared, tmp_path / "crafted.npz", old, new))


def test_load__copies_what_another_program_left_unaligned(prepared: Path, tmp_path: Path) -> None:
    rewritten = with_header(prepared, tmp_path / "rewritten.npz", b"standard", b"standard")
    loaded = Catalogue.load(rewritten)
    assert loaded.fingerprint == SMALL.fingerprint
    assert loaded.features.flags.aligned


def test_load__of_other_files_says_that_they_are_none(prepared: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "plain.npz", features=np.eye(3))
    np.savez_compressed(tmp_path / "compressed.npz", features=np.eye(3))
    (tmp_path / "table.npz").write_text("track_id,tempo\n")
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "cut.npz").write_bytes(prepared.read_bytes()[:-100])
    for name in ("plain", "compressed", "table", "empty", "cut"):
        with pytest.raises(CatalogueError, match=rf"{name}.npz is not a prepared catalogue, or is damaged"):
            Catalogue.load(tmp_path / f"{name}.npz")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_damage__ends_in_a_valid_catalogue_or_an_error(prepared: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(prepared.read_bytes())
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.sampled_from([start + 1, start + 8, len(content)]))
    content[start:end] = data.draw(st.binary(max_size=8))
    path = tmp_path / "damaged.npz"
    path.write_bytes(content)
    try:
        loaded = Catalogue.load(path)
    except CatalogueError:
        return
    assert loaded.fingerprint == SMALL.fingerprint
