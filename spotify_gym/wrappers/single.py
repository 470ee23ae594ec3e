"""The wrappers of single environments."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from spotify_gym.wrappers.choices import Coordinates, ProtoActions, dynamics_of, nearest_unplayed, with_mask_space


class NearestUnplayed(gym.ActionWrapper[Any, Any, Any], RecordConstructorArgs):
    """Play, instead of a track that may not be played again, its nearest unplayed neighbour by cosine.

    So learners that know no masks never lose to a repeat: SB3's DQN, PPO and A2C, QRDQN, CleanRL, tianshou, RLlib. The
    neighbour is exact; `info["track"]` says what was played. Where repeats are legal, nothing changes.

    Args:
        env: a single environment of this package, wrapped or not, whose actions are tracks.

    Raises:
        TypeError: another kind of environment.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._dynamics = dynamics_of(env, type(self))

    def action(self, action: Any) -> Any:
        """Return the track to play; what is no track is for the environment to refuse."""
        if not self.action_space.contains(action):
            return action
        sessions: Any = self.unwrapped.sessions  # type: ignore[attr-defined]
        return nearest_unplayed(self._dynamics, sessions, np.array([action], np.int64))[0]


class ProtoAction(gym.ActionWrapper[Any, Any, Any], RecordConstructorArgs):
    """Let actions be points in the space of the features; played is the best track for them that may be played.

    So continuous learners (PPO, SAC, TD3) work over any number of tracks as they are. From Dulac-Arnold et al. (2015,
    https://arxiv.org/abs/1512.07679), with the exact nearest track, and k = 1: no critic chooses among several.

    | `coordinates` | action | played is the track with the largest |
    |---|---|---|
    | `"unit"` | `Box(-1, 1, (d,))`, the direction p of the track wanted | p·u, its unit features u |
    | `"unit+raw"` | `Box` of 2d numbers q, as wide as the catalogue | q·z − ‖z‖²/2, z = (1.5 u, x/3): nearest to q |

    The second also says how long the feature vector x is to be, which matters where a track moves the vibe for later.
    Points outside the box are taken as they are. Of equally good tracks the first is played; where everything was
    played, any.

    Args:
        env: a single environment of this package, wrapped or not, whose actions are tracks.
        coordinates: "unit" or "unit+raw".

    Raises:
        TypeError: another kind of environment.
        ValueError: other coordinates.
    """

    def __init__(self, env: gym.Env[Any, Any], coordinates: Coordinates = "unit") -> None:
        RecordConstructorArgs.__init__(self, coordinates=coordinates)
        super().__init__(env)
        self._proto = ProtoActions(dynamics_of(env, type(self)), coordinates)
        self.action_space = self._proto.space

    def action(self, action: Any) -> Any:
        """Return the track to play."""
        sessions: Any = self.unwrapped.sessions  # type: ignore[attr-defined]
        return self._proto.tracks(sessions, np.asarray(action)[None])[0]


class MaskObservation(gym.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """Put the mask of the tracks that may be played beside the observation, for those who look for it there.

    Observations become `Dict(observation=..., action_mask=Box(0, 1, (N,), int8))`; 1 is allowed. One number for each
    track: for small catalogues.

    Args:
        env: a single environment of this package, wrapped or not, whose actions are tracks.

    Raises:
        TypeError: another kind of environment.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        n_tracks = len(dynamics_of(env, type(self)).catalogue)
        self.observation_space = with_mask_space(env.observation_space, n_tracks)

    def observation(self, observation: Any) -> dict[str, NDArray[Any]]:
        """Add the mask."""
        mask: NDArray[np.bool_] = self.unwrapped.action_masks()  # type: ignore[attr-defined]
        return {"observation": observation, "action_mask": mask.astype(np.int8)}
