"""Upper bound on the return: what nothing can exceed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotify_gym.session import SessionDynamics, SessionState


def upper_bound(dynamics: SessionDynamics, sessions: SessionState, n_tracks: int) -> NDArray[np.float64]:
    """Return more than can be earned in the next tracks, or just as much, whoever chooses them.

    The first track earns at most the best reward there is now. Each later track has at most

    - in "flow" the most there is, 1 − b: some vibe might suit it perfectly;
    - in "fit" its own, which no choice changes: all of them together at most the sum of the best distinct ones, or as
      many times the best one where repeats are legal;
    - in the listener's terms the most there is.

    Where chance decides what listeners do, the best reward now is only expected, and the first track is treated like
    the later ones.

    Args:
        dynamics: of the sessions.
        sessions: B sessions; they stay as they are.
        n_tracks: how many tracks are still to come, 1 or more.

    Returns:
        (B,).
    """
    rows = (sessions.take(np.array([row])) for row in range(len(sessions)))
    return np.array([_bound(dynamics, session, n_tracks) for session in rows])


def _bound(dynamics: SessionDynamics, session: SessionState, n_tracks: int) -> float:
    first = 0.0 if dynamics.is_stochastic else float(dynamics.expected_rewards(session).max())
    n_later = n_tracks if dynamics.is_stochastic else n_tracks - 1
    highest = {name: max(weight * b for b in dynamics.term_bounds[name]) for name, weight in dynamics.reward.items()}
    fit = _best_fits(dynamics, session, n_later) if highest.pop("fit", None) is not None else 0.0
    return first + n_later * sum(highest.values()) + fit


def _best_fits(dynamics: SessionDynamics, session: SessionState, n_tracks: int) -> float:
    """The most that so many tracks can have in "fit", weighted."""
    catalogue, weight = dynamics.catalogue, dynamics.reward["fit"]
    seed_vibe = session.seed_vibe[0].astype(np.float64)
    cosine = catalogue.unit_features @ (seed_vibe / max(float(np.linalg.norm(seed_vibe)), 1e-12))
    fits = weight * (cosine - dynamics.baseline)
    if dynamics.repeats:
        return n_tracks * float(fits.max())
    fits[dynamics.refused(session)[1]] = -np.inf
    first = catalogue.recordings == np.arange(len(catalogue))
    best = np.sort(fits[first & np.isfinite(fits)])[::-1][:n_tracks]
    lowest = min(weight * b for b in dynamics.term_bounds["fit"])  # what repeats earn, once nothing else is left
    return float(best.sum()) + (n_tracks - len(best)) * lowest
