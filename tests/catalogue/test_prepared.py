import json
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from spotify_gym.catalogue import Catalogue, CatalogueError, hashing
from spotify_gym.catalogue.prepared import ALIGNMENT
from spotify_gym.catalogue.tracks import TextColumn

SMALL = Catalogue.builtin(40)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prepared") / "catalogue.arrow"
    SMALL.save(path)
    return path


def test_load__brings_back_everything(prepared: Path) -> None:
    loaded = Catalogue.load(prepared)
    assert loaded.fingerprint == SMALL.fingerprint
    assert loaded.report == SMALL.report
    assert (loaded.source, loaded.synthetic) == (SMALL.source, True)
    assert [loaded.label(index) for index in range(40)] == [SMALL.label(index) for index in range(40)]


@pytest.mark.parametrize("d", [1, 5, 128])
def test_load__brings_back_any_features(d: int, tmp_path: Path) -> None:
    catalogue = Catalogue.from_features(
        np.random.default_rng(0).random((7, d)), feature_names=[f"x, {i} %" for i in range(d)]
    )
    catalogue.save(tmp_path / "any.arrow")
    loaded = Catalogue.load(tmp_path / "any.arrow")
    assert loaded.fingerprint == catalogue.fingerprint
    assert loaded.feature_names == catalogue.feature_names
    np.testing.assert_array_equal(loaded.features, catalogue.features)


def test_load__brings_back_that_no_genre_is_known(tmp_path: Path) -> None:
    bare = replace(SMALL, genres=np.zeros((40, 0)), genre_names=(), origin=None)
    bare.save(tmp_path / "bare.arrow")
    assert Catalogue.load(tmp_path / "bare.arrow").fingerprint == bare.fingerprint


def test_load__brings_back_what_is_not_known(tmp_path: Path) -> None:
    bare = Catalogue.from_features(np.eye(4), scaling="minmax")
    bare.save(tmp_path / "bare.arrow")
    loaded = Catalogue.load(tmp_path / "bare.arrow")
    assert loaded.names is loaded.genres is loaded.popularity is None
    assert loaded.scaling.equals(bare.scaling)


def test_load__maps_aligned_read_only_memory(prepared: Path) -> None:
    loaded = Catalogue.load(prepared)
    assert loaded.features.ctypes.data % ALIGNMENT == 0
    with pytest.raises(ValueError, match="read-only"):
        loaded.features[0] = 0
    mapped = [
        line.split()[0].split("-") for line in Path("/proc/self/maps").read_text().splitlines() if str(prepared) in line
    ]
    for array in (loaded.features, loaded.genres, loaded.popularity, loaded.names.buffers()[0]):
        assert any(int(begin, 16) <= array.ctypes.data < int(end, 16) for begin, end in mapped)


def test_file__is_a_table_for_others(prepared: Path) -> None:
    table = pd.read_feather(prepared)
    np.testing.assert_array_equal(np.stack(table["features"]), SMALL.features)
    assert table["names"].tolist() == list(SMALL.names)
    assert table["genres"][7].tolist() == SMALL.genres[7].tolist()


def test_load__needs_no_heavy_library(prepared: Path) -> None:
    code = (
        "import sys; "
        "from spotify_gym.catalogue import Catalogue; c = Catalogue.load(sys.argv[1]); c.label(0); c.fingerprint; "
        "Catalogue.builtin(10); print({'pandas', 'sklearn', 'scipy', 'torch', 'numba'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code, str(prepared)], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == ("{'pandas'}" if pa.__version__.startswith("16.") else "set()")  # imported by Arrow


def test_save__while_loaded_leaves_the_loaded_one_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.arrow"
    SMALL.save(path)
    loaded = Catalogue.load(path)
    Catalogue.builtin(50).save(path)
    np.testing.assert_array_equal(loaded.features, SMALL.features)
    assert len(Catalogue.load(path)) == 50


def test_save__into_no_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"cannot write .*: No such file"):
        SMALL.save(tmp_path / "absent" / "catalogue.arrow")


def test_load__of_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"cannot load .*: No such file"):
        Catalogue.load(tmp_path / "catalogue.arrow")
    with pytest.raises(CatalogueError, match=r"cannot load .*: Is a directory"):
        Catalogue.load(tmp_path)


@pytest.mark.parametrize("name", ["catalogue.npz", "catalogue", "tracks.csv"])
def test_save__says_how_the_file_must_be_called(name: str, tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=rf"{name} must end in .arrow, such as {Path(name).stem}.arrow"):
        SMALL.save(tmp_path / name)


def test_npz__of_before_is_loaded() -> None:
    before = Catalogue.load(Path(__file__).with_name("written_before.npz"))
    assert before.fingerprint == Catalogue.builtin(12, seed=3).fingerprint == "20c7a44c24bdb9d3db7c551ff3807016"
    assert before.report == Catalogue.builtin(12, seed=3).report


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "head", [b"1L", b"(" * 5000, b"{'descr': '<f4', 'fortran_order': False, 'shape': (9**99,), }\n"]
)
def test_npz__describes_its_arrays_in_plain_words(tmp_path: Path, head: bytes) -> None:
    """NumPy would evaluate the header."""
    with zipfile.ZipFile(tmp_path / "odd.npz", "w") as file:
        file.writestr("features.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head)
    with pytest.raises(CatalogueError, match=r"odd\.npz: it is not a prepared catalogue, or damaged"):
        Catalogue.load(tmp_path / "odd.npz")


def test_npz__of_others_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "plain.npz", features=np.eye(3))
    np.savez_compressed(tmp_path / "compressed.npz", features=np.eye(3))
    np.savez(tmp_path / "objects.npz", features=np.array([{}], dtype=object))
    claims = (tmp_path / "plain.npz").read_bytes()
    entry = claims.index(b"PK\x01\x02")
    sizes = (2**31).to_bytes(4, "little") * 2  # compressed and uncompressed size, in the central directory
    (tmp_path / "enormous.npz").write_bytes(claims[: entry + 20] + sizes + claims[entry + 28 :])
    for name, message in {
        "plain": "it is not a prepared catalogue, or damaged: 'header'",
        "compressed": "it is not a prepared catalogue, or damaged: it is compressed",
        "enormous": "it is not a prepared catalogue, or damaged: it is compressed, or a member is larger",
        "objects": ".*Python objects, which need pickle, are never loaded",
    }.items():
        with pytest.raises(CatalogueError, match=rf"{name}\.npz: {message}"):
            Catalogue.load(tmp_path / f"{name}.npz")


Columns = dict[str, pa.Array]
Header = dict[str, Any]


def rewritten(prepared: Path, change: Callable[[Header, Columns], Columns], **options: Any) -> Path:
    """Rewrite a prepared file with other columns or another header, and a valid checksum."""
    with pa.OSFile(str(prepared)) as source:
        batch = pa.ipc.open_file(source).read_all().to_batches()[0]
    header = json.loads(batch.schema.metadata[b"spotify_gym"])
    changed = pa.record_batch(change(header, {name: batch.column(name) for name in batch.schema.names}))
    content = text = json.dumps(header).encode()
    if not any(pa.types.is_dictionary(kind) for kind in changed.schema.types):
        message = pa.ipc.read_message(changed.serialize())
        content = b"".join([text, message.metadata, message.body])
    metadata = {"spotify_gym": text, "spotify_gym_crc32": b"%08x" % zlib.crc32(content)}
    changed = changed.replace_schema_metadata(metadata)
    path = prepared.with_name("rewritten.arrow")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, changed.schema, **options) as writer:
        for _ in range(header.get("batches", 1)):
            writer.write_batch(changed)
    return path


def test_load__ignores_columns_of_later_versions(prepared: Path) -> None:
    nested = pa.array([[{"a": 1}]] * 40)
    path = rewritten(prepared, lambda _, columns: {"mood": nested, **columns, "songs": pa.array(range(40))})
    assert Catalogue.load(path).fingerprint == SMALL.fingerprint


def test_load__copies_what_another_program_left_unaligned(prepared: Path, tmp_path: Path) -> None:
    loaded = Catalogue.load(rewritten(prepared, lambda _, columns: columns))
    assert loaded.fingerprint == SMALL.fingerprint
    assert loaded.features.flags.aligned


FLAT = pa.array(np.zeros(360, np.float32))
EMBEDDED = pa.ExtensionArray.from_storage(
    pa.fixed_shape_tensor(pa.float32(), [9]), pa.FixedSizeListArray.from_arrays(FLAT, 9)
)
COLUMNS: dict[str, tuple[str, pa.Array]] = {
    "dictionary": ("names", pa.array(["a"] * 40).dictionary_encode()),
    "extension": ("features", EMBEDDED),
    "nested": ("features", pa.array([[[1.0]]] * 40)),
    "list": ("features", pa.array([[1.0] * 9] * 40, pa.list_(pa.float32()))),
    "double": ("features", pa.array([[1.0] * 9] * 40, pa.list_(pa.float64(), 9))),
    "too wide": ("features", pa.array([[1.0] * 10] * 40, pa.list_(pa.float32(), 10))),
    "string": ("track_ids", pa.array(map(str, range(40)))),
    "view": ("artists", pa.array(["a"] * 40, pa.string_view())),
    "integer": ("popularity", pa.array(range(40))),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_load__of_a_column_of_another_type_names_both(kind: str, prepared: Path) -> None:
    name, column = COLUMNS[kind]
    path = rewritten(prepared, lambda _, columns: {**columns, name: column})
    with pytest.raises(CatalogueError, match=rf"rewritten.arrow: .* its column '{name}' holds .*, not "):
        Catalogue.load(path)


def offsets(*values: int) -> pa.Array:
    begins = np.array([*values, *[0] * (41 - len(values))])
    return pa.LargeStringArray.from_buffers(40, pa.py_buffer(begins), pa.py_buffer(b"abc"))


FORGED: dict[str, tuple[str, pa.Array, str]] = {
    "a null": ("names", pa.array([None] + ["a"] * 39, pa.large_string()), "a value is missing"),
    "a null among features": ("features", pa.array([[None] * 9] * 40, pa.list_(pa.float32(), 9)), "a value is missing"),
    "NaN": ("features", pa.FixedSizeListArray.from_arrays(pc.divide(FLAT, np.float32(0)), 9), "not a finite number"),
    "huge": ("features", pa.FixedSizeListArray.from_arrays(pc.add(FLAT, np.float32(1e20)), 9), "larger than 1e"),
    "wild offsets": ("names", offsets(0, 7 * 10**18, -7 * 10**18), "offset"),
    "offsets that go back": ("track_ids", offsets(0, 3), "offset"),
    "half a character": ("names", pa.array([b"\xc3"] * 40, pa.large_binary()).view(pa.large_string()), "UTF8"),
    "two ids": ("track_ids", pa.array(["a"] * 40, pa.large_string()), "a track id is repeated"),
    "genre": ("genres", pa.array([[2] * 14] * 40, pa.list_(pa.uint8(), 14)), "neither 0 nor 1"),
    "popularity": ("popularity", pa.array([101] * 40, pa.float32()), "popularity must be from 0 to 100"),
}


@pytest.mark.parametrize("kind", FORGED)
def test_load__of_a_forged_column_says_what_is_wrong(kind: str, prepared: Path) -> None:
    name, column, message = FORGED[kind]
    path = rewritten(prepared, lambda _, columns: {**columns, name: column})
    with pytest.raises(CatalogueError, match=rf"cannot load .*rewritten.arrow: .*{message}"):
        Catalogue.load(path)


def test_load__finds_one_id_that_stands_twice_among_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, many = [f"{n}" for n in range(20_000)], Catalogue.builtin(20_000)
    path = tmp_path / "many.arrow"
    for texts in (ids, [*ids[:-1], ids[7]]):
        replace(many, track_ids=TextColumn.of(texts)).save(path)
        for hashes in (hashing._hashes, lambda _, begins: np.zeros(len(begins) - 1, np.uint64)):
            monkeypatch.setattr(hashing, "_hashes", hashes)
            if texts is ids:
                assert list(Catalogue.load(path).track_ids) == ids
            else:
                with pytest.raises(CatalogueError, match="a track id is repeated"):
                    Catalogue.load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 3}, "its format version is 3; this program reads version 2"),
        ({"format": "other"}, "not written by Catalogue.save"),
        ({"scaling": {"kind": "robust", "centre": [0.0] * 9, "scale": [1.0] * 9}}, "'robust' is not known"),
        ({"scaling": {"kind": "minmax", "centre": [0.0], "scale": [1.0]}}, "the scaling has 1 features"),
        ({"scaling": {"kind": "minmax", "centre": [0.0] * 9, "scale": [0.0] * 9}}, "every scale above 0"),
        ({"scaling": "standard"}, "damaged"),
        ({"feature_names": ["tempo"]}, "'features' holds .*9.*, not .*1"),
        ({"feature_names": 9}, "damaged"),
        ({"genre_names": ["\ud800"] * 14}, "surrogates not allowed"),
        ({"report": {}}, "damaged: 'rows'"),
        ({"report": {**asdict(SMALL.report), "rows": float("inf")}}, "damaged"),
        ({"batches": 2}, "one record batch"),
    ],
)
def test_load__of_a_forged_header_says_what_is_wrong(changes: Header, message: str, prepared: Path) -> None:
    def change(header: Header, columns: Columns) -> Columns:
        header.update(changes)
        return columns

    with pytest.raises(CatalogueError, match=f"cannot load .*rewritten.arrow: .*{message}"):
        Catalogue.load(rewritten(prepared, change))


def test_load__without_ids_or_features_is_refused(prepared: Path) -> None:
    for name in ("track_ids", "features"):
        kept = rewritten(prepared, lambda _, columns, name=name: {key: columns[key] for key in columns if key != name})
        with pytest.raises(CatalogueError, match=f"Column {name} does not exist"):
            Catalogue.load(kept)
        unsaid = rewritten(prepared, lambda header, columns, name=name: header["columns"].remove(name) or columns)
        with pytest.raises(CatalogueError, match=f"damaged: '{name}'"):
            Catalogue.load(unsaid)


@pytest.mark.parametrize("name", ["mood", "artists"])
def test_load__unpacks_nothing(name: str, prepared: Path) -> None:
    """The column would take 80 MB, and is compressed to a few kilobytes."""
    bomb = pa.array(["a" * 2**21] * 40, pa.large_string())
    packed = pa.ipc.IpcWriteOptions(compression="zstd")
    path = rewritten(prepared, lambda _, columns: {**columns, name: bomb}, options=packed)
    assert path.stat().st_size < 2**17
    usual = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(pool)
    try:
        with pytest.raises(CatalogueError, match="without compression or dictionaries"):
            Catalogue.load(path)
        assert pool.max_memory() < 2**20
    finally:
        pa.set_memory_pool(usual)


def test_load__of_other_files_says_that_they_are_none(prepared: Path, tmp_path: Path) -> None:
    pd.DataFrame({"track_id": ["a"]}).to_feather(tmp_path / "plain.arrow", compression="uncompressed")
    (tmp_path / "table.arrow").write_text("track_id,tempo\n")
    (tmp_path / "empty.arrow").write_bytes(b"")
    (tmp_path / "cut.arrow").write_bytes(prepared.read_bytes()[:-100])
    for name in ("plain", "table", "empty", "cut"):
        with pytest.raises(CatalogueError, match=rf"{name}.arrow: it is not a prepared catalogue, or damaged"):
            Catalogue.load(tmp_path / f"{name}.arrow")


def test_flips_and_cuts_all_over__end_in_the_catalogue_or_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "damaged.arrow"
    small = Catalogue.builtin(9)
    small.save(path)
    content = bytearray(path.read_bytes())
    places = range(0, len(content), 3)
    for place, bit in zip(places, 1 << np.random.default_rng(0).integers(8, size=len(places)), strict=True):
        content[place] ^= bit
        path.write_bytes(content)
        content[place] ^= bit
        assert loaded_or_refused(path) in (small.fingerprint, None)
    for size in range(0, len(content), 11):
        path.write_bytes(content[:size])
        assert loaded_or_refused(path) is None


def loaded_or_refused(path: Path) -> str | None:
    """Return the fingerprint of the catalogue in a file; None if it was refused with a message that names the file."""
    try:
        return Catalogue.load(path).fingerprint
    except CatalogueError as error:
        return None if str(path) in str(error) else "nameless"
