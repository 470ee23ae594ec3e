"""Many listening sessions as one Gymnasium vector environment, stepped together in NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from spotify_gym.session import kernels
from spotify_gym.session.options import EnvOptions, Source, check_whole, dynamics_from, history_of
from spotify_gym.session.shared import SharedEnv
from spotify_gym.session.spaces import TrackSpace, spaces_of
from spotify_gym.session.state import Bools, Floats, Ints, SessionState, StepResult
from spotify_gym.session.streams import KeyStream


class SpotifyVectorEnv(SharedEnv, VectorEnv[Floats, Ints, NDArray[Any]]):
    """B listening sessions at once; `gymnasium.make_vec(id, num_envs=B)` makes one.

    Equal, step for step and bit for bit, to the B single envs that `vectorization_mode="sync"` would make: slot i with
    seed s is the single env with seed s + i. Problem and arguments are those of
    :class:`~spotify_gym.session.env.SpotifyEnv`.

    `info` is that of the single env with the session as first axis, plus Gymnasium's mask `_entry` for each entry,
    which marks the sessions it applies to. With `AutoresetMode.SAME_STEP` an ended session restarts at once:
    `final_obs` and `final_info` hold the end of the sessions marked by `_final_obs` and `_final_info`, and everything
    else belongs to the new session. Rewards are float32.

    Args:
        num_envs: B.
        catalogue: as in the single env.
        max_episode_steps: tracks after which a session is truncated; None or -1: never. Set by the registration.
        autoreset_mode: a Gymnasium autoreset mode, as a value or by name.
        render_mode: None; a vector env does not render.
        played_width: as in the single env; by default H + `max_episode_steps`.
        info_texts: as in the single env.
        **options: those of the single env.
    """

    single_action_space: TrackSpace

    def __init__(
        self,
        num_envs: int = 1,
        *,
        catalogue: Source = "builtin",
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: None = None,
        played_width: int | None = None,
        info_texts: bool = False,
        **options: Unpack[EnvOptions],
    ) -> None:
        check_whole("num_envs", num_envs)
        if num_envs < 1:
            raise ValueError(f"num_envs={num_envs} must be at least 1")
        if render_mode is not None:
            raise ValueError(
                f"render_mode={render_mode!r}: vector environments cannot render; "
                'leave it out, or make_vec(id, vectorization_mode="sync", render_mode=...)'
            )
        self.num_envs = num_envs
        self.max_episode_steps = _length(max_episode_steps)
        self.autoreset_mode = _autoreset_mode(autoreset_mode)
        self.metadata = {"render_modes": [], "autoreset_mode": self.autoreset_mode}
        self.dynamics = dynamics_from(catalogue, options)
        self.single_observation_space, self.single_action_space = spaces_of(self.dynamics)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._info_texts, self._width_given = info_texts, played_width
        self._make_room(self.max_episode_steps)
        self._ended = np.zeros(num_envs, np.bool_)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, dict[str, Any]]:
        """Begin all sessions, or those of `options["reset_mask"]`.

        Args:
            seed: seed of slot 0; slot i gets seed + i. Or one seed per slot.
            options: `history`: (H,) for all sessions, or (B, H); `reset_mask`: (B,) which sessions to begin again.

        Returns:
            Observations (B, k) and `info`.
        """
        options = dict(options or {})
        chosen = self._chosen(options.pop("reset_mask", None))
        rows = np.flatnonzero(chosen)
        if seed is not None or self.keys is None:
            super().reset(seed=int(seed) if isinstance(seed, (int, np.integer)) else None)
            self.keys = KeyStream.seeded(seed, self.num_envs)
        sessions = self._begin(rows, history_of(options, self.dynamics, len(rows)))
        self._ended[rows] = False
        info = self._describe(np.full(self.num_envs, -1), self.dynamics.no_step(self.num_envs))
        return self.dynamics.observe(sessions), _masked(info, chosen.copy())

    def step(self, actions: Ints) -> tuple[Floats, Floats, Bools, Bools, dict[str, Any]]:
        """Play one track in each session.

        Args:
            actions: (B,) track indices.

        Returns:
            Observations (B, k), rewards (B,), terminated (B,), truncated (B,) and `info`.

        Raises:
            gymnasium.error.InvalidAction: the actions are not B integers in [0, N).
            gymnasium.error.ResetNeeded: before the first reset, or if an ended session must be reset by the caller.
            ValueError: a session would exceed `played_width`.
        """
        tracks, sessions, (restarts,) = self.tracks_of(actions), self.sessions, self._ended.nonzero()
        self._check_steps(sessions, restarts)
        result = self.dynamics.step(sessions, tracks)
        truncated = sessions.time >= (2**62 if self.max_episode_steps is None else self.max_episode_steps)
        if len(restarts):  # the action of an ended session only starts the next one
            self._begin(restarts)
            kernels.blank(tracks, result.numbers, result.flags, restarts)
            truncated[restarts] = False
        done = result.left | truncated
        observations = self.dynamics.observe(sessions) if result.seen is None or len(restarts) else result.seen
        info = self._describe(tracks, result)
        if self.autoreset_mode == AutoresetMode.SAME_STEP and done.any():
            final = {"final_obs": observations, "final_info": _masked(info, done)}
            (restarts,) = done.nonzero()
            self._begin(restarts)
            begun = self.dynamics.no_step(self.num_envs)
            begun.numbers[:], begun.flags[:] = result.numbers, result.flags
            tracks = tracks.copy()
            kernels.blank(tracks, begun.numbers, begun.flags, restarts)
            info = self._describe(tracks, begun)
            observations = self.dynamics.observe(self.sessions)
            return (
                observations,
                result.reward,
                result.left,
                truncated,
                _masked(info, np.ones(self.num_envs, np.bool_)) | _masked(final, done),
            )
        self._ended = done
        return observations, result.reward, result.left, truncated, _masked(info, np.ones(self.num_envs, np.bool_))

    def action_masks(self) -> Bools:
        """Return which tracks each session may play now, (B, N); all of them where repeats are legal."""
        return self.dynamics.allowed(self.sessions)

    def tracks_of(self, actions: Any) -> Ints:
        """Return the actions, integers of any type, as indices of tracks, (B,), in a new array.

        Raises:
            gymnasium.error.InvalidAction: they are not B integers in [0, N).
        """
        tracks = _array(actions)
        if tracks.shape != (self.num_envs,) or tracks.dtype.kind not in "iu":
            raise InvalidAction(
                f"actions must be {self.num_envs} integers, one track per session; got {tracks.dtype} {tracks.shape}"
            )
        indices = tracks.astype(np.int64)
        if indices.view(np.uint64).max() >= len(self.catalogue):  # a negative number looks large
            wrong = tracks[(tracks < 0) | (tracks >= len(self.catalogue))][0]
            raise InvalidAction(
                f"action {wrong} is not a track of this catalogue; choose from 0 to {len(self.catalogue) - 1}"
            )
        return indices

    def _chosen(self, mask: Any) -> Bools:
        """Return which sessions to begin, (B,)."""
        if mask is None:
            return np.ones(self.num_envs, np.bool_)
        chosen = _array(mask)
        if chosen.shape != (self.num_envs,) or chosen.dtype != np.bool_ or not chosen.any():
            raise ValueError(
                f"options['reset_mask'] must be {self.num_envs} booleans, at least one of them True; "
                f"got {chosen.dtype} {chosen.shape}"
            )
        if self._sessions is None and not chosen.all():
            raise ResetNeeded("call reset() without `reset_mask` first")
        return chosen

    def _check_steps(self, sessions: SessionState, ended: NDArray[np.intp]) -> None:
        """Raise an error if a session cannot take a step; the sessions are not modified."""
        if len(ended) and self.autoreset_mode == AutoresetMode.DISABLED:
            raise ResetNeeded(f"sessions {ended.tolist()} are over; reset them with `reset_mask`")
        may_outgrow = self.max_episode_steps is None or self.max_episode_steps > self._room
        if may_outgrow and (sessions.time[~self._ended] >= self._room).any():
            self._refuse_more()

    def _describe(self, tracks: Ints, result: StepResult) -> dict[str, NDArray[Any]]:
        """Return `info` of all sessions; sessions that just began have track -1, numbers 0 and flags False."""
        sessions, ids = self.sessions, self.catalogue.track_ids
        info: dict[str, NDArray[Any]] = {
            "track": tracks,
            "cosine": result.cosine,
            "repeat": result.repeat,
            "completed": result.completed,
            "history": sessions.history.copy(),
            "end": result.left.astype(np.int64),
            **result.terms,
        }
        if not self.dynamics.repeats:
            info["played"] = sessions.played.copy()[:, : self.played_width]  # copying whole rows is faster
        if self._info_texts:
            info["track_id"] = np.array([ids[i] if i >= 0 else "" for i in tracks.tolist()], object)
            heard = [ids[i] for i in sessions.history.ravel().tolist()]
            info["history_ids"] = np.array(heard, object).reshape(sessions.history.shape)
        return info


def _length(max_episode_steps: object) -> int | None:
    if max_episode_steps in (None, -1):
        return None
    if not isinstance(max_episode_steps, (int, np.integer)) or max_episode_steps < 1:
        raise ValueError(f"max_episode_steps={max_episode_steps!r} must be 1 or more, or -1 for no limit")
    return int(max_episode_steps)


def _autoreset_mode(mode: object) -> AutoresetMode:
    for known in AutoresetMode:
        if mode in (known, known.name, known.value):
            return known
    raise ValueError(f"autoreset_mode={mode!r} is not one of {[known.value for known in AutoresetMode]}")


def _masked(info: Mapping[str, Any], rows: Bools) -> dict[str, Any]:
    """Add Gymnasium's mask `rows`, (B,), for each entry; all entries share one array."""
    return {**info, **dict.fromkeys(["_" + name for name in info], rows)}


def _array(values: Any) -> NDArray[Any]:
    """Return values as an array; an array of shape () if NumPy cannot convert them, as with ragged rows."""
    try:
        return np.asarray(values)
    except (ValueError, TypeError):
        return np.array(None)
