"""The catalogue and its columns: immutability, pickling, selection, splits, scaling, and versions of one song."""

from __future__ import annotations

import copy
import doctest
import importlib
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from spotify_gym.catalogue import Catalogue, CatalogueError, Scaling, TextColumn
from spotify_gym.catalogue.groups import first_equal_rows, first_of_songs, related_groups
from spotify_gym.catalogue.report import Report
from spotify_gym.catalogue.tracks import Tracks


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.builtin(600)


def catalogue_of(features: list[float], artists: list[str] | None = None) -> Catalogue:
    tracks = Tracks(
        features=np.array(features, dtype=np.float64)[:, None],
        track_ids=TextColumn.of(f"id{number}" for number in range(len(features))),
        feature_names=("x",),
        artists=None if artists is None else TextColumn.of(artists),
    )
    return Catalogue.of(tracks, "standard", source="by hand", report=Report(len(features), len(features)))


@pytest.mark.parametrize("module", ["catalogue", "report", "files", "tracks"])
def test_examples__in_the_documentation_are_true(module: str) -> None:
    assert doctest.testmod(importlib.import_module(f"spotify_gym.catalogue.{module}")).failed == 0


def test_features__are_contiguous_float32_that_nobody_can_change(catalogue: Catalogue) -> None:
    assert catalogue.features.dtype == np.float32
    assert catalogue.features.flags.c_contiguous
    arrays = (catalogue.features, catalogue.unit_features, catalogue.recordings, catalogue.genres, catalogue.popularity)
    for array in (*arrays, catalogue.scaling.centre, catalogue.track_ids.buffers()[0]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_fields__cannot_be_replaced(catalogue: Catalogue) -> None:
    with pytest.raises(AttributeError):
        catalogue.source = "elsewhere"  # type: ignore[misc]


def test_unit_features__have_length_one_or_zero() -> None:
    units = Catalogue.from_features([[3, 4], [0, 0]], Scaling("standard", np.zeros(2), np.ones(2))).unit_features
    np.testing.assert_allclose(units, [[0.6, 0.8], [0, 0]])


def test_index_of__inverts_track_ids(catalogue: Catalogue) -> None:
    assert catalogue.index_of(catalogue.track_ids[17]) == 17
    for absent in ("absent", "spotify:track:absent", ""):
        with pytest.raises(CatalogueError, match=f"no track has the id '{absent}'"):
            catalogue.index_of(absent)


def test_index_of__reads_links_and_uris() -> None:
    ids = ["4uLU6hMCjMI75M1A2tKUQC", "spotify:track:2takcwOaAZWiXQijPHIx7B"]
    catalogue = Catalogue.from_features(np.eye(2), track_ids=ids)
    for form in (
        "spotify:track:{}",
        "https://open.spotify.com/track/{}",
        "http://open.spotify.com/track/{}/",
        "https://open.spotify.com/intl-de/track/{}?si=0123456789abcdef",
        "https://open.spotify.com/embed/track/{}#a",
    ):
        assert catalogue.index_of(form.format(ids[0])) == 0
    assert catalogue.index_of(ids[1]) == 1


def test_fingerprint__tells_content_apart_and_nothing_else(catalogue: Catalogue) -> None:
    same = Catalogue.builtin(600)
    assert same is not catalogue
    assert same.fingerprint == catalogue.fingerprint
    others = [catalogue.take(range(599)), catalogue.rescaled("minmax"), catalogue.take(np.arange(600)[::-1])]
    assert len({other.fingerprint for other in (catalogue, *others)}) == 4


def test_fingerprint__knows_which_column_says_what() -> None:
    tracks = Tracks(np.eye(2), TextColumn.of("ab"), ("x", "y"))
    about = {"scaling": "standard", "source": "by hand", "report": Report(2, 2)}
    columns = [{}, {"names": TextColumn.of("cd")}, {"artists": TextColumn.of("cd")}, {"names": TextColumn.of(["", ""])}]
    assert len({Catalogue.of(replace(tracks, **column), **about).fingerprint for column in columns}) == 4


def test_coordinates__are_kept_by_selection_and_changed_by_scaling(catalogue: Catalogue) -> None:
    assert catalogue.take([3, 5]).coordinates == catalogue.coordinates
    assert catalogue.rescaled("minmax").coordinates != catalogue.coordinates


def test_take__selects_every_column_in_order(catalogue: Catalogue) -> None:
    part = catalogue.take([5, 2, 9])
    assert [part.label(index) for index in range(3)] == [catalogue.label(index) for index in (5, 2, 9)]
    np.testing.assert_array_equal(part.features, catalogue.features[[5, 2, 9]])
    np.testing.assert_array_equal(part.genres, catalogue.genres[[5, 2, 9]])
    assert "a selection of 3 of 600 tracks" in str(part.report)


def test_take__accepts_a_mask(catalogue: Catalogue) -> None:
    assert catalogue.take(catalogue.popularity > 50).popularity.min() > 50


@pytest.mark.parametrize("indices", [[], [1, 1], [0, -600], [1.7, 2.0]])
def test_take__refuses_nothing_and_repetition(catalogue: Catalogue, indices: list[float]) -> None:
    with pytest.raises(CatalogueError):
        catalogue.take(indices)


def test_split__shares_no_artist_and_no_recording(catalogue: Catalogue) -> None:
    train, test = catalogue.split(test_fraction=0.3, seed=1)
    assert len(train) + len(test) == 600
    assert 0.2 < len(test) / 600 <= 0.3
    assert not set(train.artists) & set(test.artists)
    assert not set(map(bytes, train.features)) & set(map(bytes, test.features))
    assert train.coordinates == test.coordinates == catalogue.coordinates


def test_split__is_seeded(catalogue: Catalogue) -> None:
    first, again, other = (catalogue.split(seed=seed)[1].fingerprint for seed in (1, 1, 2))
    assert first == again != other


def test_split__keeps_artists_who_played_together_on_one_side() -> None:
    groups = related_groups(np.arange(6), TextColumn.of(["A", "A; B", "B;C", "D", "", ""]))
    assert len(set(groups[:3])) == 1
    assert len(set(groups)) == 4


def test_split__without_artists_keeps_recordings_together() -> None:
    train, test = catalogue_of([1, 1, 2, 2, 3, 3]).split(0.4)
    assert (len(train), len(test)) == (4, 2)
    assert not set(train.features.ravel()) & set(test.features.ravel())


def test_split__that_cannot_be_says_so() -> None:
    with pytest.raises(CatalogueError, match="cannot be split"):
        catalogue_of([1, 2, 3], ["A", "A;B", "B"]).split(0.5)
    with pytest.raises(CatalogueError, match=r"test_fraction=1\.5"):
        catalogue_of([1, 2, 3]).split(1.5)


def test_rescaled__fits_anew_or_follows_another(catalogue: Catalogue) -> None:
    minmax = catalogue.rescaled("minmax")
    assert minmax.features.min() == 0
    assert minmax.features.max() == pytest.approx(1)
    back = minmax.rescaled(catalogue)
    np.testing.assert_allclose(back.features, catalogue.features, atol=1e-5)
    assert back.coordinates == catalogue.coordinates


@pytest.mark.parametrize("d", [1, 5, 128])
def test_catalogue__of_any_features(d: int) -> None:
    names = [f"x, {column} %" for column in range(d)]
    raw = np.random.default_rng(0).random((30, d))
    catalogue = Catalogue.from_features(raw, feature_names=names)
    assert catalogue.feature_names == tuple(names)
    assert catalogue.unit_features.shape == (30, d)
    np.testing.assert_allclose(catalogue.scaling.undo(catalogue.features), raw, atol=1e-6)
    train, test = catalogue.split(0.4)
    assert train.coordinates == test.coordinates == catalogue.rescaled("minmax").rescaled(catalogue).coordinates
    assert catalogue.take([2, 1]).features.tolist() == catalogue.features[[2, 1]].tolist()


def test_from_features__names_what_is_not_named() -> None:
    catalogue = Catalogue.from_features(np.eye(3))
    assert list(catalogue.track_ids) == ["0", "1", "2"]
    assert catalogue.feature_names == ("feature_0", "feature_1", "feature_2")


@pytest.mark.parametrize(
    "arguments",
    [
        {"features": [1.0, 2.0]},
        {"features": [[np.nan]]},
        {"features": np.empty((0, 3))},
        {"features": np.eye(2), "track_ids": ["a"]},
        {"features": np.eye(2), "track_ids": ["a", "a"]},
        {"features": np.eye(2), "track_ids": [1, 2]},
        {"features": np.eye(2), "feature_names": ["a"]},
        {"features": np.eye(2), "feature_names": ["a", "a"]},
        {"features": np.empty((2, 0))},
        {"features": np.eye(2), "scaling": Scaling("standard", np.zeros(3), np.ones(3))},
    ],
)
def test_from_features__refuses_what_does_not_fit(arguments: dict[str, object]) -> None:
    with pytest.raises(CatalogueError):
        Catalogue.from_features(**arguments)


def test_copies__are_the_catalogue_itself(catalogue: Catalogue) -> None:
    assert copy.copy(catalogue) is catalogue
    assert copy.deepcopy({"of": catalogue})["of"] is catalogue


def test_pickle__in_one_process_gives_the_same_object(catalogue: Catalogue) -> None:
    for one in (catalogue, catalogue.take(range(9))):
        assert pickle.loads(pickle.dumps(one)) is one


def test_pickle__is_by_reference_where_the_source_is_known(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.save(tmp_path / "catalogue.arrow")
    assert len(pickle.dumps(catalogue)) < 500
    assert len(pickle.dumps(Catalogue.load(tmp_path / "catalogue.arrow"))) < 500


def fingerprints(*catalogues: Catalogue) -> list[str]:
    assert catalogues[0] is catalogues[1]
    return [catalogue.fingerprint for catalogue in catalogues]


def test_pickle__reaches_another_process_whole(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.save(tmp_path / "catalogue.arrow")
    loaded, part = Catalogue.load(tmp_path / "catalogue.arrow"), catalogue.take(range(50))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for one in (catalogue, loaded, part):
            assert pool.submit(fingerprints, one, one).result() == [one.fingerprint] * 2


def test_pickle__of_a_file_that_has_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.arrow"
    Catalogue.builtin(30, seed=8).save(path)
    pickled = pickle.dumps(Catalogue.load(path))
    Catalogue.builtin(31, seed=9).save(path)
    code = "import pickle, sys; pickle.loads(bytes.fromhex(sys.argv[1]))"
    shown = subprocess.run([sys.executable, "-c", code, pickled.hex()], capture_output=True, text=True, check=False)
    assert "has changed since it was pickled" in shown.stderr


texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=20)


@given(texts)
def test_column__reads_like_the_texts_it_was_made_of(words: list[str]) -> None:
    column = TextColumn.of(words)
    assert list(column) == words
    assert len(column) == len(words)
    assert [column[i] for i in range(-len(words), len(words))] == words * 2
    assert list(column[1::2]) == words[1::2]
    assert list(column[2:5]) == [column[2:5][i] for i in range(len(words[2:5]))] == words[2:5]


@given(texts, st.randoms(use_true_random=False))
def test_take__gathers_in_the_order_asked(words: list[str], random) -> None:
    indices = [random.randrange(len(words)) for _ in range(7)] if words else []
    assert list(TextColumn.of(words).take(np.array(indices, dtype=np.int64))) == [words[i] for i in indices]


@given(texts)
def test_arrow__round_trip(words: list[str]) -> None:
    assert list(TextColumn.from_arrow(TextColumn.of(words).arrow)) == words


def test_from_arrow__reads_slices_chunks_and_missing_texts() -> None:
    chunks = pa.chunked_array([pa.array(["a", None, "bcd"])[1:], pa.array(["é"])])
    assert list(TextColumn.from_arrow(chunks)) == ["", "bcd", "é"]


def test_index__out_of_range_raises() -> None:
    with pytest.raises(IndexError):
        TextColumn.of(["a"])[1]


def test_buffers__are_the_same_for_a_part_as_for_its_texts_alone() -> None:
    part, alone = TextColumn.of(["zu", "a", "bé", ""])[1:], TextColumn.of(["a", "bé", ""])
    for one, other in zip(part.buffers(), alone.buffers(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_column__cannot_be_written_to_and_pickles() -> None:
    column = TextColumn.of(["a", "bc"])
    with pytest.raises(ValueError, match="read-only"):
        column.buffers()[0][0] = 0
    assert list(pickle.loads(pickle.dumps(column))) == ["a", "bc"]


RAW = np.array([[0.0, 10.0], [1.0, 10.0], [5.0, 10.0]])


def test_standard__is_worked_by_hand() -> None:
    scaling = Scaling.fit(RAW, "standard")
    assert scaling.centre == pytest.approx([2, 10])
    assert scaling.scale == pytest.approx([np.sqrt(14 / 3), 1])
    assert scaling.apply([2, 10]).tolist() == [0, 0]


def test_minmax__is_worked_by_hand() -> None:
    scaling = Scaling.fit(RAW, "minmax")
    np.testing.assert_allclose(scaling.apply(RAW), [[0, 0], [0.2, 0], [1, 0]])


@pytest.mark.parametrize("size", [(1, 3), (7, 2), (20_000, 9)])
def test_fit__equals_scikit_learn_to_the_bit(size: tuple[int, int]) -> None:
    raw = np.random.default_rng(0).gamma(2.0, 3.0, size=size) * 10.0 ** np.arange(-8, size[1] - 8)
    raw[:, 1] = 0.1
    standard, minmax = StandardScaler().fit(raw), MinMaxScaler().fit(raw)
    centre = np.where(raw.min(axis=0) == raw.max(axis=0), raw[0], standard.mean_)  # the mean of one number is rounded
    assert Scaling.fit(raw, "standard").equals(Scaling("standard", centre, standard.scale_))
    assert Scaling.fit(raw, "minmax").equals(Scaling("minmax", minmax.data_min_, 1 / minmax.scale_))


def test_equals__compares_what_is_done_to_a_track() -> None:
    scaling = Scaling.fit(RAW, "standard")
    assert scaling.equals(Scaling("standard", scaling.centre.copy(), scaling.scale.copy()))
    assert not scaling.equals(Scaling.fit(RAW, "minmax"))


@pytest.mark.parametrize("raw", [[[np.nan]], [[np.inf]], [[1e300]], np.empty((0, 2))])
def test_fit__refuses_what_is_no_number(raw: object) -> None:
    with pytest.raises(CatalogueError, match="finite"):
        Scaling.fit(np.array(raw), "standard")


@pytest.mark.parametrize(
    ("centre", "scale"), [([0], [0]), ([0], [-1]), ([np.nan], [1]), ([0], [np.inf]), ([0, 0], [1]), ([[0]], [[1]])]
)
def test_scaling__refuses_what_cannot_be_undone(centre: list[float], scale: list[float]) -> None:
    with pytest.raises(CatalogueError, match="scal"):
        Scaling("standard", np.array(centre), np.array(scale))


def test_kind__unknown_is_named() -> None:
    with pytest.raises(CatalogueError, match="'robust' is not known"):
        Scaling.fit(RAW, "robust")


def test_first_equal_rows__points_at_the_first_of_its_kind() -> None:
    features = np.array([[1, 2], [3, 4], [1, 2], [3, 4.5], [3, 4], [1, 2]], dtype=np.float32)
    assert first_equal_rows(features).tolist() == [0, 1, 0, 3, 1, 0]


def test_first_equal_rows__takes_both_zeros_for_one() -> None:
    assert first_equal_rows(np.array([[0.0], [-0.0]])).tolist() == [0, 0]


def same(*labels: tuple[str, str]) -> list[int]:
    """Return the first track of the same song for (title, artist) pairs of different recordings."""
    names, artists = (TextColumn.of(texts) for texts in zip(*labels, strict=True))
    return first_of_songs(np.arange(len(labels)), names, artists).tolist()


EDITIONS = """
    HURT | hürt | Hurt! | Hurt - Remastered | Hurt - Remaster | Hurt (Remastered) | Hurt [Remastered 2011]
    Hurt - 2011 Remaster | Hurt - 2011 Digital Remaster | Hurt - Remastered Version | Hurt – 2009 Remastered Version
    Hurt - 2011 Mix | Hurt (2011 Version) | Hurt - 2014 Stereo Mix | Hurt - Mono | Hurt - Mono Version | Hurt - Stereo
    Hurt - Mono / Remastered | Hurt - Remastered 2009; Mono | Hurt (Remastered) [Mono] | Hurt - Single Version
    Hurt - Album Version | Hurt - Radio Edit | Hurt (Radio Version) | Hurt - Single Edit | Hurt - Bonus Track
    Hurt - Remastered Album Version | Hurt (Album Version / Bonus Track) | Hurt (Deluxe) | Hurt - Deluxe Edition
    Hurt (Deluxe Version) | Hurt (feat. Dido) | Hurt feat. A, B & C | Hurt ft Dido | Hurt (with Dido)
    Hurt - with Dido | Hurt - feat. Dido | Hurt [Featuring Dido] - Radio Edit | Hurt (feat. A / B) (2011 Remaster)
    Hurt feat. Dido - 2011 Remaster | Hurt (With Dido)
"""


OTHERS = """
    Hurt - Live | Hurt (Live) | Hurt - Acoustic | Hurt - Remix | Hurt (Dido Remix) | Hurt - 2011 Remix | Hurt - Demo
    Hurt - Instrumental | Hurt (Karaoke Version) | Hurt (Cover) | Hurt - Extended Mix | Hurt - 2011
    Hurt - Live at Home / Remastered | Hurt, Pt. 2 | Hurt II | Hurt with Me | Hurt Mono | Hurt Deluxe | Radio Edit
    Hurt (feat. Dido) - Live | Hurt feat. Dido (Acoustic) | !
"""


def titles_in(text: str) -> list[str]:
    return [title.strip() for line in text.strip().splitlines() for title in line.split("|")]


@pytest.mark.parametrize("title", titles_in(EDITIONS))
def test_song__is_told_by_title_and_first_artist_whatever_the_edition(title: str) -> None:
    assert same(("Hurt", "Cash"), (title, "CASH;Dido"), ("Hurt", "Nine Inch Nails")) == [0, 0, 2]


@pytest.mark.parametrize("title", titles_in(OTHERS))
def test_song__of_its_own(title: str) -> None:
    assert same(("Hurt", "Cash"), (title, "Cash")) == [0, 1]


def test_song__of_its_own_has_editions_too() -> None:
    titles = "Hurt - Live", "Hurt (Live) [2011 Remaster]", "Hurt (feat. B) - Live / Mono"
    assert same(*((title, "A;B") for title in titles)) == [0, 0, 0]


def test_song__without_title_or_artist_is_like_no_other() -> None:
    assert same(("", "A"), ("", "A"), ("Hurt", ""), ("Hurt", ""), ("!", "A"), ("?", "A")) == [0, 1, 2, 3, 4, 5]


def test_song__of_equal_titles_and_of_equal_features_is_one() -> None:
    """Track 2 has the features of track 0 and the title of track 1, so all three are one song."""
    names, artists = TextColumn.of(["Hurt", "Pain", "Pain", "Joy"]), TextColumn.of("AAAA")
    assert first_of_songs(np.array([0, 1, 0, 3]), names, artists).tolist() == [0, 0, 0, 3]


def test_songs__of_a_catalogue() -> None:
    titled = Catalogue.builtin(5000)
    assert (titled.songs <= titled.recordings).all()
    assert (titled.songs[titled.songs] == titled.songs).all()
    for track in np.flatnonzero(titled.songs != titled.recordings):
        assert titled.label(track).casefold() == titled.label(int(titled.songs[track])).casefold()


def test_songs__where_titles_are_unknown_are_recordings() -> None:
    catalogue = Catalogue.from_features([[1, 2], [3, 4], [1, 2]])
    assert catalogue.songs.tolist() == [0, 1, 0]


def test_songs__of_a_large_catalogue_take_no_more_python_than_those_of_a_small_one() -> None:
    assert len(Catalogue.builtin(300).songs) == 300  # imports all that is needed
    small, large = (_calls_for_songs(Catalogue.builtin(n_tracks)) for n_tracks in (5000, 211_871))
    assert 0 < large < 2 * small


def _calls_for_songs(catalogue: Catalogue) -> int:
    assert len(catalogue.recordings) == len(catalogue)
    events = list[str]()
    sys.setprofile(lambda frame, event, argument: events.append(event))
    try:
        songs = catalogue.songs
    finally:
        sys.setprofile(None)
    assert (songs < catalogue.recordings).any()
    return len(events)


def test_first_equal_rows__of_nothing_is_nothing() -> None:
    assert first_equal_rows(np.zeros((0, 9))).tolist() == []
