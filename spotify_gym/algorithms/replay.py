"""Played tracks per session, and a replay buffer that stores them: a few ids instead of catalogue-wide masks.

An environment that forbids repeats reports `played`, the ids of the tracks heard so far in the session, in the `info`
of every step and reset. Here and in the replay buffer each session has a row of these ids, padded with NOTHING.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch as th
from numpy.typing import NDArray
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

Played = NDArray[np.int32]  # (n_sessions, width), padded with NOTHING
NOTHING = -1
State = tuple[NDArray[Any], ...] | None  # SB3's recurrent state, passed through `predict`


def played_of(infos: Sequence[dict[str, Any]]) -> Played | None:
    """Return the tracks played in each session, or None if no `info` has `played`, since repeats are then legal."""
    if not any("played" in info for info in infos):
        return None
    rows = [info.get("played", ()) for info in infos]
    played = np.full((len(rows), max(map(len, rows))), NOTHING, np.int32)
    for line, row in zip(played, rows, strict=True):
        line[: len(row)] = row
    return played


def played_next(
    infos: Sequence[dict[str, Any]], dones: NDArray[np.bool_], resets: Sequence[dict[str, Any]]
) -> Played | None:
    """Return the tracks played after a step, taken from the reset `info` for sessions that have restarted."""
    return played_of([reset if done else info for info, done, reset in zip(infos, dones, resets, strict=True)])


def chosen_since_start(state: State, episode_start: NDArray[np.bool_] | None, n_sessions: int) -> NDArray[np.int64]:
    """Return the tracks chosen in each session since its start, (n_sessions, width), padded with NOTHING.

    Args:
        state: state returned by `with_choice`; None if all sessions begin.
        episode_start: (n_sessions,) which sessions begin.
        n_sessions: number of sessions.

    Raises:
        ValueError: `state` or `episode_start` is for another number of sessions.
    """
    chosen = np.empty((n_sessions, 0), np.int64) if state is None else np.asarray(state[0])
    starts = np.zeros(n_sessions, np.bool_) if episode_start is None else np.atleast_1d(episode_start).astype(np.bool_)
    if chosen.ndim != 2 or {len(chosen), len(starts)} != {n_sessions}:
        raise ValueError(
            f"state {chosen.shape} and episode_start {starts.shape} do not match observations of {n_sessions} "
            "sessions; pass the state that the last call returned, and one episode_start each"
        )
    return np.where(starts[:, None], NOTHING, chosen)


def with_choice(chosen: NDArray[np.int64], actions: NDArray[np.int64]) -> State:
    """Return SB3's `state` with these actions appended, trimmed to the width of the longest session."""
    grown = np.column_stack([chosen, actions])
    return (grown[:, (grown != NOTHING).any(axis=0)],)


def draw_unplayed(rng: np.random.Generator, recordings: NDArray[np.int64], played: Played) -> NDArray[np.int64]:
    """Draw a track for each session, uniformly from the tracks of which no version was played.

    Args:
        rng: random generator.
        recordings: (n_tracks,) the smallest track with the same recording.
        played: (n_sessions, width) tracks played, padded with NOTHING.

    Raises:
        ValueError: a session has played every recording.
    """
    heard = np.where(played == NOTHING, NOTHING, recordings[played])
    tracks = rng.integers(len(recordings), size=len(heard))
    while (again := (recordings[tracks][:, None] == heard).any(axis=1)).any():
        _check_something_left(recordings, heard[again])
        tracks[again] = rng.integers(len(recordings), size=np.count_nonzero(again))
    return tracks


def _check_something_left(recordings: NDArray[np.int64], heard: NDArray[np.int64]) -> None:
    n_recordings = np.count_nonzero(recordings == np.arange(len(recordings)))
    if heard.shape[1] < n_recordings:
        return
    if any(len(np.unique(row[row != NOTHING])) == n_recordings for row in heard):
        raise ValueError(f"a session has played all {n_recordings} recordings of this catalogue; nothing is left")


class Batch(NamedTuple):
    """Transitions as `DQN.train` reads them: SB3's `ReplayBufferSamples`, with `played` of the next state."""

    observations: th.Tensor  # (batch, ...)
    actions: th.Tensor  # (batch, 1) int64
    next_observations: th.Tensor  # (batch, ...), n steps later
    dones: th.Tensor  # (batch, 1) 1.0 where the episode terminated; 0.0 where it was only truncated
    rewards: th.Tensor  # (batch, 1) discounted sum of n rewards
    discounts: th.Tensor | None  # (batch, 1) gamma to the number of steps summed; None: gamma
    played: th.Tensor | None = None  # (batch, width) int64, tracks forbidden in the next state, padded with -1


class PlayedReplayBuffer(NStepReplayBuffer):
    """SB3's n-step replay buffer, which also stores the tracks played before the next state.

    It stores their ids only, in rows as wide as the longest session so far, and only once an `info` has `played`. With
    `n_steps=1` it samples what SB3's `ReplayBuffer` samples. The arguments are those of `NStepReplayBuffer`.
    """

    def __init__(self, *args: Any, n_steps: int = 1, **kwargs: Any) -> None:
        super().__init__(*args, n_steps=n_steps, **kwargs)
        self.played: NDArray[np.int32] | None = None  # (rows, n_envs, width)

    def add(
        self,
        obs: NDArray[Any],
        next_obs: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        done: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        """Store one transition per environment, with the `played` of its `info`, if any."""
        row = self.pos
        super().add(obs, next_obs, action, reward, done, infos)
        self._keep(row, played_of(infos))

    def _keep(self, row: int, played: Played | None) -> None:
        if played is not None and (self.played is None or self.played.shape[2] < played.shape[1]):
            self.played = self._widened(played.shape[1])
        if self.played is not None:
            self.played[row] = NOTHING
        if self.played is not None and played is not None:
            self.played[row, :, : played.shape[1]] = played

    def _widened(self, width: int) -> NDArray[np.int32]:
        wider = np.empty((self.buffer_size, self.n_envs, width), np.int32)  # untouched rows cost no memory
        rows = self.size()
        wider[:rows] = NOTHING
        if self.played is not None:
            wider[:rows, :, : self.played.shape[2]] = self.played[:rows]
        return wider

    def _get_samples(self, batch_inds: NDArray[np.intp], env: VecNormalize | None = None) -> Batch:  # type: ignore[override]
        if self.played is None:
            return self._transitions(batch_inds, env)
        # SB3 draws the environments inside `_get_samples` without returning them. Draw them here from the same state of
        # the stream, then rewind it, so that SB3 draws the same ones.
        stream = np.random.get_state() if self.n_envs > 1 else None  # noqa: NPY002
        envs = np.random.randint(0, self.n_envs, size=len(batch_inds))  # noqa: NPY002
        if stream is not None:  # with one environment no random numbers are consumed
            np.random.set_state(stream)  # noqa: NPY002
        samples = self._transitions(batch_inds, env)
        played = self.played[self._last_rows(batch_inds, envs), envs]
        return samples._replace(played=self.to_torch(played.astype(np.int64)))

    def _transitions(self, batch_inds: NDArray[np.intp], env: VecNormalize | None) -> Batch:
        if self.n_steps > 1:
            return Batch(*super()._get_samples(batch_inds, env))
        samples = ReplayBuffer._get_samples(self, batch_inds, env)  # same result, but faster
        return Batch(*samples[:5], discounts=th.full_like(samples.rewards, self.gamma))

    def _last_rows(self, starts: NDArray[np.intp], envs: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the last row of each n-step transition, cut at the end of the episode and at the newest row."""
        rows = (starts[:, None] + np.arange(self.n_steps)) % self.buffer_size
        newest = (self.pos - 1) % self.buffer_size  # the row after it is the oldest one
        ends = (self.dones[rows, envs[:, None]] > 0) | (self.timeouts[rows, envs[:, None]] > 0) | (rows == newest)
        ends[:, -1] = True
        last: NDArray[np.intp] = rows[np.arange(len(rows)), ends.argmax(axis=1)]
        return last
