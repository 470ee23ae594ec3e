"""Scaling of raw audio features to comparable ranges, and its inverse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spotify_gym.catalogue.report import CatalogueError
from spotify_gym.catalogue.tracks import read_only

ScalingKind: TypeAlias = Literal["standard", "minmax"]
MAX_MAGNITUDE = 1e12  # of a feature; the variance of larger numbers is of no use
_EPS = np.finfo(np.float64).eps


@dataclass(frozen=True, eq=False)
class Scaling:
    """A linear scaling of each feature, ``(raw − centre) / scale``, stored so that new tracks are scaled alike.

    ``"standard"`` centres each feature on its mean and divides it by its standard deviation; ``"minmax"`` maps it to
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
        """Fit to raw features (n_tracks, d), bit-identical to scikit-learn's ``StandardScaler`` or ``MinMaxScaler``.

        Raises:
            CatalogueError: if ``kind`` is unknown, there is no track, or a feature is not a number up to ±1e12.
        """
        check_kind(kind)
        if not raw.size or not (np.abs(raw) <= MAX_MAGNITUDE).all():
            raise CatalogueError(f"features must be finite numbers, at most {MAX_MAGNITUDE:g}, of at least one track.")
        low, high, n = raw.min(axis=0), raw.max(axis=0), len(raw)
        if kind == "minmax":
            return cls("minmax", low, 1 / (1 / np.where(high - low < 10 * _EPS, 1, high - low)))
        mean = raw.sum(axis=0) / n
        off = raw - mean
        rounded_by = off.sum(axis=0) ** 2 / n  # corrects for the rounding error of the mean
        variance = ((off**2).sum(axis=0) - rounded_by) / n
        is_constant = variance <= n * _EPS * variance + (n * mean * _EPS) ** 2
        return cls("standard", np.where(low == high, low, mean), np.where(is_constant, 1, np.sqrt(variance)))

    def apply(self, raw: ArrayLike) -> NDArray[np.float32]:
        """Scale raw features (..., d).

        Raises:
            CatalogueError: if the last axis is not of length d.
        """
        values = np.asarray(raw, dtype=np.float64)
        if values.shape[-1:] != self.centre.shape:
            raise CatalogueError(f"scaling expects {len(self.centre)} features; got shape {values.shape}.")
        return ((values - self.centre) / self.scale).astype(np.float32)

    def undo(self, scaled: ArrayLike) -> NDArray[np.float64]:
        """Return the raw features (..., d) of scaled ones, to the precision of float32."""
        return np.asarray(scaled, dtype=np.float64) * self.scale + self.centre

    @property
    def plain(self) -> dict[str, Any]:
        """The fields as JSON values; `Scaling(**plain)` makes the scaling again."""
        return {"kind": self.kind, "centre": self.centre.tolist(), "scale": self.scale.tolist()}

    def equals(self, other: Scaling) -> bool:
        """Return whether both have the same kind, centre and scale."""
        return self.plain == other.plain


def check_kind(kind: str) -> ScalingKind:
    """Return ``kind`` if it names a scaling; raise `CatalogueError` otherwise."""
    if kind not in get_args(ScalingKind):
        raise CatalogueError(f'scaling={kind!r} is not known: it must be "standard", "minmax" or a Scaling.')
    return cast(ScalingKind, kind)
