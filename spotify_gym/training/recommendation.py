"""Recommendations of a trained model for a history of tracks."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm

from spotify_gym.algorithms.catalogue_policy import CatalogueQNetwork
from spotify_gym.algorithms.compatibility import n_features_of
from spotify_gym.algorithms.planning_policy import PlanningPolicy
from spotify_gym.algorithms.policies import MlpPolicy
from spotify_gym.catalogue import Catalogue, CatalogueError, units_of
from spotify_gym.catalogue.track_search import TrackSearch
from spotify_gym.session import SessionDynamics
from spotify_gym.session.options import check_whole
from spotify_gym.training.artifacts import Run
from spotify_gym.training.evaluation import proto_actions_of
from spotify_gym.training.vec_adapter import sessions_of

_SHOWN = 5  # tracks in a message


@dataclass(frozen=True)
class Suggestion:
    """A track to play next."""

    track: int
    track_id: str
    label: str
    """Title and artist, as far as known."""
    similarity: float
    """Cosine to the vibe of the history, in [-1, 1]."""
    value: float
    """Q-value: the discounted return that the model expects from here on if this track plays."""


def recommend(run: Run, history: Sequence[int], top: int = 10) -> list[Suggestion]:
    """Return the tracks with the highest value after a history, the best first, one version of each song not yet heard.

    Args:
        run: a trained model.
        history: indices of the last tracks heard, the oldest first, as many as the model was trained with.
        top: number of tracks.

    Raises:
        ValueError: too few or too many tracks in the history, or `top` below 1.
    """
    check_whole("top", top)
    if top < 1:
        raise ValueError(f"top={top} must be at least 1")
    env = sessions_of(run.config, run.catalogue, n_envs=1, whole=False, same="song").env
    observation, _ = env.reset(seed=0, options={"history": list(history)})
    tracks, values = best_tracks(run, env.dynamics, observation, env.sessions.played, top)
    catalogue = run.catalogue
    likeness = catalogue.unit_features[tracks] @ units_of(env.sessions.vibe[0])
    return [
        Suggestion(int(track), catalogue.track_ids[track], catalogue.label(track), float(similarity), float(value))
        for track, similarity, value in zip(tracks, likeness, values, strict=True)
    ]


def plans_of(run: Run, observation: NDArray[np.float32], played: NDArray[np.int64], before: Any = None) -> Any:
    """Return the plan of a model-based learner, as the `state` of its `predict`; None for other models.

    Args:
        run: a trained model.
        observation: observation of one session, (1, its width).
        played: (1, any) forbidden tracks.
        before: the state before the last track; None to start a new plan.
    """
    policy = run.model.policy
    if not isinstance(policy, PlanningPolicy):
        return None
    return policy.predict(observation, before, np.array([before is None]), played=played)[1]


def best_tracks(
    run: Run,
    dynamics: SessionDynamics,
    observation: NDArray[np.float32],
    played: NDArray[np.int64],
    k: int,
    plans: Any = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the tracks with the highest value, best first, one version of each, and their values.

    Args:
        run: a trained model.
        dynamics: dynamics of the session, which define what counts as a version.
        observation: observation of one session, (1, its width).
        played: (1, any) first versions of the tracks to exclude.
        k: number of tracks.
        plans: state of a model-based learner, see :func:`plans_of`; None to start a new plan.

    Returns:
        (k,) each, or fewer if fewer are left.
    """
    policy, versions = run.model.policy, dynamics.first_versions
    if isinstance(policy, PlanningPolicy):
        plan = None if plans is None else plans[0][0, plans[1][0] - 1 :]
        return policy.rank(observation, played, k, plan)
    if isinstance(run.model.action_space, Box):
        point, _ = run.model.predict(observation, deterministic=True)
        values, tracks = proto_actions_of(run.model, dynamics).largest(np.asarray(point, np.float32), k, played)
        return tracks[0][np.isfinite(values[0])], values[0][np.isfinite(values[0])]
    ranked = _by_values if isinstance(policy, MlpPolicy) else _by_scores
    return ranked(policy, versions, observation, played, k)


def _by_values(
    policy: Any, versions: NDArray[np.int64], observation: NDArray[np.float32], played: NDArray[np.int64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the best tracks of a Q-network, which is asked for more of them until k are versions of different ones."""
    heard = torch.as_tensor(np.flatnonzero(np.isin(versions, played))[None], device=policy.device)
    states, _ = policy.obs_to_tensor(observation)
    n_asked = min(k, len(versions))
    while True:
        with torch.no_grad():
            choice = policy.q_net.top_k(states, n_asked, heard)
        tracks, values = choice.actions[0].cpu().numpy(), choice.values[0].cpu().numpy()
        first = np.sort(np.unique(versions[tracks], return_index=True)[1])
        best = first[np.isfinite(values[first])][:k]
        if len(best) == k or len(tracks) < n_asked or n_asked == len(versions):
            return tracks[best], values[best]
        n_asked = min(4 * n_asked, len(versions))


def _by_scores(
    policy: Any, versions: NDArray[np.int64], observation: NDArray[np.float32], played: NDArray[np.int64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the best tracks and scores of a policy with one output per track: mean of quantiles, or logit."""
    states, _ = policy.obs_to_tensor(observation)
    with torch.no_grad():
        if hasattr(policy, "quantile_net"):
            scores = policy.quantile_net(states).mean(dim=1)[0].numpy()
        else:
            scores = policy.get_distribution(states).distribution.logits[0].numpy()
    scores[np.isin(versions, played) | (versions != np.arange(len(versions)))] = -np.inf
    best = np.argsort(-scores, kind="stable")[:k]
    best = best[np.isfinite(scores[best])]
    return best, scores[best]


def directions_of(model: BaseAlgorithm, observations: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the direction in unit feature space along which track values grow fastest, (B, d).

    With a fixed φ, a track's Q-value is the dot product of its unit features with this direction, plus v(s). None for
    models without such a direction.

    Args:
        model: a trained model.
        observations: observations of B sessions, (B, its width).
    """
    network = getattr(model.policy, "q_net", None)
    if not isinstance(network, CatalogueQNetwork):
        return None
    states, _ = model.policy.obs_to_tensor(observations)
    with torch.no_grad():
        directions: NDArray[np.float32] = network.encode(states)[0].cpu().numpy()
    return directions[:, : n_features_of(model.action_space)]


def find_tracks(catalogue: Catalogue, names: Sequence[str]) -> list[int]:
    """Return the indices of tracks by id, title or label ("Title — Artist"); commas separate several in one text.

    Raises:
        CatalogueError: no track or several tracks have a name; the message lists similar ones.
    """
    names = [names] if isinstance(names, str) else names
    search = cache(partial(TrackSearch, catalogue))  # created on first use: it reads all titles
    text = " ".join(" ".join(names).split())
    is_list = "," in text and (len(names) == 1 or any(name.endswith(",") for name in names[:-1]))
    if is_list and not _is_id(catalogue, text):
        names = next(csv.reader([text], skipinitialspace=True))
        if not _is_id(catalogue, names[0]) and catalogue.names is not None and len(search().named(text)):
            names = [text]  # a title with a comma in it
    return [_find_track(catalogue, name.strip(), search) for name in names]


def _is_id(catalogue: Catalogue, name: str) -> bool:
    try:
        return catalogue.index_of(name.strip()) >= 0
    except CatalogueError:
        return False


def _find_track(catalogue: Catalogue, name: str, searching: Callable[[], TrackSearch]) -> int:
    try:
        return catalogue.index_of(name)
    except CatalogueError:
        if catalogue.names is None:
            raise CatalogueError(f"no track has the id {name!r}, and {catalogue.source} has no titles") from None
    search = searching()
    found = search.named(name)
    if not len(found):
        near = search.find(name.partition(" — ")[0], most=_SHOWN)
        told = f"perhaps {_listed(catalogue, near)}" if len(near) else "nor is any title similar"
        raise CatalogueError(f"no track has the id or title {name!r}; {told}")
    if len(np.unique(catalogue.songs[found])) > 1:
        raise CatalogueError(f"{len(found)} tracks are called {name!r}; give the id: {_listed(catalogue, found)}")
    return int(found[0])


def _listed(catalogue: Catalogue, tracks: NDArray[np.int64]) -> str:
    shown = [f"{catalogue.label(i)} ({catalogue.track_ids[i]})" for i in tracks[:_SHOWN]]
    return ", ".join(shown) + (f" and {len(tracks) - _SHOWN} more" if len(tracks) > _SHOWN else "")
