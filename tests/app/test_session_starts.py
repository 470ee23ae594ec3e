from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.app.pca_map import PcaMap
from spotify_gym.app.session_starts import genre_start, genres_to_start_from, mood_start, surprise_start, well_known
from tests.catalogues import hand_made


def test_well_known__are_the_most_popular(titled: Catalogue) -> None:
    assert well_known(titled, 3).tolist() == [1, 3, 2]
    assert len(well_known(hand_made(np.eye(3, dtype=np.float32)))) == 0


def test_genre_start__keeps_to_the_genre(small: Catalogue) -> None:
    genre = small.genre_names[int(small.genres.sum(axis=0).argmax())]  # type: ignore[union-attr]
    start = genre_start(small, genre, 5, seed=4)
    assert small.genres is not None
    assert small.genres[start, small.genre_names.index(genre)].all()
    assert len(set(small.recordings[start])) == 5
    assert start.tolist() == genre_start(small, genre, 5, seed=4).tolist()


def test_genres_to_start_from__have_recordings_enough(titled: Catalogue) -> None:
    members = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 1], [1, 0, 1]], np.bool_)
    catalogue = replace(titled, genres=members, genre_names=("soul", "jazz", "rare"))
    assert genres_to_start_from(catalogue, 3) == ("jazz", "soul")
    assert genres_to_start_from(catalogue, 4) == ()  # two of the four of soul are one recording
    assert genres_to_start_from(titled, 1) == ()


@pytest.mark.parametrize("genre", ["polka of tomorrow", ""])
def test_genre_start__refuses_what_it_cannot_do(small: Catalogue, genre: str) -> None:
    with pytest.raises(ValueError, match="no genre"):
        genre_start(small, genre, 5, seed=0)
    with pytest.raises(ValueError, match="only"):
        genre_start(small, small.genre_names[0], 500, seed=0)


def test_mood_start__lies_far_in_its_direction(small: Catalogue) -> None:
    for direction in PcaMap.of(small).moods.values():
        start = mood_start(small, direction, 5, seed=1)
        assert len(set(small.recordings[start])) == 5
        along = small.unit_features @ direction
        assert along[start].min() > np.median(along)
        assert start.tolist() == mood_start(small, direction, 5, seed=1).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_surprise_start__has_a_taste(small: Catalogue, seed: int) -> None:
    start = surprise_start(small, 5, seed)
    assert len(set(small.recordings[start])) == 5
    units = small.unit_features[start]
    assert (units @ units.T).mean() > 0.5  # random tracks: about 0.2, each with itself included


def test_surprise_start__works_with_six_tracks(titled: Catalogue) -> None:
    assert len(set(titled.recordings[surprise_start(titled, 5, 0)])) == 5
