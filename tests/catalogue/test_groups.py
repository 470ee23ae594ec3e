import time

import numpy as np
import pytest

from spotify_gym.catalogue import Catalogue, TextColumn
from spotify_gym.catalogue.groups import first_equal_rows, first_of_songs


def test_first_equal_rows__points_at_the_first_of_its_kind() -> None:
    features = np.array([[1, 2], [3, 4], [1, 2], [3, 4.5], [3, 4], [1, 2]], dtype=np.float32)
    assert first_equal_rows(features).tolist() == [0, 1, 0, 3, 1, 0]


def test_first_equal_rows__takes_both_zeros_for_one() -> None:
    assert first_equal_rows(np.array([[0.0], [-0.0]])).tolist() == [0, 0]


def same(*labels: tuple[str, str]) -> list[int]:
    """Find the first of each song among tracks of these titles and artists, none the same recording as another."""
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
    """The third is the first by its features, and the second by its title."""
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


def test_songs__of_a_large_catalogue_take_less_than_a_second() -> None:
    catalogue = Catalogue.builtin(211_871)
    assert len(catalogue.recordings) > len(Catalogue.builtin(300).songs)  # which has all imported
    began = time.process_time()
    assert (catalogue.songs < catalogue.recordings).any()
    assert time.process_time() - began < 1


def test_first_equal_rows__of_nothing_is_nothing() -> None:
    assert first_equal_rows(np.zeros((0, 9))).tolist() == []
