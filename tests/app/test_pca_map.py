from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA

from spotify_gym import Catalogue
from spotify_gym.app.pca_map import Atlas
from tests.catalogues import hand_made


def test_atlas__is_the_principal_component_analysis(small: Catalogue) -> None:
    atlas = Atlas.of(small)
    expected = PCA(2).fit(small.features.astype(np.float64))
    cosines = np.abs((atlas.axes * expected.components_).sum(axis=1))
    np.testing.assert_allclose(cosines, 1, atol=1e-4)
    inside = small.features[(np.abs(expected.transform(small.features)) < 1).all(axis=1)]
    np.testing.assert_allclose(np.abs(atlas.locate(inside)), np.abs(expected.transform(inside)), atol=1e-3)


def test_atlas__keeps_everything_within_its_edges(small: Catalogue) -> None:
    atlas = Atlas.of(small)
    far = atlas.locate(1000 * small.features)
    assert (far >= atlas.low - 1e-4).all()
    assert (far <= atlas.high + 1e-4).all()


def test_atlas__names_genres_and_directions(small: Catalogue) -> None:
    atlas = Atlas.of(small)
    assert {place.name for place in atlas.places} <= set(small.genre_names)
    assert len(atlas.places) > 1
    assert all(end for direction in atlas.directions for end in direction)


def test_atlas__of_a_poor_catalogue() -> None:
    line = Atlas.of(hand_made(np.arange(6, dtype=np.float32)[:, None]))
    assert np.isfinite(line.points).all()
    same = Atlas.of(hand_made(np.ones((6, 3), np.float32)))
    assert np.isfinite(same.points).all()
    assert (same.low < same.high).all()
