"""How tracks, features and numbers are worded on the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from spotify_gym.catalogue import Catalogue

_SHORT = 10  # characters of an id that stands for a title
_SPOTIFY_ID = re.compile(r"[0-9A-Za-z]{22}")


@dataclass(frozen=True)
class FeatureWords:
    """Words for the two ends of a feature, and for having more or less of it than something else."""

    high: str
    low: str
    more: str
    less: str
    unit: str = ""

    @property
    def measured(self) -> str:
        """The word for a high value, with its unit."""
        return f"{self.high} [{self.unit}]" if self.unit else self.high

    def end(self, standing: float) -> str:
        """Return the word for a value above or below the average."""
        return self.high if standing > 0 else self.low


_WORDS = {
    "acousticness": FeatureWords("acoustic", "electric", "more acoustic", "more electric"),
    "danceability": FeatureWords("danceable", "not for dancing", "more danceable", "less danceable"),
    "energy": FeatureWords("energetic", "calm", "more energetic", "calmer"),
    "instrumentalness": FeatureWords("instrumental", "sung", "more instrumental", "with more singing"),
    "liveness": FeatureWords("live", "studio-made", "more like a concert", "more like a studio"),
    "loudness": FeatureWords("loud", "quiet", "louder", "quieter", "dB"),
    "speechiness": FeatureWords("spoken", "hardly spoken", "more spoken", "less spoken"),
    "tempo": FeatureWords("fast", "slow", "faster", "slower", "BPM"),
    "valence": FeatureWords("cheerful", "sombre", "more cheerful", "more sombre"),
}


def words_for(feature: str) -> FeatureWords:
    """Return the words for a feature; generic ones for unknown features.

    >>> words_for("tempo").more, words_for("crunch").less
    ('faster', 'less crunch')
    """
    plain = FeatureWords(f"high in {feature}", f"low in {feature}", f"more {feature}", f"less {feature}")
    return _WORDS.get(feature, plain)


def listed(words: Sequence[str]) -> str:
    """Join words as in a sentence.

    >>> listed(["calm"]), listed(["calm", "slow", "sung"])
    ('calm', 'calm, slow and sung')
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def signed(number: float, decimals: int = 2) -> str:
    """Return a number with so many decimals and a proper minus sign.

    >>> signed(-0.5)
    '−0.50'
    """
    return f"{number:.{decimals}f}".replace("-", "−")


def title_of(catalogue: Catalogue, track: int) -> str:
    """Return the title of a track, or the beginning of its id where it has none."""
    track_id = catalogue.track_ids[track]
    return (catalogue.names[track] if catalogue.names else "") or (
        track_id if len(track_id) <= _SHORT else f"{track_id[:_SHORT]}…"
    )


def artists_of(catalogue: Catalogue, track: int) -> str:
    """Return the artists of a track, or nothing where they are unknown."""
    return catalogue.artists[track].replace(";", ", ") if catalogue.artists else ""


def spoken(catalogue: Catalogue, track: int) -> str:
    """Return title and artists of a track as spoken text."""
    artists = artists_of(catalogue, track)
    return title_of(catalogue, track) + (f" by {artists}" if artists else "")


def genres_of(catalogue: Catalogue, track: int) -> list[str]:
    """Return the genres of a track."""
    if catalogue.genres is None:
        return []
    return [name for name, member in zip(catalogue.genre_names, catalogue.genres[track], strict=True) if member]


def link_of(catalogue: Catalogue, track: int) -> str | None:
    """Return the track's Spotify link; None if the id is not one of Spotify's."""
    track_id = catalogue.track_ids[track]
    return f"https://open.spotify.com/track/{track_id}" if _SPOTIFY_ID.fullmatch(track_id) else None


def origin_of(catalogue: Catalogue) -> str:
    """Return a notice if the songs are invented or have no titles; else an empty text."""
    if catalogue.synthetic:
        return (
            f"These {len(catalogue):,} songs are invented and cannot be heard. "
            "For real ones: spotify-gym app --catalogue SpotifyFeatures.csv, or any other table of songs."
        )
    if catalogue.names is None:
        return f"{catalogue.source} has no titles, so songs are shown by the beginning of their ids."
    return ""
