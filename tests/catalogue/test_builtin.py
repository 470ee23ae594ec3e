from typing import Any

import numpy as np
import pytest

from spotify_gym.catalogue import FEATURE_NAMES, Catalogue, CatalogueError
from spotify_gym.catalogue.builtin import invent_artist, invent_titles

N_PAIRS = 200_000


@pytest.fixture(scope="module")
def builtin() -> Catalogue:
    return Catalogue.builtin()


def raw(catalogue: Catalogue, feature: str) -> np.ndarray:
    return catalogue.scaling.undo(catalogue.features)[:, FEATURE_NAMES.index(feature)]


def test_random_pairs__are_as_alike_as_real_ones(builtin: Catalogue) -> None:
    first, second = np.random.default_rng(0).integers(len(builtin), size=(2, N_PAIRS))
    cosine = (builtin.unit_features[first] * builtin.unit_features[second]).sum(axis=1)
    measured = [0.016, 0.40, -0.60, -0.01, 0.70]
    found = [cosine.mean(), cosine.std(), *np.quantile(cosine, [0.05, 0.5, 0.95])]
    np.testing.assert_allclose(found, measured, atol=0.05)


@pytest.mark.parametrize(
    ("feature", "mean", "deviation"),
    [
        ("acousticness", 0.299, 0.319),
        ("danceability", 0.588, 0.177),
        ("energy", 0.616, 0.242),
        ("instrumentalness", 0.141, 0.297),
        ("liveness", 0.210, 0.190),
        ("loudness", -8.63, 5.37),
        ("speechiness", 0.099, 0.112),
        ("tempo", 120.0, 29.2),
        ("valence", 0.482, 0.251),
    ],
)
def test_marginals__are_those_of_real_tracks(builtin: Catalogue, feature: str, mean: float, deviation: float) -> None:
    values = raw(builtin, feature)
    assert values.mean() == pytest.approx(mean, abs=0.05 * deviation)
    assert values.std() == pytest.approx(deviation, rel=0.06)


@pytest.mark.parametrize(
    ("first", "second", "correlation"),
    [
        ("energy", "loudness", 0.75),
        ("energy", "acousticness", -0.72),
        ("loudness", "acousticness", -0.59),
        ("loudness", "instrumentalness", -0.50),
        ("danceability", "valence", 0.45),
    ],
)
def test_correlations__are_those_of_real_tracks(
    builtin: Catalogue, first: str, second: str, correlation: float
) -> None:
    found = np.corrcoef(raw(builtin, first), raw(builtin, second))[0, 1]
    assert found == pytest.approx(correlation, abs=0.12)


def test_shapes__are_far_from_normal(builtin: Catalogue) -> None:
    instrumental = raw(builtin, "instrumentalness")
    assert np.mean(instrumental < 0.1) > 0.7
    assert np.mean(instrumental > 0.8) > 2 * np.mean((instrumental > 0.4) & (instrumental < 0.6))
    loudness = raw(builtin, "loudness")
    assert np.mean(loudness) < np.median(loudness) - 1


def test_builtin__says_that_it_is_synthetic(builtin: Catalogue) -> None:
    assert builtin.synthetic
    assert "builtin" in builtin.source
    assert "synthetic" in str(builtin.report)


def test_builtin__is_the_same_for_the_same_arguments(builtin: Catalogue) -> None:
    assert Catalogue.builtin().fingerprint == builtin.fingerprint
    assert len({Catalogue.builtin(60, seed=seed).fingerprint for seed in range(3)}) == 3


def test_builtin__of_any_size_has_the_same_coordinates(builtin: Catalogue) -> None:
    assert Catalogue.builtin(10, seed=4).coordinates == builtin.coordinates
    assert Catalogue.builtin(10, scaling="minmax").coordinates != builtin.coordinates


def test_minmax__stays_in_the_unit_cube() -> None:
    features = Catalogue.builtin(5000, scaling="minmax").features
    assert (features >= 0).all()
    assert (features <= 1).all()


def test_artists__have_several_tracks_that_sound_alike(builtin: Catalogue) -> None:
    artists = np.unique(list(builtin.artists), return_inverse=True)[1]
    order = np.argsort(artists, kind="stable")
    same = np.diff(artists[order]) == 0
    units = builtin.unit_features[order]
    cosine = (units[1:] * units[:-1]).sum(axis=1)
    assert np.mean(same) > 0.8
    assert cosine[same].mean() > 0.25 > cosine[~same].mean()


def test_genres__are_told_and_heard(builtin: Catalogue) -> None:
    assert builtin.genres.any(axis=1).all()
    assert builtin.genres.mean(axis=0).min() > 0.02
    acoustic = raw(builtin, "acousticness")
    ambient, metal = (builtin.genres[:, builtin.genre_names.index(name)] for name in ("ambient", "metal"))
    assert acoustic[ambient].mean() > acoustic[metal].mean() + 0.5


def test_popularity__is_known_and_uneven(builtin: Catalogue) -> None:
    assert builtin.popularity.min() == 0
    assert 90 <= builtin.popularity.max() <= 100
    assert 35 < builtin.popularity.mean() < 45


def test_recordings__repeat_as_often_as_real_ones(builtin: Catalogue) -> None:
    versions = builtin.recordings != np.arange(len(builtin))
    assert 0.04 < versions.mean() < 0.06
    version = int(versions.argmax())
    assert builtin.label(version) == builtin.label(int(builtin.recordings[version]))


@pytest.mark.parametrize("n_tracks", [1, 2, 9])
def test_builtin__can_be_tiny(n_tracks: int) -> None:
    catalogue = Catalogue.builtin(n_tracks)
    assert len(catalogue) == len(set(catalogue.track_ids)) == n_tracks


@pytest.mark.parametrize("n_tracks", [0, -1, 10**9, 1.5, True])
def test_builtin__refuses_sizes_out_of_bounds(n_tracks: Any) -> None:
    with pytest.raises(CatalogueError, match=f"n_tracks={n_tracks} is not between"):
        Catalogue.builtin(n_tracks)


def test_invented_names__are_all_different() -> None:
    artists = [invent_artist(number) for number in range(44_010)]  # the last ten get a number, as names run out
    for texts in (invent_titles(), artists):
        assert len(set(texts)) == len(texts)
