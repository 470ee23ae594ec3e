"""Valid files to damage (tables, prepared catalogues, logs, listeners), and checks of what is still read from them."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

from spotify_gym import Catalogue, CatalogueError
from spotify_gym.listeners import LoggedListener, as_listener
from spotify_gym.listeners.facts import simulate
from spotify_gym.listeners.skip_log import LogError, SkipLog, read_log, write_log
from spotify_gym.session import SessionDynamics
from tests.robustness.mutations import mutated

FORGED = st.integers(1, 10).map(lambda number: number <= 7)
"""Whether the content of a file is damaged, which then gets valid checksums, or the file itself."""


@dataclass(frozen=True)
class Specimen:
    """A format of untrusted files; most are read into a catalogue."""

    suffix: str
    make: Callable[[], bytes]
    mutate: Callable[[bytes], st.SearchStrategy[bytes]]
    read: Callable[[Path], Any]

    refusal: type[ValueError] = CatalogueError

    def use_mutated(self, draw: st.DrawFn, folder: Path) -> str:
        """Damage the file and read it; return "valid" or "refused", and raise any other outcome."""
        path = folder / f"mutated{self.suffix}"
        path.write_bytes(draw(self.mutate(self.make())))
        try:
            found = self.read(path)
        except self.refusal:
            return "refused"
        if isinstance(found, Catalogue):
            check(found)
        return "valid"


def check(catalogue: Catalogue) -> None:
    """Raise `AssertionError` unless the catalogue is valid in all respects, and can be played."""
    n_tracks, report = len(catalogue), catalogue.report
    assert catalogue.features.dtype == np.float32
    assert np.isfinite(catalogue.features).all()
    assert np.isfinite(catalogue.unit_features).all()
    assert len(set(catalogue.track_ids)) == n_tracks > 0, "an id stands twice"
    assert all(isinstance(catalogue.label(index), str) for index in range(n_tracks))
    assert (catalogue.recordings <= np.arange(n_tracks)).all()
    if catalogue.popularity is not None:
        known = catalogue.popularity[~np.isnan(catalogue.popularity)]
        assert ((known >= 0) & (known <= 100)).all(), "popularity outside 0 to 100"
    assert isinstance(str(report), str)
    assert catalogue.fingerprint
    assert np.isfinite(catalogue.scaling.undo(catalogue.features)).all()
    if n_tracks >= 2:
        _check_session(catalogue)


def check_table(catalogue: Catalogue) -> Catalogue:
    """Return the catalogue of a table after checking that its report accounts for every row."""
    report = catalogue.report
    assert report.tracks == len(catalogue)
    assert report.rows == report.tracks + sum(finding.rows for finding in (*report.folded, *report.dropped))
    return catalogue


def _check_session(catalogue: Catalogue) -> None:
    """Play every track from every track, and check that rewards and observations are numbers within their bounds."""
    dynamics = SessionDynamics(catalogue, {"flow": 0.5, "fit": 0.5}, history_length=2, reward_baseline=0.0)
    tracks = np.arange(len(catalogue))
    sessions = dynamics.start(tracks.astype(np.uint64))
    low, high = dynamics.observer.bounds
    for step in range(3):
        outcome = dynamics.step(sessions, np.roll(tracks, step))
        assert (np.abs(outcome.reward) <= 1 + 1e-5).all(), f"reward {outcome.reward}"
        observation = dynamics.observe(sessions)
        assert ((observation >= low) & (observation <= high)).all(), "an observation out of its bounds"


def _frame() -> pd.DataFrame:
    """Return a table with quoted titles, titles of two lines, missing values, duplicates and versions."""
    catalogue = Catalogue.builtin(12, seed=3)
    assert catalogue.names is not None
    assert catalogue.artists is not None
    raw = catalogue.scaling.undo(catalogue.features).round(4)
    frame = pd.DataFrame(raw, columns=list(catalogue.feature_names))
    frame.insert(0, "track_id", list(catalogue.track_ids))
    frame.insert(1, "track_name", list(catalogue.names))
    frame.insert(2, "artists", list(catalogue.artists))
    frame["track_genre"] = ["folk", "jazz", "", "children’s"] * 3
    frame["popularity"] = [None, *range(0, 110, 10)]
    frame.loc[3, "track_name"] = 'Say "hi",\nagain'
    frame.loc[5, "track_id"] = frame["track_id"][4]
    frame.loc[7, list(catalogue.feature_names)] = frame.loc[6, list(catalogue.feature_names)]
    return frame


@cache
def _csv() -> bytes:
    return _frame().to_csv(index=False).encode()


@cache
def _gzip() -> bytes:
    return gzip.compress(_csv())


@cache
def _parquet() -> bytes:
    frame, buffer = _frame(), io.BytesIO()
    frame["artists"] = frame["artists"].str.split(";")
    frame["track_genre"] = frame["track_genre"].astype("category")
    frame.to_parquet(buffer)
    return buffer.getvalue()


@cache
def _json() -> bytes:
    return b'{"audio_features": ' + _frame().to_json(orient="records").encode() + b"}"


@cache
def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("songs.csv", _csv())
    return buffer.getvalue()


@cache
def _xlsx() -> bytes:
    buffer = io.BytesIO()
    _frame().to_excel(buffer, index=False)
    return buffer.getvalue()


@cache
def _arrow() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "catalogue.arrow"
        Catalogue.builtin(12, seed=3).save(path)
        return path.read_bytes()


@cache
def _npz() -> bytes:
    return (Path(__file__).parents[1] / "catalogue" / "written_before.npz").read_bytes()


@st.composite
def _mutated_gzip(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw the text damaged and packed again, or the packed file."""
    if draw(FORGED):
        return gzip.compress(draw(mutated(gzip.decompress(content))), compresslevel=1)
    return draw(mutated(content))


@st.composite
def _mutated_zst(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw the text damaged and packed again, or the packed file."""
    if draw(FORGED):
        return bytes(pa.compress(draw(mutated(_csv())), "zstd", asbytes=True))
    return draw(mutated(content))


@st.composite
def _mutated_arrow(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw damage to columns, schema or header, with a valid checksum, or to any byte of the file."""
    if not draw(FORGED):
        return draw(mutated(content))
    _, message = pa.ipc.MessageReader.open_stream(pa.BufferReader(content[8:]))
    metadata = pa.ipc.open_file(content).schema.metadata
    parts = [metadata[b"spotify_gym"], message.metadata.to_pybytes(), message.body.to_pybytes()]
    victim = draw(st.sampled_from(range(3)))
    forged = draw(_as_long(parts[victim]))
    content = content.replace(parts[victim], forged)
    parts[victim] = forged
    return content.replace(metadata[b"spotify_gym_crc32"], b"%08x" % zlib.crc32(b"".join(parts)))


@st.composite
def _mutated_archive(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw damage to one member, with a valid checksum, or to any byte of the archive."""
    if not draw(FORGED):
        return draw(mutated(content))
    forged = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(forged, "w") as target:
        victim = draw(st.sampled_from(source.namelist()))
        for name in source.namelist():
            member = source.read(name)
            mutate = _mutated_member if name.endswith(".npy") else mutated
            target.writestr(name, draw(mutate(member)) if name == victim else member)
    return forged.getvalue()


@st.composite
def _mutated_member(draw: st.DrawFn, member: bytes) -> bytes:
    """Draw damage to an ``.npy`` file, mostly after its header, and half of the time without a change of length."""
    start = draw(st.sampled_from((0, *[member.index(b"\n") + 1] * 4)))
    body = member[start:]
    return member[:start] + draw(draw(st.sampled_from((mutated, _as_long)))(body))


@st.composite
def _as_long(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw damage that keeps the length of the content."""
    return draw(mutated(content))[: len(content)].ljust(len(content))


@cache
def _log() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        write_log(simulate(LoggedListener(), Catalogue.builtin(12, seed=3), 10, 6)[0], path)
        return path.read_bytes()


def _listener() -> bytes:
    fitted = {"sessions": 3, "intervals": {"again": [0.1, 0.0, 0.2]}}
    return json.dumps(replace(LoggedListener(), fitted=fitted).to_dict()).encode()


def _play(path: Path) -> SkipLog:
    """Read a listener and let it hear something."""
    listener = as_listener(path)
    assert listener is not None
    return simulate(listener, Catalogue.builtin(60), 10, 6)[0]


SPECIMENS: Mapping[str, Specimen] = {
    "csv": Specimen(".csv", _csv, mutated, lambda path: check_table(Catalogue.read(path))),
    "gzip": Specimen(
        ".csv.gz", _gzip, _mutated_gzip, lambda path: check_table(Catalogue.read(path, duplicates="merge"))
    ),
    "parquet": Specimen(
        ".parquet", _parquet, mutated, lambda path: check_table(Catalogue.read(path, scaling="minmax"))
    ),
    "arrow": Specimen(".arrow", _arrow, _mutated_arrow, Catalogue.load),
    "npz": Specimen(".npz", _npz, _mutated_archive, Catalogue.load),
    "json": Specimen(".json", _json, mutated, lambda path: check_table(Catalogue.read(path))),
    "zip": Specimen(".zip", _zip, _mutated_archive, lambda path: check_table(Catalogue.read(path))),
    "zst": Specimen(
        ".csv.zst",
        lambda: bytes(pa.compress(_csv(), "zstd", asbytes=True)),
        _mutated_zst,
        lambda path: check_table(Catalogue.read(path)),
    ),
    "xlsx": Specimen(".xlsx", _xlsx, _mutated_archive, lambda path: check_table(Catalogue.read(path))),
    "log": Specimen(".csv", _log, mutated, read_log, LogError),
    "listener": Specimen(".json", _listener, mutated, _play, ValueError),
}
"""The kinds of file, by name."""
