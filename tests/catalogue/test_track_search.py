from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.catalogue import TextColumn
from spotify_gym.catalogue.track_search import TrackSearch
from tests.catalogues import hand_made, real_table


def find(catalogue: Catalogue, text: str, most: int = 12) -> np.ndarray:
    return TrackSearch(catalogue).find(text, most)


def test_search__puts_beginnings_and_the_popular_first(titled: Catalogue) -> None:
    assert find(titled, "blue").tolist() == [2, 0, 1, 5]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ELLA", [5]),
        ("blue louis", [5]),
        ("joni blue", [2]),
        ("blue taylor", []),
        ("", []),
        ("   ", []),
        (".*", []),
        ("(", []),
    ],
)
def test_search__wants_every_word_in_title_or_artist(titled: Catalogue, text: str, found: list[int]) -> None:
    assert find(titled, text).tolist() == found


def test_search__goes_by_id_where_there_are_no_titles() -> None:
    assert find(hand_made(np.eye(12, dtype=np.float32)), "id1").tolist() == [1]
    assert find(hand_made(np.eye(12, dtype=np.float32)), "d1").tolist() == [1, 10, 11]


def test_search__shows_no_more_than_asked_for(small: Catalogue) -> None:
    assert len(find(small, "a", most=7)) == 7


def test_search__finds_its_way_in_a_real_table() -> None:
    catalogue = Catalogue.read(real_table("spotify_songs.csv"))
    found = find(catalogue, "billie eilish lovely")
    assert catalogue.label(int(found[0])).startswith("lovely")


@pytest.fixture(scope="module")
def songs() -> Catalogue:
    titles = [
        "Halo",
        "Don’t Stop Me Now",
        "Killer Queen",
        "Bohemian Rhapsody",
        "Thunderstruck",
        "Ace of Spades",
        "Траву дома",
        "夜に駆ける",
        "Halo",
        "Cafe\u0301",
    ]
    artists = [
        "Beyoncé",
        "Queen",
        "Los Reyes",
        "Queen",
        "AC/DC",
        "Motörhead;Girlschool",
        "Земляне",
        "YOASOBI",
        "Bea",
        "X",
    ]
    features = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    popularity = np.array([50, 80, 99, 90, 70, 60, 1, 2, 3, 4], np.float32)
    return replace(hand_made(features, titles), artists=TextColumn.of(artists), popularity=popularity)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("beyonce halo", [0]),
        ("HALO Beyonce\u0301", [0]),
        ("ACDC", [4]),
        ("ac/dc", [4]),
        ("motorhead", [5]),
        ("girlschool", [5]),
        ("dont stop me now", [1]),
        ("don't stop", [1]),
        ("bohemian rapsody", [3]),
        ("queen", [3, 1, 2]),
        ("траву", [6]),
        ("夜に", [7]),
        ("café", [9]),
        ("halo", [0, 8]),
        ("id4", [4]),
        ("zzzz", []),
    ],
)
def test_search__forgives(songs: Catalogue, text: str, found: list[int]) -> None:
    assert find(songs, text).tolist() == found


def test_named__is_the_whole_title(songs: Catalogue) -> None:
    search = TrackSearch(songs)
    assert search.named("HALO").tolist() == [0, 8]
    assert search.named("halo — beyonce").tolist() == [0]
    assert search.named("hal").tolist() == []
