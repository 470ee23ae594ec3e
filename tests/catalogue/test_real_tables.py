"""The public tables themselves, where they are at hand."""

import numpy as np
import pytest

from spotify_gym.catalogue import Catalogue
from tests.catalogues import real_table


def test_spotify_features__first_rows() -> None:
    catalogue = Catalogue.read(real_table("SpotifyFeatures_first_1397_rows.csv"))
    assert (catalogue.report.rows, len(catalogue)) == (1397, 1395)
    assert catalogue.label(0) == "C'est beau de faire un Show — Henri Salvador"
    assert catalogue.genre_names == ("A Capella", "Alternative", "Country", "Movie", "R&B")
    assert catalogue.genres.sum() == 1397


def test_spotify_features__damaged_by_a_spreadsheet() -> None:
    catalogue = Catalogue.read(real_table("SpotifyFeatures_spreadsheet_damaged.csv"))
    report = catalogue.report
    assert (report.rows, len(catalogue)) == (19_829, 19_160)
    assert [(finding.what, finding.lines) for finding in report.dropped] == [("not 18 columns", (19_830,))]
    assert catalogue.names[1] == "Perdu d'avance (par Gad Elmaleh)"
    assert catalogue.artists[1] == "Martin & les fées"


def test_dataset__sample() -> None:
    catalogue = Catalogue.read(real_table("dataset_sample_886_rows.csv"))
    assert len(catalogue) == 886
    assert len(catalogue.genre_names) == 59
    assert any(";" in artists for artists in catalogue.artists)


def test_spotify_songs() -> None:
    catalogue = Catalogue.read(real_table("spotify_songs.csv"))
    assert (catalogue.report.rows, len(catalogue)) == (32_833, 28_356)
    assert catalogue.genre_names == ("edm", "latin", "pop", "r&b", "rap", "rock")
    assert np.mean(catalogue.genres.sum(axis=1) > 1) > 0.05


@pytest.mark.parametrize("duplicates", ["keep", "merge"])
def test_full_size_table(duplicates: str) -> None:
    catalogue = Catalogue.read(real_table("tracks_211871.csv"), duplicates=duplicates)
    assert len(catalogue) == {"keep": 211_871, "merge": 211_871 - 10_611}[duplicates]
    np.testing.assert_allclose(catalogue.features.mean(axis=0, dtype=np.float64), 0, atol=1e-4)
    np.testing.assert_allclose(catalogue.features.std(axis=0, dtype=np.float64), 1, atol=1e-4)
    if duplicates == "keep":
        assert np.isnan(catalogue.popularity).mean() == pytest.approx(0.69, abs=0.01)


FINGERPRINTS = {
    "SpotifyFeatures_first_1397_rows.csv": "4189327d52cca6ad8db9e8443b50923f",
    "SpotifyFeatures_spreadsheet_damaged.csv": "68637aba0b13f5b56b2f924d93f59e93",
    "dataset_sample_886_rows.csv": "c1c5425f992f3de7ed07defb38f53664",
    "spotify_songs.csv": "ba4ae95491e10de97cfffb679fcb6e7a",
    "tracks_211871.csv": "3df50a633c51223f642e082d0c921b89",
}


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_real_table__is_read_as_by_the_first_version(name: str) -> None:
    assert Catalogue.read(real_table(name)).fingerprint == FINGERPRINTS[name]
