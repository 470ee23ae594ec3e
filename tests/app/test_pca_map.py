from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA

from spotify_gym import Catalogue
from spotify_gym.app.pca_map import PcaMap
from tests.catalogues import hand_made


def test_pca_map__is_the_principal_component_analysis(small: Catalogue) -> None:
    pca_map = PcaMap.of(small)
    expected = PCA(2).fit(small.features.astype(np.float64))
    cosines = np.abs((pca_map.axes * expected.components_).sum(axis=1))
    np.testing.assert_allclose(cosines, 1, atol=1e-4)
    inside = small.features[(np.abs(expected.transform(small.features)) < 1).all(axis=1)]
    np.testing.assert_allclose(np.abs(pca_map.locate(inside)), np.abs(expected.transform(inside)), atol=1e-3)


def test_pca_map__keeps_everything_within_its_edges(small: Catalogue) -> None:
    pca_map = PcaMap.of(small)
    far = pca_map.locate(1000 * small.features)
    assert (far >= pca_map.low - 1e-4).all()
    assert (far <= pca_map.high + 1e-4).all()


def test_pca_map__names_genres_and_directions(small: Catalogue) -> None:
    pca_map = PcaMap.of(small)
    assert {place.name for place in pca_map.places} <= set(small.genre_names)
    assert len(pca_map.places) > 1
    assert all(end for direction in pca_map.directions for end in direction)


def test_pca_map__of_a_poor_catalogue() -> None:
    line = PcaMap.of(hand_made(np.arange(6, dtype=np.float32)[:, None]))
    assert np.isfinite(line.points).all()
    same = PcaMap.of(hand_made(np.ones((6, 3), np.float32)))
    assert np.isfinite(same.points).all()
    assert (same.low < same.high).all()
