import pytest

from spotify_gym.catalogue import FEATURE_NAMES, CatalogueError
from spotify_gym.catalogue.schema import recognise

KNOWN = {
    "SpotifyFeatures.csv": "genre,artist_name,track_name,track_id,popularity,acousticness,danceability,duration_ms,"
    "energy,instrumentalness,key,liveness,loudness,mode,speechiness,tempo,time_signature,valence",
    "dataset.csv": ",track_id,artists,album_name,track_name,popularity,duration_ms,explicit,danceability,energy,key,"
    "loudness,mode,speechiness,acousticness,instrumentalness,liveness,valence,tempo,time_signature,track_genre",
    "spotify_songs.csv": "track_id,track_name,track_artist,track_popularity,track_album_id,track_album_name,"
    "track_album_release_date,playlist_name,playlist_id,playlist_genre,playlist_subgenre,danceability,energy,key,"
    "loudness,mode,speechiness,acousticness,instrumentalness,liveness,valence,tempo,duration_ms",
}


@pytest.mark.parametrize("header", KNOWN.values(), ids=KNOWN)
def test_recognise__knows_the_public_tables(header: str) -> None:
    names = header.split(",")
    roles = recognise(names)
    assert set(roles) == {"track_id", "name", "artists", "genre", "popularity", *FEATURE_NAMES}
    assert names[roles["track_id"]] == "track_id"
    assert names[roles["artists"]] in ("artist_name", "artists", "track_artist")
    assert names[roles["genre"]] in ("genre", "track_genre", "playlist_genre")


def test_recognise__minds_neither_case_nor_blanks() -> None:
    assert recognise(["Track ID", *(f" {name.title()} " for name in FEATURE_NAMES)])["track_id"] == 0


def test_columns__map_names_that_are_not_known() -> None:
    names = ["uri", "bpm", *(name for name in FEATURE_NAMES if name != "tempo")]
    assert recognise(names, {"track_id": "uri", "tempo": "bpm"})["tempo"] == 1


def test_columns__win_over_known_names() -> None:
    names = ["track_id", "genre", "subgenre", *FEATURE_NAMES]
    assert recognise(names, {"genre": "subgenre"})["genre"] == 2


def test_missing_column__is_named_with_the_nearest() -> None:
    names = ["track_id", "dancability", *(name for name in FEATURE_NAMES if name != "danceability")]
    with pytest.raises(CatalogueError, match=r"'danceability' is missing \(the nearest column is 'dancability'\)"):
        recognise(names)


def test_other_table__says_what_is_needed() -> None:
    with pytest.raises(CatalogueError, match="no table of audio features: its columns are named name, price"):
        recognise(["name", "price"])


def test_columns__unknown_role_is_named_with_the_nearest() -> None:
    with pytest.raises(CatalogueError, match="did you mean 'artists'"):
        recognise(["track_id", *FEATURE_NAMES], {"artist": "track_id"})


def test_columns__absent_column_is_named_with_the_nearest() -> None:
    with pytest.raises(CatalogueError, match="no column 'trackid'; the nearest is 'track_id'"):
        recognise(["track_id", *FEATURE_NAMES], {"track_id": "trackid"})
