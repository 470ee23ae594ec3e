import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from spotify_gym.catalogue import FEATURE_NAMES, CatalogueError
from spotify_gym.catalogue.schema import Roles, Schema


def roles_of(
    names: Sequence[str], columns: Mapping[str, str] | None = None, features: Sequence[str] | None = None
) -> Roles:
    return Schema(Path("my songs.csv"), columns or {}, features).roles(names)


def chosen(names: Sequence[str], columns: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the column of each feature and role, the first candidate if there are several."""
    roles = roles_of(names, columns)
    return {**roles.features, **{role: several[0] for role, several in roles.candidates.items() if several}}


KINDS = {
    # header of a kind of table: (the columns of id, title, artists, genre and popularity, number of features)
    "genre,artist_name,track_name,track_id,popularity,acousticness,danceability,duration_ms,energy,instrumentalness,key,"
    "liveness,loudness,mode,speechiness,tempo,time_signature,valence": (
        "track_id,track_name,artist_name,genre,popularity",
        9,
    ),
    ",track_id,artists,album_name,track_name,popularity,duration_ms,explicit,danceability,energy,key,loudness,mode,"
    "speechiness,acousticness,instrumentalness,liveness,valence,tempo,time_signature,track_genre": (
        "track_id,track_name,artists,track_genre,popularity",
        9,
    ),
    "track_id,track_name,track_artist,track_popularity,track_album_id,track_album_name,playlist_name,playlist_id,"
    "playlist_genre,playlist_subgenre,danceability,energy,key,loudness,mode,speechiness,acousticness,instrumentalness,"
    "liveness,valence,tempo,duration_ms": ("track_id,track_name,track_artist,playlist_genre,track_popularity", 9),
    "Track URI,Track Name,Album Name,Artist Name(s),Release Date,Duration (ms),Popularity,Explicit,Added By,Genres,"
    "Record Label,Danceability,Energy,Key,Loudness,Mode,Speechiness,Acousticness,Instrumentalness,Liveness,Valence,"
    "Tempo": (
        "Track URI,Track Name,Artist Name(s),Genres,Popularity",
        9,
    ),
    "Spotify ID,Artist IDs,Track Name,Album Name,Artist Name(s),Popularity,Genres,Danceability,Energy,Key,Loudness,"
    "Mode,Speechiness,Acousticness,Instrumentalness,Liveness,Valence,Tempo": (
        "Spotify ID,Track Name,Artist Name(s),Genres,Popularity",
        9,
    ),
    "#,Song,Artist,Popularity,BPM,Genres,Parent Genres,Album,Dance,Energy,Acoustic,Instrumental,Happy,Speech,Live,"
    "Loud (Db),Key,Spotify Track Id,Spotify Track Img": ("Spotify Track Id,Song,Artist,Genres,Popularity", 9),
    "title,artist,top genre,year,bpm,nrgy,dnce,dB,live,val,dur,acous,spch,pop": (",title,artist,top genre,pop", 8),
    "Index,Title,Artist,Top Genre,Year,Beats Per Minute (BPM),Energy,Danceability,Loudness (dB),Liveness,Valence,"
    "Length (Duration),Acousticness,Speechiness,Popularity": (",Title,Artist,Top Genre,Popularity", 8),
    ",Track.Name,Artist.Name,Genre,Beats.Per.Minute,Energy,Danceability,Loudness..dB..,Liveness,Valence.,Length.,"
    "Acousticness..,Speechiness.,Popularity": (",Track.Name,Artist.Name,Genre,Popularity", 8),
    "track_name,artist(s)_name,artist_count,in_spotify_playlists,streams,bpm,key,mode,danceability_%,valence_%,energy_%,"
    "acousticness_%,instrumentalness_%,liveness_%,speechiness_%": (",track_name,artist(s)_name,,", 8),
    ",Artist,Url_spotify,Track,Album,Album_type,Uri,Danceability,Energy,Key,Loudness,Speechiness,Acousticness,"
    "Instrumentalness,Liveness,Valence,Tempo,Url_youtube,Title,Channel,Stream": ("Uri,Track,Artist,,", 9),
    "SongID,Performer,Song,spotify_genre,spotify_track_id,spotify_track_album,danceability,energy,key,loudness,mode,"
    "speechiness,acousticness,instrumentalness,liveness,valence,tempo,spotify_track_popularity": (
        "spotify_track_id,Song,Performer,spotify_genre,spotify_track_popularity",
        9,
    ),
    "track,artist,uri,danceability,energy,key,loudness,mode,speechiness,acousticness,instrumentalness,liveness,valence,"
    "tempo,duration_ms,chorus_hit,sections,target": ("uri,track,artist,,", 9),
    "song_name,song_popularity,song_duration_ms,acousticness,danceability,energy,instrumentalness,key,liveness,loudness,"
    "audio_mode,speechiness,tempo,audio_valence": (",song_name,,,song_popularity", 9),
    "playlist_id,playlist_name,danceability,energy,key,loudness,mode,speechiness,acousticness,instrumentalness,liveness,"
    "valence,tempo,track.id,analysis_url,added_at,track.artists,track.href,track.name,track.popularity,track.track,"
    "track.track_number,track.album.id,track.album.name,track.album.artists": (
        "track.id,track.name,track.artists,,track.popularity",
        9,
    ),
    "danceability,energy,key,loudness,mode,speechiness,acousticness,instrumentalness,liveness,valence,tempo,type,id,uri,"
    "track_href,analysis_url,genre,song_name,Unnamed: 0,title": ("id,song_name,,genre,", 9),
    "ts,ms_played,master_metadata_track_name,master_metadata_album_artist_name,spotify_track_uri,danceability,energy,"
    "loudness,speechiness,acousticness,instrumentalness,liveness,valence,tempo": (
        "spotify_track_uri,master_metadata_track_name,master_metadata_album_artist_name,,",
        9,
    ),
    "Artist(s),song,text,emotion,Genre,Album,Tempo,Loudness (db),Explicit,Popularity,Energy,Danceability,Positiveness,"
    "Speechiness,Liveness,Acousticness,Instrumentalness": (",song,Artist(s),Genre,Popularity", 9),
    ",Spotify ID,Titel,Interpret,Beliebtheit,Tanzbarkeit,Energie,Lautstärke,Valenz,Tempo": (
        "Spotify ID,Titel,Interpret,,Beliebtheit",
        5,
    ),
    "id,Nome da música,Artista,Gênero,Popularidade,Dançabilidade,Energia,Acusticidade,Valência,Tempo": (
        "id,Nome da música,Artista,Gênero,Popularidade",
        5,
    ),
    "...1,id...2,name...3,artist,Energy (0-100),Valence (0-100),Danceability (%),Loudness [dB],tempo...9,id...40": (
        "id...2,name...3,artist,,",
        5,
    ),
    "track/id,track/name,track/artists/0/name,track/artists/1/name,track.audio_features.energy,audio_features.0.tempo,"
    "track_audio_features_valence,track.liveness,danceability": ("track/id,track/name,track/artists/0/name,,", 5),
    "track_energy,song_tempo,track_speechiness,audio_feature_speechiness,songs_valence,track.liveness,Loudness (Db),"
    "Danceability (mean),Acousticness (0 to 100),Popularity (artist),Live (yes/no)": (",,,,", 7),
    "name,album,artist,artist_top_genre,popularity,danceability,energy,loudness_dbfs,tempo,valence": (
        ",name,artist,artist_top_genre,popularity",
        5,
    ),
    "cancion_id,titulo,nombre_artistico,genero,sp_popularity,bailabilidad,energia,volumen_db,tempo,valencia": (
        "cancion_id,titulo,nombre_artistico,genero,sp_popularity",
        5,
    ),
    ",sp_name,sp_artist,sp_url,year,acousticness,danceability,energy,speechiness,spch,tempo": (
        "sp_url,sp_name,sp_artist,,",
        5,
    ),
    "Nome da música,Nome do artista,Energia,Ao vivo,Acústica,Instrumental,Dançabilidade,Volume": (
        ",Nome da música,Nome do artista,,",
        6,
    ),
    "track_id,track_name,primary_artist,all_artists,artists_genres,Loudeness (dB),af_dancability,acoustiness,"
    "speachiness,tiempo,energy_std,cloudiness,valance": ("track_id,track_name,all_artists,artists_genres,", 5),
    "ID_X,NAME_X,artist_title,audio_features.danceability,audio_features.energy,audio_features.loudness,"
    "audio_features.valence,audio_features.tempo,liveliness,popularity_scores": (
        "ID_X,NAME_X,artist_title,,popularity_scores",
        6,
    ),
}


@pytest.mark.parametrize("header", KINDS)
def test_roles__of_kinds_of_table(header: str) -> None:
    expected, n_features = KINDS[header]
    roles = chosen(header.split(","))
    known = dict(zip(("track_id", "name", "artists", "genre", "popularity"), expected.split(","), strict=True))
    assert {role: roles.get(role, "") for role in known} == known
    assert sum(role in FEATURE_NAMES for role in roles) == n_features


def test_roles__mind_neither_case_nor_blanks() -> None:
    assert chosen(["CANCIÓN", "Género", *(f"af_{name}" for name in FEATURE_NAMES)])["genre"] == "Género"
    assert chosen(["Track ID", *(f" {name.title()} " for name in FEATURE_NAMES)])["track_id"] == "Track ID"


def test_a_column_name_that_stands_twice__is_the_first() -> None:
    assert roles_of(["track_id", *FEATURE_NAMES, *FEATURE_NAMES]).columns == [*FEATURE_NAMES, "track_id"]


def test_columns__map_names_that_are_not_known() -> None:
    names = ["key of mine", "pace", *(name for name in FEATURE_NAMES if name != "tempo")]
    roles = chosen(names, {"track_id": "key of mine", "tempo": "pace"})
    assert (roles["track_id"], roles["tempo"]) == ("key of mine", "pace")


def test_columns__win_over_known_names_and_may_say_that_there_is_none() -> None:
    names = ["track_id", "genre", "subgenre", *FEATURE_NAMES]
    assert chosen(names, {"genre": "subgenre"})["genre"] == "subgenre"
    assert "track_id" not in chosen(names, {"track_id": ""})


def test_columns__that_would_serve_two_roles_are_refused() -> None:
    names = ["track_id", *(name for name in FEATURE_NAMES if name != "instrumentalness")]
    for columns in ({"instrumentalness": "liveness"}, {"name": "track_id", "track_id": "track_id"}):
        with pytest.raises(CatalogueError, match="cannot have two roles"):
            roles_of(names, columns)


def test_features__are_any_columns_in_the_order_given() -> None:
    names = ["track_id", "x, y", "50 %", "bpm", "energy"]
    roles = roles_of(names, features=["50 %", "bpm", "x, y"])
    assert roles.features == {"50 %": "50 %", "bpm": "bpm", "x, y": "x, y"}
    assert roles.kinds == {"bpm": "tempo"}
    assert roles_of(names, features=["tempo"]).features == {"tempo": "bpm"}
    for wrong in ([], ["bpm", "tempo"]):
        with pytest.raises(CatalogueError, match="give one column or more, without repeats"):
            roles_of(names, features=wrong)


def test_too_few_features__are_named_with_the_command_for_a_column_that_is_near() -> None:
    names = ["track_id", "livelyness", "energy", "tempo", "valence"]
    assert "liveness" not in roles_of([*names, "loudness", "speechiness"]).features
    with pytest.raises(CatalogueError, match="only energy, tempo, valence are known features") as caught:
        roles_of(names)
    told = "liveness may be 'livelyness': spotify-gym prepare 'my songs.csv' --columns liveness=livelyness"
    assert told in str(caught.value)


def test_hint__is_given_only_where_a_name_is_near() -> None:
    schema = Schema(Path("songs.csv"), {}, None)
    names = ["audio_mode", "chorus_hit", "energi", "valense\x1b", "temp"]
    assert schema.hint(FEATURE_NAMES, names) == (
        "energy may be 'energi', tempo may be 'temp': spotify-gym prepare songs.csv --columns energy=energi tempo=temp"
    )
    assert not schema.hint(FEATURE_NAMES, names[:2])


def test_command__is_quoted_for_the_shell() -> None:
    schema = Schema(Path("$(rm -rf) '.csv"), {"genre": ""}, ["a b"])
    assert shlex.split(schema.command({"track_id": "my id"}))[2:] == [
        "$(rm -rf) '.csv",
        "--columns",
        "genre=",
        "track_id=my id",
        "--features",
        "a b",
    ]


def test_other_table__says_what_is_needed() -> None:
    with pytest.raises(CatalogueError, match="not a table of audio features: its columns are named name, price"):
        roles_of(["name", "price"])


def test_columns__unknown_role_is_named_with_the_nearest() -> None:
    for wrong, near in {"artist": "artists", "title": "name", "popularty": "popularity"}.items():
        with pytest.raises(CatalogueError, match=f"did you mean {near!r}"):
            roles_of(["track_id", *FEATURE_NAMES], {wrong: "track_id"})


def test_columns__absent_column_is_named_with_the_nearest() -> None:
    with pytest.raises(CatalogueError, match="no column 'trackids'; the nearest is 'track_id'"):
        roles_of(["track_id", *FEATURE_NAMES], {"track_id": "trackids"})
