"""How raw audio features become comparable numbers, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spotify_gym.catalogue.errors import CatalogueError
from spotify_gym.catalogue.tracks import read_only

ScalingKind: TypeAlias = Literal["standard", "minmax"]
MAX_MAGNITUDE = 1e12  # of a raw feature; variances of larger numbers are of no use


@dataclass(frozen=True, eq=False)
class Scaling:
    """The map ``(raw − centre) / scale`` of each feature, kept so that a new track is scaled as the old ones were.

    ``"standard"`` centres each feature on its mean and divides by its standard deviation; ``"minmax"`` brings it to
    [0, 1]. A constant feature has scale 1 and so becomes 0.
    """

    kind: ScalingKind
    centre: NDArray[np.float64]  # (d,)
    scale: NDArray[np.float64]  # (d,), > 0

    def __post_init__(self) -> None:
        check_kind(self.kind)
        object.__setattr__(self, "centre", read_only(self.centre, np.float64))
        object.__setattr__(self, "scale", read_only(self.scale, np.float64))
        if self.centre.ndim != 1 or self.centre.shape != self.scale.shape:
            raise CatalogueError(f"scaling: centre {self.centre.shape} and scale {self.scale.shape} must both be (d,).")
        if not ((np.abs(self.centre) <= MAX_MAGNITUDE) & (self.scale > 0) & (self.scale <= 2 * MAX_MAGNITUDE)).all():
            raise CatalogueError(f"scaling: each must be below {MAX_MAGNITUDE:g}, and every scale above 0.")

    @classmethod
    def fit(cls, raw: NDArray[np.float64], kind: str) -> Scaling:
        """Fit scikit-learn's ``StandardScaler`` or ``MinMaxScaler`` to raw features (n_tracks, d).

        Raises:
            CatalogueError: if ``kind`` is not known, or a feature is not a number of reasonable size.
        """
        check_kind(kind)
        if not raw.size or not (np.abs(raw) <= MAX_MAGNITUDE).all():
            raise CatalogueError(f"features must be finite numbers, at most {MAX_MAGNITUDE:g}, of at least one track.")
        from sklearn.preprocessing import MinMaxScaler, StandardScaler

        if kind == "standard":
            standard = StandardScaler().fit(raw)
            centre = np.where(raw.min(axis=0) == raw.max(axis=0), raw[0], standard.mean_)  # the mean is rounded
            return cls("standard", centre, standard.scale_)
        ranges = MinMaxScaler().fit(raw)
        return cls("minmax", ranges.data_min_, 1.0 / ranges.scale_)

    def apply(self, raw: ArrayLike) -> NDArray[np.float32]:
        """Scale raw features (..., d).

        Raises:
            CatalogueError: if they are not d features.
        """
        values = np.asarray(raw, dtype=np.float64)
        if values.shape[-1:] != self.centre.shape:
            raise CatalogueError(f"scaling {len(self.centre)} features, given an array of shape {values.shape}.")
        return ((values - self.centre) / self.scale).astype(np.float32)

    def undo(self, scaled: ArrayLike) -> NDArray[np.float64]:
        """Bring scaled features (..., d) back to raw ones, to the precision of float32."""
        return np.asarray(scaled, dtype=np.float64) * self.scale + self.centre

    def equals(self, other: Scaling) -> bool:
        """Say whether both scale every track alike."""
        return (
            self.kind == other.kind
            and np.array_equal(self.centre, other.centre)
            and np.array_equal(self.scale, other.scale)
        )


def check_kind(kind: str) -> ScalingKind:
    """Return ``kind`` if it names a scaling; raise `CatalogueError` otherwise."""
    if kind not in get_args(ScalingKind):
        raise CatalogueError(f'scaling={kind!r} is not known: it must be "standard", "minmax" or a Scaling.')
    return cast(ScalingKind, kind)
