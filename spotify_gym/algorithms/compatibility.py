"""Compatibility of models and action spaces, and the protocol of action spaces whose actions have features.

The protocol is a `Discrete` space with any of these optional attributes; a space with none of them is an ordinary one.

    features         (n, d) float32, the features of each action; None, or a ValueError on access, if the space was
                     loaded from a file without its catalogue
    recordings       (n,) int64, the smallest action that counts as the same track, as all with exactly the same
                     features do; missing likewise
    feature_names    (d,) names of the features
    fingerprint      identity of the content: equal if and only if the actions are the same
    coordinates      identity of feature names and scaling: equal if two spaces measure their actions alike
    forbids_repeats  whether an action may be taken only once per episode

An observation space may have `blocks`: slices of length d that mark the vectors in feature space.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray


class BindingError(ValueError):
    """A model does not fit an action space."""


class Spaces(NamedTuple):
    """Observation and action space of an environment."""

    observation: spaces.Space[Any]
    action: spaces.Space[Any]

    @classmethod
    def of(cls, holder: Any) -> Self:
        """Return the spaces of an environment, a policy or a model."""
        return cls(holder.observation_space, holder.action_space)


def features_of(space: spaces.Space[Any]) -> NDArray[np.float32]:
    """Return the (n, d) features of the actions.

    Raises:
        BindingError: the space was loaded from a file, which stores no features.
    """
    features: NDArray[np.float32] | None = getattr(space, "features", None)
    if features is None:
        raise BindingError("this model was loaded without its catalogue. Load it with `env=`, or `bind` it to a space")
    return features


def n_features_of(space: spaces.Space[Any]) -> int:
    """Return d, which is known even if the features are not loaded.

    Raises:
        BindingError: the actions of this space have no features.
    """
    n_features = _n_features(space)
    if not n_features:
        raise BindingError(
            f"CataloguePolicy needs features for the actions, and {space} has none; use MlpPolicy, "
            "or give the space `features` of shape (n, d)"
        )
    return n_features


def blocks_of(space: spaces.Space[Any]) -> tuple[slice, ...]:
    """Return the slices of an observation that are vectors in feature space; () if the space names none."""
    blocks: tuple[slice, ...] = getattr(space, "blocks", ())
    return blocks


def vectors_of(space: spaces.Space[Any], n_features: int) -> tuple[slice, ...]:
    """Return the slices of an observation that are vectors of d features.

    Raises:
        BindingError: the space names none, or one of another length.
    """
    blocks = blocks_of(space)
    if not blocks or any(block.stop - block.start != n_features for block in blocks):
        raise BindingError(
            f"this model needs vectors of {n_features} features, but the observation space has them at "
            f"{_places(blocks)}; choose a `state` with some, such as 'mean+history'; CataloguePolicy also "
            "works without them, with encoder='dense'"
        )
    return blocks


def recordings_of(space: spaces.Space[Any]) -> NDArray[np.int64]:
    """Return the smallest action with the same recording, for each action, (n,); itself if recordings are unknown."""
    assert isinstance(space, spaces.Discrete)
    recordings: NDArray[np.int64] | None = getattr(space, "recordings", None)
    return np.arange(space.n) if recordings is None else recordings


def fingerprint_of(space: spaces.Space[Any]) -> str | None:
    """Return the identity of the actions, or None if the space has none."""
    fingerprint: str | None = getattr(space, "fingerprint", None)
    return fingerprint


def check_same(trained: Spaces, offered: Spaces) -> None:
    """Check that the actions are those the model was trained on, since output i means track i of that catalogue.

    If neither space has a fingerprint, the spaces must be equal, as in SB3.

    Raises:
        BindingError: the catalogue or a space differs.
    """
    ours, theirs = fingerprint_of(trained.action), fingerprint_of(offered.action)
    if ours != theirs:
        raise BindingError(
            f"this model has one output per track of the catalogue it was trained on ({_size(trained.action)}, "
            f"fingerprint {ours}), and these tracks are different ({_size(offered.action)}, fingerprint {theirs}). "
            "Use that catalogue, or train a CataloguePolicy, which can play unseen tracks"
        )
    for kind, own, other in zip(Spaces._fields, trained, offered, strict=True):
        if own != other:
            raise BindingError(f"{kind} spaces do not match: the model was trained on {own}, and this is {other}")


def check_alike(trained: Spaces, offered: Spaces) -> None:
    """Check that features, scaling and observations match those of the training; the number of tracks may differ.

    Raises:
        BindingError: the features, the scaling or the state differ.
    """
    ours, theirs = (getattr(space.action, "coordinates", None) for space in (trained, offered))
    if ours != theirs or _n_features(trained.action) != _n_features(offered.action):
        raise BindingError(
            f"this model describes tracks by {_names(trained.action)} (coordinates {ours}), but these tracks are "
            f"described by {_names(offered.action)} (coordinates {theirs}). Use the scaling of the training catalogue, "
            "with the same features in the same order, or train a new model"
        )
    if trained.observation.shape != offered.observation.shape:
        raise BindingError(
            f"this model was trained on observations of shape {trained.observation.shape}, but these have "
            f"{offered.observation.shape}; make the environment with the same `state` as in training"
        )
    ours, theirs = blocks_of(trained.observation), blocks_of(offered.observation)
    if ours and theirs and ours != theirs:
        raise BindingError(
            f"this model was trained on observations with vectors of features at {_places(ours)}, but these have them "
            f"at {_places(theirs)}; make the environment with the same `state` as in training"
        )
    if theirs and not ours and _is_normalized(trained.observation, offered.observation):
        raise BindingError(
            "this model was trained on observations changed by a wrapper, such as Gymnasium's NormalizeObservation, "
            "but these are unchanged; wrap the environment as in training"
        )


def _is_normalized(space: spaces.Space[Any], other: spaces.Space[Any]) -> bool:
    """Return whether all dimensions share one lower bound, which is negative and not that of another space."""
    if not isinstance(space, spaces.Box) or not isinstance(other, spaces.Box) or np.array_equal(space.low, other.low):
        return False
    return bool((space.low == space.low.min()).all() and space.low.max() < 0)


def _size(space: spaces.Space[Any]) -> str:
    return f"{space.n} tracks" if isinstance(space, spaces.Discrete) else str(space)


def _places(blocks: tuple[slice, ...]) -> str:
    return ", ".join(f"{block.start}:{block.stop}" for block in blocks) or "no place"


def _n_features(space: spaces.Space[Any]) -> int:
    if names := getattr(space, "feature_names", ()):  # kept by a space loaded from a file
        return len(names)
    features = getattr(space, "features", None)
    return 0 if features is None else int(features.shape[1])


def _names(space: spaces.Space[Any]) -> str:
    return ", ".join(getattr(space, "feature_names", ())) or f"{_n_features(space)} features"
