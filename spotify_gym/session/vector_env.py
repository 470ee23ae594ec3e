"""Many listening sessions as one Gymnasium vector environment, stepped together in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, Unpack

import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from spotify_gym.catalogue import Catalogue
from spotify_gym.session.dynamics import SessionDynamics
from spotify_gym.session.options import EnvOptions, Source, history_of, make_dynamics
from spotify_gym.session.spaces import spaces_of
from spotify_gym.session.state import Bools, Floats, Ints, SessionState, StepResult
from spotify_gym.session.streams import KeyStream


class SpotifyVectorEnv(VectorEnv[Floats, Ints, NDArray[Any]]):
    """B listening sessions at once; `gymnasium.make_vec(id, num_envs=B)` makes one.

    Step for step and bit for bit the B single envs that `vectorization_mode="sync"` would make: slot i of seed s is the
    single env of seed s + i. Problem and arguments are those of :class:`~spotify_gym.session.env.SpotifyEnv`.

    `info` holds arrays with the session as first axis: `track`, `cosine`, `repeat`, `completed`, each reward term by
    name, and `played`, (B, L), where repeats are forbidden. With `AutoresetMode.SAME_STEP` an ended session restarts
    at once: `final_obs` and `final_info` keep the end of the sessions that `_final_obs` and `_final_info` mark, and
    `played` is that of the new session. Rewards are float32.

    Args:
        num_envs: B.
        max_episode_steps: tracks after which a session is truncated; the registration gives it.
        autoreset_mode: Gymnasium's, as a value or by name.
        catalogue: what can be played, as in the single env.
        **problem: the options of the single env.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        catalogue: Source = "builtin",
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: None = None,
        **problem: Unpack[EnvOptions],
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs={num_envs} must be at least 1")
        self.num_envs = num_envs
        self.max_episode_steps = max_episode_steps
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {"render_modes": [], "autoreset_mode": self.autoreset_mode}
        self.render_mode = render_mode
        self.dynamics: SessionDynamics = make_dynamics(catalogue, **problem)
        self.single_observation_space, self.single_action_space = spaces_of(self.dynamics)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.keys: KeyStream | None = None
        """What the randomness of each session comes from; None before the first reset."""
        self._sessions: SessionState | None = None
        self._ended = np.zeros(num_envs, np.bool_)

    @property
    def catalogue(self) -> Catalogue:
        """What can be played."""
        return self.dynamics.catalogue

    @property
    def rules(self) -> NoReturn:
        """Say the new name."""
        raise AttributeError("`rules` is now called `dynamics`")

    @property
    def sessions(self) -> SessionState:
        """The state of all sessions.

        Raises:
            gymnasium.error.ResetNeeded: there is none before the first reset.
        """
        if self._sessions is None:
            raise ResetNeeded("call reset() before step()")
        return self._sessions

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, dict[str, Any]]:
        """Begin all sessions, or those of `options["reset_mask"]`.

        Args:
            seed: of slot 0; slot i gets seed + i. Or one seed per slot.
            options: `history`: H tracks for all sessions or (B, H); `reset_mask`: (B,) which sessions to begin again.

        Returns:
            Observations (B, k) and `info`.
        """
        options = dict(options or {})
        mask = options.pop("reset_mask", None)
        if seed is not None or self.keys is None:
            self.keys = KeyStream.seeded(seed, self.num_envs)
        rows = np.arange(self.num_envs) if mask is None else self._rows(mask)
        history = history_of(options, self.dynamics, len(rows))
        fresh = self.dynamics.start(self.keys.next(rows), history)
        if mask is None or self._sessions is None:
            self._sessions = fresh
        else:
            self._sessions.put(rows, fresh)
        self._ended[rows] = False
        return self.dynamics.observe(self.sessions), self._played()

    def step(self, actions: Ints) -> tuple[Floats, Floats, Bools, Bools, dict[str, Any]]:
        """Play one track in each session.

        Args:
            actions: (B,) track indices.

        Returns:
            Observations (B, k), rewards (B,), terminated (B,), truncated (B,) and `info`.

        Raises:
            gymnasium.error.InvalidAction: the actions are not B integers in [0, N).
            gymnasium.error.ResetNeeded: before the first reset, or where an ended session was to be reset by hand.
        """
        tracks, sessions = self._tracks(actions), self.sessions
        restarts = self._ended
        if restarts.any() and self.autoreset_mode == AutoresetMode.DISABLED:
            raise ResetNeeded(f"sessions {np.flatnonzero(restarts).tolist()} have ended; reset them by `reset_mask`")
        outcome = self.dynamics.step(sessions, tracks)
        reward, terminated = outcome.reward, outcome.left
        truncated = self._truncated(sessions)
        info = self._info(tracks, outcome)
        if restarts.any():  # the action of an ended session only starts the next one
            self._restart(np.flatnonzero(restarts))
            for values in (reward, terminated, truncated, *info.values()):
                values[restarts] = 0
        done = terminated | truncated
        observations = self.dynamics.observe(sessions)
        info |= self._played()
        if self.autoreset_mode != AutoresetMode.SAME_STEP:
            self._ended = done
        elif done.any():
            info |= {"final_obs": observations, "_final_obs": done, "final_info": info.copy(), "_final_info": done}
            self._restart(np.flatnonzero(done))
            observations = self.dynamics.observe(sessions)
            info |= self._played()
        return observations, reward, terminated, truncated, info

    def action_masks(self) -> Bools:
        """Return which tracks each session may play now, (B, N); all of them where repeats are legal."""
        return self.dynamics.allowed(self.sessions)

    def _rows(self, mask: Any) -> NDArray[np.intp]:
        chosen = _array(mask)
        if chosen.shape != (self.num_envs,) or chosen.dtype != np.bool_:
            raise ValueError(
                f"options['reset_mask'] must be {self.num_envs} times True or False; got {chosen.dtype} {chosen.shape}"
            )
        return np.flatnonzero(chosen)

    def _tracks(self, actions: Ints) -> Ints:
        tracks = _array(actions)
        if tracks.shape != (self.num_envs,) or tracks.dtype.kind not in "iu":
            raise InvalidAction(
                f"actions must be {self.num_envs} integers, one track per session; got {tracks.dtype} {tracks.shape}"
            )
        if tracks.min() < 0 or tracks.max() >= len(self.catalogue):
            wrong = tracks[(tracks < 0) | (tracks >= len(self.catalogue))][0]
            raise InvalidAction(
                f"action {wrong} is no track of this catalogue; choose from 0 to {len(self.catalogue) - 1}"
            )
        return tracks.astype(np.int64, copy=False)

    def _truncated(self, sessions: SessionState) -> Bools:
        if self.max_episode_steps is None:
            return np.zeros(self.num_envs, np.bool_)
        return sessions.time >= self.max_episode_steps

    def _restart(self, rows: NDArray[np.intp]) -> None:
        assert self.keys is not None  # a session has begun
        self.sessions.put(rows, self.dynamics.start(self.keys.next(rows)))

    def _info(self, tracks: Ints, outcome: StepResult) -> dict[str, Any]:
        return {
            "track": tracks.copy(),
            "cosine": outcome.cosine,
            "repeat": outcome.repeat,
            "completed": outcome.completed,
            **outcome.terms,
        }

    def _played(self) -> dict[str, Any]:
        return {} if self.dynamics.repeats else {"played": self.sessions.played.copy()}


def _array(values: Any) -> NDArray[Any]:
    """Return values as an array, of no shape where they are none: rows of different lengths, say."""
    try:
        return np.asarray(values)
    except (ValueError, TypeError):
        return np.array(None)
