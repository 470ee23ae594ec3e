from __future__ import annotations

import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.app.explanation import Profile, balance, differences, explain
from spotify_gym.app.words import words_for
from spotify_gym.catalogue import FEATURE_NAMES


@pytest.fixture
def profile() -> Profile:
    """Features of mean 0 and standard deviation 1, spread evenly between −2 and 2."""
    d = len(FEATURE_NAMES)
    quantiles = np.tile(np.linspace(-2, 2, 101, dtype=np.float32)[:, None], d)
    return Profile(
        FEATURE_NAMES,
        np.stack([point(energy=2), point(valence=1)]),
        np.zeros(d, np.float32),
        np.ones(d, np.float32),
        quantiles,
    )


def point(**features: float) -> np.ndarray:
    return np.array([features.get(name, 0.0) for name in FEATURE_NAMES], np.float32)


def test_explain__divides_the_similarity_among_the_features(profile: Profile) -> None:
    reason = explain(profile, point(energy=3, tempo=4), point(energy=4, tempo=3))
    assert reason.similarity == pytest.approx(24 / 25)
    assert reason.shares.sum() == pytest.approx(reason.similarity)
    assert reason.shares[FEATURE_NAMES.index("energy")] == pytest.approx(12 / 25)


def test_explain__says_it_in_words(profile: Profile) -> None:
    loud = explain(profile, point(energy=1, loudness=1), point(energy=1.2, loudness=3))
    assert str(loud) == "Loud and energetic, like your vibe; even louder."
    led = explain(profile, point(energy=-1, tempo=-0.2), point(energy=-1, valence=2))
    assert str(led) == "Calm, like your vibe; more cheerful."
    assert str(explain(profile, point(energy=1), point(energy=-1))) == "Little in common with your vibe; calmer."


def test_balance__says_what_speaks_for_and_against(profile: Profile) -> None:
    said = balance(profile, 0, 1, point(energy=0.25, valence=-0.125))
    assert said == ("For it: more energetic (+0.250). Against it: more sombre (−0.125).")
    assert balance(profile, 0, 1, point()) == ""


def test_explain__has_nothing_to_say_of_nothing(profile: Profile) -> None:
    reason = explain(profile, point(), point(energy=0.5))
    assert reason.similarity == 0
    assert str(reason) == "Little in common with your vibe."


def test_differences__leave_out_what_is_close(profile: Profile) -> None:
    assert differences(profile, point(), point(energy=0.5)) == []
    assert differences(profile, point(), point(energy=-1, tempo=1.5, valence=9)) == ["more cheerful", "faster"]


def test_profile__counts_the_share_below(profile: Profile) -> None:
    assert profile.share_below(point(energy=1))[FEATURE_NAMES.index("energy")] == pytest.approx(0.75, abs=0.01)
    assert profile.share_below(point(energy=99))[FEATURE_NAMES.index("energy")] == 1
    assert profile.describe(point(energy=-2, tempo=1, valence=0.1)) == ["calm", "fast"]


def test_profile__measures_a_catalogue(small: Catalogue) -> None:
    profile = Profile.of(small)
    np.testing.assert_allclose(profile.standing(small.features.mean(axis=0)), 0, atol=1e-5)
    shares = np.array([profile.share_below(track) for track in small.features])
    np.testing.assert_allclose(shares.mean(axis=0), 0.5, atol=0.02)


def test_words__exist_for_every_feature_and_for_strangers() -> None:
    assert len({words_for(name).high for name in FEATURE_NAMES}) == len(FEATURE_NAMES)
    assert words_for("crunch").high == "high in crunch"
