from __future__ import annotations

import json

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
    names = json.loads(pca_map.landscape)["names"]
    assert small.genres is not None
    heard_of = {name for name, member in zip(small.genre_names, small.genres.T, strict=True) if member.any()}
    for wide in (True, False):
        placed = [(one["name"], one["x"], one["y"]) for one in names if one["wide"] is wide]
        assert {name for name, *_ in placed} == heard_of
        assert len({(x, y) for _, x, y in placed}) == len(placed)
    assert all(end for direction in pca_map.directions for end in direction)


def test_pca_map__is_asked_for_by_what_is_in_it(small: Catalogue) -> None:
    pca_map = PcaMap.of(small)
    tracks = json.loads(pca_map.landscape)["tracks"]
    assert [track["track"] for track in tracks[:3]] == [small.label(track["id"]) for track in tracks[:3]]
    here = pca_map.locate(small.features[[track["id"] for track in tracks]])
    np.testing.assert_allclose([(track["x"], track["y"]) for track in tracks], here, atol=1e-4)
    assert pca_map.address == PcaMap.of(small).address != PcaMap.of(Catalogue.builtin(400, seed=8)).address


def test_pca_map__of_a_poor_catalogue() -> None:
    line = PcaMap.of(hand_made(np.arange(6, dtype=np.float32)[:, None]))
    assert "NaN" not in line.landscape.decode()
    same = PcaMap.of(hand_made(np.ones((6, 3), np.float32)))
    assert "NaN" not in same.landscape.decode()
    assert (same.low < same.high).all()
