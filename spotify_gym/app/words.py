"""What the audio features are called when one person explains a song to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FeatureWords:
    """Words for the two ends of a feature, and for having more or less of it than something else."""

    high: str
    low: str
    more: str
    less: str


_WORDS = {
    "acousticness": FeatureWords("acoustic", "electric", "more acoustic", "more electric"),
    "danceability": FeatureWords("danceable", "free-flowing", "more danceable", "less danceable"),
    "energy": FeatureWords("energetic", "calm", "more energetic", "calmer"),
    "instrumentalness": FeatureWords("instrumental", "sung", "more instrumental", "with more singing"),
    "liveness": FeatureWords("live", "studio-made", "more like a concert", "more like a studio"),
    "loudness": FeatureWords("loud", "quiet", "louder", "quieter"),
    "speechiness": FeatureWords("wordy", "melodic", "wordier", "more melodic"),
    "tempo": FeatureWords("fast", "slow", "faster", "slower"),
    "valence": FeatureWords("cheerful", "sombre", "more cheerful", "more sombre"),
}


def words_for(feature: str) -> FeatureWords:
    """Return the words for a feature; plain ones for a feature that no dictionary knows.

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


def signed(number: float) -> str:
    """Return a number with two decimals and a proper minus sign.

    >>> signed(-0.5)
    '−0.50'
    """
    return f"{number:.2f}".replace("-", "−")
